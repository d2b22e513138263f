"""The people of a stack: each signs with a key of their own, through the gateway's API, what a campaign has them sign."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.client_auth import sign_request
from countermark.clock import system_clock
from countermark.errors import CountermarkError, StackError
from countermark.oversight.approval import Verdict, make_approval
from countermark.oversight.hold import parse_hold_file
from countermark.stacks.cast import APPROVERS, PEOPLE

PREFIX: Final = "/countermark/v1/"
_CREDENTIAL: Final = "Bearer countermark-person"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedPeople:
    """Implements `door.People`: those of a made world, at one gateway.

    Attributes:
        url: The gateway's address.
    """

    url: str
    people: Mapping[str, PrivateKey]

    async def sign(self, hold_id: str, roles: Sequence[str]) -> None:
        """One person of each role looks at a held request and approves it. A role that may not approve it changes nothing.

        Raises:
            StackError: No such role, or the gateway's answer can't be read.
        """
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            for role in roles:
                if role not in APPROVERS:
                    raise StackError(f"expected a role of {', '.join(APPROVERS)}, got `{role[:60]}`")
                await self._sign(session, hold_id, role)

    async def _sign(self, session: aiohttp.ClientSession, hold_id: str, role: str) -> None:
        person = APPROVERS[role]
        status, document = await self._call(session, person, "GET", f"holds/{hold_id}")
        if status != 200 or "file" not in document:
            return  # the hold is closed, or it isn't this person's to see
        try:
            hold, content = parse_hold_file(json.dumps(document["file"]).encode())
            approval = make_approval(
                hold,
                content,
                role=role,
                person=person,
                verdict=Verdict.APPROVE,
                now=system_clock().replace(microsecond=0),
                basis="document-seen",
                interest="party",
            )
        except CountermarkError as error:
            raise StackError(f"expected a hold that `{person}` can read: {error}") from error
        signed = encode_envelope(sign_envelope(approval.payload, self.people[person]))
        # whether it counts is the gateway's to say; the request that is sent again shows it
        await self._call(session, person, "POST", f"holds/{hold_id}/approvals", signed)

    async def submit(self, person: str, statement_file: bytes) -> tuple[int, Mapping[str, Any]]:
        """A person puts a statement file on file; returns status and answer of the gateway, whatever they are.

        Raises:
            StackError: No such person.
        """
        if person not in self.people:
            raise StackError(f"expected a person of {', '.join(PEOPLE)}, got `{person[:60]}`")
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            return await self._call(session, person, "POST", "statements", statement_file)

    async def _call(
        self, session: aiohttp.ClientSession, person: str, method: str, path: str, body: bytes = b""
    ) -> tuple[int, Mapping[str, Any]]:
        key = self.people[person]
        url = f"{self.url}{PREFIX}{path}"
        headers = {
            "content-type": "application/octet-stream",
            "authorization": _CREDENTIAL,
            **sign_request(
                method=method,
                target_uri=url,
                credential_header="authorization",
                credential=_CREDENTIAL,
                body=body,
                private_key=key,
                keyid=key.public.keyid,
                created=int(system_clock().timestamp()),
                nonce=secrets.token_urlsafe(24),
            ),
        }
        sent = body if method == "POST" else None
        try:
            async with session.request(
                method, url, data=sent, headers=headers, allow_redirects=False
            ) as answer:
                document = json.loads(await answer.read())
                return answer.status, document if isinstance(document, dict) else {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise StackError(f"expected an answer of the gateway at `{self.url}`: {error!r}") from error
