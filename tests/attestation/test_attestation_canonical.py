"""Canonical JSON: the fast way and the library agree on every value."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from countermark.attestation.canonical import canonical_json
from countermark.errors import MalformedError

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
    | st.text(st.characters(max_codepoint=127))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_same_bytes_as_the_library(value: object) -> None:
    """Whatever the value, the bytes are those of rfc8785."""
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.text(st.characters(max_codepoint=127)))
def test_every_ascii_text_is_escaped_as_the_library_does(text: str) -> None:
    """Control characters, quotes and backslashes included."""
    assert canonical_json({text: text}) == rfc8785.dumps({text: text})


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {1: "a"}, {"a": object()}, (1, 2**60)]
)
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    """Integers over 2^53, numbers that aren't finite, lone surrogates, and what is no JSON."""
    with pytest.raises(MalformedError):
        canonical_json(value)
