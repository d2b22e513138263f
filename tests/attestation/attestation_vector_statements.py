"""Vectors of statement files: good ones, and one for each way to be refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from attestation_vector_form import Files, expecting
from attestation_world import (
    END,
    KEYS,
    NOW,
    START,
    charter,
    countersigned,
    file_of,
    keyid,
    purpose,
    signed_root,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from countermark.attestation.canonical import canonical_json
from countermark.attestation.envelope import Envelope, Signature, encode_envelope, sign_envelope
from countermark.attestation.statement import Statement, make_statement


def statement_case(
    claim: str,
    lines: bytes,
    *,
    now: datetime = NOW,
    root: bytes | None = None,
    error: str | None = None,
    level: str = "operator",
    makers: tuple[str, ...] = ("ben",),
    countersigners: tuple[str, ...] = (),
    valid_until: str = "2026-07-01T00:00:00Z",
    ignored: int = 0,
) -> Files:
    result: dict[str, object] = {"error": error}
    if error is None:
        result = {
            "level": level,
            "makers": list(makers),
            "countersigners": list(countersigners),
            "valid_until": valid_until,
            "ignored": ignored,
        }
    return {
        "input.jsonl": lines if lines.endswith(b"\n") else lines + b"\n",
        "trust-root.json": (root or signed_root(charter())) + b"\n",
        "expect.json": expecting("verify_statement", claim, now, **result),
    }


def wire(statement: Statement, *names: str, **changes: object) -> dict[str, Any]:
    """The envelope as a JSON value, for a case to spoil."""
    signed = json.loads(encode_envelope(sign_envelope(statement.payload, *(KEYS[name] for name in names))))
    return {**signed, **changes}


def one_line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def spoiled_signature(
    change: Callable[[str], str], wanted: Callable[[str], bool] = lambda text: True
) -> bytes:
    """A statement with one signature whose base64 has `wanted`, after `change`."""
    for seq in range(100):
        envelope = wire(purpose(seq=seq), "ben")
        text = envelope["signatures"][0]["sig"]
        if wanted(text):
            envelope["signatures"][0]["sig"] = change(text)
            return one_line(envelope)
    raise AssertionError("no seed gives the wanted signature")


def url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def with_keyid(*keyids: str | None) -> bytes:
    envelope = wire(purpose(), "ben")
    sig = envelope["signatures"][0]["sig"]
    envelope["signatures"] = [
        {"sig": sig} if item is None else {"keyid": item, "sig": sig} for item in keyids
    ]
    return one_line(envelope)


def flipped(part: str) -> bytes:
    signed = sign_envelope(purpose().payload, KEYS["ben"])
    payload, sig = bytearray(signed.payload), bytearray(signed.signatures[0].sig)
    (payload if part == "payload" else sig)[20] ^= 1
    return encode_envelope(
        Envelope(
            payload=bytes(payload),
            payload_type=signed.payload_type,
            signatures=(Signature(keyid=keyid("ben"), sig=bytes(sig)),),
        )
    )


def raw_ecdsa() -> bytes:
    envelope = wire(purpose(), "ben-2")
    r, s = decode_dss_signature(base64.b64decode(envelope["signatures"][0]["sig"]))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    envelope["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    return one_line(envelope)


def signed_payload(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A purpose whose payload was changed before ben signed it."""
    value = json.loads(purpose().payload)
    change(value)
    return encode_envelope(sign_envelope(canonical_json(value), KEYS["ben"]))


def good_statements() -> dict[str, Files]:
    statement = purpose()
    countersignature = countersigned(statement)
    both = file_of((statement, "ben"), (countersignature, "ada"))
    other = purpose(seq=2)
    oversight = purpose(kind="oversight", content={"review": "none", "decides": "nobody"})
    one_sided = charter()
    del one_sided["sides"]["halden"]
    extended = wire(statement, "ben", note="ignored")
    extended["signatures"][0]["cert"] = "ignored"
    return {
        "operator": statement_case("one role's signature: one party's word", file_of((statement, "ben"))),
        "countersigned": statement_case(
            "a counterpart's countersignature raises the level, and the earliest end wins",
            both,
            level="countersigned",
            countersigners=("ada",),
            valid_until="2026-06-15T00:00:00Z",
        ),
        "p256": statement_case(
            "P-256 keys make and countersign as Ed25519 keys do",
            file_of((statement, "ben-2"), (countersignature, "dua")),
            level="countersigned",
            countersigners=("dua",),
            valid_until="2026-06-15T00:00:00Z",
        ),
        "two_persons": statement_case(
            "two persons of a role reach its threshold of two",
            file_of((oversight, ("ben", "cem"))),
            makers=("ben", "cem"),
        ),
        "url_safe_base64": statement_case(
            "the URL-safe alphabet is accepted",
            spoiled_signature(url_safe, lambda text: url_safe(text) != text),
        ),
        "no_keyid": statement_case("a signature without a key id counts by its key", with_keyid(None)),
        "empty_keyid": statement_case("an empty key id is none", with_keyid("")),
        "wrong_keyid": statement_case(
            "a key id is a hint: a wrong one costs nothing", with_keyid(keyid("ada"))
        ),
        "unknown_fields": statement_case("fields that DSSE doesn't name are ignored", one_line(extended)),
        "within_skew": statement_case(
            "the maker's clock may run ahead by the skew",
            file_of((statement, "ben")),
            now=statement.validity.valid_from - timedelta(seconds=60),
        ),
        "renewed_countersignature": statement_case(
            "the newest countersignature of a party is the one that counts",
            file_of(
                (statement, "ben"),
                (countersigned(statement, seq=2, valid_until=datetime(2026, 6, 30, tzinfo=UTC)), "ada"),
                (countersignature, "ada"),
            ),
            level="countersigned",
            countersigners=("ada",),
            valid_until="2026-06-30T00:00:00Z",
        ),
        "countersigned_by_own_party": statement_case(
            "two roles of one party count once",
            file_of((statement, "ben"), (countersignature, "cem")),
            ignored=1,
        ),
        "countersigned_by_no_counterpart": statement_case(
            "a third party is no counterpart",
            file_of((statement, "ben"), (countersignature, "fay")),
            ignored=1,
        ),
        "countersigned_by_stranger": statement_case(
            "an unknown key countersigns nothing",
            file_of((statement, "ben"), (countersignature, "stranger")),
            ignored=1,
        ),
        "countersigned_older_version": statement_case(
            "a countersignature is of exactly one payload",
            file_of((other, "ben"), (countersignature, "ada")),
            ignored=1,
        ),
        "countersigned_lapsed": statement_case(
            "an expired countersignature leaves one party's word",
            both,
            now=datetime(2026, 6, 15, tzinfo=UTC),
            ignored=1,
        ),
        "counterpart_signed_the_envelope": statement_case(
            "a counterpart's signature on the statement's own envelope has no basis of its own and raises nothing",
            file_of((statement, ("ben", "ada"))),
        ),
        "bad_line_between": statement_case(
            "a line that is no envelope takes nothing away",
            both.replace(b"\n", b"\n{}\n", 1),
            level="countersigned",
            countersigners=("ada",),
            valid_until="2026-06-15T00:00:00Z",
            ignored=1,
        ),
        "one_sided": statement_case(
            "under a one-sided trust root nothing is countersigned",
            both,
            root=signed_root(one_sided, "northmark-side"),
            ignored=1,
        ),
    }


def status_statement() -> Statement:
    return make_statement(
        "status",
        "northmark/office",
        {"statement": "00" * 32},
        {"status": "good"},
        seq=1,
        valid_from=START,
        valid_until=END,
        basis="word",
        interest="party",
    )


def refused_statements() -> dict[str, Files]:
    statement = purpose()
    oversight = purpose(kind="oversight", content={"review": "none", "decides": "nobody"})
    ben = file_of((statement, "ben"))
    payload = base64.b64encode(
        statement.payload.replace(b'"purpose":"office"', b'"purpose":"office","purpose":"office"')
    ).decode()
    twice = wire(statement, "ben")
    twice["signatures"] = twice["signatures"] * 33

    def case(claim: str, lines: bytes, error: str, **more: Any) -> Files:
        return statement_case(claim, lines, error=error, **more)

    def spoiled(
        claim: str, change: Callable[[str], str], wanted: Callable[[str], bool] = lambda _: True
    ) -> Files:
        return case(claim, spoiled_signature(change, wanted), "Base64Error")

    return {
        "expired": case("its end is exclusive", ben, "ExpiredError", now=statement.validity.valid_until),
        "expired_within_skew": case(
            "the skew does not lengthen a life",
            ben,
            "ExpiredError",
            now=statement.validity.valid_until + timedelta(seconds=1),
        ),
        "not_yet_valid": case(
            "before its beginning by more than the skew",
            ben,
            "NotYetValidError",
            now=statement.validity.valid_from - timedelta(seconds=61),
        ),
        "unsigned": case("no signature", file_of((statement, ())), "QuorumError"),
        "unknown_key": case("a key outside the trust root", file_of((statement, "stranger")), "QuorumError"),
        "gateway_key": case(
            "a machine's key makes no statements", file_of((statement, "gw-1")), "QuorumError"
        ),
        "flipped_payload_bit": case("one bit of the payload", flipped("payload"), "QuorumError"),
        "flipped_signature_bit": case("one bit of the signature", flipped("sig"), "QuorumError"),
        "p256_raw_signature": case(
            "P-256 signatures are DER, not r and s in a row", raw_ecdsa(), "QuorumError"
        ),
        "type_downgrade": case(
            "an Ed25519 signature under the id of a P-256 key is tried as that key's own type only",
            one_line(
                {
                    **wire(statement, "stranger"),
                    "signatures": [
                        {"keyid": keyid("ben-2"), "sig": wire(statement, "stranger")["signatures"][0]["sig"]}
                    ],
                }
            ),
            "QuorumError",
        ),
        "one_of_two_persons": case(
            "one person of a role that needs two", file_of((oversight, "cem")), "QuorumError"
        ),
        "two_keys_of_one_person": case(
            "two keys of one person are one person", file_of((oversight, ("ben", "ben-2"))), "QuorumError"
        ),
        "one_key_under_two_ids": case(
            "one key's signature repeated under another id is one signer",
            one_line(
                {
                    **wire(oversight, "ben"),
                    "signatures": [
                        {"keyid": item, "sig": wire(oversight, "ben")["signatures"][0]["sig"]}
                        for item in (keyid("ben"), keyid("cem"))
                    ],
                }
            ),
            "QuorumError",
        ),
        "wrong_predicate": case("a role without that predicate", file_of((statement, "ada")), "RoleError"),
        "wrong_subject": case(
            "a role without that subject", file_of((purpose(name="southmark/office"), "ben")), "RoleError"
        ),
        "right_ended": case(
            "a role whose right has ended",
            file_of((status_statement(), "ada")),
            "ExpiredError",
            now=datetime(2026, 6, 1, tzinfo=UTC),
        ),
        "unpadded_base64": spoiled("padding is required", lambda text: text.rstrip("=")),
        "mixed_base64": spoiled(
            "one text has one alphabet",
            lambda text: text.replace("+", "-"),
            lambda text: "+" in text and "/" in text,
        ),
        "base64_line_break": spoiled("no line breaks", lambda text: text[:44] + "\n" + text[44:]),
        "base64_spare_bits": spoiled(
            "no bits after the last byte", lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "==", _bumpable
        ),
        "duplicate_envelope_key": case(
            "an envelope with two payloads", ben.replace(b"{", b'{"payload":"",', 1), "DuplicateKeyError"
        ),
        "duplicate_payload_key": case(
            "a signed payload that two parsers may read differently",
            encode_envelope(sign_envelope(base64.b64decode(payload), KEYS["ben"])),
            "DuplicateKeyError",
        ),
        "no_signatures_field": case(
            "an envelope without `signatures`",
            one_line({k: v for k, v in wire(statement, "ben").items() if k != "signatures"}),
            "MalformedError",
        ),
        "thirty_three_signatures": case("at most 32 signatures", one_line(twice), "TooLargeError"),
        "payload_type": case(
            "another payload type, signed as such",
            encode_envelope(sign_envelope(statement.payload, KEYS["ben"], payload_type="application/json")),
            "PayloadTypeError",
        ),
        "statement_type": case(
            "another statement type",
            signed_payload(lambda value: value.update(_type="https://in-toto.io/Statement/v0.1")),
            "PayloadTypeError",
        ),
        "foreign_predicate_type": case(
            "a predicate type of somebody else",
            signed_payload(lambda value: value.update(predicateType="https://slsa.dev/provenance/v1")),
            "PayloadTypeError",
        ),
        "predicate_version": case(
            "a version that nobody here reads",
            signed_payload(lambda value: value.update(predicateType="urn:countermark:purpose:v2")),
            "PayloadTypeError",
        ),
        "subject_digest": case(
            "a subject whose digest is not the descriptor's",
            signed_payload(lambda value: value["subject"][0]["digest"].update(sha256="00" * 32)),
            "SubjectError",
        ),
        "two_subjects": case(
            "exactly one subject",
            signed_payload(lambda value: value.update(subject=value["subject"] * 2)),
            "MalformedError",
        ),
        "no_basis": case(
            "how the signer knows is required",
            signed_payload(lambda value: value["predicate"].pop("basis")),
            "MalformedError",
        ),
        "time_with_offset": case(
            "a time has one spelling",
            signed_payload(lambda value: value["predicate"].update(valid_from="2026-05-01T02:00:00+02:00")),
            "MalformedError",
        ),
        "countersignature_first": case(
            "the statement stands first",
            file_of((countersigned(statement), "ada"), (statement, "ben")),
            "PayloadTypeError",
        ),
        "lapsed_trust_root": case(
            "a trust root that lapsed vouches for nothing",
            ben,
            "ExpiredError",
            root=signed_root(charter(), until=datetime(2026, 5, 10, tzinfo=UTC)),
            now=datetime(2026, 5, 10, tzinfo=UTC),
        ),
    }


def _bumpable(text: str) -> bool:
    # the last character before `==` carries two bits; the next letter then has spare bits set
    return text.endswith("==") and text[-3] in "AQgw"
