"""The table of fields of an answer of Anthropic Messages, in one piece and as a stream.

Source: types of the `anthropic` package 2.13 (`tests/pep/test_coverage_matrix.py` compares).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from countermark.pep.anthropic_fields import (
    CITATION,
    PROVIDER_BLOCKS,
    REDACTED_BLOCK,
    TEXT_BLOCK,
    THINKING_BLOCK,
    TOOL_USE_BLOCK,
)
from countermark.pep.fields import COUNT, NUMBER, TEXT, TREE, ByTag, ListOf, Object, Shape, reference, words
from countermark.pep.inline import sealed

_ASKED_NOT: Final = "the request can't have asked for it; the upstream does something that was not decided"

_ANSWER_BLOCK: Final = ByTag(
    tag="type",
    members={
        "text": TEXT_BLOCK,
        "thinking": THINKING_BLOCK,
        "redacted_thinking": REDACTED_BLOCK,
        "tool_use": TOOL_USE_BLOCK,
        "container_upload": reference(_ASKED_NOT),
        **{kind: reference(_ASKED_NOT) for kind in PROVIDER_BLOCKS},
    },
)
_STOP_REASON: Final = words(
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)
_STOP_FIELDS: Final[Mapping[str, Shape]] = {
    "container": reference(_ASKED_NOT),
    "stop_details": Object(
        fields={
            "type": words("refusal"),
            "category": words("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"),
            "explanation": TEXT,
        }
    ),
    "stop_reason": _STOP_REASON,
    "stop_sequence": TEXT,
}
_USAGE: Final = Object(
    fields={
        "cache_creation": Object(
            fields={"ephemeral_1h_input_tokens": NUMBER, "ephemeral_5m_input_tokens": NUMBER}
        ),
        "cache_creation_input_tokens": NUMBER,
        "cache_read_input_tokens": NUMBER,
        "inference_geo": TEXT,
        "input_tokens": NUMBER,
        "output_tokens": NUMBER,
        "output_tokens_details": Object(fields={"thinking_tokens": NUMBER}),
        "server_tool_use": Object(fields={"web_fetch_requests": NUMBER, "web_search_requests": NUMBER}),
        "service_tier": words("standard", "priority", "batch"),
        "speed": words("standard", "fast"),
    }
)


def _missed(kind: str) -> Object:
    return Object(fields={"type": words(kind), "cache_missed_input_tokens": NUMBER})


ANSWER: Final[Shape] = Object(
    fields={
        "id": TEXT,
        "type": words("message"),
        "role": words("assistant"),
        "model": TEXT,
        "content": ListOf(item=_ANSWER_BLOCK),
        "diagnostics": Object(
            fields={
                "cache_miss_reason": ByTag(
                    tag="type",
                    members={
                        kind: _missed(kind)
                        for kind in (
                            "model_changed",
                            "system_changed",
                            "tools_changed",
                            "messages_changed",
                            "previous_message_not_found",
                            "unavailable",
                        )
                    },
                )
            }
        ),
        "usage": _USAGE,
        **_STOP_FIELDS,
    },
    required=("content",),
)


def _event(kind: str, required: tuple[str, ...] = (), /, **fields: Shape) -> Object:
    return Object(fields={"type": words(kind), **fields}, required=required)


EVENT: Final[Shape] = ByTag(
    tag="type",
    members={
        "message_start": _event("message_start", ("message",), message=ANSWER),
        "message_delta": _event("message_delta", ("delta",), delta=Object(fields=_STOP_FIELDS), usage=_USAGE),
        "message_stop": _event("message_stop"),
        "content_block_start": _event(
            "content_block_start", ("index", "content_block"), index=COUNT, content_block=_ANSWER_BLOCK
        ),
        "content_block_delta": _event(
            "content_block_delta",
            ("index", "delta"),
            index=COUNT,
            delta=ByTag(
                tag="type",
                members={
                    "text_delta": Object(fields={"type": words("text_delta"), "text": TEXT}),
                    "input_json_delta": Object(
                        fields={"type": words("input_json_delta"), "partial_json": TEXT}
                    ),
                    "citations_delta": Object(
                        fields={"type": words("citations_delta"), "citation": CITATION}
                    ),
                    "thinking_delta": Object(fields={"type": words("thinking_delta"), "thinking": TEXT}),
                    "signature_delta": Object(
                        fields={"type": words("signature_delta"), "signature": sealed("thinking-signature")}
                    ),
                },
            ),
        ),
        "content_block_stop": _event("content_block_stop", ("index",), index=COUNT),
        "ping": _event("ping"),
        "error": _event("error", ("error",), error=TREE, request_id=TEXT),
    },
)
