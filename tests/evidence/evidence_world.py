"""A small world to appraise in: three fictional parties, real keys, and statements that are really signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.attestation.trust_root import TrustRoot, make_trust_root, parse_trust_root
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.clock import format_time
from countermark.evidence.observation import KnownCredential, Observation
from countermark.evidence.selectors import SelectorKeys
from countermark.facts import Level
from countermark.request import Action

NOW = datetime(2026, 5, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
OFFICE, RECALL, TRACKING = "northmark/office", "northmark/recall", "northmark/tracking"
KEYS = SelectorKeys({"k1": b"selector key one of the tests..!"})
PREDICATES = ("credential", "deployment", "purpose", "legal-basis", "engagement", "oversight", "status")


@cache
def key(name: str) -> PrivateKey:
    """The key of a person or side, the same in every run."""
    return PrivateKey.from_seed(hashlib.sha256(name.encode()).digest())


PERSONS = {"ada": "halden", "ben": "brightwater", "cem": "northmark", "dua": "northmark"}
ROLES = {
    "halden_reviewer": ("halden", "ada"),
    "brightwater_integrator": ("brightwater", "ben"),
    "northmark_officer": ("northmark", "cem"),
    "northmark_clerk": ("northmark", "dua"),
}


@cache
def trust_root_file(status_required: tuple[tuple[str, int], ...] = ()) -> bytes:
    """Two sides; Northmark and Halden countersign each other in everything."""
    holders = [*PERSONS, "halden-side", "northmark-side", "gateway"]
    makes = [{"predicate": name, "subjects": ["*"]} for name in (*PREDICATES, "countersignature")]
    content: dict[str, Any] = {
        "version": 1,
        "parties": {"halden": "Halden", "brightwater": "Brightwater", "northmark": "Northmark"},
        "keys": {key(name).public.keyid: key(name).public.to_dict() for name in holders},
        "persons": {
            name: {"party": party, "title": name.title(), "keys": [key(name).public.keyid]}
            for name, party in PERSONS.items()
        },
        "sides": {
            party: {"threshold": 1, "keys": [key(f"{party}-side").public.keyid]}
            for party in ("halden", "northmark")
        },
        "roles": {
            role: {"party": party, "persons": [person], "threshold": 1, "makes": makes}
            for role, (party, person) in ROLES.items()
        },
        "counterparts": [
            {"party": one, "predicate": name, "subjects": ["*"], "counterparts": [other]}
            for one, other in (("northmark", "halden"), ("halden", "northmark"))
            for name in PREDICATES
        ],
        "status_required": [{"predicate": name, "max_age_s": age} for name, age in status_required],
        "gateways": {"gw-1": {"runner": "brightwater", "key": key("gateway").public.keyid}},
        "observers": ["brightwater"],
    }
    content["parties"] = {name: {"title": title} for name, title in content["parties"].items()}
    made = make_trust_root("tests", content, valid_from=NOW - 30 * DAY, valid_until=NOW + 300 * DAY)
    return encode_envelope(sign_envelope(made.payload, key("halden-side"), key("northmark-side")))


@cache
def trust_root(status_required: tuple[tuple[str, int], ...] = ()) -> TrustRoot:
    """The trust root of `trust_root_file`, in force."""
    return parse_trust_root(trust_root_file(status_required), now=NOW)


def sign(
    kind: str,
    name: str,
    descriptor: Mapping[str, Any],
    content: Mapping[str, Any],
    *,
    seq: int = 1,
    by: str | tuple[str, ...] = "cem",
    countersigned_by: str | None = "ada",
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + DAY,
    root: TrustRoot | None = None,
    verified_at: datetime | None = None,
    instrument: Mapping[str, Any] | None = None,
) -> VerifiedStatement:
    """Make, sign, countersign and verify one statement."""
    made = make_statement(
        kind,
        name,
        descriptor,
        content,
        seq=seq,
        valid_from=begins,
        valid_until=ends,
        basis="document-seen",
        interest="party",
        instrument=instrument,
    )
    envelopes = [sign_envelope(made.payload, *(key(name) for name in ((by,) if isinstance(by, str) else by)))]
    if countersigned_by is not None:
        counter = make_countersignature(
            made, seq=1, valid_from=begins, valid_until=ends, basis="inspected", interest="none"
        )
        envelopes.append(sign_envelope(counter.payload, key(countersigned_by)))
    data = encode_lines(envelopes)
    # statements out of their time can't be verified later: tests of `expired` verify them while they were good
    moment = verified_at or min(max(NOW, begins), ends - DAY / 24)
    statement = verify_statement(data, root or trust_root(), now=moment)
    _FILES[(statement.sha256, statement.makers, statement.countersigners)] = data
    return statement


_FILES: dict[tuple[object, ...], bytes] = {}


def file_of(statement: VerifiedStatement) -> bytes:
    """The statement file that `sign` made of it."""
    return _FILES[(statement.sha256, statement.makers, statement.countersigners)]


def purpose(workload: str = OFFICE, **changes: Any) -> VerifiedStatement:
    """A purpose without persons, unless changed; keyword arguments that `sign` knows go there."""
    content = {
        "purpose": "office",
        "models": ["m-1"],
        "operations": [],
        "data_classes": ["no-persons"],
        "persons_at_most": 0,
        "basis_required": "none",
    }
    content, signing = _split(content, changes)
    return sign("purpose", workload, {"workload": workload}, content, **signing)


def deployment(workload: str = OFFICE, **changes: Any) -> VerifiedStatement:
    """A deployment with one harmless tool and one that acts."""
    content = {
        "system": "assistant in the office",
        "operator": "northmark",
        "environment": "production",
        "site": "office",
        "tools": {"search": {"effects": []}, "actuate": {"effects": ["actuate", "decide"]}},
        "answer_effects": [],
    }
    content, signing = _split(content, changes)
    return sign("deployment", workload, {"workload": workload}, content, **signing)


def oversight(workload: str = OFFICE, **changes: Any) -> VerifiedStatement:
    """Humans look before the effect, by a directive that Northmark can change alone."""
    content, signing = _split({"review": "before-effect", "decides": "reviewer"}, changes)
    signing.setdefault("instrument", {"name": "directive D-7", "changed_by": ["northmark"]})
    return sign("oversight", workload, {"workload": workload}, content, **signing)


def order(
    persons: Sequence[str], *, number: str = "17/3", workloads: Sequence[str] = (OFFICE,), **changes: Any
) -> VerifiedStatement:
    """An order about the given persons."""
    content = {
        "type": "order",
        "workloads": list(workloads),
        "selectors": {"key_id": "k1", "hmac_sha256": sorted(KEYS.digest(person)["k1"] for person in persons)},
        "may_derive": ["locate"],
    }
    content, signing = _split(content, changes)
    return sign(
        "legal-basis", f"northmark/{number}", {"order": number, "party": "northmark"}, content, **signing
    )


def consent(
    data_set: str = "recall-4", *, workloads: Sequence[str] = (OFFICE,), **changes: Any
) -> VerifiedStatement:
    """A consent about a data set."""
    content = {
        "type": "consent",
        "workloads": list(workloads),
        "may_derive": ["notify"],
        "data_set": data_set,
    }
    content, signing = _split(content, changes)
    return sign("legal-basis", data_set, {"consent": data_set}, content, **signing)


def engagement(
    *, number: str = "E-9", workloads: Sequence[str] = (OFFICE,), **changes: Any
) -> VerifiedStatement:
    """An engagement over one range and one zone."""
    content = {"workloads": list(workloads), "ranges": ["10.4.0.0/16"], "names": ["*.lab.example"]}
    content, signing = _split(content, changes)
    return sign("engagement", number, {"engagement": number}, content, **signing)


def status(of: VerifiedStatement, **signing: Any) -> VerifiedStatement:
    """The issuer's word that a statement still holds."""
    signing.setdefault("countersigned_by", None)
    return sign("status", of.subject.name, {"statement": of.sha256}, {"status": "good"}, **signing)


def credential(
    api_key: str | None = "key-of-the-office",
    *,
    name: str = "office-1",
    workload: str = OFFICE,
    public: PublicKey | None = None,
    **changes: Any,
) -> VerifiedStatement:
    """A credential: an API key, or a public key where one is given."""
    content: dict[str, Any] = {"workload": workload, "holders": ["eva"], "may_explain": False}
    if public is not None:
        content |= {"kind": "key", "public": public.to_dict()}
    else:
        content |= {"kind": "api-key", "sha256": hashlib.sha256(str(api_key).encode()).hexdigest()}
    content, signing = _split(content, changes)
    signing.setdefault("countersigned_by", None)
    return sign("credential", workload, {"credential": name}, content, **signing)


def seen(
    workload: str = OFFICE,
    *,
    persons: Sequence[str] = (),
    public: PublicKey | None = None,
    runner_level: Level = Level.OBSERVED,
    action: Action = Action.PROMPT,
    **fields: Any,
) -> Observation:
    """What the gateway saw: a prompt to `m-1` with an API key, unless changed."""
    known = KnownCredential(
        name="office-1",
        statement="0" * 64,
        workload=workload,
        holders=frozenset({"eva"}),
        may_explain=False,
        public=public,
        valid_until=NOW + 200 * DAY,
    )
    fields.setdefault("model", "m-1")
    return Observation(
        credential=known, runner_level=runner_level, action=action, persons=KEYS.see(persons), **fields
    )


_SIGNING = frozenset({"seq", "by", "countersigned_by", "begins", "ends", "root", "verified_at", "instrument"})


def _split(content: dict[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    signing = {name: value for name, value in changes.items() if name in _SIGNING}
    return content | {name: value for name, value in changes.items() if name not in _SIGNING}, signing


def at(moment: datetime) -> str:
    """A time as formats write it."""
    return format_time(moment)
