"""Proof of possession: one profile of RFC 9421 over method, address, body and credential, each signature good once.

    POST /v1/chat/completions HTTP/1.1
    authorization: Bearer office-1
    content-digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
    signature-input: cm=("@method" "@target-uri" "content-digest" "authorization");created=1777802400;
        nonce="Yk3v0pWq7hR2mZ5tXcB1dg";keyid="5d4e...";alg="ed25519";tag="countermark"
    signature: cm=:LAH8BjcfcOcLojiuOBFWn0P5keD3xAOuJRGziCLuD8r5MW9S0RoXXLzLSRfGY/3SF8kVIkHjE13SEFdTo4Af/A==:

    (1) the covered components are exactly those four, in that order; `x-api-key` may stand for `authorization`
    (2) the parameters are exactly those five and `created`, each once, in any order
    (3) the digest is that of the body, the key id is that of the key
    (4) `created` lies within the window
    (5) the signature verifies
    (6) the nonce was not used before

What is not of this form is refused; there is no general reader of structured fields here. All but the body's own digest
and (6) can be checked before the body comes (`verify_signature`), so that nobody listens to who only knows a key's id. (6)
comes last, so that only who has the key can fill the store.

Source: RFC 9421, sections 2.2, 2.3, 2.5, 3.2; RFC 9530, section 2; RFC 8941, sections 3.3.3 and 3.3.5.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from countermark.attestation.keys import ED25519, PublicKey
from countermark.errors import CredentialError, ReplayError, SignatureError

WINDOW_S: Final = 60
"""How old a signature may be."""
KEPT_LONGER_S: Final = 60
"""How much longer than it could be sent again a nonce is kept: a request may have to wait to be looked at."""
DEFAULT_SKEW_S: Final = 60
ALGORITHM: Final = "ed25519"
TAG: Final = "countermark"
CREDENTIAL_HEADERS: Final = ("authorization", "x-api-key")
MAX_HEADER_CHARS: Final = 8192

_LABEL = r"[a-z*][a-z0-9_.*-]{0,31}"
_INPUT = re.compile(
    rf"({_LABEL})=(\(([^()]*)\)((?:;[a-z]+=(?:[0-9]{{1,15}}|\"[ !#-\[\]-~]{{0,200}}\"))*))", re.ASCII
)
_PARAMETER = re.compile(r";([a-z]+)=([0-9]+|\"[^\"]*\")", re.ASCII)
_SIGNATURE = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/]{{86}}==):", re.ASCII)
_CONTENT_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_PRINTABLE = re.compile(r"[\t -~]*", re.ASCII)
_PARAMETERS: Final = frozenset({"created", "nonce", "keyid", "alg", "tag"})


class NonceStore(Protocol):
    """Remembers which nonces were used."""

    def remember(self, nonce_key: str, until: datetime) -> bool:
        """Insert `nonce_key` if it isn't there, as one atomic step, also among processes that share the store.

        Returns:
            True where it was inserted, False where it was there. It is kept at least to `until`, also over a restart.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureInput:
    """The parsed `Signature-Input` of the profile.

    Attributes:
        label: Ties the field to the member of the same name in `Signature`.
        written: Everything after `label=`, as written: the value of `@signature-params` in the signature base.
        credential_header: Which header carries the credential that is covered.
    """

    label: str
    written: str
    credential_header: str
    created: int
    nonce: str
    keyid: str


def components(credential_header: str) -> str:
    """The covered components as they stand in `Signature-Input`."""
    return f'("@method" "@target-uri" "content-digest" "{credential_header}")'


def signature_base(
    *,
    method: str,
    target_uri: str,
    content_digest: str,
    credential_header: str,
    credential: str,
    parameters: str,
) -> bytes:
    """The bytes that are signed.

    Args:
        parameters: The value of `@signature-params`: components and parameters as written in `Signature-Input`.

    Source: RFC 9421, section 2.5.
    """
    return (
        f'"@method": {method}\n'
        f'"@target-uri": {target_uri}\n'
        f'"content-digest": {content_digest}\n'
        f'"{credential_header}": {credential}\n'
        f'"@signature-params": {parameters}'
    ).encode("ascii")


def content_digest(body_sha256: bytes) -> str:
    """The value of `Content-Digest` for a body with this SHA-256 (32 bytes)."""
    return f"sha-256=:{base64.b64encode(body_sha256).decode('ascii')}:"


def parse_signature_input(value: str) -> SignatureInput:
    """Read the `Signature-Input` field of the profile (steps 1 and 2). Nothing in it is verified yet.

    Raises:
        CredentialError: Another form: more signatures than one, other components, other parameters.
    """
    found = _INPUT.fullmatch(value) if len(value) <= MAX_HEADER_CHARS else None
    if found is None:
        raise CredentialError(
            "expected `signature-input` with one signature of the profile in spec/possession.md"
        )
    label, written, covered, tail = found.groups()
    header = next((name for name in CREDENTIAL_HEADERS if components(name) == f"({covered})"), None)  # (1)
    if header is None:
        raise CredentialError(
            f"expected a signature over `{components('authorization')}`, got `({covered:.120})`"
        )
    pairs = _PARAMETER.findall(tail)
    parameters = dict(pairs)
    if len(pairs) != len(parameters) or parameters.keys() != _PARAMETERS:  # (2)
        raise CredentialError(f"expected the parameters `{', '.join(sorted(_PARAMETERS))}`, each once")
    quoted = {name: text for name, text in parameters.items() if name != "created"}
    if not parameters["created"].isdigit() or not all(text.startswith('"') for text in quoted.values()):
        raise CredentialError("expected `created` as an integer and the other parameters as texts")
    texts = {name: text[1:-1] for name, text in quoted.items()}
    if texts["alg"] != ALGORITHM or texts["tag"] != TAG:
        raise CredentialError(
            f"expected alg `{ALGORITHM}` and tag `{TAG}`, got `{texts['alg']}` and `{texts['tag']}`"
        )
    if not _NONCE.fullmatch(texts["nonce"]):
        raise CredentialError(f"expected a nonce of the form `{_NONCE.pattern}`")
    return SignatureInput(
        label=label,
        written=written,
        credential_header=header,
        created=int(parameters["created"]),
        nonce=texts["nonce"],
        keyid=texts["keyid"],
    )


def read_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    """The header fields that matter here, by lower-case name, without surrounding blanks.

    Raises:
        CredentialError: One of them stands twice, is too long, or has other characters than printable ASCII.
    """
    wanted = {"content-digest", "signature-input", "signature", *CREDENTIAL_HEADERS}
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        field = name.lower()
        if field not in wanted:
            continue
        if field in found:
            raise CredentialError(f"expected the header `{field}` once")
        if len(value) > MAX_HEADER_CHARS or not _PRINTABLE.fullmatch(value):
            raise CredentialError(
                f"expected the header `{field}` in printable ASCII, at most {MAX_HEADER_CHARS}"
            )
        found[field] = value.strip(" \t")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A signature that verifies. Whether it is of the body that comes, and used for the first time, is still open.

    Attributes:
        body_sha256: What the signed `content-digest` says, 64 hex digits.
        created: Seconds since 1970, by the client's clock.
    """

    body_sha256: str
    created: int
    keyid: str
    nonce: str


def verify_signature(
    *,
    method: str,
    target_uri: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    public_key: PublicKey,
    now: datetime,
    skew_s: int = DEFAULT_SKEW_S,
) -> Proof:
    """Check all of a proof that its headers say; arguments as in `verify_possession`.

    Raises:
        CredentialError: Not this profile, not this address, not this key, or out of the window.
    """
    fields = read_headers(headers)
    for name in ("signature-input", "signature", "content-digest"):
        if name not in fields:
            raise CredentialError(f"expected a signed request, got none with `{name}`")
    signed = parse_signature_input(fields["signature-input"])
    present = [name for name in CREDENTIAL_HEADERS if name in fields]
    if present != [signed.credential_header]:  # what isn't covered could be swapped
        raise CredentialError(f"expected only the covered `{signed.credential_header}` to carry a credential")
    digest = _CONTENT_DIGEST.fullmatch(fields["content-digest"])
    if digest is None:
        raise CredentialError("expected `content-digest` as `sha-256=:BASE64:`, once")
    body_sha256 = _decode(digest[1]).hex()
    if public_key.keytype != ED25519 or signed.keyid != public_key.keyid:  # (3)
        raise CredentialError(f"expected a signature of ed25519 key `{public_key.keyid[:16]}`")
    _check_window(signed.created, now, skew_s)  # (4)
    signature = _SIGNATURE.fullmatch(fields["signature"])
    if signature is None or signature[1] != signed.label:
        raise CredentialError(f"expected `signature` as `{signed.label}=:BASE64:`, once")
    try:
        base = signature_base(
            method=method,
            target_uri=target_uri,
            content_digest=fields["content-digest"],
            credential_header=signed.credential_header,
            credential=fields[signed.credential_header],
            parameters=signed.written,
        )
        public_key.verify(_decode(signature[2]), base)  # (5)
    except UnicodeEncodeError as error:
        raise CredentialError("expected an address in ASCII") from error
    except SignatureError as error:
        raise CredentialError(
            f"expected a signature over `{method} {target_uri:.200}` and this body: a proxy between may have changed it"
        ) from error
    return Proof(body_sha256=body_sha256, created=signed.created, keyid=signed.keyid, nonce=signed.nonce)


def use_proof(
    proof: Proof, *, body_sha256: str, nonces: NonceStore, now: datetime, skew_s: int = DEFAULT_SKEW_S
) -> None:
    """Use a verified proof for the body that came, once; arguments as in `verify_possession`.

    Raises:
        CredentialError: Of another body, or out of the window by now.
        ReplayError: The nonce was used before.
    """
    if not hmac.compare_digest(bytes.fromhex(proof.body_sha256), bytes.fromhex(body_sha256)):  # (3)
        raise CredentialError("expected the digest of the body in `content-digest`")
    # a nonce that is forgotten when it is stored would be none
    _check_window(proof.created, now, skew_s)
    until = datetime.fromtimestamp(proof.created, tz=now.tzinfo) + timedelta(seconds=WINDOW_S + KEPT_LONGER_S)
    if not nonces.remember(f"{proof.keyid}:{proof.nonce}", until):  # (6)
        raise ReplayError("expected a fresh nonce: this signature was used before")


def _check_window(created: int, now: datetime, skew_s: int) -> None:
    oldest, latest = now - timedelta(seconds=WINDOW_S), now + timedelta(seconds=skew_s)
    if not oldest.timestamp() <= created <= latest.timestamp():
        raise CredentialError(
            f"expected `created` at most {WINDOW_S} s ago and {skew_s} s ahead: check the clocks"
        )


def verify_possession(
    *,
    method: str,
    target_uri: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    body_sha256: str,
    public_key: PublicKey,
    nonces: NonceStore,
    now: datetime,
    skew_s: int = DEFAULT_SKEW_S,
) -> None:
    """Check that who sent this request has the private half of `public_key`, and sent it now, for the first time.

    Args:
        target_uri: Scheme, authority, path and query as the client wrote them; behind a proxy, of its public address.
        headers: Lower-case or not. Pairs show a repeated field; in a mapping it has been lost or joined already.
        body_sha256: Of the body as received, 64 hex digits.
        skew_s: How far ahead of ours the client's clock may run, in seconds.

    Raises:
        CredentialError: Not this profile, not this request, not this key, or out of the window.
        ReplayError: The nonce was used before.
    """
    proof = verify_signature(
        method=method, target_uri=target_uri, headers=headers, public_key=public_key, now=now, skew_s=skew_s
    )
    use_proof(proof, body_sha256=body_sha256, nonces=nonces, now=now, skew_s=skew_s)


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CredentialError("expected base64 in `content-digest` and `signature`") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise CredentialError("expected base64 whose last character carries no spare bits")
    return data
