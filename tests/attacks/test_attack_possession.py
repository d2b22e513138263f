"""A proof of possession, or a credential, that is used where it wasn't meant."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from attack_world import text

from countermark.client_auth import sign_request
from countermark.loopback.played import call_app
from countermark.testing import Deployment

PATH = "/v1/chat/completions"
BODY = json.dumps(text("hello")).encode()


def proof(deployment: Deployment, **changed: Any) -> dict[str, str]:
    """The headers of a signed request, with some of what is signed changed."""
    key = deployment.client_keys["field"]
    signed: dict[str, Any] = {
        "method": "POST",
        "target_uri": f"http://gateway{PATH}",
        "credential_header": "authorization",
        "credential": "Bearer field",
        "body": BODY,
        "private_key": key,
        "keyid": key.public.keyid,
        "created": int(deployment.now.timestamp()),
        "nonce": secrets.token_urlsafe(24),
        **changed,
    }
    return {"host": "gateway", "authorization": signed["credential"], **sign_request(**signed)}


async def field() -> Deployment:
    """A key-bound workload beside one with an API key."""
    deployment = Deployment()
    await deployment.__aenter__()
    await deployment.add_workload("field", key_bound=True)
    await deployment.add_workload("office")
    return deployment


async def ask(
    deployment: Deployment, headers: Mapping[str, str], path: str = PATH, body: bytes = BODY
) -> int:
    """Send a request as it is; its status."""
    return (await deployment.request("POST", path, body, headers=headers)).status


PROOFS: dict[str, dict[str, Any]] = {
    "of another gateway": {"target_uri": f"http://other{PATH}"},
    "of another scheme": {"target_uri": f"https://gateway{PATH}"},
    "of another path": {"target_uri": "http://gateway/v1/messages"},
    "of another query": {"target_uri": f"http://gateway{PATH}?x=1"},
    "of another method": {"method": "GET"},
    "of another body": {"body": BODY + b" "},
    "too old": {"created": 0},
}


@pytest.mark.parametrize("changed", PROOFS.values(), ids=PROOFS.keys())
async def test_a_proof_is_of_this_request(changed: dict[str, Any]) -> None:
    """A signature over anything else than what was received is none."""
    deployment = await field()
    assert await ask(deployment, proof(deployment)) == 200
    assert await ask(deployment, proof(deployment, **changed)) == 401
    await deployment.gateway.stop()


async def test_a_proof_is_used_once_also_over_a_restart_and_from_the_future() -> None:
    """As long as it could be sent again its nonce is remembered: made a minute ahead, that is two minutes."""
    deployment = await field()
    ahead = proof(deployment, created=int(deployment.now.timestamp()) + 60)
    assert await ask(deployment, ahead) == 200
    for seconds in (0, 59, 60, 1):
        deployment.advance(seconds)
        assert await ask(deployment, ahead) == 401
        await deployment.restart()
        assert await ask(deployment, ahead) == 401
    await deployment.gateway.stop()


async def test_a_credential_in_two_places_is_none() -> None:
    """Two keys, a key beside a proof, a key that is none of a bearer's: refused, not chosen from."""
    deployment = await field()
    office, signed = deployment.api_keys["office"], proof(deployment)
    refused: list[Mapping[str, str]] = [
        {"authorization": f"Bearer {office}", "x-api-key": "another"},
        {"authorization": f"Bearer {office}, Bearer {office}"},
        {"authorization": f"Bearer {office},"},
        {"authorization": f"Basic {office}"},
        {"authorization": f"Bearer {deployment.client_keys['field'].public.keyid}"},
        {**signed, "x-api-key": office},
        {**signed, "authorization": f"Bearer {office}"},
        {**signed, "signature": signed["signature"] + ", " + signed["signature"]},
        {**signed, "signature-input": signed["signature-input"] + ", " + signed["signature-input"]},
        {**signed, "signature-input": signed["signature-input"].replace("keyid=", 'x="1";keyid=')},
        {**signed, "content-digest": signed["content-digest"] + ", sha-512=:AA==:"},
        {name: value for name, value in signed.items() if not name.startswith("signature")},
    ]
    for headers in refused:
        assert await ask(deployment, headers) == 401, headers
    await deployment.gateway.stop()


NAMED = {
    "127.0.0.1:8400": True,
    "localhost:8400": True,
    "LOCALHOST:8400": True,
    "127.0.0.1:8401": False,
    "127.0.0.1": False,
    "other.example": False,
    "other.example:8400": False,
    "127.0.0.1:8400@other.example": False,
    "127.0.0.1:8400, 127.0.0.1:8400": False,
    "": False,
}


@pytest.mark.parametrize(("host", "is_ours"), NAMED.items())
async def test_the_caller_does_not_choose_which_gateway_a_proof_is_for(host: str, is_ours: bool) -> None:
    """Without a `public_url` a proof is for the address that the connection came to, whatever `Host` says.

    Else who got a signed request at one gateway could use it at another, within its minute: a runner who has a
    reviewer read one list of holds reads another gateway's.
    """
    deployment = await field()
    headers = {**proof(deployment, target_uri=f"http://{host}{PATH}"), "host": host}

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await deployment.app({**scope, "server": ("127.0.0.1", 8400)}, receive, send)

    status, _, said = await call_app(served, "POST", PATH, headers=headers, body=BODY)
    assert status == (200 if is_ours else 401)
    assert is_ours or b"public_url" in said
    await deployment.gateway.stop()


async def test_a_public_url_is_the_only_address() -> None:
    """Where the settings say how callers reach it, `Host` doesn't matter at all."""
    deployment = Deployment(settings={"public_url": "https://gateway.example"})
    await deployment.__aenter__()
    deployment.client_keys["field"] = deployment.people["cem"]  # any key: only the address is tried
    target = deployment.gateway.callers.target_uri(
        {"path": PATH, "raw_path": PATH.encode()}, {"host": "other"}
    )
    assert target == f"https://gateway.example{PATH}"
    await deployment.gateway.stop()


class _Slow:
    """A request whose body comes in two pieces, with time passing between; `read` says whether anybody began to read."""

    def __init__(self, deployment: Deployment, seconds: float = 0) -> None:
        self._deployment, self._seconds = deployment, seconds
        self.read = 0

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        if self.read == 1:
            return {"type": "http.request", "body": BODY[:10], "more_body": True}
        self._deployment.advance(self._seconds)
        return {"type": "http.request", "body": BODY[10:], "more_body": False}


async def post(deployment: Deployment, slow: _Slow, path: str, headers: Mapping[str, str]) -> int:
    """Send a slow request; its status."""
    status = [0]

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": raw,
    }
    await deployment.app(scope, slow.receive, send)
    return status[0]


@pytest.mark.parametrize("path", [PATH, "/v1/models", "/countermark/v1/statements"])
async def test_who_only_knows_a_keys_id_is_not_listened_to(path: str) -> None:
    """Key ids are no secret: without a signature that verifies no body is read, and no slot is held while it comes."""
    deployment = await field()
    for keyid in (deployment.client_keys["field"].public.keyid, deployment.people["ada"].public.keyid):
        for headers in (
            {"host": "gateway", "signature-input": f'cm=();keyid="{keyid}"'},
            {**proof(deployment, keyid=keyid), "signature": f"cm=:{'A' * 86}==:"},
            proof(deployment, keyid=keyid, target_uri="http://other/"),
        ):
            slow = _Slow(deployment)
            assert (await post(deployment, slow, path, headers), slow.read) == (401, 0)
    await deployment.gateway.stop()


async def test_a_body_that_comes_slowly_makes_no_proof_older() -> None:
    """What was in its minute when the head came and isn't when the body is whole is refused, and can't be sent twice."""
    deployment = await field()
    headers = proof(deployment)
    deployment.advance(59)
    assert await post(deployment, _Slow(deployment, 1), PATH, headers) == 200
    headers = proof(deployment)
    deployment.advance(59)
    for _ in range(2):
        assert await post(deployment, _Slow(deployment, 2), PATH, headers) == 401
    await deployment.gateway.stop()
