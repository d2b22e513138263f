"""The table of fields of a request to Anthropic Messages; `anthropic_answer.py` holds that of answer and stream.

Source: types of the `anthropic` package 2.13 (`tests/pep/test_coverage_matrix.py` compares).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from countermark.pep.fields import (
    FLAG,
    NAME,
    NUMBER,
    TEXT,
    TREE,
    ByJson,
    ByTag,
    ListOf,
    MapOf,
    Object,
    Shape,
    reference,
    words,
)
from countermark.pep.inline import base64_of, sealed

_INLINE: Final = (
    "what an id or address stands for is not seen at use; put the content inline into the message"
)
_AT_PROVIDER: Final = "it executes at the provider, unseen; offer a tool that the client executes"
_EARLIER: Final = "it belongs to a tool that executed at the provider, unseen; leave the block out"

_CACHE: Final = Object(fields={"type": words("ephemeral"), "ttl": words("5m", "1h")})
_CITED: Final[Mapping[str, Shape]] = {
    "cited_text": TEXT,
    "document_index": NUMBER,
    "document_title": TEXT,
    "file_id": TEXT,
    "title": TEXT,
}


def _citation(kind: str, **fields: Shape) -> Object:
    return Object(fields={"type": words(kind), **_CITED, **fields})


CITATION: Final = ByTag(
    tag="type",
    members={
        "char_location": _citation("char_location", start_char_index=NUMBER, end_char_index=NUMBER),
        "page_location": _citation("page_location", start_page_number=NUMBER, end_page_number=NUMBER),
        "content_block_location": _citation(
            "content_block_location", start_block_index=NUMBER, end_block_index=NUMBER
        ),
        "web_search_result_location": _citation(
            "web_search_result_location", encrypted_index=sealed("search-result"), url=TEXT
        ),
        "search_result_location": _citation(
            "search_result_location",
            start_block_index=NUMBER,
            end_block_index=NUMBER,
            search_result_index=NUMBER,
            source=TEXT,
        ),
    },
)
TEXT_BLOCK: Final = Object(
    fields={
        "type": words("text"),
        "text": TEXT,
        "cache_control": _CACHE,
        "citations": ListOf(item=CITATION),
    },
    required=("text",),
)
_URL_SOURCE: Final = reference("a URL is fetched elsewhere, unseen; send the content inline")
_IMAGE_BLOCK: Final = Object(
    fields={
        "type": words("image"),
        "source": ByTag(
            tag="type",
            members={
                "base64": Object(
                    fields={
                        "type": words("base64"),
                        "data": base64_of("image/*"),
                        "media_type": words("image/jpeg", "image/png", "image/gif", "image/webp"),
                    },
                    required=("data",),
                ),
                "url": _URL_SOURCE,
                "file": reference(_INLINE),
            },
        ),
        "cache_control": _CACHE,
        "transformations": Object(fields={"oversized_image": words("downsize", "error")}),
    },
    required=("source",),
)
_CITATIONS_CONFIG: Final = Object(fields={"enabled": FLAG})
_DOCUMENT_BLOCK: Final = Object(
    fields={
        "type": words("document"),
        "source": ByTag(
            tag="type",
            members={
                "base64": Object(
                    fields={
                        "type": words("base64"),
                        "data": base64_of("application/pdf"),
                        "media_type": words("application/pdf"),
                    },
                    required=("data",),
                ),
                "text": Object(
                    fields={"type": words("text"), "data": TEXT, "media_type": words("text/plain")},
                    required=("data",),
                ),
                "content": Object(
                    fields={
                        "type": words("content"),
                        "content": ByJson(
                            string=TEXT,
                            array=ListOf(
                                item=ByTag(tag="type", members={"text": TEXT_BLOCK, "image": _IMAGE_BLOCK})
                            ),
                        ),
                    }
                ),
                "url": _URL_SOURCE,
                "file": reference(_INLINE),
            },
        ),
        "cache_control": _CACHE,
        "citations": _CITATIONS_CONFIG,
        "context": TEXT,
        "title": TEXT,
    },
    required=("source",),
)
_SEARCH_RESULT_BLOCK: Final = Object(
    fields={
        "type": words("search_result"),
        "content": ListOf(item=ByTag(tag="type", members={"text": TEXT_BLOCK})),
        "source": TEXT,
        "title": TEXT,
        "cache_control": _CACHE,
        "citations": _CITATIONS_CONFIG,
    }
)
THINKING_BLOCK: Final = Object(
    fields={"type": words("thinking"), "thinking": TEXT, "signature": sealed("thinking-signature")}
)
REDACTED_BLOCK: Final = Object(
    fields={"type": words("redacted_thinking"), "data": sealed("redacted-thinking")}
)
_BY_CODE: Final = reference("the call was made by code that executes at the provider, unseen")
_CALLER: Final = ByTag(
    tag="type",
    members={
        "direct": Object(fields={"type": words("direct")}),
        "code_execution_20250825": _BY_CODE,
        "code_execution_20260120": _BY_CODE,
    },
)
TOOL_USE_BLOCK: Final = Object(
    fields={
        "type": words("tool_use"),
        "id": TEXT,
        "input": TREE,
        "name": TEXT,
        "cache_control": _CACHE,
        "caller": _CALLER,
        "toolset_name": TEXT,
    },
    required=("id", "name", "input"),
)
_TAB_EVENT: Final[Mapping[str, Shape]] = {"download_id": TEXT, "url": TEXT}
_BROWSER_STATE_BLOCK: Final = Object(
    fields={
        "type": words("browser_state"),
        "tabs": ListOf(item=Object(fields={"tab_id": TEXT, "title": TEXT, "url": TEXT, "active": FLAG})),
        "state_changes": ListOf(
            item=ByTag(
                tag="type",
                members={
                    "tab_opened": Object(fields={"type": words("tab_opened"), "tab_id": TEXT}),
                    "download_started": Object(fields={"type": words("download_started"), **_TAB_EVENT}),
                    "download_completed": Object(
                        fields={
                            "type": words("download_completed"),
                            **_TAB_EVENT,
                            "path": TEXT,
                            "size_bytes": NUMBER,
                        }
                    ),
                    "download_failed": Object(
                        fields={"type": words("download_failed"), **_TAB_EVENT, "error": TEXT}
                    ),
                },
            )
        ),
        "cache_control": _CACHE,
    }
)
_TOOL_RESULT_BLOCK: Final = Object(
    fields={
        "type": words("tool_result"),
        "tool_use_id": TEXT,
        "cache_control": _CACHE,
        "content": ByJson(
            string=TEXT,
            array=ListOf(
                item=ByTag(
                    tag="type",
                    members={
                        "text": TEXT_BLOCK,
                        "image": _IMAGE_BLOCK,
                        "search_result": _SEARCH_RESULT_BLOCK,
                        "document": _DOCUMENT_BLOCK,
                        "tool_reference": Object(
                            fields={
                                "type": words("tool_reference"),
                                "tool_name": TEXT,
                                "cache_control": _CACHE,
                            }
                        ),
                        "browser_state": _BROWSER_STATE_BLOCK,
                    },
                )
            ),
        ),
        "is_error": FLAG,
        "toolset_name": TEXT,
    }
)
PROVIDER_BLOCKS: Final = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
)
_BLOCK: Final = ByTag(
    tag="type",
    members={
        "text": TEXT_BLOCK,
        "image": _IMAGE_BLOCK,
        "document": _DOCUMENT_BLOCK,
        "search_result": _SEARCH_RESULT_BLOCK,
        "thinking": THINKING_BLOCK,
        "redacted_thinking": REDACTED_BLOCK,
        "tool_use": TOOL_USE_BLOCK,
        "tool_result": _TOOL_RESULT_BLOCK,
        "container_upload": reference(_INLINE),
        **{kind: reference(_EARLIER) for kind in PROVIDER_BLOCKS},
    },
)
_CONTENT: Final = ByJson(string=TEXT, array=ListOf(item=_BLOCK))
_TEXTS: Final = ByJson(string=TEXT, array=ListOf(item=ByTag(tag="type", members={"text": TEXT_BLOCK})))

_CALLED_BY_CODE: Final = "code that executes at the provider would make the call, unseen"
_CALLERS: Final = ListOf(
    item=words(
        "direct",
        refused=dict.fromkeys(
            ("code_execution_20250825", "code_execution_20260120", "code_execution_20260521"), _CALLED_BY_CODE
        ),
    )
)
_TOOL_FIELDS: Final[Mapping[str, Shape]] = {
    "name": TEXT,
    "allowed_callers": _CALLERS,
    "cache_control": _CACHE,
    "defer_loading": FLAG,
    "input_examples": TREE,
    "strict": FLAG,
}
_MEMBER: Final = Object(fields={"defer_loading": FLAG, "enabled": FLAG})


def _client_tool(kind: str, **fields: Shape) -> Object:
    """A tool of the maker's own design that the client executes: only the model's side of it is built in."""
    return Object(fields={"type": words(kind), **_TOOL_FIELDS, **fields}, required=("name",))


def _toolset(kind: str) -> Object:
    return Object(fields={"type": words(kind), "cache_control": _CACHE, "configs": MapOf(item=_MEMBER)})


_PROVIDER_TOOLS: Final = (
    "code_execution_20250522",
    "code_execution_20250825",
    "code_execution_20260120",
    "code_execution_20260521",
    "web_search_20250305",
    "web_search_20260209",
    "web_search_20260318",
    "web_fetch_20250910",
    "web_fetch_20260209",
    "web_fetch_20260309",
    "web_fetch_20260318",
    "tool_search_tool_bm25_20251119",
    "tool_search_tool_bm25",
    "tool_search_tool_regex_20251119",
    "tool_search_tool_regex",
    "mcp_toolset",
)
_TOOL: Final = ByTag(
    tag="type",
    default="custom",
    members={
        "custom": Object(
            fields={
                "type": words("custom"),
                **_TOOL_FIELDS,
                "description": TEXT,
                "eager_input_streaming": FLAG,
                "input_schema": TREE,
            },
            required=("name",),
        ),
        "bash_20250124": _client_tool("bash_20250124"),
        "memory_20250818": _client_tool("memory_20250818"),
        "text_editor_20250124": _client_tool("text_editor_20250124"),
        "text_editor_20250429": _client_tool("text_editor_20250429"),
        "text_editor_20250728": _client_tool("text_editor_20250728", max_characters=NUMBER),
        "computer_toolset_20260801": _toolset("computer_toolset_20260801"),
        "browser_toolset_20260801": _toolset("browser_toolset_20260801"),
        **{kind: reference(_AT_PROVIDER) for kind in _PROVIDER_TOOLS},
    },
)
TOOLSETS: Final[Mapping[str, str]] = {
    "computer_toolset_20260801": "computer.*",
    "browser_toolset_20260801": "browser.*",
}
"""Tools that carry no name, by type: what they offer. A call of a member is named `computer.left_click`."""

_DISPLAY: Final = words("summarized", "omitted")

REQUEST: Final[Shape] = Object(
    fields={
        "max_tokens": NUMBER,
        "messages": ListOf(
            item=ByTag(
                tag="role",
                members={
                    "user": Object(fields={"role": words("user"), "content": _CONTENT}),
                    "assistant": Object(fields={"role": words("assistant"), "content": _CONTENT}),
                    "system": Object(fields={"role": words("system"), "content": _TEXTS}),
                },
            )
        ),
        "model": NAME,
        "cache_control": _CACHE,
        "container": reference("a container keeps state and executes at the provider; leave it out"),
        "context_management": reference(
            "the provider would change the content after the decision; leave it out"
        ),
        "diagnostics": Object(
            fields={"previous_message_id": reference("an earlier message is not seen at use; leave it out")}
        ),
        "inference_geo": reference("the route in the bundle says where a request goes; leave it out"),
        "mcp_servers": reference(_AT_PROVIDER, []),
        "metadata": Object(fields={"user_id": TEXT}),
        "output_config": Object(
            fields={
                "effort": words("low", "medium", "high", "xhigh", "max"),
                "format": ByTag(
                    tag="type",
                    members={"json_schema": Object(fields={"type": words("json_schema"), "schema": TREE})},
                ),
            }
        ),
        "service_tier": words("auto", "standard_only"),
        "speed": words("fast", "standard"),
        "stop_sequences": ListOf(item=TEXT),
        "stream": FLAG,
        "system": _TEXTS,
        "temperature": NUMBER,
        "thinking": ByTag(
            tag="type",
            members={
                "enabled": Object(
                    fields={"type": words("enabled"), "budget_tokens": NUMBER, "display": _DISPLAY}
                ),
                "disabled": Object(fields={"type": words("disabled")}),
                "between_tools": Object(fields={"type": words("between_tools")}),
                "adaptive": Object(fields={"type": words("adaptive"), "display": _DISPLAY}),
            },
        ),
        "tool_choice": ByTag(
            tag="type",
            members={
                "auto": Object(fields={"type": words("auto"), "disable_parallel_tool_use": FLAG}),
                "any": Object(fields={"type": words("any"), "disable_parallel_tool_use": FLAG}),
                "tool": Object(
                    fields={"type": words("tool"), "name": TEXT, "disable_parallel_tool_use": FLAG}
                ),
                "none": Object(fields={"type": words("none")}),
            },
        ),
        "tools": ListOf(item=_TOOL),
        "top_k": NUMBER,
        "top_p": NUMBER,
        "user_profile_id": reference("the account is the upstream's in the bundle; leave it out"),
        "workspace_id": reference("the account is the upstream's in the bundle; leave it out"),
    },
    required=("messages", "model"),
)
