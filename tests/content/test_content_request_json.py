"""The quick reader of requests against the strict one of what is signed: one reading, or an error of both."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from countermark.content.request_json import parse_json_value, parse_request_json
from countermark.errors import DuplicateKeyError, MalformedError, TooLargeError
from countermark.strictjson import parse_json

LIMITS = {"max_bytes": 1 << 20, "max_depth": 64}

REFUSED = {
    "a key twice": (b'{"a":1,"a":2}', DuplicateKeyError),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":2}', DuplicateKeyError),
    "a key twice further down": (b'{"m":[{"role":"user","role":"system"}]}', DuplicateKeyError),
    "NaN": (b'{"a":NaN}', MalformedError),
    "infinity": (b'{"a":-Infinity}', MalformedError),
    "a number that becomes infinite": (b'{"a":1e999}', MalformedError),
    "a long number that becomes infinite": (b'{"a":[%s.0]}' % (b"9" * 400), MalformedError),
    "a lone surrogate": (b'{"a":"\\ud800"}', MalformedError),
    "a lone surrogate in a key": (b'{"\\udc00":1}', MalformedError),
    "surrogates in the wrong order": (b'{"a":"\\udc00\\ud800"}', MalformedError),
    "a surrogate as bytes": (b'{"a":"\xed\xa0\x80"}', MalformedError),
    "a byte order mark": (b"\xef\xbb\xbf{}", MalformedError),
    "something after the value": (b"{} {}", MalformedError),
    "bytes that are no UTF-8": (b'{"a":"\xff"}', MalformedError),
    "a line feed in a string": (b'{"a":"\n"}', MalformedError),
    "a trailing comma": (b'{"a":1,}', MalformedError),
    "a comment": (b'{"a":1/**/}', MalformedError),
    "single quotes": (b"{'a':1}", MalformedError),
    "nothing": (b"", MalformedError),
    "nesting over the limit": (b'{"a":' * 65 + b"1" + b"}" * 65, TooLargeError),
    "nesting far over the limit": (b"[" * 5000 + b"]" * 5000, TooLargeError),
    "a number of too many digits": (b'{"a":%s}' % (b"1" * 4301), MalformedError),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused(what: str) -> None:
    """Each is refused by both readers, with the same kind of error where one reader can tell."""
    data, error = REFUSED[what]
    with pytest.raises(error):
        parse_json_value(data, **LIMITS)
    with pytest.raises(MalformedError):
        parse_json(data, **LIMITS)


ACCEPTED = {
    "64 levels": b'{"a":' * 64 + b"1" + b"}" * 64,
    "whitespace around": b" \t\r\n{}\n",
    "a pair of surrogates": b'{"a":"\\ud83d\\ude00"}',
    "an escaped NUL": b'{"a":"\\u0000"}',
    "a number of 4300 digits": b"[%s]" % (b"1" * 4300),
    "a number that becomes zero": b"[1e-999]",
    "minus zero": b"[-0, -0.0]",
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_unusual_json_that_has_one_reading_is_accepted(what: str) -> None:
    """Both readers accept it with the same value."""
    assert parse_json_value(ACCEPTED[what], **LIMITS) == parse_json(ACCEPTED[what], **LIMITS)


def test_a_body_must_be_an_object_within_the_size() -> None:
    """A list is no request, and a body of one byte over the limit isn't parsed."""
    with pytest.raises(MalformedError, match="expected a JSON object, got list"):
        parse_request_json(b"[]", **LIMITS)
    with pytest.raises(TooLargeError, match="expected at most 4 bytes, got 5"):
        parse_request_json(b'{"":1', max_bytes=4)


def outcome(parse: Any, data: bytes) -> Any:
    try:
        return ("value", parse(data, **LIMITS))
    except MalformedError:
        return "refused"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(json_values, st.booleans())
def test_both_readers_give_the_same_value(value: Any, ascii_only: bool) -> None:
    """parse_json_value(data) == parse_json(data) for generated JSON."""
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert outcome(parse_json_value, data) == outcome(parse_json, data)


SPLICES = [
    b'"a":1,',
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"\xff",
    b"[",
    b"]",
    b"{",
    b"}",
    b"0",
    b"-",
    b".",
    b'"',
    b"\\",
    b"e5",
]


@settings(max_examples=600)
@given(json_values, st.data())
@example({"a": 1}, None)
def test_both_readers_agree_on_damaged_json(value: Any, data: st.DataObject | None) -> None:
    """Wherever bytes are put in, taken out or doubled, both accept with the same value or both refuse."""
    raw = json.dumps({"k": value, "a": [1.5, "x"]}).encode()
    if data is not None:
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 3))
        put = data.draw(st.sampled_from(SPLICES) | st.binary(max_size=3))
        raw = raw[:at] + put + raw[at + cut :]
    assert outcome(parse_json_value, raw) == outcome(parse_json, raw)


@settings(max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 400))
def test_numbers_are_read_alike_and_finite(number: float, exponent: int) -> None:
    """Both readers round a decimal to the same float, and none of them lets an infinite one through."""
    raw = f"[{number!r}, {number:.30e}, 1.7e{exponent}]".encode()
    ours = outcome(parse_json_value, raw)
    assert ours == outcome(parse_json, raw)
    assert ours == "refused" or all(math.isfinite(each) for each in ours[1])
