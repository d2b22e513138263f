"""Writes `spec/vectors/evidence/`: statements and what a gateway saw, and the facts that follow.

    python tests/evidence/make_evidence_vectors.py

Keys are made from names and signatures are deterministic, so that a second run writes the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from evidence_world import (
    DAY,
    NOW,
    OFFICE,
    RECALL,
    TRACKING,
    consent,
    deployment,
    engagement,
    file_of,
    order,
    oversight,
    purpose,
    status,
    trust_root,
    trust_root_file,
)
from possession_world import BODY, PRIVATE, URL, signed

from countermark.attestation.verify import VerifiedStatement
from countermark.clock import format_time
from countermark.evidence.appraise import Appraisal, appraise
from countermark.evidence.observation import KnownCredential, Observation
from countermark.evidence.relations import relation_record
from countermark.evidence.selectors import SelectorKeys
from countermark.facts import LEVELS_BY_WORD
from countermark.request import Action

FOLDER = Path(__file__).parents[2] / "spec" / "vectors" / "evidence"
SELECTOR_KEY = b"selector key one of the tests..!"
STATUS_ROOT = (("legal-basis", 3600),)
PERSONAL: dict[str, Any] = {
    "purpose": "locate-person",
    "operations": ["locate"],
    "data_classes": ["persons"],
    "persons_at_most": 25,
    "basis_required": "order",
}
TESTING: dict[str, Any] = {"purpose": "security-testing", "basis_required": "engagement"}
FIVE_AND_TWENTY = [f"phone:+155501{number:02}" for number in range(25)]

Case = tuple[str, Callable[[], list[VerifiedStatement]], dict[str, Any]]


def _consent_named(workload: str) -> Case:
    what = (
        "even named by the one it is about"
        if workload == RECALL
        else "named by another workload: not even a claim"
    )
    return (
        f"a countersigned consent about a data set, {what}, raises nothing above `claimed`",
        lambda: [
            purpose(workload, purpose="notify-persons", data_classes=["consented"]),
            consent(workloads=[RECALL]),
        ],
        {"workload": workload, "names": "legal-basis"},
    )


CASES: dict[str, Case] = {
    "nothing-on-file": ("nobody says anything: all is unknown, and a number at its worst", list, {}),
    "office": (
        "countersigned purpose, deployment and oversight of the workload that asks",
        lambda: [purpose(), deployment(), oversight()],
        {},
    ),
    "operator-alone": (
        "without the counterpart's countersignature values leave the countersigned view",
        lambda: [purpose(countersigned_by=None), deployment(countersigned_by=None)],
        {},
    ),
    "call-of-a-tool-that-acts": (
        "a call has the effects of its tool",
        lambda: [deployment()],
        {"action": "call", "tool": "actuate"},
    ),
    "call-of-an-undeclared-tool": (
        "an undeclared tool isn't harmless: nothing is known of it",
        lambda: [deployment()],
        {"action": "call", "tool": "other"},
    ),
    "conflict": (
        "two roles of one party disagree; the view that hears one of them has its value",
        lambda: [purpose(), purpose(by="dua", countersigned_by=None, **PERSONAL)],
        {},
    ),
    "newest-of-its-makers": (
        "a newer statement of the same makers replaces the older, though nobody has countersigned it",
        lambda: [purpose(seq=1), purpose(seq=2, countersigned_by=None, purpose="survey")],
        {},
    ),
    "equal-seq": (
        "two contents under one number are a conflict",
        lambda: [purpose(seq=3), purpose(seq=3, purpose="survey")],
        {},
    ),
    "about-another-workload": (
        "a genuine statement about another workload gives nothing",
        lambda: [purpose(RECALL), deployment(RECALL)],
        {"names": "purpose"},
    ),
    "not-yet-valid": (
        "a statement whose time has not come gives nothing",
        lambda: [purpose(begins=NOW + DAY / 2, verified_at=NOW + DAY * 3 / 4)],
        {},
    ),
    "order-covers-all": (
        "every person in the request is inside one order in force for the workload",
        lambda: [purpose(**PERSONAL), order(FIVE_AND_TWENTY)],
        {"persons": FIVE_AND_TWENTY},
    ),
    "order-covers-one-of-25": (
        "24 of 25 outside order 17/3",
        lambda: [purpose(**PERSONAL), order(FIVE_AND_TWENTY[:1])],
        {"persons": FIVE_AND_TWENTY},
    ),
    "order-for-less-than-is-done": (
        "an order to notify doesn't cover a purpose that locates",
        lambda: [purpose(**PERSONAL), order(FIVE_AND_TWENTY, may_derive=["notify"])],
        {"persons": FIVE_AND_TWENTY[:1]},
    ),
    "order-in-dispute": (
        "two statements disagree about one order; another order doesn't outweigh the dispute",
        lambda: [
            purpose(**PERSONAL),
            order(FIVE_AND_TWENTY[:1]),
            order(FIVE_AND_TWENTY[1:], by="dua"),
            order(FIVE_AND_TWENTY, number="18/1"),
        ],
        {"persons": FIVE_AND_TWENTY[:1]},
    ),
    "order-without-persons-found": (
        "where nobody was found in the request, no order covers it",
        lambda: [purpose(**PERSONAL), order(FIVE_AND_TWENTY)],
        {},
    ),
    "status-fresh": (
        "where the trust root asks for it, a fresh `status: good` of the issuer lets an order count",
        lambda: _with_status(good_since=600),
        {"persons": FIVE_AND_TWENTY[:1], "status_required": STATUS_ROOT},
    ),
    "status-too-old": (
        "with a status older than the trust root allows, the order gives nothing",
        lambda: _with_status(good_since=3600),
        {"persons": FIVE_AND_TWENTY[:1], "status_required": STATUS_ROOT},
    ),
    "engagement-covers-all": (
        "every address in the request is inside the engagement",
        lambda: [purpose(**TESTING), engagement()],
        {"addresses": [f"10.4.0.{number}" for number in range(31)]},
    ),
    "engagement-of-other-addresses": (
        "31 of 31 outside engagement E-9",
        lambda: [purpose(**TESTING), engagement()],
        {"addresses": [f"10.9.0.{number}" for number in range(31)]},
    ),
    "consent-named": _consent_named(RECALL),
    "consent-of-another-workload-named": _consent_named(TRACKING),
    "runner-not-named": (
        "through a gateway that the trust root doesn't name as an observer's, all ties are an operator's word",
        lambda: [purpose(), deployment()],
        {"runner_level": "operator"},
    ),
    "claims": (
        "claims reach the claimed view only",
        lambda: [purpose()],
        {"claims": {"bulk_persons": "yes", "consent": "inside"}},
    ),
}


def _with_status(good_since: int) -> list[VerifiedStatement]:
    root = trust_root(STATUS_ROOT)
    about = order(FIVE_AND_TWENTY, root=root)
    return [
        purpose(root=root, **PERSONAL),
        about,
        status(about, root=root, begins=NOW - timedelta(seconds=good_since)),
    ]


def read_observation(value: Mapping[str, Any]) -> Observation:
    """The observation of a case's `input.json`."""
    keys = SelectorKeys({key_id: bytes.fromhex(secret) for key_id, secret in value["selector_keys"].items()})
    return Observation(
        credential=KnownCredential(
            name="credential-1",
            statement="0" * 64,
            workload=value["workload"],
            holders=frozenset({"eva"}),
            may_explain=False,
            public=PRIVATE.public if value["binding"] == "key-bound" else None,
            valid_until=None,
        ),
        runner_level=LEVELS_BY_WORD[value["runner_level"]],
        action=Action(value["action"]),
        model=value["model"],
        tool=value["tool"],
        persons=keys.see(value["persons"]),
        addresses=tuple(value["addresses"]),
        claims=value["claims"],
        named=tuple(value["named"]),
    )


def written(appraisal: Appraisal) -> dict[str, Any]:
    """A case's `facts.json`."""
    return {
        "facts": {
            name: {level.word: fact.values[level] for level in sorted(fact.values)}
            for name, fact in sorted(appraisal.facts.items())
        },
        "used": list(appraisal.used),
        "ignored": sorted({item.statement for item in appraisal.ignored}),
        "relations": [relation_record(relation) for relation in appraisal.relations],
        "valid_until": None if appraisal.valid_until is None else format_time(appraisal.valid_until),
    }


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _case(name: str) -> dict[str, str]:
    claim, make, more = CASES[name]
    statements = make()
    required = more.get("status_required", ())
    observed = {
        "workload": more.get("workload", OFFICE),
        "binding": "api-key",
        "runner_level": more.get("runner_level", "observed"),
        "action": more.get("action", "prompt"),
        "model": "m-1",
        "tool": more.get("tool", ""),
        "persons": more.get("persons", []),
        "addresses": more.get("addresses", []),
        "claims": more.get("claims", {}),
        "named": [item.sha256 for item in statements if item.kind == more.get("names")],
        "selector_keys": {"k1": SELECTOR_KEY.hex()},
    }
    files = [file_of(statement).decode() for statement in statements]
    value = {
        "claim": claim,
        "now": format_time(NOW),
        "verified_at": format_time(NOW + DAY * 3 / 4 if name == "not-yet-valid" else NOW),
        "skew_s": 60,
        "trust_root": trust_root_file(required).decode(),
        "statements": files,
        "observation": observed,
    }
    appraisal = appraise(statements, read_observation(observed), root=trust_root(required), now=NOW)
    return {f"{name}/input.json": _text(value), f"{name}/facts.json": _text(written(appraisal))}


def _possession() -> dict[str, str]:
    sound = signed()
    created = int(NOW.timestamp())
    cases: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
        "possession": ("one request, signed", sound, {}),
        "possession-x-api-key": (
            "`x-api-key` in place of `authorization`",
            signed(credential_header="x-api-key", credential="office-1"),
            {},
        ),
        "possession-other-body_fail": ("the digest is of another body", sound, {"body": "{}"}),
        "possession-other-address_fail": ("signed for another address", sound, {"target_uri": URL + "?x=1"}),
        "possession-other-credential_fail": (
            "the credential was swapped",
            sound | {"authorization": "Bearer other"},
            {},
        ),
        "possession-uncovered-credential_fail": (
            "a second credential that isn't covered",
            sound | {"x-api-key": "other"},
            {},
        ),
        "possession-old_fail": ("61 s old", signed(created=created - 61), {}),
        "possession-early_fail": ("61 s ahead", signed(created=created + 61), {}),
        "possession-component-missing_fail": (
            "the body isn't covered",
            sound | {"signature-input": sound["signature-input"].replace(' "content-digest"', "")},
            {},
        ),
        "possession-algorithm_fail": (
            "another algorithm is named",
            sound | {"signature-input": sound["signature-input"].replace('"ed25519"', '"hmac-sha256"')},
            {},
        ),
    }
    return {
        f"{name}/input.json": _text(
            {
                "claim": claim,
                "now": format_time(NOW),
                "skew_s": 60,
                "key": PRIVATE.public.to_dict(),
                "request": {"method": "POST", "target_uri": URL, "body": BODY.decode(), "headers": headers}
                | change,
            }
        )
        for name, (claim, headers, change) in cases.items()
    }


def vectors() -> dict[str, str]:
    """Every file under `spec/vectors/evidence/` but the README, by path."""
    files = _possession()
    for name in CASES:
        files |= _case(name)
    return files


def main() -> None:
    """Write them all."""
    for path, text in vectors().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text)


if __name__ == "__main__":
    main()
