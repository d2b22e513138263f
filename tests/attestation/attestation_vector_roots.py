"""Vectors of trust roots and their successors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from attestation_vector_form import Files, expecting
from attestation_world import END, KEYS, NOW, START, charter, keyid, signed_root

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.statement import make_statement

PRIME = 2**255 - 19


def raw_root(content: Mapping[str, Any], **changes: Any) -> bytes:
    """A signed trust root that `make_trust_root` would refuse to make."""
    fields: dict[str, Any] = {
        "kind": "trust-root",
        "name": "northmark-halden",
        "descriptor": {"trust_root": "northmark-halden"},
        "seq": 1,
        "valid_from": START,
        "valid_until": END,
        "basis": "word",
        "interest": "party",
        **changes,
    }
    statement = make_statement(content=content, **fields)
    return encode_envelope(sign_envelope(statement.payload, KEYS["halden-side"], KEYS["northmark-side"]))


def root_case(
    claim: str, data: bytes, *, now: datetime = NOW, error: str | None = None, **result: object
) -> Files:
    expected = {"error": error} if error else {"level": None, **result}
    return {
        "trust-root.json": data + b"\n",
        "expect.json": expecting("parse_trust_root", claim, now, **expected),
    }


def spoiled_root(
    claim: str, change: Callable[[dict[str, Any]], object], error: str = "MalformedError"
) -> Files:
    content = charter()
    change(content)
    return root_case(claim, raw_root(content), error=error)


def bad_key(public: str) -> Callable[[dict[str, Any]], object]:
    """Puts a broken Ed25519 key, under its right key id, into ada's hand."""
    spelled = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    name = hashlib.sha256(spelled.encode()).hexdigest()

    def change(content: dict[str, Any]) -> None:
        content["keys"][name] = json.loads(spelled)
        content["persons"]["ada"]["keys"] = [name]

    return change


def little_endian(y: int) -> str:
    return y.to_bytes(32, "little").hex()


def roots() -> dict[str, Files]:
    lacking = charter()
    del lacking["observers"]
    pem = KEYS["dua"].public.to_dict()["keyval"]["public"]
    return {
        "root_in_force": root_case(
            "signed by every side", signed_root(charter()), sides=["halden", "northmark"], version=1
        ),
        "root_one_side_missing_fail": root_case(
            "every side signs", signed_root(charter(), "halden-side"), error="QuorumError"
        ),
        "root_signed_by_persons_fail": root_case(
            "persons' keys are no side's keys", signed_root(charter(), "ada", "ben"), error="QuorumError"
        ),
        "root_expired_fail": root_case(
            "its end is exclusive", signed_root(charter()), now=END, error="ExpiredError"
        ),
        "root_not_yet_valid_fail": root_case(
            "no skew: it stands in the bundle, which this verifies",
            signed_root(charter()),
            now=START - timedelta(seconds=1),
            error="NotYetValidError",
        ),
        "root_missing_field_fail": root_case(
            "every field is there", raw_root(lacking), error="MalformedError"
        ),
        "root_seq_is_not_version_fail": root_case(
            "one number, not two", raw_root(charter(), seq=2), error="MalformedError"
        ),
        "root_other_descriptor_fail": root_case(
            "the descriptor names the root",
            raw_root(charter(), descriptor={"trust_root": "other"}),
            error="MalformedError",
        ),
        "root_unknown_field_fail": spoiled_root("unknown fields are refused", lambda c: c.update(extra=1)),
        "root_unknown_inner_field_fail": spoiled_root(
            "also deep inside", lambda c: c["roles"]["halden_reviewer"].update(note="x")
        ),
        "root_unknown_key_fail": spoiled_root(
            "every key id resolves", lambda c: c["persons"]["ada"].update(keys=["00" * 32])
        ),
        "root_unknown_person_fail": spoiled_root(
            "every person resolves", lambda c: c["roles"]["halden_reviewer"].update(persons=["eva"])
        ),
        "root_unknown_party_fail": spoiled_root(
            "no role of an unknown party", lambda c: c["roles"]["halden_reviewer"].update(party="southmark")
        ),
        "root_person_of_other_party_fail": spoiled_root(
            "a role's persons are of its party",
            lambda c: c["roles"]["halden_reviewer"].update(persons=["ben"]),
        ),
        "root_unreachable_threshold_fail": spoiled_root(
            "a threshold can be reached", lambda c: c["roles"]["halden_reviewer"].update(threshold=3)
        ),
        "root_zero_threshold_fail": spoiled_root(
            "a threshold is at least one", lambda c: c["sides"]["halden"].update(threshold=0)
        ),
        "root_no_side_fail": spoiled_root("at least one side", lambda c: c.update(sides={})),
        "root_key_of_two_persons_fail": spoiled_root(
            "one key, one hand", lambda c: c["persons"]["cem"].update(keys=[keyid("ada")])
        ),
        "root_key_of_person_and_other_side_fail": spoiled_root(
            "also across persons and sides", lambda c: c["sides"]["halden"].update(keys=[keyid("ben")])
        ),
        "root_key_of_gateway_and_person_fail": spoiled_root(
            "a machine has its own key", lambda c: c["gateways"]["gw-1"].update(key=keyid("fay"))
        ),
        "root_side_of_one_person_fail": spoiled_root(
            "two keys of one person don't fill a side's quorum",
            lambda c: c["sides"]["northmark"].update(threshold=2, keys=[keyid("ben"), keyid("ben-2")]),
        ),
        "root_wrong_keyid_fail": spoiled_root(
            "a key id is the computed one", lambda c: c["keys"].update({"11" * 32: c["keys"][keyid("ada")]})
        ),
        "root_other_pem_spelling_fail": spoiled_root(
            "a key has one spelling",
            lambda c: c["keys"][keyid("dua")]["keyval"].update(public=pem.rstrip("\n")),
        ),
        "root_own_counterpart_fail": spoiled_root(
            "a party is never its own counterpart",
            lambda c: c["counterparts"][0].update(counterparts=["halden", "northmark"]),
        ),
        "root_pattern_star_inside_fail": spoiled_root(
            "a star stands at the end only",
            lambda c: c["roles"]["northmark_systems"]["makes"][0].update(subjects=["*/office"]),
        ),
        "root_until_of_other_form_fail": spoiled_root(
            "dates have one spelling",
            lambda c: c["roles"]["northmark_systems"]["makes"][0].update(until="2026-06-01"),
        ),
        "root_rsa_key_fail": spoiled_root(
            "Ed25519 and P-256 only",
            lambda c: c["keys"][keyid("ada")].update(keytype="rsa", scheme="rsassa-pss-sha256"),
            "KeyTypeError",
        ),
        "root_scheme_of_other_type_fail": spoiled_root(
            "the key's type fixes the scheme",
            lambda c: c["keys"][keyid("dua")].update(scheme="ed25519"),
            "KeyTypeError",
        ),
        "root_small_order_key_fail": spoiled_root(
            "a key that anybody can sign for", bad_key(little_endian(0))
        ),
        "root_order_eight_key_fail": spoiled_root(
            "a key of order eight",
            bad_key("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        ),
        "root_identity_key_fail": spoiled_root("the neutral point is no key", bad_key(little_endian(1))),
        "root_key_over_prime_fail": spoiled_root(
            "a point has one encoding", bad_key(little_endian(PRIME + 3))
        ),
        "root_key_off_curve_fail": spoiled_root("a key is a point of the curve", bad_key(little_endian(2))),
    }


def successor_case(claim: str, new: bytes, error: str | None = None) -> Files:
    result: dict[str, object] = {"error": error} if error else {"level": None, "version": 2}
    return {
        "trust-root.json": signed_root(charter()) + b"\n",
        "input.json": new + b"\n",
        "expect.json": expecting("verify_successor", claim, NOW, **result),
    }


def successors() -> dict[str, Files]:
    renewed = {**charter(), "version": 2}
    other_keys = {**charter(), "version": 2}
    other_keys["sides"] = {
        "halden": {"threshold": 1, "keys": [keyid("ada")]},
        "northmark": renewed["sides"]["northmark"],
    }
    without = {**charter(), "version": 2, "sides": {"northmark": renewed["sides"]["northmark"]}}
    return {
        "successor": successor_case("signed by all sides, old and new", signed_root(renewed)),
        "successor_new_key": successor_case(
            "a side takes a new key: the old one and the new one sign",
            signed_root(other_keys, "halden-side", "northmark-side", "ada"),
        ),
        "successor_without_old_key_fail": successor_case(
            "the new keys don't vouch for themselves",
            signed_root(other_keys, "ada", "northmark-side"),
            "QuorumError",
        ),
        "successor_drops_a_side_fail": successor_case(
            "no side is dropped without its own signature",
            signed_root(without, "northmark-side"),
            "QuorumError",
        ),
        "successor_same_version_fail": successor_case(
            "versions rise", signed_root({**charter(), "upstream_checks_permit": True}), "TrustError"
        ),
    }
