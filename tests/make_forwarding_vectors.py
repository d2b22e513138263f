"""Writes spec/vectors/forwarding/ from fixed seeds: `python tests/make_forwarding_vectors.py`.

`test_upstream.py` checks that what lies there is what this writes, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from countermark.attestation.keys import PrivateKey
from countermark.clock import format_time
from countermark.upstream import encode_permit, permit_text

VECTORS = Path(__file__).parents[1] / "spec" / "vectors" / "forwarding"
NOW = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
BODY = b'{"model":"m-1","messages":[{"role":"user","content":"summarise this pump manual"}]}'
REQUEST: dict[str, Any] = {
    "audience": "main",
    "method": "POST",
    "path": "/v1/chat/completions",
    "decision": "d_" + "a2" * 13,
    "entry": 17,
    "created": NOW,
    "body_sha256": hashlib.sha256(BODY).hexdigest(),
}


def key_of(name: str, keytype: str = "ed25519") -> PrivateKey:
    """The test key of that name, known to everybody."""
    return PrivateKey.from_seed(hashlib.sha256(f"countermark test key {name}".encode()).digest(), keytype)


def _permit(key: str = "gw-1", keytype: str = "ed25519", **changed: Any) -> str:
    return encode_permit(key_of(key, keytype), **{**REQUEST, **changed})


def _resigned(old: str, new: str) -> str:
    """A permit whose text was changed after it was signed."""
    value = _permit()
    assert old in value
    return value.replace(old, new)


def accepted() -> dict[str, dict[str, Any]]:
    """Case to what is to be checked; what is not named is as in `REQUEST`."""
    return {
        "plain": {"claim": "a forwarded request as the gateway makes it", "permit": _permit()},
        "p256_key": {
            "claim": "a gateway with a P-256 key; its signature is DER",
            "permit": _permit("gw-2", "ecdsa"),
        },
        "query": {
            "claim": "the query is part of the path that is signed",
            "permit": _permit(
                path="/v1/models?limit=2", method="GET", body_sha256=hashlib.sha256(b"").hexdigest()
            ),
            "path": "/v1/models?limit=2",
            "method": "GET",
            "body": b"",
        },
        "as_old_as_allowed": {
            "claim": "60 seconds are not over 60 seconds",
            "permit": _permit(),
            "now": NOW + timedelta(seconds=60),
        },
        "clock_ahead": {
            "claim": "the gateway's clock may run 5 seconds ahead",
            "permit": _permit(created=NOW + timedelta(seconds=5)),
        },
    }


def refused() -> dict[str, dict[str, Any]]:
    """Case to what has to be refused, and with which class of error."""
    good = _permit()
    other = b'{"model":"m-1","messages":[]}'
    return {
        "other_body": {
            "claim": "a body that was not decided",
            "permit": good,
            "body": other,
            "error": "SubjectError",
        },
        "other_path": {
            "claim": "a permit for one endpoint is none for another",
            "permit": good,
            "path": "/v1/embeddings",
            "error": "SignatureError",
        },
        "added_query": {
            "claim": "a query that was added on the way",
            "permit": good,
            "path": "/v1/chat/completions?debug=1",
            "error": "SignatureError",
        },
        "other_method": {
            "claim": "another method",
            "permit": good,
            "method": "PUT",
            "error": "SignatureError",
        },
        "other_audience": {
            "claim": "a permit for one upstream is none for another",
            "permit": _permit(audience="spare"),
            "error": "SignatureError",
        },
        "stranger": {
            "claim": "a key that is no gateway's",
            "permit": _permit("stranger"),
            "error": "RoleError",
        },
        "stranger_under_a_known_keyid": {
            "claim": "the key id is a hint, not a proof",
            "permit": _permit("stranger").replace(
                key_of("stranger").public.keyid, key_of("gw-1").public.keyid
            ),
            "error": "SignatureError",
        },
        "other_decision": {
            "claim": "another decision id, which would make it unused again",
            "permit": _resigned("d_a2", "d_b2"),
            "error": "SignatureError",
        },
        "other_entry": {
            "claim": "another entry in the log",
            "permit": _resigned("entry=17", "entry=18"),
            "error": "SignatureError",
        },
        "made_younger": {
            "claim": "a later time than was signed",
            "permit": _resigned(f"created={int(NOW.timestamp())}", f"created={int(NOW.timestamp()) + 60}"),
            "now": NOW + timedelta(seconds=90),
            "error": "SignatureError",
        },
        "too_old": {
            "claim": "61 seconds are over 60 seconds",
            "permit": good,
            "now": NOW + timedelta(seconds=61),
            "error": "ExpiredError",
        },
        "too_far_ahead": {
            "claim": "6 seconds ahead are over 5",
            "permit": _permit(created=NOW + timedelta(seconds=6)),
            "error": "NotYetValidError",
        },
        "other_version": {
            "claim": "a version that nobody here reads",
            "permit": _resigned("v1;", "v2;"),
            "error": "MalformedError",
        },
        "leading_zero": {
            "claim": "one number has one spelling",
            "permit": _resigned("entry=17", "entry=017"),
            "error": "MalformedError",
        },
        "upper_case_digest": {
            "claim": "one digest has one spelling",
            "permit": _resigned(REQUEST["body_sha256"], REQUEST["body_sha256"].upper()),
            "error": "MalformedError",
        },
        "extra_field": {
            "claim": "a field that nobody here reads",
            "permit": good + ";scope=all",
            "error": "MalformedError",
        },
        "other_order": {
            "claim": "fields in another order",
            "permit": _resigned(
                f"decision={REQUEST['decision']};entry=17", f"entry=17;decision={REQUEST['decision']}"
            ),
            "error": "MalformedError",
        },
        "spare_bits": {
            "claim": "base64 whose last character carries bits that no byte needs",
            "permit": good[:-3] + ("B" if good[-3] == "A" else chr(ord(good[-3]) + 1)) + "==",
            "error": "Base64Error",
        },
        "no_padding": {
            "claim": "base64 without its padding",
            "permit": good.removesuffix("=="),
            "error": "Base64Error",
        },
    }


def vectors() -> dict[str, bytes]:
    """Path below `VECTORS` to content."""
    files: dict[str, bytes] = {}
    cases = {**accepted(), **{f"{name}_fail": case for name, case in refused().items()}}
    for name, case in cases.items():
        request = {
            "method": case.get("method", REQUEST["method"]),
            "path": case.get("path", REQUEST["path"]),
            "permit": case["permit"],
            "body_base64": b64encode(case.get("body", BODY)).decode("ascii"),
        }
        expect: dict[str, Any] = {
            "claim": case["claim"],
            "audience": REQUEST["audience"],
            "now": format_time(case.get("now", NOW)),
            "max_age_s": 60,
            "skew_s": 5,
            "keys": [key_of("gw-1").public.to_dict(), key_of("gw-2", "ecdsa").public.to_dict()],
        }
        if "error" in case:
            expect["error"] = case["error"]
        else:
            fields = dict(part.split("=", 1) for part in case["permit"].split(";")[1:])
            expect |= {"decision": fields["decision"], "entry": int(fields["entry"])}
            expect["signed_text"] = permit_text(
                audience=expect["audience"],
                method=request["method"],
                path=request["path"],
                decision=fields["decision"],
                entry=int(fields["entry"]),
                created=int(fields["created"]),
                body_sha256=fields["content"].removeprefix("sha-256:"),
            ).decode()
        for file, value in (("request.json", request), ("expect.json", expect)):
            files[f"{name}/{file}"] = (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
    return files


def main() -> None:
    """Write all vectors, and remove files that are none of them any more."""
    wanted = vectors()
    for path in VECTORS.glob("*/*"):
        if path.relative_to(VECTORS).as_posix() not in wanted:
            path.unlink()
    for name, data in wanted.items():
        path = VECTORS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
