"""Headers: what is sent on to the upstream and given back to the caller, by allow-list; the rest is dropped or refused.

A header is dropped where it means nothing beyond this connection, or where the upstream would do nothing with it that
was not decided. It is refused where a caller who sends it expects an effect that this gateway must not bring about in
silence: another account, a feature that no table knows. A header that no list names is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from countermark.errors import NotCarriedError, UpstreamError

_ACCOUNT: Final = "the account is the upstream's in the bundle; leave the header out"

REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai-organization": _ACCOUNT,
        "openai-project": _ACCOUNT,
        "anthropic-workspace-id": _ACCOUNT,
        "anthropic-user-profile-id": _ACCOUNT,
        "openai-beta": "it switches on features that the table of fields doesn't know; leave the header out",
        "x-http-method-override": "the method that was decided is the one that is sent; leave the header out",
    }
)
"""Request headers that are refused, with what to do."""

DROPPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "authorization": "the caller's credential is for this gateway; the upstream gets the gateway's own",
        "x-api-key": "the caller's credential is for this gateway; the upstream gets the gateway's own",
        "cookie": "a credential that nobody here reads",
        "host": "names this gateway",
        "content-length": "written anew for the same bytes",
        "transfer-encoding": "written anew for the same bytes",
        "content-type": "checked; the upstream gets `application/json`",
        "accept": "written anew for what is read here",
        "accept-encoding": "the upstream is asked for bytes as they are, since they are read",
        "user-agent": "describes the caller's software, which the upstream need not know",
        "idempotency-key": "a request that is sent again is decided again",
        "signature": "proof of possession, addressed to this gateway",
        "signature-input": "proof of possession, addressed to this gateway",
        "content-digest": "proof of possession, addressed to this gateway",
        "countermark-claims": "read here as claims",
        "countermark-statement": "read here as a claim",
        "anthropic-dangerous-direct-browser-access": "the upstream's client is this gateway, no browser",
        "x-stainless-*": "telemetry of the client's package",
        "x-forwarded-*": "the caller's word about where it stands",
    }
)
"""Request headers that are known and dropped, with the reason; others that no list names are dropped as well."""

INERT_BETAS: Final = frozenset(
    {
        "context-1m-2025-08-07",
        "extended-cache-ttl-2025-04-11",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "model-context-window-exceeded-2025-08-26",
        "output-128k-2025-02-19",
        "output-300k-2026-03-24",
        "pdfs-2024-09-25",
        "prompt-caching-2024-07-31",
        "structured-outputs-2025-11-13",
        "token-efficient-tools-2025-02-19",
    }
)
"""Values of `anthropic-beta` that change sizes, prices or framing, not where content goes or what executes."""


def _json(value: str) -> None:
    media, _, parameter = value.partition(";")
    if media.strip().lower() != "application/json" or parameter.strip().lower() not in {"", "charset=utf-8"}:
        raise NotCarriedError("header content-type", f"expected `application/json`, got `{value[:60]}`")


def _identity(value: str) -> None:
    if value.strip().lower() not in {"", "identity"}:
        raise NotCarriedError("header content-encoding", "compressed bodies are not read; send it as it is")


def _version(value: str) -> None:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise NotCarriedError(
            "header anthropic-version", f"expected a date like `2023-06-01`, got `{value[:40]}`"
        )


def _betas(value: str) -> None:
    for beta in value.split(","):
        if beta.strip() not in INERT_BETAS:
            listed = ", ".join(f"`{known}`" for known in sorted(INERT_BETAS))
            raise NotCarriedError(
                "header anthropic-beta", f"expected some of {listed}, got `{beta.strip()[:60]}`"
            )


_CHECKED: Final[Mapping[str, Callable[[str], None]]] = MappingProxyType(
    {"content-type": _json, "content-encoding": _identity}
)
FORWARDED: Final[Mapping[str, Mapping[str, Callable[[str], None]]]] = MappingProxyType(
    {"openai": {}, "anthropic": {"anthropic-version": _version, "anthropic-beta": _betas}}
)
"""Per API: request headers that are sent on, each with the check of its value."""


def forwarded_request_headers(headers: Mapping[str, str], api: str) -> dict[str, str]:
    """The caller's headers that go to the upstream, which are part of what is decided and approved.

    Args:
        headers: Names in lower case; one that stands twice is joined with `, `.
        api: `openai` or `anthropic`.

    Raises:
        NotCarriedError: A header that is refused, or a value that no list names.
    """
    for name, check in _CHECKED.items():
        if name in headers:
            check(headers[name])
    forwarded: dict[str, str] = {}
    allowed = FORWARDED[api]
    for name, value in headers.items():
        how = REFUSED.get(name)
        if how is not None:
            raise NotCarriedError(f"header {name}", how)
        accept = allowed.get(name)
        if accept is not None:
            accept(value)
            forwarded[name] = value
    return forwarded


RELEASED: Final = frozenset(
    {
        "content-type",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-request-id",
        "x-should-retry",
    }
)
"""Answer headers that are given to the caller, beside those of `RELEASED_LEADS`."""
RELEASED_LEADS: Final = ("x-ratelimit-", "anthropic-ratelimit-")
"""How the names of the upstream's counters begin; clients pace themselves by them."""

MAX_RETRY_AFTER_S: Final = 60
"""Longer ones are dropped: the `anthropic` client sleeps as long as it is told, an hour too."""
_PLAIN: Final = re.compile(r"[\x20-\x7e]{1,256}")


def released_answer_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The upstream's headers that go to the caller, by allow-list (cookies, accounts and server names stay behind).

    Raises:
        UpstreamError: The answer is compressed, although it was asked for as it is: nobody read it.
    """
    released: dict[str, str] = {}
    for cased, value in headers.items():
        name = cased.lower()
        if name == "content-encoding" and value.strip().lower() not in {"", "identity"}:
            raise UpstreamError(f"expected the upstream to answer uncompressed, got `{value[:40]}`")
        if name not in RELEASED and not name.startswith(RELEASED_LEADS):
            continue
        if not _PLAIN.fullmatch(value):
            continue
        if name == "retry-after" and not (value.isdigit() and int(value) <= MAX_RETRY_AFTER_S):
            continue
        if name == "retry-after-ms" and not (value.isdigit() and int(value) <= MAX_RETRY_AFTER_S * 1000):
            continue
        released[name] = value
    return released
