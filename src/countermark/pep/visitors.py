"""Who calls the gateway's own API: a person, a side or this gateway's runner by a key of the trust root, or a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from countermark.attestation.keys import PublicKey
from countermark.evidence.observation import KnownCredential
from countermark.evidence.possession import Proof
from countermark.pdp.service import Service
from countermark.pep.callers import Callers
from countermark.pep.documents import Visitor
from countermark.pep.http import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Whom a request comes from as its headers say, and prove where they are signed; its body has still to come."""

    key: PublicKey | None
    holder: str
    workload: KnownCredential | None
    proof: Proof | None


class Visitors:
    """Finds and proves who calls."""

    def __init__(self, service: Service, callers: Callers) -> None:
        self._service = service
        self._callers = callers

    async def announced(self, scope: Scope, headers: Mapping[str, str], now: datetime) -> Announced:
        """Who a request comes from, before a byte of its body is read.

        Raises:
            CredentialError: Nobody that is on file, or a signature that isn't theirs over this address.
        """
        signed = headers.get("signature-input", "")
        for key, holder in self._key_holders():
            if f';keyid="{key.keyid}"' in signed:
                proof = await self._callers.signed_by(key, scope, headers, now)
                return Announced(key=key, holder=holder, workload=None, proof=proof)
        caller = self._callers.find(headers, now)
        proved = await self._callers.signed(caller, scope, headers, now)
        party = caller.workload.partition("/")[0]
        return Announced(key=None, holder=party, workload=caller, proof=proved)

    async def proved(self, announced: Announced, body: bytes, now: datetime) -> Visitor:
        """Who it is, the whole request considered.

        Raises:
            CredentialError: The proof does not cover this body, or the credential ended meanwhile.
            ReplayError: The proof was used before.
        """
        workload = announced.workload
        if workload is not None:
            workload = self._callers.still(workload, now)
        await self._callers.prove(announced.proof, body, now)
        root = self._service.terms.root
        person = root.person_of_key(announced.key) if announced.key is not None else None
        roles = frozenset(name for name, role in root.roles.items() if person in role.persons)
        return Visitor(person=person, party=announced.holder, roles=roles, workload=workload)

    def _key_holders(self) -> Iterator[tuple[PublicKey, str]]:
        """Keys of the trust root with their parties: persons, sides, and the gateway itself, for its runner."""
        terms = self._service.terms
        for person in terms.root.persons.values():
            yield from ((key, person.party) for key in person.keys)
        for side in terms.root.sides.values():
            yield from ((key, side.party) for key in side.keys)
        yield terms.root.gateway_key(terms.gateway), terms.root.runner_of(terms.gateway)
