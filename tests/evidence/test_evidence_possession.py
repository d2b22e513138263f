"""Proof of possession: exactly one request, exactly one key, exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from evidence_world import NOW, key
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from possession_world import BODY, PRIVATE, URL, Nonces, signed, verify

from countermark.attestation.keys import PrivateKey
from countermark.errors import CredentialError, KeyTypeError, ReplayError
from countermark.evidence.possession import WINDOW_S, parse_signature_input

Headers = dict[str, str]


def _with(name: str, old: str, new: str) -> Callable[[Headers], Headers]:
    def change(headers: Headers) -> Headers:
        assert old in headers[name]
        return headers | {name: headers[name].replace(old, new)}

    return change


def test_what_we_sign_verifies() -> None:
    """verify(sign(request)), with either header for the credential, and headers as pairs or mapping."""
    verify(signed())
    verify(signed(credential_header="x-api-key", credential="office-1"))
    verify([(name.title(), f"  {value}\t") for name, value in signed().items()])


def test_a_nonce_is_good_once_and_remembered_past_the_window() -> None:
    """The same request again is a replay for as long as its signature would be accepted."""
    nonces = Nonces()
    verify(signed(), nonces=nonces)
    with pytest.raises(ReplayError):
        verify(signed(), nonces=nonces, now=NOW + timedelta(seconds=WINDOW_S))
    (until,) = nonces.known.values()
    assert until > NOW + timedelta(seconds=WINDOW_S)
    verify(signed(nonce="another-nonce-of-16"), nonces=nonces)


def test_only_who_has_the_key_fills_the_nonce_store() -> None:
    """A signature that fails leaves no nonce behind: nobody else can burn one, or fill the store."""
    nonces = Nonces()
    with pytest.raises(CredentialError):
        verify(signed(private_key=key("stranger")), nonces=nonces)
    assert nonces.known == {}


WINDOW: dict[str, tuple[float, bool]] = {
    "as old as the window": (WINDOW_S, True),
    "older than the window": (WINDOW_S + 1, False),
    "ahead by the skew": (-60, True),
    "ahead by more": (-61, False),
}


@pytest.mark.parametrize("case", WINDOW)
def test_window(case: str) -> None:
    """A signature counts from 60 s before now to the skew after it."""
    age, accepted = WINDOW[case]
    if accepted:
        verify(signed(), now=NOW + timedelta(seconds=age))
    else:
        with pytest.raises(CredentialError, match="clocks"):
            verify(signed(), now=NOW + timedelta(seconds=age))


RECEIVED: dict[str, dict[str, Any]] = {
    "another method": {"method": "GET"},
    "another path": {"target_uri": "https://gateway.example/v1/models"},
    "another scheme": {"target_uri": URL.replace("https", "http")},
    "another host": {"target_uri": URL.replace("gateway", "other")},
    "a query": {"target_uri": URL + "?x=1"},
    "an address that isn't ASCII": {"target_uri": URL + "\u00e9"},
    "another body": {"body_sha256": hashlib.sha256(b"{}").hexdigest()},
    "another key": {"public_key": key("stranger").public},
    "a key of another type": {"public_key": PrivateKey.from_seed(bytes(32), "ecdsa").public},
}


@pytest.mark.parametrize("case", RECEIVED)
def test_another_request_does_not_verify(case: str) -> None:
    """The signature of one request is none for another."""
    with pytest.raises(CredentialError):
        verify(signed(), **RECEIVED[case])


CHANGED: dict[str, Callable[[Headers], Any]] = {
    "another credential": lambda h: h | {"authorization": "Bearer other"},
    "no credential": lambda h: {name: value for name, value in h.items() if name != "authorization"},
    "a second credential that isn't covered": lambda h: h | {"x-api-key": "office-1"},
    "the credential in the other header": lambda h: {
        **{name: value for name, value in h.items() if name != "authorization"}, "x-api-key": h["authorization"],
    },
    "no signature": lambda h: {name: value for name, value in h.items() if name != "signature"},
    "no signature input": lambda h: {name: value for name, value in h.items() if name != "signature-input"},
    "no digest": lambda h: {name: value for name, value in h.items() if name != "content-digest"},
    "a header twice": lambda h: [*h.items(), ("Signature", h["signature"])],
    "the credential twice": lambda h: [*h.items(), ("Authorization", "Bearer other")],
    "two signatures": lambda h: h | {"signature-input": f"{h['signature-input']}, x={h['signature-input'][3:]}"},
    "two signature values": lambda h: h | {"signature": f"{h['signature']}, x{h['signature'][2:]}"},
    "a signature under another label": lambda h: h | {"signature": "x" + h["signature"][2:]},
    "a digest of two algorithms": lambda h: h | {"content-digest": h["content-digest"] + ", sha-512=:AAAA:"},
    "a digest of another algorithm": _with("content-digest", "sha-256", "sha-512"),
    "a digest with spare bits": lambda h: h | {"content-digest": _spare_bits(h["content-digest"])},
    "one component less": _with("signature-input", ' "content-digest"', ""),
    "components in another order": _with("signature-input", '"@method" "@target-uri"', '"@target-uri" "@method"'),
    "one component more": _with("signature-input", '"authorization")', '"authorization" "date")'),
    "a component with a parameter": _with("signature-input", '"content-digest"', '"content-digest";sf'),
    "no time": _with("signature-input", f";created={int(NOW.timestamp())}", ""),
    "another time": _with("signature-input", f"created={int(NOW.timestamp())}", f"created={int(NOW.timestamp()) + 1}"),
    "a time as a text": _with("signature-input", f"created={int(NOW.timestamp())}", 'created="1777802400"'),
    "a time below zero": _with("signature-input", "created=", "created=-"),
    "no nonce": _with("signature-input", ';nonce="Yk3v0pWq7hR2mZ5tXcB1dg"', ""),
    "another nonce": _with("signature-input", "Yk3v0", "Yk3v1"),
    "a short nonce": _with("signature-input", "Yk3v0pWq7hR2mZ5tXcB1dg", "x"),
    "a parameter twice": _with("signature-input", ';tag="countermark"', ';tag="countermark";tag="countermark"'),
    "one parameter more": _with("signature-input", ';tag="countermark"', ';tag="countermark";expires=9999999999'),
    "another algorithm": _with("signature-input", '"ed25519"', '"hmac-sha256"'),
    "another tag": _with("signature-input", '"countermark"', '"other"'),
    "another key id": _with("signature-input", PRIVATE.public.keyid, key("stranger").public.keyid),
    "an escape": _with("signature-input", ';nonce="Yk3', ';nonce="\\Yk3'),
    "a line break": _with("signature-input", "; ".strip(), "\n;"),
    "too much of it": lambda h: h | {"signature-input": h["signature-input"] + " " * 9000},
}  # fmt: skip


def _spare_bits(field: str) -> str:
    last = field[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return f"{field[:-3]}{alphabet[alphabet.index(last) + 1]}{field[-2:]}"


@pytest.mark.parametrize("case", CHANGED)
def test_changed_headers_do_not_verify(case: str) -> None:
    """What is added, dropped, repeated or spelled otherwise is refused, before any nonce is used."""
    nonces = Nonces()
    with pytest.raises(CredentialError):
        verify(CHANGED[case](signed()), nonces=nonces)
    assert nonces.known == {}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_single_character_can_be_changed(data: st.DataObject) -> None:
    """One character changed, added or dropped in any of the signed headers is never accepted."""
    headers = signed()
    name = data.draw(st.sampled_from(sorted(headers)))
    at = data.draw(st.integers(0, len(headers[name]) - 1))
    keep = data.draw(st.integers(0, 1))
    replacement = data.draw(st.sampled_from(["", *map(chr, range(0x21, 0x7F))]))
    changed = headers[name][:at] + replacement + headers[name][at + 1 - keep :]
    if changed.strip() == headers[name]:
        return
    # the label is the client's choice; changing it in one of two headers must fail, and does
    with pytest.raises(CredentialError):
        verify(headers | {name: changed})


@given(st.text(max_size=200) | st.text('cm=("@method");created1nonce keyid:', max_size=200))
def test_any_text_is_a_signature_input_or_refused(text: str) -> None:
    """No text crashes the reader, or is read without being the profile."""
    with pytest.raises(CredentialError):
        parse_signature_input(text)


def test_a_signature_over_another_profile_is_refused_though_it_verifies() -> None:
    """The key itself can't sign around the profile: another key id, a parameter twice, another tag."""
    with pytest.raises(CredentialError, match="ed25519 key"):
        verify(signed(keyid="f" * 64))
    for extra in (f'{PRIVATE.public.keyid}";alg="ed25519', f'{PRIVATE.public.keyid}";expires="1', 'x";y="1'):
        with pytest.raises(CredentialError):
            verify(signed(keyid=extra))


def test_only_ed25519_signs_requests() -> None:
    """The profile has one algorithm; a key of another type is refused at the client."""
    with pytest.raises(KeyTypeError, match="ed25519"):
        signed(private_key=PrivateKey.from_seed(bytes(32), "ecdsa"))


class _Keys(HTTPSignatureKeyResolver):
    """Gives the other implementation our test key."""

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        assert key_id == PRIVATE.public.keyid
        return Ed25519PublicKey.from_public_bytes(PRIVATE.public.public)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"workload").digest())


COVERED = ("@method", "@target-uri", "content-digest", "authorization")


def test_another_implementation_verifies_ours() -> None:
    """What our client side signs verifies with http-message-signatures, body and tag included."""
    now = int(datetime.now(UTC).timestamp())
    message = SimpleNamespace(method="POST", url=URL, headers=signed(created=now), body=BODY)
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=_Keys())
    (result,) = verifier.verify(
        message, expect_tag="countermark", require_components=[f'"{name}"' for name in COVERED], body=BODY
    )
    assert result.parameters["keyid"] == PRIVATE.public.keyid


def test_we_verify_another_implementations() -> None:
    """What http-message-signatures signs over the same components and parameters verifies with ours, once."""
    message = SimpleNamespace(method="POST", url=URL, headers={"authorization": "Bearer office-1"}, body=BODY)
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_Keys()).sign(
        message,
        key_id=PRIVATE.public.keyid,
        created=NOW,
        nonce="Yk3v0pWq7hR2mZ5tXcB1dg",
        label="pyhms",
        tag="countermark",
        covered_component_ids=COVERED,
        body=BODY,
    )
    nonces = Nonces()
    verify(message.headers, nonces=nonces)
    with pytest.raises(ReplayError):
        verify(message.headers, nonces=nonces)
    with pytest.raises(CredentialError):
        verify(message.headers, method="PUT")
