"""One small charter that the tests of `attestation` share: two sides, and a third party that runs the gateway."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import ECDSA_P256, PrivateKey
from countermark.attestation.statement import Statement, make_countersignature, make_statement
from countermark.attestation.trust_root import TrustRoot, make_trust_root, parse_trust_root

NOW = datetime(2026, 5, 3, 10, 0, 0, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)


def key_of(name: str, keytype: str = "ed25519") -> PrivateKey:
    """The key that always belongs to this name."""
    return PrivateKey.from_seed(hashlib.sha256(f"countermark test key {name}".encode()).digest(), keytype)


KEYS: Mapping[str, PrivateKey] = {
    **{name: key_of(name) for name in ("ada", "ben", "cem", "fay", "halden-side", "northmark-side", "gw-1")},
    "dua": key_of("dua", ECDSA_P256),
    "ben-2": key_of("ben-2", ECDSA_P256),
    "stranger": key_of("stranger"),
}


def keyid(name: str) -> str:
    """The key id of the key of this name."""
    return KEYS[name].public.keyid


def charter() -> dict[str, Any]:
    """A fresh copy of the content, for a test to change."""
    everything = [{"predicate": kind, "subjects": ["northmark/*"]} for kind in ("purpose", "deployment")]
    countersigns = {"predicate": "countersignature", "subjects": ["northmark/*"]}
    return {
        "version": 1,
        "parties": {
            "halden": {"title": "Halden Models"},
            "northmark": {"title": "Northmark Authority"},
            "brightwater": {"title": "Brightwater Operations"},
        },
        "keys": {keyid(name): KEYS[name].public.to_dict() for name in KEYS if name != "stranger"},
        "persons": {
            "ada": {"party": "halden", "title": "Reviewer", "keys": [keyid("ada")]},
            "dua": {"party": "halden", "title": "Reviewer", "keys": [keyid("dua")]},
            "ben": {"party": "northmark", "title": "Head of systems", "keys": [keyid("ben"), keyid("ben-2")]},
            "cem": {"party": "northmark", "title": "Duty officer", "keys": [keyid("cem")]},
            "fay": {"party": "brightwater", "title": "Operator", "keys": [keyid("fay")]},
        },
        "sides": {
            "halden": {"threshold": 1, "keys": [keyid("halden-side")]},
            "northmark": {"threshold": 1, "keys": [keyid("northmark-side")]},
        },
        "roles": {
            "northmark_systems": {
                "party": "northmark",
                "persons": ["ben"],
                "threshold": 1,
                "makes": everything,
            },
            "northmark_board": {
                "party": "northmark",
                "persons": ["ben", "cem"],
                "threshold": 2,
                "makes": [{"predicate": "oversight", "subjects": ["northmark/office"]}],
            },
            "northmark_auditor": {
                "party": "northmark",
                "persons": ["cem"],
                "threshold": 1,
                "makes": [countersigns],
            },
            "halden_reviewer": {
                "party": "halden",
                "persons": ["ada", "dua"],
                "threshold": 1,
                "makes": [
                    countersigns,
                    {"predicate": "status", "subjects": ["*"], "until": "2026-06-01T00:00:00Z"},
                ],
            },
            "brightwater_operator": {
                "party": "brightwater",
                "persons": ["fay"],
                "threshold": 1,
                "makes": [countersigns],
            },
        },
        "counterparts": [
            {"party": "northmark", "predicate": kind, "subjects": ["northmark/*"], "counterparts": ["halden"]}
            for kind in ("purpose", "oversight")
        ],
        "status_required": [{"predicate": "legal-basis", "max_age_s": 86400}],
        "gateways": {"gw-1": {"runner": "brightwater", "key": keyid("gw-1")}},
        "observers": ["brightwater"],
        "upstream_key_held_by": ["halden"],
        "upstream_checks_permit": False,
    }


def signed_root(content: Mapping[str, Any], *signers: str, until: datetime = END) -> bytes:
    """The trust root file of `content`, signed with the named keys (without any: by both sides)."""
    statement = make_trust_root("northmark-halden", content, valid_from=START, valid_until=until)
    names = signers or ("halden-side", "northmark-side")
    return encode_envelope(sign_envelope(statement.payload, *(KEYS[name] for name in names)))


def purpose(**changes: Any) -> Statement:
    """Northmark's statement of what its office workload is for."""
    fields: dict[str, Any] = {
        "kind": "purpose",
        "name": "northmark/office",
        "descriptor": {"workload": "northmark/office"},
        "content": {"purpose": "office"},
        "seq": 1,
        "valid_from": datetime(2026, 5, 1, tzinfo=UTC),
        "valid_until": datetime(2026, 7, 1, tzinfo=UTC),
        "basis": "system-queried",
        "interest": "party",
    }
    return make_statement(**{**fields, **changes})


def countersigned(statement: Statement, **changes: Any) -> Statement:
    """A countersignature about `statement`."""
    fields: dict[str, Any] = {
        "seq": 1,
        "valid_from": datetime(2026, 5, 2, tzinfo=UTC),
        "valid_until": datetime(2026, 6, 15, tzinfo=UTC),
        "basis": "inspected",
        "interest": "none",
    }
    return make_countersignature(statement, **{**fields, **changes})


def file_of(*signed: tuple[Statement, str | tuple[str, ...]]) -> bytes:
    """A statement file: each statement with the names of the keys that sign it."""
    return encode_lines(
        [
            sign_envelope(
                statement.payload, *(KEYS[name] for name in ((names,) if isinstance(names, str) else names))
            )
            for statement, names in signed
        ]
    )


@cache
def the_root() -> TrustRoot:
    """The trust root of `charter()`, in force at `NOW`."""
    return parse_trust_root(signed_root(charter()), now=NOW)
