"""Statements: one subject, its descriptor, and the fields that all predicates share."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attestation_world import NOW, countersigned, purpose

from countermark.attestation.canonical import canonical_json
from countermark.attestation.statement import Instrument, descriptor_sha256, make_statement, parse_statement
from countermark.errors import CountermarkError, MalformedError, PayloadTypeError, SubjectError, TooLargeError


def test_a_made_statement_is_canonical_and_reads_back() -> None:
    """The payload is RFC 8785 and says everything once; parsing it gives the same statement."""
    made = purpose()
    assert made.payload == canonical_json(json.loads(made.payload))
    assert parse_statement(made.payload) == made
    assert json.loads(made.payload)["predicateType"] == "urn:countermark:purpose:v1"
    assert made.content == {"purpose": "office"}
    assert made.subject.sha256 == descriptor_sha256({"workload": "northmark/office"})


def test_the_subject_stays_the_same_when_the_statement_is_renewed() -> None:
    """Newest wins needs a subject that only the descriptor decides."""
    old, new = purpose(), purpose(seq=2, content={"purpose": "survey"})
    assert old.subject == new.subject
    assert old.sha256 != new.sha256


def test_a_countersignature_names_exactly_one_payload() -> None:
    """Its descriptor is the payload's digest, its subject's name the statement's."""
    made = countersigned(purpose(), basis="measured", interest="party")
    assert made.predicate_type == "countersignature"
    assert made.descriptor == {"statement": purpose().sha256}
    assert made.subject.name == "northmark/office"
    assert (made.basis, made.interest) == ("measured", "party")


def test_an_instrument_says_who_can_change_the_rule_alone() -> None:
    """Given as a record or as a mapping, it reads back as a record."""
    rule = Instrument(name="Directive 7", changed_by=("northmark",))
    assert purpose(instrument=rule).instrument == rule
    assert purpose(instrument={"name": "Directive 7", "changed_by": ["northmark"]}).instrument == rule
    assert purpose().instrument is None


def test_times_are_written_in_utc_to_the_second() -> None:
    """Another zone and fractions are cut to the one spelling."""
    there = datetime(2026, 5, 1, 2, 0, 0, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert purpose(valid_from=there).validity.valid_from == datetime(2026, 5, 1, tzinfo=UTC)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(purpose().payload)
    change(value)
    return json.dumps(value).encode()


def predicate(**changes: Any) -> bytes:
    return changed(lambda value: value["predicate"].update(changes))


BAD: dict[str, tuple[bytes, type[CountermarkError]]] = {
    "no JSON": (b"x", MalformedError),
    "no type": (changed(lambda v: v.pop("_type")), PayloadTypeError),
    "no predicate type": (changed(lambda v: v.pop("predicateType")), PayloadTypeError),
    "predicate type that is no text": (changed(lambda v: v.update(predicateType=1)), PayloadTypeError),
    "predicate type with a line break": (
        changed(lambda v: v.update(predicateType="urn:countermark:purpose:v1\n")),
        PayloadTypeError,
    ),
    "upper-case predicate": (
        changed(lambda v: v.update(predicateType="urn:countermark:Purpose:v1")),
        PayloadTypeError,
    ),
    "no subject": (changed(lambda v: v.update(subject=[])), MalformedError),
    "subject without name": (changed(lambda v: v["subject"][0].pop("name")), MalformedError),
    "subject with an empty name": (changed(lambda v: v["subject"][0].update(name="")), MalformedError),
    "subject's name with a control character": (
        changed(lambda v: v["subject"][0].update(name="a\u0007")),
        MalformedError,
    ),
    "subject's name too long": (changed(lambda v: v["subject"][0].update(name="a" * 256)), TooLargeError),
    "subject with a weak digest only": (
        changed(lambda v: v["subject"][0].update(digest={"sha1": "00" * 20})),
        MalformedError,
    ),
    "digest in upper case": (
        changed(lambda v: v["subject"][0].update(digest={"sha256": purpose().subject.sha256.upper()})),
        MalformedError,
    ),
    "digest of something else": (
        changed(lambda v: v["subject"][0].update(digest={"sha256": "00" * 32})),
        SubjectError,
    ),
    "another descriptor": (predicate(descriptor={"workload": "northmark/field"}), SubjectError),
    "no predicate": (changed(lambda v: v.pop("predicate")), MalformedError),
    "an empty descriptor": (predicate(descriptor={}), MalformedError),
    "no descriptor": (predicate(descriptor=None), MalformedError),
    "descriptor without canonical form": (predicate(descriptor={"n": 2**60}), MalformedError),
    "negative seq": (predicate(seq=-1), MalformedError),
    "seq that is a truth value": (predicate(seq=True), MalformedError),
    "seq that is a float": (predicate(seq=1.0), MalformedError),
    "seq over 2^53": (predicate(seq=2**53), MalformedError),
    "unknown basis": (predicate(basis="hearsay"), MalformedError),
    "basis that is a list": (predicate(basis=["word"]), MalformedError),
    "unknown interest": (predicate(interest="some"), MalformedError),
    "no end": (predicate(valid_until=None), MalformedError),
    "an end at its beginning": (predicate(valid_until="2026-05-01T00:00:00Z"), MalformedError),
    "time with a fraction": (predicate(valid_until="2026-07-01T00:00:00.5Z"), MalformedError),
    "instrument without who changes it": (predicate(instrument={"name": "x"}), MalformedError),
    "instrument with a party twice": (
        predicate(instrument={"name": "x", "changed_by": ["a", "a"]}),
        MalformedError,
    ),
    "instrument that is null": (predicate(instrument=None), MalformedError),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_statement_of_ours_is_a_typed_error(case: str) -> None:
    """Every way to be malformed has its class."""
    payload, error = BAD[case]
    with pytest.raises(error) as caught:
        parse_statement(payload)
    assert type(caught.value) is error


def test_unknown_fields_beside_the_predicate_are_ignored() -> None:
    """in-toto: parsers ignore fields that they don't know, and other digests are not looked at."""
    payload = changed(lambda v: (v.update(note=1), v["subject"][0]["digest"].update(md5="zz")))
    assert parse_statement(payload).content == {"purpose": "office"}


def test_content_may_not_name_a_common_field() -> None:
    """Else a builder could be talked into another seq or validity."""
    for name in ("seq", "valid_until", "descriptor", "instrument"):
        with pytest.raises(MalformedError, match=name):
            purpose(content={name: 1})


def test_a_statement_that_could_not_be_read_is_not_made() -> None:
    """`make_statement` refuses what `parse_statement` would."""
    for changes in (
        {"kind": "Purpose"},
        {"name": ""},
        {"descriptor": {}},
        {"seq": -1},
        {"valid_until": NOW - timedelta(days=9)},
    ):
        with pytest.raises(MalformedError):
            purpose(**changes)


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), {1: 2}, {"a": b"x"}, "\ud800", object()]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """A digest is never taken over something that two writers could spell differently."""
    with pytest.raises(MalformedError):
        canonical_json(value)


def test_a_statement_made_by_hand_needs_no_canonical_payload() -> None:
    """What is signed is bytes; another in-toto tool may space them as it likes."""
    payload = json.dumps(json.loads(purpose().payload), indent=3).encode()
    parsed = parse_statement(payload)
    assert parsed.subject == purpose().subject
    assert parsed.sha256 != purpose().sha256


def test_the_builder_takes_every_kind() -> None:
    """Predicates belong to other parts; this one only fixes their common fields."""
    made = make_statement(
        "legal-basis",
        "17/3",
        {"order": "17/3", "party": "northmark"},
        {"type": "order"},
        seq=0,
        valid_from=NOW,
        valid_until=NOW + timedelta(seconds=1),
        basis="document-seen",
        interest="none",
    )
    assert (made.predicate_type, made.seq) == ("legal-basis", 0)
