"""The description of exactly one action: what an approval is about, byte for byte.

Its digest is `Request.action_digest` and the subject of an `approval`. A prompt or release is described by workload,
action, model, upstream, digest of the body and the headers that are forwarded; a call by workload, tool, arguments and
bundle. Two actions with one description are the same action to everybody who signs.

Source: RFC 8785 (canonical JSON); spec/approval.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from countermark.attestation.canonical import canonical_json
from countermark.errors import MalformedError
from countermark.request import Action

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")  # RFC 9110, section 5.6.2, in lower case

SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Never part of a description: it is signed and kept on file, where a credential must not be."""

MAX_REMEMBERED_CHARS = 256
_PROMPT_KEYS = {"action", "body_sha256", "headers", "resource", "upstream", "workload"}
_CALL_KEYS = {"action", "arguments", "bundle", "tool", "workload"}


def action_descriptor(
    *,
    workload: str,
    action: Action,
    resource: str,
    upstream: str,
    body_sha256: str,
    headers: Mapping[str, str],
) -> dict[str, Any]:
    """Describe a `prompt` or `release`.

    Args:
        resource: The model's name.
        upstream: Name of the route's upstream in the bundle.
        body_sha256: Of the exact bytes that are forwarded, 64 hex digits.
        headers: Those that are forwarded for the caller; the gateway's own (upstream's secret, permit) are left out.

    Raises:
        MalformedError: A digest or header of another form, a header named twice, or one that carries a secret.
    """
    named: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in named:
            raise MalformedError(f"expected each header once, got `{lower[:60]}` twice")
        named[lower] = value
    made = {
        "workload": workload,
        "action": str(action),
        "resource": resource,
        "upstream": upstream,
        "body_sha256": body_sha256,
        "headers": named,
    }
    check_descriptor(made)
    return made


def describe_prompt(
    *, workload: str, resource: str, upstream: str, body_sha256: str, headers: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """Describe a `prompt` as `action_descriptor` does, with its digest; what requests have in common is written once.

    Args:
        body_sha256: As `hexdigest` gives it.

    Raises:
        MalformedError: As `action_descriptor`.
    """
    common = (
        _common if len(resource) <= MAX_REMEMBERED_CHARS else _common.__wrapped__
    )  # a caller chooses the length
    descriptor, before, after = common(workload, resource, upstream, tuple(headers.items()))
    digest = hashlib.sha256(b"".join((before, body_sha256.encode(), after))).hexdigest()
    return {**descriptor, "body_sha256": body_sha256}, digest


@lru_cache(maxsize=1024)
def _common(
    workload: str, resource: str, upstream: str, headers: tuple[tuple[str, str], ...]
) -> tuple[dict[str, Any], bytes, bytes]:
    """A description of which only the body's digest is missing, and its canonical JSON before and after that."""
    unset = "0" * 64
    made = action_descriptor(
        workload=workload,
        action=Action.PROMPT,
        resource=resource,
        upstream=upstream,
        body_sha256=unset,
        headers=dict(headers),
    )
    # keys are sorted, so the first such member after `action` is the body's digest, whatever headers hold
    before, _, after = canonical_json(made).partition(f'"body_sha256":"{unset}"'.encode())
    return made, before + b'"body_sha256":"', b'"' + after


def call_descriptor(*, workload: str, tool: str, arguments: Any, bundle: str) -> dict[str, Any]:
    """Describe one tool call.

    Args:
        arguments: The parsed JSON. `1` and `1.0` are one number in canonical JSON, and so one action.
        bundle: Digest of the bundle, 64 hex digits.

    Raises:
        MalformedError: Arguments without canonical form (integers over 2^53), or a digest of another form.
    """
    made = {
        "workload": workload,
        "action": str(Action.CALL),
        "tool": tool,
        "arguments": arguments,
        "bundle": bundle,
    }
    check_descriptor(made)
    return made


def action_digest(descriptor: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a description, 64 hex digits.

    Raises:
        MalformedError: The description has no canonical form.
    """
    return hashlib.sha256(canonical_json(dict(descriptor))).hexdigest()


def check_descriptor(descriptor: Mapping[str, Any]) -> None:
    """Check that a description, perhaps from somebody else's file, has exactly the fields of its action.

    Raises:
        MalformedError: Another field, a missing one, or a value of another form.
    """
    action = descriptor.get("action")
    keys = _CALL_KEYS if action == Action.CALL else _PROMPT_KEYS
    if action not in tuple(Action) or set(descriptor) != keys:
        raise MalformedError(
            f"expected an action with the fields {sorted(keys)}, got `{str(action)[:20]}` with {sorted(descriptor)}"
        )
    for name in keys - {"arguments", "headers"}:
        if not isinstance(descriptor[name], str):
            raise MalformedError(f"expected text in `{name}`, got {type(descriptor[name]).__name__}")
    digest = "bundle" if action == Action.CALL else "body_sha256"
    if not _HEX_SHA256.match(descriptor[digest]):
        raise MalformedError(f"expected 64 hex digits in `{digest}`, got `{descriptor[digest][:80]}`")
    if action == Action.CALL:
        action_digest(descriptor)  # arguments may have no canonical form
        return
    headers = descriptor["headers"]
    if not isinstance(headers, Mapping):
        raise MalformedError(f"expected an object in `headers`, got {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.match(name):
            raise MalformedError(f"expected a header name in lower case, got `{name!s:.60}`")
        if not isinstance(value, str):
            raise MalformedError(f"expected text in header `{name}`, got {type(value).__name__}")
        if name in SECRET_HEADERS:
            raise MalformedError(f"expected no credential in a description, got header `{name}`")
