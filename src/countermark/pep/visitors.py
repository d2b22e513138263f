"""Who calls the gateway's own API: a person, a side or this gateway's runner by a key of the trust root, or a workload."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from countermark.attestation.keys import PublicKey
from countermark.evidence.observation import KnownCredential
from countermark.evidence.possession import NonceStore, verify_possession
from countermark.pdp.service import Service
from countermark.pep.callers import Callers
from countermark.pep.documents import Visitor
from countermark.pep.http import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Whom a request's headers say it comes from; it has still to prove that, over its body."""

    key: PublicKey | None
    holder: str
    workload: KnownCredential | None


class Visitors:
    """Finds and proves who calls."""

    def __init__(self, service: Service, nonces: NonceStore, callers: Callers) -> None:
        self._service = service
        self._nonces = nonces
        self._callers = callers

    def announced(self, headers: Mapping[str, str], now: datetime) -> Announced:
        """Who a request says that it comes from, before a byte of its body is read.

        Raises:
            CredentialError: Nobody that is on file.
        """
        signed = headers.get("signature-input", "")
        for key, holder in self._key_holders():
            if f';keyid="{key.keyid}"' in signed:
                return Announced(key=key, holder=holder, workload=None)
        caller = self._callers.find(headers, now)
        return Announced(key=None, holder=caller.workload.partition("/")[0], workload=caller)

    async def proved(
        self, announced: Announced, scope: Scope, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Visitor:
        """Who it is, the whole request considered.

        Raises:
            CredentialError: The proof does not cover this request, or the credential ended meanwhile.
            ReplayError: The proof was used before.
        """
        if announced.workload is not None:
            caller = self._callers.still(announced.workload, now)
            await self._callers.prove(caller, scope, headers, body, now)
            return Visitor(person=None, party=announced.holder, roles=frozenset(), workload=caller)
        key = announced.key
        if key is None:
            raise ValueError("expected a key or a workload")
        await asyncio.to_thread(
            verify_possession,
            method=scope["method"],
            target_uri=self._callers.target_uri(scope, headers),
            headers=headers,
            body_sha256=hashlib.sha256(body).hexdigest(),
            public_key=key,
            nonces=self._nonces,
            now=now,
        )
        root = self._service.terms.root
        person = root.person_of_key(key)
        roles = frozenset(name for name, role in root.roles.items() if person in role.persons)
        return Visitor(person=person, party=announced.holder, roles=roles, workload=None)

    def _key_holders(self) -> Iterator[tuple[PublicKey, str]]:
        """Keys of the trust root with their parties: persons, sides, and the gateway itself, for its runner."""
        terms = self._service.terms
        for person in terms.root.persons.values():
            yield from ((key, person.party) for key in person.keys)
        for side in terms.root.sides.values():
            yield from ((key, side.party) for key in side.keys)
        yield terms.root.gateway_key(terms.gateway), terms.root.runner_of(terms.gateway)
