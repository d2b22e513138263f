"""What an entry of the log says: one JSON object, canonical (RFC 8785), of a `kind` that this module lists.

An entry holds no content. What was seen of a body stands as a count and a keyed digest (HMAC-SHA256 under the
gateway's digest key), so that somebody who guesses a short prompt can't confirm the guess from the log.

Kinds:
    start      a gateway began to write: bundle, trust root, version, settings that restrict
    filed      a statement was put on file (replay appraises what was on file at that point)
    removed    a statement was taken off file
    decision   PERMIT, HOLD or DENY on a prompt (with its release), a release or a call
    answer     what was seen of an upstream's answer; nobody waits for it
    refused    callers that could not be told who they are, or bodies that could not be parsed: counts per minute
    suspension a side took or lifted a brake
    hold       people refused or let a hold expire

Source: docs/design, "Rules that hold everywhere"; C2SP tlog-tiles for the size limit.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from countermark.errors import MalformedError, TooLargeError
from countermark.strictjson import parse_object
from countermark.tlog.log import MAX_ENTRY_BYTES

KINDS = frozenset({"start", "filed", "removed", "decision", "answer", "refused", "suspension", "hold"})

Entry = Mapping[str, Any]

_PLAIN = re.compile(r"[0-9A-Za-z_:.-]+")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def encode_entry(entry: Entry) -> bytes:
    """Write one entry.

    The bytes are compact JSON with sorted keys, which for the texts, integers and booleans used here is RFC 8785.

    Raises:
        MalformedError: Not a kind of entry that this module lists.
        TooLargeError: Over 65 535 bytes.
    """
    if entry.get("kind") not in KINDS:
        raise MalformedError(f"expected an entry of a known kind, got `{entry.get('kind')}`")
    data = _ENCODER.encode(entry).encode()
    if len(data) > MAX_ENTRY_BYTES:
        raise TooLargeError(f"expected an entry of at most {MAX_ENTRY_BYTES} bytes, got {len(data)}")
    return data


class EntryTemplate:
    """An entry that is written often with a few values changed: encoded once, filled many times.

    `EntryTemplate(entry, holes).fill(values)` is `encode_entry` of the entry with these values in its holes.

    Args:
        entry: With any value in each hole: a text where texts will stand, a number where numbers will.
        holes: Paths into the entry, in the order in which `fill` is given the values.

    Raises:
        MalformedError: Not a kind of entry that this module lists.
    """

    def __init__(self, entry: Entry, holes: Sequence[tuple[str, ...]]) -> None:
        plain = encode_entry(entry).decode()
        number = 0
        while f"<{number}:" in plain:  # a mark that stands nowhere in the entry
            number += 1
        marked: dict[str, Any] = dict(entry)
        for index, path in enumerate(holes):
            inner = marked
            for name in path[:-1]:
                inner[name] = dict(inner[name])
                inner = inner[name]
            is_text = isinstance(inner[path[-1]], str)
            inner[path[-1]] = f"<{number}:{index}:{'t' if is_text else 'n'}>"
        text = encode_entry(marked).decode()
        pieces = re.split(rf'"<{number}:([0-9]+):n>"|<{number}:([0-9]+):t>', text)
        self._parts = pieces[0::3]
        self._order = [int(n or t) for n, t in zip(pieces[1::3], pieces[2::3], strict=True)]

    def fill(self, values: Sequence[str | int]) -> bytes:
        """The encoded entry with `values` in the holes.

        Raises:
            MalformedError: A text that JSON would have to escape; holes are for digests, ids and times.
            TooLargeError: Over 65 535 bytes.
        """
        parts = [self._parts[0]]
        for index, part in zip(self._order, self._parts[1:], strict=True):
            value = str(values[index])
            if not _PLAIN.fullmatch(value):
                raise MalformedError(f"expected a digest, an id or a time, got `{value[:60]}`")
            parts.append(value)
            parts.append(part)
        data = "".join(parts).encode()
        if len(data) > MAX_ENTRY_BYTES:
            raise TooLargeError(f"expected an entry of at most {MAX_ENTRY_BYTES} bytes, got {len(data)}")
        return data


def parse_entry(data: bytes) -> dict[str, Any]:
    """Read one entry back.

    Raises:
        MalformedError: Not an entry that `encode_entry` could have written.
    """
    entry = parse_object(data, max_bytes=MAX_ENTRY_BYTES)
    if entry.get("kind") not in KINDS:
        raise MalformedError(f"expected an entry of a known kind, got `{entry.get('kind')}`")
    return entry


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> hmac.HMAC:
    """HMAC with the key taken in already; copied for each digest. Unlike the one-shot call it keeps the interpreter."""
    return hmac.new(key, digestmod="sha256")


def keyed_digest(key: bytes, sha256_hex: str) -> str:
    """The digest that the log holds in place of a body's own SHA-256: HMAC-SHA256 under the gateway's digest key."""
    keyed = _keyed(key).copy()
    keyed.update(bytes.fromhex(sha256_hex))
    return keyed.hexdigest()
