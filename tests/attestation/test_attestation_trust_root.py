"""The trust root: lookups, quorum of all sides, succession. Most of what it refuses is in spec/vectors/attestation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attestation_world import END, KEYS, NOW, START, charter, keyid, purpose, signed_root, the_root

from countermark.attestation.charter import matches, read_charter
from countermark.attestation.envelope import add_signature, encode_envelope, parse_envelope, sign_envelope
from countermark.attestation.trust_root import (
    draft_trust_root,
    make_trust_root,
    parse_trust_root,
    verify_sides,
    verify_successor,
)
from countermark.errors import MalformedError, PayloadTypeError, QuorumError, RoleError, TrustError
from countermark.facts import Level


def test_the_lookups_say_what_the_content_says() -> None:
    """Roles, persons, counterparts, gateways and status, by name."""
    root = the_root()
    assert root.party_of_role("halden_reviewer") == "halden"
    assert root.persons_of_role("halden_reviewer") == {"ada", "dua"}
    assert root.person_of_key(KEYS["ben-2"].public) == "ben"
    assert root.person_of_key(KEYS["halden-side"].public) is None
    assert root.roles_of_key(KEYS["ben"].public) == {"northmark_systems", "northmark_board"}
    assert root.roles_of_key(KEYS["stranger"].public) == frozenset()
    assert root.counterparts("northmark", "purpose", "northmark/office") == {"halden"}
    assert root.counterparts("northmark", "purpose", "southmark/office") == frozenset()
    assert root.counterparts("halden", "purpose", "northmark/office") == frozenset()
    assert root.gateway_key("gw-1") == KEYS["gw-1"].public
    assert root.runner_of("gw-1") == "brightwater"
    assert root.runner_level("gw-1") is Level.OBSERVED
    assert root.status_max_age_s("legal-basis") == 86400
    assert root.status_max_age_s("purpose") is None
    assert (root.one_sided, root.version, root.upstream_key_held_by) == (False, 1, ("halden",))


def test_a_right_holds_for_its_predicate_subject_and_time_only() -> None:
    """`may_make` is exact in all three."""
    root = the_root()
    late = datetime(2026, 6, 1, tzinfo=UTC)
    assert root.may_make("northmark_systems", "purpose", "northmark/office", NOW)
    assert not root.may_make("northmark_systems", "purpose", "northmark", NOW)
    assert not root.may_make("northmark_systems", "oversight", "northmark/office", NOW)
    assert root.may_make("halden_reviewer", "status", "anything", NOW)
    assert not root.may_make("halden_reviewer", "status", "anything", late)


def test_patterns_are_exact_names_or_prefixes() -> None:
    """A star ends a prefix; without one the whole name counts."""
    assert matches(["northmark/*"], "northmark/office")
    assert not matches(["northmark/*"], "northmarket/office")
    assert not matches(["northmark/office"], "northmark/office2")
    assert matches(["*"], "x")
    assert not matches([], "x")


def test_what_the_root_does_not_name_is_an_error() -> None:
    """A lookup of an unknown role or gateway never answers with a default."""
    root = the_root()
    for look in (
        root.party_of_role,
        root.persons_of_role,
        root.runner_level,
        root.gateway_key,
        root.runner_of,
    ):
        with pytest.raises(RoleError):
            look("nobody")
    with pytest.raises(RoleError):
        root.may_make("nobody", "purpose", "x", NOW)


def test_a_runner_that_is_no_observer_sees_for_one_party_only() -> None:
    """Without the charter's word a gateway's sight is its operator's."""
    content = {**charter(), "observers": ["northmark"]}
    assert parse_trust_root(signed_root(content), now=NOW).runner_level("gw-1") is Level.OPERATOR


def test_a_side_needs_its_own_k_of_n() -> None:
    """Signatures of one side never fill up another's."""
    content = charter()
    content["sides"]["northmark"] = {
        "threshold": 2,
        "keys": [keyid("ben"), keyid("cem"), keyid("northmark-side")],
    }
    for signers in (("halden-side", "cem"), ("halden-side", "ada", "cem"), ("ben", "cem", "northmark-side")):
        with pytest.raises(QuorumError):
            parse_trust_root(signed_root(content, *signers), now=NOW)
    assert parse_trust_root(signed_root(content, "halden-side", "cem", "ben"), now=NOW).version == 1


def test_the_missing_sides_are_named() -> None:
    """Whoever collects signatures sees whose are lacking."""
    with pytest.raises(QuorumError, match=r"missing `northmark` \(0 of 1\)$"):
        parse_trust_root(signed_root(charter(), "halden-side"), now=NOW)
    with pytest.raises(QuorumError):
        verify_sides(sign_envelope(b"x"), [])


def test_signatures_can_be_added_one_after_the_other() -> None:
    """`trust sign` here, `trust add` there: the envelope that both have signed is in force."""
    statement = make_trust_root("northmark-halden", charter(), valid_from=START, valid_until=END)
    draft = sign_envelope(statement.payload, KEYS["halden-side"])
    sent = parse_envelope(encode_envelope(draft))
    done = add_signature(sent, KEYS["northmark-side"])
    root = parse_trust_root(encode_envelope(done), now=NOW)
    assert root.digest == statement.sha256 == draft_trust_root(statement).digest


def test_the_builder_adds_what_is_left_out_and_checks_the_rest() -> None:
    """Silence in a builder's content is written out, so that the document itself says everything."""
    content: dict[str, Any] = {name: charter()[name] for name in ("version", "parties", "keys", "sides")}
    root = draft_trust_root(make_trust_root("r", content, valid_from=START, valid_until=END))
    assert (root.roles, root.observers, root.upstream_checks_permit) == ({}, frozenset(), False)
    for spoiled in (
        {**content, "extra": 1},
        {**content, "version": 0},
        {"parties": {}},
        {**content, "version": True},
    ):
        with pytest.raises(MalformedError):
            make_trust_root("r", spoiled, valid_from=START, valid_until=END)


def test_another_statement_is_no_trust_root() -> None:
    """Signed by everybody, and still of another predicate or payload type."""
    keys = (KEYS["halden-side"], KEYS["northmark-side"])
    with pytest.raises(PayloadTypeError):
        parse_trust_root(encode_envelope(sign_envelope(purpose().payload, *keys)), now=NOW)
    payload = make_trust_root("r", charter(), valid_from=START, valid_until=END).payload
    with pytest.raises(PayloadTypeError):
        parse_trust_root(encode_envelope(sign_envelope(payload, *keys, payload_type="text/plain")), now=NOW)


def test_a_lapsed_root_is_succeeded_by_the_same_sides() -> None:
    """The old one's expiry doesn't lock everybody out; its sides' signatures are needed all the same."""
    old = parse_trust_root(signed_root(charter(), until=datetime(2026, 5, 1, tzinfo=UTC)), now=START)
    assert verify_successor(old, signed_root({**charter(), "version": 5}), NOW).version == 5


def test_a_root_of_another_name_is_no_successor() -> None:
    """Two deployments with the same sides can't exchange their roots."""
    statement = make_trust_root("other", {**charter(), "version": 2}, valid_from=START, valid_until=END)
    data = encode_envelope(sign_envelope(statement.payload, KEYS["halden-side"], KEYS["northmark-side"]))
    with pytest.raises(TrustError, match="trust root `northmark-halden`"):
        verify_successor(the_root(), data, NOW)


SPOILED: dict[str, dict[str, Any]] = {
    "a list": {"content": []},
    "parties that are a list": {"parties": []},
    "a party's name with a space": {"parties": {"halden models": {"title": ""}}},
    "a title of two lines": {"parties": {"halden": {"title": "a\nb"}}},
    "keys that are a list": {"keys": []},
    "a role's name with a hyphen": {"roles": {"a-b": {}}},
    "makes that is an object": {
        "roles": {"a": {"party": "halden", "persons": ["ada"], "threshold": 1, "makes": {}}}
    },
    "persons that hold no key": {"persons": {"ada": {"party": "halden", "title": "", "keys": []}}},
    "a person's key twice": {
        "persons": {"ada": {"party": "halden", "title": "", "keys": [keyid("ada")] * 2}}
    },
    "a key list of numbers": {"persons": {"ada": {"party": "halden", "title": "", "keys": [1]}}},
    "observers that are no parties": {"observers": ["southmark"]},
    "upstream held by no party": {"upstream_key_held_by": ["southmark"]},
    "upstream_checks_permit as a text": {"upstream_checks_permit": "false"},
    "an age of zero": {"status_required": [{"predicate": "x", "max_age_s": 0}]},
    "a predicate twice": {"status_required": [{"predicate": "x", "max_age_s": 1}] * 2},
    "a predicate with its urn": {"status_required": [{"predicate": "urn:countermark:x:v1", "max_age_s": 1}]},
    "a gateway of no party": {"gateways": {"gw-1": {"runner": "southmark", "key": keyid("gw-1")}}},
    "two gateways with one key": {
        "gateways": {name: {"runner": "halden", "key": keyid("gw-1")} for name in ("gw-1", "gw-2")}
    },
    "a side of no party": {"sides": {"southmark": {"threshold": 1, "keys": [keyid("halden-side")]}}},
    "two sides with one key": {
        "sides": {name: {"threshold": 1, "keys": [keyid("halden-side")]} for name in ("halden", "northmark")}
    },
    "counterparts without subjects": {
        "counterparts": [{"party": "halden", "predicate": "x", "subjects": [], "counterparts": []}]
    },
    "an empty pattern": {
        "counterparts": [{"party": "halden", "predicate": "x", "subjects": [""], "counterparts": []}]
    },
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_loose_end_is_refused(case: str) -> None:
    """Each part is read strictly; beside the vectors, the forms that a hand-written root gets wrong."""
    changes = SPOILED[case]
    content: object = changes["content"] if "content" in changes else {**charter(), **changes}
    with pytest.raises(MalformedError):
        read_charter(content)


def test_a_persons_key_may_sign_for_that_persons_side() -> None:
    """A small party needs no second key: it is the same hand."""
    content = charter()
    content["sides"]["halden"] = {"threshold": 1, "keys": [keyid("ada")]}
    assert (
        parse_trust_root(signed_root(content, "ada", "northmark-side"), now=NOW).sides["halden"].threshold
        == 1
    )
