"""The three parties of every generated deployment, their people, and what each may say: the content of its trust root.

Halden provides the model, Brightwater integrates it and runs the gateway, Northmark is the agency that uses it. Halden
and Northmark are the sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from countermark.attestation.keys import PublicKey

GATEWAY: Final = "gw-1"
SIDES: Final = ("halden", "northmark")
SELECTOR_KEY_ID: Final = "northmark-1"

PARTIES: Final[Mapping[str, str]] = {
    "halden": "Halden, provider of the model",
    "brightwater": "Brightwater, integrator",
    "northmark": "Northmark, agency",
}

PEOPLE: Final[Mapping[str, tuple[str, str]]] = {
    "ada": ("halden", "reviewer of held requests"),
    "abe": ("halden", "policy officer, countersigns"),
    "ben": ("northmark", "duty officer"),
    "cem": ("northmark", "commander"),
    "dua": ("northmark", "keeps the records"),
    "eva": ("brightwater", "runs the gateway"),
}
"""Person: party and what they do."""

RECORDS: Final = "dua"
"""Makes Northmark's statements."""
POLICY: Final = "abe"
"""Countersigns them for Halden."""

ASKERS: Final = ("oda", "pia")
"""People of Northmark who hold the workloads' credentials: they ask, and never approve what they asked."""

APPROVERS: Final[Mapping[str, str]] = {
    "halden_reviewer": "ada",
    "northmark_duty_officer": "ben",
    "northmark_commander": "cem",
}
"""Role that may approve a held request, and whose it is."""

PREDICATES: Final = ("deployment", "purpose", "legal-basis", "engagement", "oversight")
"""What Halden countersigns for Northmark's workloads."""


def root_content(
    people: Mapping[str, PublicKey],
    sides: Mapping[str, PublicKey],
    gateway: PublicKey,
    *,
    checks_permit: bool = False,
) -> dict[str, Any]:
    """What the sides sign: parties, keys, persons, roles and who counts against whom.

    Args:
        checks_permit: The upstream serves only what carries a permit; whoever signs this should have seen it.
    """
    keys = [*people.values(), *sides.values(), gateway]
    made_by_records = [
        {"predicate": predicate, "subjects": ["northmark/*"]}
        for predicate in (*PREDICATES, "credential", "status")
    ]
    countersigns = [{"predicate": "countersignature", "subjects": ["northmark/*"]}]
    approves = [{"predicate": "approval", "subjects": ["northmark/*"]}]
    return {
        "version": 1,
        "parties": {party: {"title": title} for party, title in PARTIES.items()},
        "keys": {key.keyid: key.to_dict() for key in keys},
        "persons": {
            person: {"party": party, "title": title, "keys": [people[person].keyid]}
            for person, (party, title) in PEOPLE.items()
        },
        "sides": {side: {"threshold": 1, "keys": [key.keyid]} for side, key in sides.items()},
        "roles": {
            "halden_reviewer": _role("ada", approves),
            "halden_policy": _role(POLICY, countersigns),
            "northmark_duty_officer": _role("ben", approves),
            "northmark_commander": _role("cem", approves),
            "northmark_records": _role(RECORDS, made_by_records),
        },
        "counterparts": [
            {
                "party": "northmark",
                "predicate": predicate,
                "subjects": ["northmark/*"],
                "counterparts": ["halden"],
            }
            for predicate in PREDICATES
        ],
        "gateways": {GATEWAY: {"runner": "brightwater", "key": gateway.keyid}},
        "observers": ["brightwater"],
        "upstream_key_held_by": ["brightwater"],
        "upstream_checks_permit": checks_permit,
    }


def _role(person: str, makes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"party": PEOPLE[person][0], "persons": [person], "threshold": 1, "makes": list(makes)}
