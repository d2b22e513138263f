"""The table of fields of OpenAI Chat Completions: request, answer and stream.

Source: types of the `openai` package 3.57 (`tests/pep/test_coverage_matrix.py` compares), and for what self-hosted
servers add, vLLM's `entrypoints/openai/chat_completion/protocol.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from countermark.pep.fields import (
    COUNT,
    FLAG,
    JSON_TEXT,
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
from countermark.pep.inline import base64_of, data_url

_SPOKEN: Final = "spoken answers are not read; ask for text only"
_INLINE: Final = (
    "what an id or address stands for is not seen at use; put the content inline into the message"
)

_CACHE_POINT: Final = Object(fields={"mode": words("explicit"), "ttl": words("30m", "12h")})
_TEXT_PART: Final = Object(
    fields={"type": words("text"), "text": TEXT, "prompt_cache_breakpoint": _CACHE_POINT}, required=("text",)
)
_TEXT_CONTENT: Final = ByJson(string=TEXT, array=ListOf(item=ByTag(tag="type", members={"text": _TEXT_PART})))
_USER_PARTS: Final = ByTag(
    tag="type",
    members={
        "text": _TEXT_PART,
        "image_url": Object(
            fields={
                "type": words("image_url"),
                "image_url": Object(
                    fields={
                        "url": data_url(
                            "a URL is fetched elsewhere, unseen; send the image as a `data:` URL"
                        ),
                        "detail": words("auto", "low", "high", "original"),
                    },
                    required=("url",),
                ),
                "prompt_cache_breakpoint": _CACHE_POINT,
            },
            required=("image_url",),
        ),
        "input_audio": Object(
            fields={
                "type": words("input_audio"),
                "input_audio": Object(
                    fields={"data": base64_of("audio/*"), "format": words("wav", "mp3")}, required=("data",)
                ),
                "prompt_cache_breakpoint": _CACHE_POINT,
            },
            required=("input_audio",),
        ),
        "file": Object(
            fields={
                "type": words("file"),
                "file": Object(
                    fields={
                        "file_data": data_url("send the file as `data:<media type>;base64,...`"),
                        "file_id": reference(_INLINE),
                        "filename": TEXT,
                    },
                    required=("file_data",),
                ),
                "prompt_cache_breakpoint": _CACHE_POINT,
            },
            required=("file",),
        ),
    },
)
_FUNCTION_CALL: Final = Object(fields={"name": TEXT, "arguments": JSON_TEXT}, required=("name",))
_TOOL_CALLS: Final = ByTag(
    tag="type",
    default="function",
    members={
        "function": Object(
            fields={"id": TEXT, "type": words("function"), "function": _FUNCTION_CALL, "index": COUNT},
            required=("function",),
        ),
        "custom": Object(
            fields={
                "id": TEXT,
                "type": words("custom"),
                "custom": Object(fields={"name": TEXT, "input": TEXT}, required=("name",)),
                "index": COUNT,
            },
            required=("custom",),
        ),
    },
)
_MESSAGE: Final = ByTag(
    tag="role",
    members={
        "developer": Object(fields={"role": words("developer"), "content": _TEXT_CONTENT, "name": TEXT}),
        "system": Object(fields={"role": words("system"), "content": _TEXT_CONTENT, "name": TEXT}),
        "user": Object(
            fields={
                "role": words("user"),
                "content": ByJson(string=TEXT, array=ListOf(item=_USER_PARTS)),
                "name": TEXT,
            }
        ),
        "assistant": Object(
            fields={
                "role": words("assistant"),
                "content": ByJson(
                    string=TEXT,
                    array=ListOf(
                        item=ByTag(
                            tag="type",
                            members={
                                "text": _TEXT_PART,
                                "refusal": Object(fields={"type": words("refusal"), "refusal": TEXT}),
                            },
                        )
                    ),
                ),
                "name": TEXT,
                "refusal": TEXT,
                "audio": reference("an earlier spoken answer is not seen; send its transcript as text"),
                "function_call": _FUNCTION_CALL,
                "tool_calls": ListOf(item=_TOOL_CALLS),
                "annotations": reference("citations come with web search; leave them out", []),
                "reasoning": TEXT,
                "reasoning_content": TEXT,
            }
        ),
        "tool": Object(fields={"role": words("tool"), "content": _TEXT_CONTENT, "tool_call_id": TEXT}),
        "function": Object(fields={"role": words("function"), "content": TEXT, "name": TEXT}),
    },
)
_NAMED: Final = Object(fields={"name": TEXT})
_FUNCTION: Final = Object(
    fields={"name": TEXT, "description": TEXT, "parameters": TREE, "strict": FLAG}, required=("name",)
)
_TOOL: Final = ByTag(
    tag="type",
    members={
        "function": Object(fields={"type": words("function"), "function": _FUNCTION}, required=("function",)),
        "custom": Object(
            fields={
                "type": words("custom"),
                "custom": Object(
                    fields={
                        "name": TEXT,
                        "description": TEXT,
                        "format": ByTag(
                            tag="type",
                            members={
                                "text": Object(fields={"type": words("text")}),
                                "grammar": Object(
                                    fields={
                                        "type": words("grammar"),
                                        "grammar": Object(
                                            fields={"definition": TEXT, "syntax": words("lark", "regex")}
                                        ),
                                    }
                                ),
                            },
                        ),
                    },
                    required=("name",),
                ),
            },
            required=("custom",),
        ),
    },
)
_TOOL_CHOICE: Final = ByTag(
    tag="type",
    members={
        "allowed_tools": Object(
            fields={
                "type": words("allowed_tools"),
                "allowed_tools": Object(fields={"mode": words("auto", "required"), "tools": TREE}),
            }
        ),
        "function": Object(fields={"type": words("function"), "function": _NAMED}),
        "custom": Object(fields={"type": words("custom"), "custom": _NAMED}),
    },
)

REQUEST: Final[Shape] = Object(
    fields={
        "messages": ListOf(item=_MESSAGE),
        "model": NAME,
        "audio": reference(_SPOKEN),
        "frequency_penalty": NUMBER,
        "function_call": ByJson(string=words("none", "auto"), object=_NAMED),
        "functions": ListOf(item=_FUNCTION),
        "logit_bias": MapOf(item=NUMBER),
        "logprobs": FLAG,
        "max_completion_tokens": NUMBER,
        "max_tokens": NUMBER,
        "metadata": MapOf(item=TEXT),
        "modalities": ListOf(item=words("text", refused={"audio": _SPOKEN})),
        "moderation": reference("it runs a model that was not decided about; leave it out"),
        "n": NUMBER,
        "parallel_tool_calls": FLAG,
        "prediction": Object(fields={"type": words("content"), "content": _TEXT_CONTENT}),
        "presence_penalty": NUMBER,
        "prompt_cache_key": TEXT,
        "prompt_cache_options": Object(fields={"mode": words("implicit", "explicit"), "ttl": words("30m")}),
        "prompt_cache_retention": words("in_memory", "24h"),
        "reasoning_effort": words("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "response_format": ByTag(
            tag="type",
            members={
                "text": Object(fields={"type": words("text")}),
                "json_object": Object(fields={"type": words("json_object")}),
                "json_schema": Object(
                    fields={
                        "type": words("json_schema"),
                        "json_schema": Object(
                            fields={"name": TEXT, "description": TEXT, "schema": TREE, "strict": FLAG}
                        ),
                    }
                ),
            },
        ),
        "safety_identifier": TEXT,
        "seed": NUMBER,
        "service_tier": words("auto", "default", "flex", "scale", "priority", "fast"),
        "stop": ByJson(string=TEXT, array=ListOf(item=TEXT)),
        "store": reference(
            "the provider would keep the content and others could use it by its id; send false", False
        ),
        "stream": FLAG,
        "stream_options": Object(fields={"include_obfuscation": FLAG, "include_usage": FLAG}),
        "temperature": NUMBER,
        "tool_choice": ByJson(string=words("none", "auto", "required"), object=_TOOL_CHOICE),
        "tools": ListOf(item=_TOOL),
        "top_logprobs": NUMBER,
        "top_p": NUMBER,
        "user": TEXT,
        "verbosity": words("low", "medium", "high"),
        "web_search_options": reference(
            "the search runs at the provider, unseen; offer a search tool that the client executes"
        ),
        # sampling knobs of self-hosted servers (vLLM)
        "top_k": NUMBER,
        "min_p": NUMBER,
        "min_tokens": NUMBER,
        "repetition_penalty": NUMBER,
        "length_penalty": NUMBER,
        "ignore_eos": FLAG,
        "stop_token_ids": ListOf(item=NUMBER),
        "include_reasoning": FLAG,
    },
    required=("messages", "model"),
)

_LOGPROB_FIELDS: Final[Mapping[str, Shape]] = {"token": TEXT, "bytes": ListOf(item=NUMBER), "logprob": NUMBER}
_LOGPROBS: Final = ListOf(
    item=Object(fields={**_LOGPROB_FIELDS, "top_logprobs": ListOf(item=Object(fields=_LOGPROB_FIELDS))})
)
_CHOICE_LOGPROBS: Final = Object(fields={"content": _LOGPROBS, "refusal": _LOGPROBS})
_USAGE: Final = Object(
    fields={
        "completion_tokens": NUMBER,
        "prompt_tokens": NUMBER,
        "total_tokens": NUMBER,
        "completion_tokens_details": Object(
            fields={
                "accepted_prediction_tokens": NUMBER,
                "audio_tokens": NUMBER,
                "reasoning_tokens": NUMBER,
                "rejected_prediction_tokens": NUMBER,
                "text_tokens": NUMBER,
            }
        ),
        "prompt_tokens_details": Object(
            fields={
                "audio_tokens": NUMBER,
                "cache_write_tokens": NUMBER,
                "cached_tokens": NUMBER,
                "image_tokens": NUMBER,
                "text_tokens": NUMBER,
            }
        ),
    }
)
_ASKED_NOT: Final = "the request can't have asked for it; the upstream does something that was not decided"
_FINISH: Final = words("stop", "length", "tool_calls", "content_filter", "function_call")
_TIER: Final = words("auto", "default", "flex", "scale", "priority", "fast")
_SERVER_FIELDS: Final[Mapping[str, Shape]] = {  # vLLM
    "prompt_logprobs": TREE,
    "prompt_token_ids": ListOf(item=NUMBER),
    "prompt_text": TEXT,
    "kv_transfer_params": TREE,
    "ec_transfer_params": TREE,
    "metrics": TREE,
}
_SERVER_CHOICE_FIELDS: Final[Mapping[str, Shape]] = {  # vLLM
    "stop_reason": ByJson(string=TEXT, number=NUMBER),
    "token_ids": ListOf(item=NUMBER),
    "routed_experts": TEXT,
}
_ANNOTATIONS: Final = ListOf(
    item=ByTag(
        tag="type",
        members={
            "url_citation": Object(
                fields={
                    "type": words("url_citation"),
                    "url_citation": Object(
                        fields={"end_index": NUMBER, "start_index": NUMBER, "title": TEXT, "url": TEXT}
                    ),
                }
            )
        },
    )
)

ANSWER: Final[Shape] = Object(
    fields={
        "id": TEXT,
        "choices": ListOf(
            item=Object(
                fields={
                    "finish_reason": _FINISH,
                    "index": COUNT,
                    "logprobs": _CHOICE_LOGPROBS,
                    "message": Object(
                        fields={
                            "content": TEXT,
                            "refusal": TEXT,
                            "role": words("assistant"),
                            "annotations": _ANNOTATIONS,
                            "audio": reference(_ASKED_NOT),
                            "function_call": _FUNCTION_CALL,
                            "tool_calls": ListOf(item=_TOOL_CALLS),
                            "reasoning": TEXT,
                            "reasoning_content": TEXT,
                        }
                    ),
                    **_SERVER_CHOICE_FIELDS,
                },
                required=("message", "index"),
            )
        ),
        "created": NUMBER,
        "model": TEXT,
        "object": words("chat.completion"),
        "metadata": TREE,
        "moderation": TREE,
        "service_tier": _TIER,
        "system_fingerprint": TEXT,
        "usage": _USAGE,
        **_SERVER_FIELDS,
    },
    required=("choices",),
)

_DELTA_CALL: Final = Object(
    fields={
        "index": COUNT,
        "id": TEXT,
        "type": words("function", "custom"),
        "function": Object(fields={"name": TEXT, "arguments": TEXT}),
        "custom": Object(fields={"name": TEXT, "input": TEXT}),
    },
    required=("index",),
)

CHUNK: Final[Shape] = Object(
    fields={
        "id": TEXT,
        "choices": ListOf(
            item=Object(
                fields={
                    "delta": Object(
                        fields={
                            "audio": reference(_ASKED_NOT),
                            "annotations": _ANNOTATIONS,
                            "content": TEXT,
                            "function_call": Object(fields={"name": TEXT, "arguments": TEXT}),
                            "refusal": TEXT,
                            "role": words("developer", "system", "user", "assistant", "tool"),
                            "tool_calls": ListOf(item=_DELTA_CALL),
                            "reasoning": TEXT,
                            "reasoning_content": TEXT,
                        }
                    ),
                    "finish_reason": _FINISH,
                    "index": COUNT,
                    "logprobs": _CHOICE_LOGPROBS,
                    **_SERVER_CHOICE_FIELDS,
                },
                required=("index",),
            )
        ),
        "created": NUMBER,
        "model": TEXT,
        "object": words("chat.completion.chunk"),
        "moderation": TREE,
        "obfuscation": TEXT,
        "service_tier": _TIER,
        "system_fingerprint": TEXT,
        "usage": _USAGE,
        **_SERVER_FIELDS,
    },
    required=("choices",),
)

STREAM_ERROR: Final[Shape] = Object(fields={"error": TREE}, required=("error",))
"""What an upstream sends instead of a chunk when it fails after its status: forwarded, read, and the end."""
