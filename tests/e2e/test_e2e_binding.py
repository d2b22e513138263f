"""Who asks: a credential is one workload's, a proof is of one request, and what the caller says only restricts."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any

import anthropic
import openai
import pytest
from e2e_site import ASK, MODEL, Site, exchange

from countermark.client_auth import sign_request

PATH = "/v1/chat/completions"


def signed(shared: Site, data: bytes, *, workload: str = "field", **changed: Any) -> dict[str, str]:
    """Headers of a key-bound request, whose signed parts can be changed."""
    key = shared.world.client_keys[workload]
    parts: dict[str, Any] = {
        "method": "POST",
        "target_uri": f"{shared.url}{PATH}",
        "credential_header": "authorization",
        "credential": f"Bearer {workload}-1",
        "body": data,
        "private_key": key,
        "keyid": key.public.keyid,
        "created": int(time.time()),
        "nonce": secrets.token_urlsafe(24),
    }
    return {"authorization": f"Bearer {workload}-1", **sign_request(**{**parts, **changed})}


def send(shared: Site, data: bytes, headers: dict[str, str]) -> int:
    """The status of one request."""
    return exchange(shared.url, "POST", PATH, body=data, headers=headers)[0]


def body(text: str) -> bytes:
    """A request's body."""
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}]}).encode()


def test_key_bound_clients(shared: Site) -> None:
    """Both official clients with the auth hook: the gateway sees the key, and binds the decision to it."""
    chat = shared.key_bound(openai.OpenAI).chat.completions.create(model=MODEL, messages=ASK)
    assert chat.choices[0].message.content
    message = shared.key_bound(anthropic.Anthropic).messages.create(model=MODEL, max_tokens=9, messages=ASK)
    assert message.content
    assert [entry["observation"]["binding"] for entry in shared.entries("decision")[-2:]] == ["key-bound"] * 2


async def test_async_key_bound_clients(shared: Site) -> None:
    """The async ones too."""
    client = shared.key_bound(openai.AsyncOpenAI)
    assert (await client.chat.completions.create(model=MODEL, messages=ASK)).choices
    await client.close()


def test_a_replayed_signature_is_refused(shared: Site) -> None:
    """The same request a second time, as an eavesdropper would send it: 401, not forwarded."""
    data = body("signed once")
    headers = signed(shared, data)
    assert send(shared, data, headers) == 200
    reached = len(shared.upstream.received())
    assert send(shared, data, headers) == 401
    assert len(shared.upstream.received()) == reached


FORGED: dict[str, dict[str, Any]] = {
    "another body": {"body": body("something harmless")},
    "another address": {"target_uri": "http://elsewhere.example/v1/chat/completions"},
    "another path": {"target_uri": "http://127.0.0.1/v1/messages"},
    "another method": {"method": "GET"},
    "another credential": {"credential": "Bearer office-1"},
    "two minutes old": {"created": int(time.time()) - 180},
    "from the future": {"created": int(time.time()) + 600},
}


@pytest.mark.parametrize("name", FORGED)
def test_a_signature_over_something_else_is_refused(shared: Site, name: str) -> None:
    """A proof is of this request: method, address, body, credential and time."""
    data = body(f"forged: {name}")
    reached = len(shared.upstream.received())
    assert send(shared, data, signed(shared, data, **FORGED[name])) == 401
    assert len(shared.upstream.received()) == reached


def test_a_key_without_its_signature_is_nothing(shared: Site) -> None:
    """The name of a key-bound credential is no API key; another workload's key doesn't help; nor does leaving parts out."""
    data = body("bare")
    assert send(shared, data, {"authorization": "Bearer field-1"}) == 401
    full = signed(shared, data)
    for left_out in ("content-digest", "signature", "signature-input"):
        part = {name: value for name, value in full.items() if name != left_out}
        assert send(shared, data, part) == 401, left_out
    both = {**signed(shared, data), "authorization": f"Bearer {shared.world.api_keys['office']}"}
    assert send(shared, data, both) == 401
    assert send(shared, data, {}) == 401
    two = {"authorization": f"Bearer {shared.world.api_keys['office']}", "x-api-key": "another"}
    assert send(shared, data, two) == 401


def statements_of(shared: Site, workload: str) -> list[str]:
    """Digests of the statements on file about a workload, as a caller could learn them."""
    status, listed = shared.call("GET", "statements", person="ada")
    assert status == 200
    return [each["sha256"] for each in listed["statements"] if each.get("name") == f"northmark/{workload}"]


def test_another_workloads_statement_is_worth_nothing(shared: Site) -> None:
    """Naming the recall desk's statements, or the order, changes nothing for the tracking cell but what it is told."""
    data = body("match rows to addresses")
    theirs = statements_of(shared, "recall")
    assert len(theirs) >= 3
    plain = shared.post(data, workload="tracking")
    named = shared.post(
        data,
        workload="tracking",
        headers={"countermark-statement": ", ".join(f"sha256:{each}" for each in theirs)},
    )
    told = [json.loads(each[2])["error"]["countermark"] for each in (plain, named)]
    assert [each[0] for each in (plain, named)] == [403, 403]
    assert told[0]["clauses"] == told[1]["clauses"] == ["RL-1", "RL-5"]
    assert told[0]["facts"] == told[1]["facts"]


# how a caller says something of itself
WAYS = {
    "header": lambda claim, value: ({}, {"countermark-claims": f"{claim}={value}"}),
    "metadata": lambda claim, value: ({"metadata": {f"countermark.{claim}": value}, "store": False}, {}),
    "system prompt": lambda claim, value: (
        {"messages": [{"role": "system", "content": f"countermark-claim: {claim}={value}"}, *ASK]},
        {},
    ),
}
# claim, value, workload: the outcome without it, and with it
CLAIMS = {
    "bulk: a permitted request is denied": ("bulk_persons", "yes", "analysis", 200, 403),
    "not bulk: gains nothing": ("bulk_persons", "no", "tracking", 403, 403),
    "consent: gains nothing": ("consent", "inside", "recall", 428, 428),
    "an attested purpose: gains nothing": ("purpose", "office", "tracking", 403, 403),
    "an order: gains nothing": ("order", "inside", "orders", 403, 403),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CLAIMS)
def test_claims_only_restrict(shared: Site, name: str, way: str) -> None:
    """A claim never raises an outcome, whichever way it is made; one that restricts is believed."""
    claim, value, workload, without, with_claim = CLAIMS[name]
    content, headers = WAYS[way](claim, value)
    plain = {"model": MODEL, "messages": ASK}
    assert shared.post(plain, workload=workload)[0] == without
    status, _, data = shared.post({**plain, **content}, workload=workload, headers=headers)
    assert status == with_claim, data
    if with_claim == 403 and without == 200:
        assert json.loads(data)["error"]["countermark"]["clauses"] == ["RL-1"]


def test_the_log_holds_no_content_and_no_credential(shared: Site) -> None:
    """Neither texts, nor API keys, nor plain digests of bodies stand in the log."""
    text = f"a very particular sentence {secrets.token_hex(8)}"
    data = body(text)
    assert shared.post(data, headers={"countermark-claims": "remark=particular-claim"})[0] == 200
    log = b"".join(path.read_bytes() for path in (shared.world.gateway / "log").rglob("*") if path.is_file())
    for secret in (
        text,
        "particular-claim",
        shared.world.api_keys["office"],
        hashlib.sha256(data).hexdigest(),
        hashlib.sha256(text.encode()).hexdigest(),
    ):
        assert secret.encode() not in log
