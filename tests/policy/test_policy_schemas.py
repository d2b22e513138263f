"""The schemas of `bundle-approval` and `suspension` accept what is made, and refuse what the parsers refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from countermark.attestation.statement import Statement, make_statement
from countermark.errors import MalformedError
from countermark.policy.approval import (
    make_bundle_approval,
    make_suspension,
    parse_bundle_approval,
    parse_suspension,
)
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle

SPEC = Path(__file__).resolve().parents[2] / "spec" / "predicates"
NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)
TIMES: dict[str, Any] = {"seq": 1, "valid_from": NOW, "valid_until": NOW + timedelta(days=1)}


def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads((SPEC / f"{kind}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _state(kind: str, descriptor: dict[str, Any], content: dict[str, Any]) -> Statement:
    return make_statement(kind, "x", descriptor, content, basis="word", interest="party", **TIMES)


def test_a_bundle_approval_that_is_made_is_valid() -> None:
    """What `make_bundle_approval` makes is what the schema says."""
    made = make_bundle_approval(load_bundle(shipped_bundle("red-lines")), **TIMES)
    _validator("bundle-approval").validate(made.predicate)


@pytest.mark.parametrize(
    ("scope", "target"),
    [("all", ""), ("workload", "northmark/office"), ("model", "m-1"), ("purpose", "office")],
)
@pytest.mark.parametrize("state", ["taken", "lifted"])
def test_a_suspension_that_is_made_is_valid(scope: str, target: str, state: str) -> None:
    """What `make_suspension` makes is what the schema says, for every scope and state."""
    _validator("suspension").validate(
        make_suspension("s-1", scope=scope, target=target, state=state, **TIMES).predicate
    )


BAD = {
    "a bundle approval with a field of its own": (
        "bundle-approval",
        {"bundle": "0" * 64},
        {"name": "a", "version": 1, "more": 1},
    ),
    "a bundle approval without a version": ("bundle-approval", {"bundle": "0" * 64}, {"name": "a"}),
    "a suspension of two things": (
        "suspension",
        {"suspension": "s"},
        {"scope": {"model": "m", "purpose": "p"}, "state": "taken"},
    ),
    "a suspension of nothing": ("suspension", {"suspension": "s"}, {"scope": {}, "state": "taken"}),
    "a suspension of all that names a target": (
        "suspension",
        {"suspension": "s"},
        {"scope": {"all": "x"}, "state": "taken"},
    ),
    "a suspension in another state": (
        "suspension",
        {"suspension": "s"},
        {"scope": {"all": True}, "state": "paused"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_schema_and_parser_refuse_alike(case: str) -> None:
    """A document that the parser refuses is not valid by the schema either."""
    kind, descriptor, content = BAD[case]
    statement = _state(kind, descriptor, content)
    parse = parse_bundle_approval if kind == "bundle-approval" else parse_suspension
    with pytest.raises(MalformedError):
        parse(statement)
    assert not _validator(kind).is_valid(statement.predicate)
