"""What the PEP brings to the PDP, and what it gets back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from countermark.content.selectors import Selectors
from countermark.decision import Decision
from countermark.evidence.observation import KnownCredential
from countermark.facts import FactValue
from countermark.pdp.signalled import SignalSeen
from countermark.request import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One action that a caller asks for, read by the PEP.

    Attributes:
        caller: The credential that was presented, verified.
        resource: Model name (`prompt`) or tool name (`call`).
        upstream: Name of the route's upstream; empty for `call`.
        descriptor: The canonical description of exactly this action (`oversight.action`); what an approval signs.
        digest: SHA-256 of the descriptor, hex.
        model: The model that is asked, or whose answer holds the call.
        forwarded: Headers of the caller that go to the upstream.
        tools: Tools that the request offers to the model.
        unread: Content that was counted and that nobody here interprets, by media type (`image/png`).
        texts: Every piece of text in the request; for `call`, the arguments.
        claims: What the caller says of itself. May only restrict.
        named: Digests of statements that the caller names; claims as well.
        parts: Content parts that were read.
        size: Bytes that were read.
        sha256: Digest of those bytes, hex.
        content: The bytes themselves, kept (encrypted) only where the action is held.
        not_carried: Why this gateway can't carry the request (a field that nobody reads); such a request is denied.
    """

    caller: KnownCredential
    action: Action
    resource: str
    model: str
    upstream: str
    descriptor: Mapping[str, object]
    digest: str
    texts: tuple[str, ...]
    claims: Mapping[str, str]
    named: tuple[str, ...]
    parts: int
    size: int
    sha256: str
    content: bytes = b""
    forwarded: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    not_carried: str | None = None
    selectors: Selectors | None = None
    """What was found in `texts`, where that was looked for beforehand; None: it will be."""
    signals: tuple[SignalSeen, ...] | None = None
    """What the bundle's classifiers said of `texts`; None: they have not been asked, and their facts are unknown."""
    parent: str | None = None
    """Decision id of the prompt whose answer holds this call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A decision that is durable in the log.

    Attributes:
        id: The decision id that callers learn: `d_` and 26 characters of lower-case base32 (128 random bits).
        index: Its entry's number in the log.
        hold: Id of the hold where people have to look first.
        values: `view.name` to value of the facts that clauses read, for those with the right to `explain`.
    """

    id: str
    index: int
    decision: Decision
    hold: str | None = None
    hold_expires: str | None = None
    values: Mapping[str, FactValue] = field(default_factory=dict)
    relations: tuple[str, ...] = ()
    """What of the request lies inside which order or engagement, in words."""
    notes: tuple[str, ...] = ()
    """Why approvals on file don't count."""


_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Ten bits as two characters of RFC 4648's base32, in lower case."""


_POOL_IDS = 64
_pool: list[bytes] = []
"""Random bytes drawn ahead: each call of the system lets go of the interpreter, and waits to get it back."""


def _random16() -> bytes:
    if not _pool:
        drawn = secrets.token_bytes(16 * _POOL_IDS)
        _pool.extend(drawn[start : start + 16] for start in range(0, len(drawn), 16))
    return _pool.pop()


def new_id(prefix: str) -> str:
    """A fresh id: `prefix`, `_` and 128 random bits in lower-case base32."""
    number = int.from_bytes(_random16()) << 2
    return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
