"""Who calls: a workload's credential in the request's headers, or a proof of possession over the whole request."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from countermark.attestation.keys import PublicKey
from countermark.errors import CredentialError
from countermark.evidence.credentials import CredentialIndex
from countermark.evidence.observation import KnownCredential
from countermark.evidence.possession import NonceStore, Proof, use_proof, verify_signature
from countermark.pdp.service import Service
from countermark.pep.http import Scope

MAX_CREDENTIAL_CHARS = 4096
MAX_REMEMBERED = 4096
DEFAULT_PORT = 80

_KEYID = re.compile(r';keyid="([0-9a-f]{64})"')


def presented_key(headers: Mapping[str, str]) -> str:
    """The API key of a request: `Authorization: Bearer ...` or `x-api-key`, whichever official client sends it.

    Raises:
        CredentialError: None, an empty one, or two that differ.
    """
    authorization = headers.get("authorization", "")
    scheme, _, bearer = authorization.partition(" ")
    found = {bearer.strip()} if scheme.lower() == "bearer" and bearer.strip() else set()
    if headers.get("x-api-key"):
        found.add(headers["x-api-key"])
    if len(found) != 1:
        raise CredentialError("expected one API key, as `Authorization: Bearer KEY` or `x-api-key: KEY`")
    key = found.pop()
    if len(key) > MAX_CREDENTIAL_CHARS:
        raise CredentialError(f"expected an API key of at most {MAX_CREDENTIAL_CHARS} characters")
    return key


def is_own_address(host: str, server: tuple[str, int | None] | None) -> bool:
    """Whether a `Host` header names the address and port that a connection came to (None: there is no network)."""
    if server is None or server[1] is None:
        return True
    address, port = server
    own = {f"[{address}]" if ":" in address else address}
    if address in {"127.0.0.1", "::1"}:
        own.add("localhost")
    named = {f"{each}:{port}" for each in own} | (own if port == DEFAULT_PORT else set())
    return host.lower() in named


class Callers:
    """Finds the credential that a request presents; the index follows the statements on file."""

    def __init__(self, service: Service, nonces: NonceStore, *, public_url: str | None) -> None:
        self._service = service
        self._nonces = nonces
        self._public_url = public_url
        self._version = -1
        self._index = CredentialIndex((), root=service.terms.root)
        self._known: dict[bytes, KnownCredential] = {}

    def _current(self) -> CredentialIndex:
        statements = self._service.statements
        if statements.credentials_version != self._version:
            self._index = CredentialIndex(
                (*statements.of_kind("credential"), *statements.of_kind("status")),
                root=self._service.terms.root,
                skew_s=self._service.terms.bundle.skew_s,
            )
            self._version = statements.credentials_version
            self._known.clear()
        return self._index

    def find(self, headers: Mapping[str, str], now: datetime) -> KnownCredential:
        """The credential that is presented. One with a key has still to sign: `prove`.

        Raises:
            CredentialError: Unknown, lapsed, or none.
        """
        self._service.statements.refresh(now)
        signed = headers.get("signature-input")
        if signed is None:
            return self._by_api_key(presented_key(headers), now)
        found = _KEYID.findall(signed)
        if len(found) != 1:
            raise CredentialError(
                "expected one signature with a `keyid` of 64 hex digits in `Signature-Input`"
            )
        return self._current().by_key_id(found[0], now)

    def _by_api_key(self, key: str, now: datetime) -> KnownCredential:
        """As `CredentialIndex.by_api_key`, from memory while nothing on file changes and the credential stands."""
        index = self._current()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()  # the key itself is not kept
        known = self._known.get(digest)
        if known is None or (known.valid_until is not None and now >= known.valid_until):
            known = index.by_api_key(key, now)
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        return known

    def still(self, caller: KnownCredential, now: datetime) -> KnownCredential:
        """The same credential at a later time: a body may come slowly, and a model may think for minutes.

        Raises:
            CredentialError: It expired or was replaced meanwhile.
        """
        self._service.statements.refresh(now)
        return self._current().by_statement(caller.statement, now)

    async def signed(
        self, caller: KnownCredential, scope: Scope, headers: Mapping[str, str], now: datetime
    ) -> Proof | None:
        """Check what the headers of a key-bound credential's request prove, before its body is read; None for others.

        Raises:
            CredentialError: The signature is not of this address, or is not the key's.
        """
        return None if caller.public is None else await self.signed_by(caller.public, scope, headers, now)

    async def signed_by(
        self, key: PublicKey, scope: Scope, headers: Mapping[str, str], now: datetime
    ) -> Proof:
        """As `signed`, for any key."""
        return await asyncio.to_thread(  # it takes a tenth of a millisecond
            verify_signature,
            method=scope["method"],
            target_uri=self.target_uri(scope, headers),
            headers=headers,
            public_key=key,
            now=now,
        )

    async def prove(self, proof: Proof | None, body: bytes, now: datetime) -> None:
        """Use a proof for exactly this body, once.

        Raises:
            CredentialError: The signature does not cover this body, or is too old by now.
            ReplayError: It was used before.
        """
        if proof is None:
            return
        digest = hashlib.sha256(body).hexdigest()
        # in a thread: the nonce is written to disk
        await asyncio.to_thread(use_proof, proof, body_sha256=digest, nonces=self._nonces, now=now)

    def target_uri(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """The address that the caller signed: the settings' `public_url`, or the one that the connection came to.

        Raises:
            CredentialError: No `public_url`, and a `Host` that isn't the connection's own address.
        """
        base = self._public_url
        if base is None:
            host = headers.get("host", "")
            if not is_own_address(host, scope.get("server")):
                # a name that the caller chooses would let one gateway's request be used at another
                raise CredentialError(
                    f"expected a request to the address that this gateway listens on, got `{host[:100]}`: "
                    "where callers reach it by another, the settings have to name that as `public_url`"
                )
            base = f"{scope.get('scheme', 'http')}://{host}"
        query = scope.get("query_string", b"")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        return f"{base}{path}{'?' + query.decode('latin-1') if query else ''}"
