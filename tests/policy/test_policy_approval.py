"""A bundle is in force only with a quorum of every side; a brake needs one key, and lifting it needs every side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import Statement, make_statement
from countermark.attestation.trust_root import TrustRoot, make_trust_root, parse_trust_root
from countermark.errors import ExpiredError, MalformedError, PayloadTypeError, QuorumError
from countermark.policy.approval import (
    bundle_in_force,
    make_bundle_approval,
    make_suspension,
    parse_bundle_approval,
    parse_suspension,
    verify_suspension,
)
from countermark.policy.bundle import Bundle, load_bundle

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS = {name: PrivateKey.generate() for name in ("h1", "h2", "n1", "n2", "n3", "stranger")}
RED_LINES = Path(__file__).parents[2] / "policies" / "red-lines"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(RED_LINES)


@pytest.fixture(scope="module")
def root() -> TrustRoot:
    """Two sides: Halden with 1 of 2 keys, Northmark with 2 of 3."""
    ids = {name: key.public.keyid for name, key in KEYS.items()}
    statement = make_trust_root(
        "halden-northmark",
        {
            "version": 1,
            "parties": {"halden": {"title": "Halden"}, "northmark": {"title": "Northmark"}},
            "keys": {ids[n]: KEYS[n].public.to_dict() for n in KEYS if n != "stranger"},
            "sides": {
                "halden": {"threshold": 1, "keys": [ids["h1"], ids["h2"]]},
                "northmark": {"threshold": 2, "keys": [ids["n1"], ids["n2"], ids["n3"]]},
            },
        },
        valid_from=NOW - DAY,
        valid_until=NOW + 300 * DAY,
    )
    return parse_trust_root(
        encode_envelope(sign_envelope(statement.payload, KEYS["h1"], KEYS["n1"], KEYS["n2"])), now=NOW
    )


def signed(statement: Statement, *names: str) -> bytes:
    return encode_envelope(sign_envelope(statement.payload, *(KEYS[name] for name in names)))


def approval(bundle: Bundle, *, days: int = 30, seq: int = 1) -> Statement:
    return make_bundle_approval(bundle, seq=seq, valid_from=NOW - DAY, valid_until=NOW + days * DAY)


def test_a_bundle_is_in_force_when_every_side_signs_one_envelope(bundle: Bundle, root: TrustRoot) -> None:
    """k of n of each side on one envelope suffice, and the sides' keys are named."""
    stands = bundle_in_force(bundle.digest, [signed(approval(bundle), "h2", "n1", "n3")], root, NOW)
    assert stands.signed["halden"] == (KEYS["h2"].public.keyid,)
    assert len(stands.signed["northmark"]) == 2
    assert stands.valid_until == NOW + 30 * DAY


def test_sides_may_sign_separately_and_the_first_lapse_ends_it(bundle: Bundle, root: TrustRoot) -> None:
    """Each side with its own statement and its own time: in force until a side's quorum is no longer complete."""
    envelopes = [
        signed(approval(bundle, days=90), "h1"),
        signed(approval(bundle, days=60), "n1"),
        signed(approval(bundle, days=10), "n2"),
        signed(approval(bundle, days=20), "n3"),
    ]
    assert bundle_in_force(bundle.digest, envelopes, root, NOW).valid_until == NOW + 20 * DAY
    with pytest.raises(QuorumError, match="northmark"):
        bundle_in_force(bundle.digest, envelopes, root, NOW + 20 * DAY)


NOT_ENOUGH = {
    "nobody signed": [],
    "one side alone, with all its keys": [("h1", "h2")],
    "the other side alone, with all its keys": [("n1", "n2", "n3")],
    "one key of two of a side": [("h1", "n1")],
    "the same key twice": [("h1", "n1"), ("n1",)],
    "a stranger's key in place of a side's": [("h1", "n1", "stranger")],
}


@pytest.mark.parametrize("case", NOT_ENOUGH)
def test_less_than_every_sides_quorum_is_refused(case: str, bundle: Bundle, root: TrustRoot) -> None:
    """No side can put terms in force alone, however many keys it has."""
    envelopes = [signed(approval(bundle), *names) for names in NOT_ENOUGH[case]]
    with pytest.raises(QuorumError, match="every side"):
        bundle_in_force(bundle.digest, envelopes, root, NOW)


def test_approvals_of_another_bundle_or_another_time_count_for_nothing(
    bundle: Bundle, root: TrustRoot
) -> None:
    """An approval is of one digest and of one time; what does not count is named."""
    good = signed(approval(bundle), "h1", "n1")
    other = make_statement(
        "bundle-approval",
        "red-lines",
        {"bundle": "0" * 64},
        {"name": "red-lines", "version": 1},
        seq=1,
        valid_from=NOW - DAY,
        valid_until=NOW + DAY,
        basis="word",
        interest="party",
    )
    later = make_bundle_approval(bundle, seq=2, valid_from=NOW + DAY, valid_until=NOW + 2 * DAY)
    for spoiled in (signed(other, "n2"), signed(later, "n2"), b"{}", b"\xff"):
        with pytest.raises(QuorumError):
            bundle_in_force(bundle.digest, [good, spoiled], root, NOW)
    stands = bundle_in_force(bundle.digest, [b"{}", good, signed(approval(bundle), "n2")], root, NOW)
    assert len(stands.ignored) == 1
    assert "envelope 1" in stands.ignored[0]


def test_a_lapsed_trust_root_puts_nothing_in_force(bundle: Bundle, root: TrustRoot) -> None:
    """What a lapsed root vouches for is worth nothing, whatever the approvals say."""
    with pytest.raises(ExpiredError):
        bundle_in_force(
            bundle.digest, [signed(approval(bundle, days=999), "h1", "n1", "n2")], root, NOW + 400 * DAY
        )


def test_the_content_of_an_approval_is_typed(bundle: Bundle) -> None:
    """Another predicate or other fields are refused."""
    parsed = parse_bundle_approval(approval(bundle))
    assert (parsed.bundle, parsed.name, parsed.version) == (bundle.digest, "red-lines", bundle.version)
    common = {"seq": 1, "valid_from": NOW, "valid_until": NOW + DAY, "basis": "word", "interest": "party"}
    with pytest.raises(PayloadTypeError):
        parse_bundle_approval(make_statement("purpose", "x", {"bundle": "1"}, {}, **common))
    for content in ({}, {"name": "x", "version": True}, {"name": "x", "version": 1, "more": 1}):
        with pytest.raises(MalformedError):
            parse_bundle_approval(make_statement("bundle-approval", "x", {"bundle": "1"}, content, **common))


def brake(state: str, scope: str = "workload", target: str = "northmark/office") -> Statement:
    return make_suspension(
        "s-1",
        scope=scope,
        target="" if scope == "all" else target,
        state=state,
        seq=1,
        valid_from=NOW - DAY,
        valid_until=NOW + DAY,
    )


def test_one_key_of_any_side_takes_a_brake(root: TrustRoot) -> None:
    """Braking waits for nobody: one key of a side whose quorum is two suffices."""
    order, sides = verify_suspension(signed(brake("taken"), "n2"), root, NOW)
    assert (order.scope, order.target, order.state) == ("workload", "northmark/office", "taken")
    assert sides == {"northmark"}
    with pytest.raises(QuorumError):
        verify_suspension(signed(brake("taken"), "stranger"), root, NOW)


def test_lifting_a_brake_needs_what_granting_needed(root: TrustRoot) -> None:
    """The quorum of every side, the side that took it included."""
    for names in (("n2",), ("n1", "n2", "n3"), ("h1", "n1")):
        with pytest.raises(QuorumError):
            verify_suspension(signed(brake("lifted"), *names), root, NOW)
    _, sides = verify_suspension(signed(brake("lifted", scope="all"), "h1", "n1", "n2"), root, NOW)
    assert sides == {"halden", "northmark"}


@pytest.mark.parametrize(
    "content",
    [
        {"scope": {"workload": "a/b"}, "state": "paused"},
        {"scope": {"workload": ""}, "state": "taken"},
        {"scope": {"all": "yes"}, "state": "taken"},
        {"scope": {"party": "halden"}, "state": "taken"},
        {"scope": {"all": True, "model": "m"}, "state": "taken"},
        {"scope": {}, "state": "taken"},
        {"scope": "all", "state": "taken"},
        {"state": "taken"},
        {"scope": {"all": True}, "state": "taken", "more": 1},
    ],
)
def test_the_content_of_a_suspension_is_typed(content: dict[str, object]) -> None:
    """One scope of four, one state of two, nothing else."""
    statement = make_statement(
        "suspension",
        "s-1",
        {"suspension": "s-1"},
        content,
        seq=1,
        valid_from=NOW,
        valid_until=NOW + DAY,
        basis="word",
        interest="party",
    )
    with pytest.raises(MalformedError):
        parse_suspension(statement)
