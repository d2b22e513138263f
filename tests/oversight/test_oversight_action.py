"""One action has one description, and one digest."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import MalformedError
from countermark.oversight.action import (
    action_descriptor,
    action_digest,
    call_descriptor,
    check_descriptor,
    describe_prompt,
)
from countermark.request import Action
from countermark.strictjson import parse_json

PROMPT = {
    "workload": "northmark/orders",
    "action": Action.PROMPT,
    "resource": "m-1",
    "upstream": "main",
    "body_sha256": "a" * 64,
    "headers": {"anthropic-version": "2026-10-21"},
}


def test_the_digest_is_that_of_the_canonical_json_that_the_specification_shows() -> None:
    """Whoever reads spec/approval.md can compute the digest with two standard tools."""
    written = (
        b'{"action":"call","arguments":{"target":"T-114"},"bundle":"' + b"b" * 64 + b'","tool":"actuate",'
        b'"workload":"northmark/field"}'
    )
    descriptor = call_descriptor(
        workload="northmark/field", tool="actuate", arguments={"target": "T-114"}, bundle="b" * 64
    )
    assert action_digest(descriptor) == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"workload": "northmark/recall"},
        {"action": Action.RELEASE},
        {"resource": "m-2"},
        {"upstream": "other"},
        {"body_sha256": "c" * 64},
        {"headers": {}},
        {"headers": {"anthropic-version": "2026-10-22"}},
    ],
    ids=lambda change: f"another {next(iter(change))}",
)
def test_every_part_of_a_prompt_is_part_of_its_digest(change: dict) -> None:
    """No part of a prompt can be exchanged after somebody signed."""
    assert action_digest(action_descriptor(**{**PROMPT, **change})) != action_digest(
        action_descriptor(**PROMPT)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"workload": "northmark/office"},
        {"tool": "look"},
        {"arguments": {"target": "T-115"}},
        {"arguments": {"target": "T-114", "now": True}},
        {"bundle": "c" * 64},
    ],
    ids=lambda change: f"another {next(iter(change))}",
)
def test_every_part_of_a_call_is_part_of_its_digest(change: dict) -> None:
    """No part of a call can be exchanged after somebody signed."""
    call = {
        "workload": "northmark/field",
        "tool": "actuate",
        "arguments": {"target": "T-114"},
        "bundle": "b" * 64,
    }
    assert action_digest(call_descriptor(**{**call, **change})) != action_digest(call_descriptor(**call))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(arguments=JSON, order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_spelling_of_arguments_does_not_matter(arguments: object, order) -> None:
    """A model that writes the same arguments in another order asks for the same action."""
    import json

    def shuffled(value):
        if isinstance(value, dict):
            items = list(value.items())
            order.shuffle(items)
            return {name: shuffled(each) for name, each in items}
        return [shuffled(each) for each in value] if isinstance(value, list) else value

    again = parse_json(json.dumps(shuffled(arguments), indent=1).encode())
    digests = {
        action_digest(call_descriptor(workload="a/b", tool="t", arguments=each, bundle="b" * 64))
        for each in (arguments, again)
    }
    assert len(digests) == 1


def test_headers_are_named_in_lower_case() -> None:
    """HTTP names are case-insensitive, so one header has one name."""
    upper = action_descriptor(**{**PROMPT, "headers": {"Anthropic-Version": "2026-10-21"}})
    assert upper == action_descriptor(**PROMPT)


@pytest.mark.parametrize(
    "change",
    [
        {"body_sha256": "A" * 64},
        {"body_sha256": "a" * 63},
        {"headers": {"X-Api-Key": "secret"}},
        {"headers": {"authorization": "Bearer secret"}},
        {"headers": {"a": "1", "A": "2"}},
        {"headers": {"a b": "1"}},
        {"headers": {"a": 1}},
    ],
    ids=[
        "upper-case digest",
        "short digest",
        "a key",
        "a bearer token",
        "one header twice",
        "a name that is none",
        "a number as value",
    ],
)
def test_what_cannot_be_described_is_refused(change: dict) -> None:
    """A description holds no credential and nothing that two readers could read differently."""
    with pytest.raises(MalformedError):
        action_descriptor(**{**PROMPT, **change})


def test_arguments_without_canonical_form_are_refused() -> None:
    """Integers over 2^53 are read differently by different parsers, so nobody can sign for one."""
    with pytest.raises(MalformedError):
        call_descriptor(workload="a/b", tool="t", arguments={"n": 2**53 + 1}, bundle="b" * 64)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"action": "prompt"},
        {"action": ["prompt"]},
        {**action_descriptor(**PROMPT), "extra": 1},
        {**action_descriptor(**PROMPT), "workload": 1},
        {**action_descriptor(**PROMPT), "headers": []},
        {**action_descriptor(**PROMPT), "action": "call"},
    ],
    ids=[
        "empty",
        "too little",
        "no word",
        "too much",
        "no text",
        "headers a list",
        "fields of another action",
    ],
)
def test_a_foreign_description_is_checked(value: dict) -> None:
    """A description that comes in a file is one of ours, or refused."""
    with pytest.raises(MalformedError):
        check_descriptor(value)


@given(
    model=st.text(st.characters(codec="utf-8"), max_size=300),
    body=st.binary(max_size=20),
    value=st.text(st.characters(codec="utf-8"), max_size=30) | st.just('"body_sha256":"' + "0" * 64 + '"'),
)
def test_a_described_prompt_is_the_description_and_its_digest(model: str, body: bytes, value: str) -> None:
    """What is written once for many requests comes to the same description and digest as written anew."""
    sha256 = hashlib.sha256(body).hexdigest()
    common = {"workload": "a/b", "resource": model, "upstream": "main", "headers": {"x-y": value}}
    wanted = action_descriptor(action=Action.PROMPT, body_sha256=sha256, **common)
    for _ in range(2):  # from scratch, and remembered
        assert describe_prompt(body_sha256=sha256, **common) == (wanted, action_digest(wanted))
