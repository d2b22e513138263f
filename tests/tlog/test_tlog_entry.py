"""Entries: written, read back, and written from a template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import MalformedError, TooLargeError
from countermark.tlog.entry import EntryTemplate, encode_entry, parse_entry

HEX = st.text("0123456789abcdef", min_size=1, max_size=64)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
HOLES = (("at",), ("id",), ("seen", "bytes"), ("seen", "hmac_sha256"))


def _entry(at: str, name: str, size: int, digest: str, **more: object) -> dict[str, object]:
    return {
        "kind": "decision",
        "at": at,
        "id": name,
        "seen": {"bytes": size, "parts": 2, "hmac_sha256": digest},
        **more,
    }


@given(
    first=st.tuples(HEX, HEX, st.integers(0, 10**9), HEX),
    then=st.tuples(HEX, HEX, st.integers(0, 10**9), HEX),
    said=TEXT,
)
def test_a_filled_template_is_the_entry_with_these_values(
    first: tuple[str, str, int, str], then: tuple[str, str, int, str], said: str
) -> None:
    """Whatever else stands in the entry, marks like ours included, the bytes are those of `encode_entry`."""
    more = {"error": said, "clauses": [said, "<0:1:t>"], "facts": {"countersigned.purpose": "office"}}
    template = EntryTemplate(_entry(*first, **more), HOLES)
    assert template.fill(then) == encode_entry(_entry(*then, **more))


@pytest.mark.parametrize("value", ['a"b', "a\\b", "", "a\nb", "ä", "a,b"])
def test_a_hole_takes_nothing_that_json_would_escape(value: str) -> None:
    """Digests, ids and times fill holes; a text that could break out of its place is refused."""
    template = EntryTemplate(_entry("a", "b", 1, "c"), HOLES)
    with pytest.raises(MalformedError):
        template.fill(("a", value, 1, "c"))


def test_a_filled_template_has_a_limit() -> None:
    """An entry over 65 535 bytes is refused, from a template too."""
    template = EntryTemplate(_entry("a", "b", 1, "c", error="x" * 65_300), HOLES)
    with pytest.raises(TooLargeError):
        template.fill(("a" * 200, "b", 1, "c"))


@pytest.mark.parametrize("entry", [{"kind": "other"}, {}, {"kind": "decision", "text": "x" * 70_000}])
def test_what_is_no_entry_is_refused(entry: dict[str, object]) -> None:
    """Unknown kinds and entries over the limit are not written."""
    with pytest.raises(MalformedError):
        encode_entry(entry)


@given(TEXT, st.integers(-(2**53) + 1, 2**53 - 1), st.booleans())
def test_read_back_as_written(text: str, number: int, flag: bool) -> None:
    """`parse_entry` returns what `encode_entry` was given."""
    entry = {
        "kind": "hold",
        "text": text,
        "number": number,
        "flag": flag,
        "list": [text],
        "inner": {text: number},
    }
    assert parse_entry(encode_entry(entry)) == entry
