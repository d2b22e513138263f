"""Three fictional parties with real keys, a held call, and people who can sign for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.trust_root import TrustRoot, make_trust_root, parse_trust_root
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.facts import AppraisedFact, Level, Support
from countermark.oversight.action import call_descriptor
from countermark.oversight.approval import (
    ApprovalCount,
    Verdict,
    count_approvals,
    make_approval,
)
from countermark.oversight.hold import HeldContent, Hold, make_hold

NOW = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
BUNDLE = "b" * 64
WORKLOAD = "northmark/field"
ROLES = ("halden_reviewer", "northmark_commander", "northmark_duty_officer")
ROLE_PERSONS = {
    "halden_reviewer": ("ada", "ben"),
    "northmark_commander": ("cem", "dua"),
    "northmark_duty_officer": ("cem", "eva"),
}
"""cem holds two roles."""
PARTY = {"ada": "halden", "ben": "halden", "cem": "northmark", "dua": "northmark", "eva": "northmark"}
VALUES: Mapping[str, str | int] = {"countersigned.can_actuate": "yes", "observed.binding": "key-bound"}
FACTS = (
    AppraisedFact(
        name="can_actuate",
        values={Level.OPERATOR: "yes", Level.COUNTERSIGNED: "yes", Level.OBSERVED: "unknown"},
        support=(
            Support(
                level=Level.COUNTERSIGNED,
                value="yes",
                statement="d" * 64,
                statement_level=Level.COUNTERSIGNED,
                tie="credential of the workload",
                tie_level=Level.OBSERVED,
                signers=("northmark/owner (cem): word, party", "halden/reviewer (ada): document-seen, party"),
                valid_until=datetime(2026, 6, 1, tzinfo=UTC),
            ),
        ),
    ),
)


def key_of(name: str) -> PrivateKey:
    """The same key for the same name in every run."""
    return PrivateKey.from_seed(name.encode().ljust(32, b"."))


def make_root(**changed: Any) -> TrustRoot:
    """The trust root of the story's three parties; `changed` replaces top-level fields."""
    names = [*PARTY, "halden-side", "northmark-side"]
    content: dict[str, Any] = {
        "version": 1,
        "parties": {"halden": "Halden", "northmark": "Northmark"},
        "keys": {key_of(name).public.keyid: key_of(name).public.to_dict() for name in names},
        "persons": {
            name: {"party": party, "title": "", "keys": [key_of(name).public.keyid]}
            for name, party in PARTY.items()
        },
        "sides": {
            party: {"threshold": 1, "keys": [key_of(f"{party}-side").public.keyid]}
            for party in ("halden", "northmark")
        },
        "roles": {
            role: {
                "party": role.split("_")[0],
                "persons": list(persons),
                "threshold": 1,
                "makes": [{"predicate": "approval", "subjects": ["northmark/*"]}],
            }
            for role, persons in ROLE_PERSONS.items()
        },
    }
    content["parties"] = {name: {"title": title} for name, title in content["parties"].items()}
    statement = make_trust_root(
        "story",
        {**content, **changed},
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=365),
    )
    envelope = sign_envelope(statement.payload, key_of("halden-side"), key_of("northmark-side"))
    return parse_trust_root(encode_envelope(envelope), now=NOW)


def held_content(**changed: Any) -> HeldContent:
    """The call that RL-2 holds."""
    given: dict[str, Any] = {
        "workload": WORKLOAD,
        "tool": "actuate",
        "arguments": {"target": "T-114"},
        "bundle": BUNDLE,
    }
    return HeldContent(descriptor=call_descriptor(**{**given, **changed}), body=b'{"target": "T-114"}')


def held(content: HeldContent | None = None, **changed: Any) -> Hold:
    """The hold of that call."""
    given: dict[str, Any] = {
        "clauses": ("RL-2",),
        "quorum": {"northmark_commander": 1, "halden_reviewer": 1},
        "bundle": BUNDLE,
        "values": VALUES,
        "facts": FACTS,
        "requesters": frozenset({"eva"}),
        "now": NOW,
        "expires_at": NOW + timedelta(hours=1),
    }
    return make_hold(content or held_content(), **{**given, **changed})


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Whom to sign as, and what to change on the way."""

    person: str
    role: str
    verdict: Verdict = Verdict.APPROVE
    key: str | None = None
    at: datetime = NOW
    made: Mapping[str, Any] = field(default_factory=dict)


def signed(
    root: TrustRoot, hold: Hold, signing: Signing, content: HeldContent | None = None, *, now: datetime = NOW
) -> VerifiedStatement:
    """An approval made, signed with a real key, and verified."""
    statement = make_approval(
        hold,
        content or held_content(),
        role=signing.role,
        person=signing.person,
        verdict=signing.verdict,
        now=signing.at,
        basis="inspected",
        interest="party",
        **signing.made,
    )
    line = encode_envelope(sign_envelope(statement.payload, key_of(signing.key or signing.person)))
    return verify_statement([line], root, now=now)


def counted(root: TrustRoot, hold: Hold, approvals: list[VerifiedStatement], **changed: Any) -> ApprovalCount:
    """Count for the hold's own action, facts and bundle, but for what is changed."""
    given: dict[str, Any] = {
        "hold_id": hold.hold_id,
        "workload": hold.workload,
        "action_digest": hold.action_digest,
        "bundle": hold.bundle,
        "facts_sha256": hold.facts_sha256,
        "clauses_held": hold.clauses,
        "roles": ROLES,
        "requesters": hold.requesters,
        "root": root,
        "now": NOW + timedelta(minutes=1),
        "consumed": frozenset(),
    }
    return count_approvals(approvals, **{**given, **changed})
