"""Held, signed by people, permitted exactly once: over the gateway's own API, with real processes."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from e2e_site import MODEL, Site

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.oversight.approval import Verdict


def body(text: str) -> bytes:
    """A request's body."""
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}]}).encode()


def ask(shared: Site, data: bytes, workload: str = "recall") -> tuple[int, dict[str, Any]]:
    """Status, and what the error says of the decision."""
    status, _, answer = shared.post(data, workload=workload)
    return status, json.loads(answer).get("error", {}).get("countermark", {})


def held(shared: Site, data: bytes) -> str:
    """The hold of a request that is held."""
    status, told = ask(shared, data)
    assert status == 428
    assert told["outcome"] == "HOLD"
    return str(told["hold_id"])


def test_two_people_approve_once(shared: Site) -> None:
    """HOLD, one signs: HOLD still; the second signs: PERMIT, once; then HOLD again, with another hold."""
    data = body("approve me once")
    hold = held(shared, data)
    assert held(shared, data) == hold, "the same request is the same hold"
    assert shared.approve(hold, "ada")["approved"]["halden_reviewer"] == 1
    assert held(shared, data) == hold
    assert shared.approve(hold, "ben")["counts"]
    assert ask(shared, data)[0] == 200
    entry = shared.entries("decision")[-1]
    assert len(entry["approvals"]) == 2
    assert entry["approved"] == {"halden_reviewer": 1, "northmark_duty_officer": 1}
    assert held(shared, data) != hold
    assert ask(shared, data)[0] == 428


def test_an_approval_is_of_one_body_only(shared: Site) -> None:
    """One byte more, another header, another workload: nothing of the approval carries over."""
    data = body("exactly this")
    hold = held(shared, data)
    for person in ("ada", "ben"):
        shared.approve(hold, person)
    assert ask(shared, data + b" ")[0] == 428
    assert ask(shared, data, workload="survey")[0] == 428
    status, _, _ = shared.post(
        json.dumps({"model": MODEL, "max_tokens": 9, "messages": []}).encode(),
        workload="recall",
        path="/v1/messages",
        headers={"anthropic-version": "2023-06-01"},
    )
    assert status != 200
    assert ask(shared, data)[0] == 200, "and the one that was approved is"


def test_only_the_roles_that_are_asked_count(shared: Site) -> None:
    """People in other roles don't count, whatever their party; those without a role don't see what was asked."""
    data = body("signed by the wrong people")
    hold = held(shared, data)
    said = shared.approve(hold, "cem")  # a commander: not asked by this clause
    assert said["approved"]["halden_reviewer"] == 0
    assert ask(shared, data)[0] == 428
    said = shared.approve(hold, "ben")
    assert said["counts"]
    assert ask(shared, data)[0] == 428, "two of one party are not two parties"
    status, shown = shared.call("GET", f"holds/{hold}", person="eva")
    assert status == 200
    assert "file" not in shown, "what was asked is shown to those who may approve"


def test_a_signature_in_another_persons_name_is_refused(shared: Site) -> None:
    """Ben can't sign as Ada, nor can a role that is not his."""
    hold = held(shared, body("signed in another's name"))
    good = json.loads(shared.approval(hold, "ada"))
    payload = base64.b64decode(good["payload"])
    forged = encode_envelope(sign_envelope(payload, shared.world.people["ben"]))
    status, said = shared.call("POST", f"holds/{hold}/approvals", forged, person="ben")
    assert status == 201
    assert said["counts"] is False
    assert "signature of `ada`" in said["why_not"]
    forged = encode_envelope(sign_envelope(payload, shared.world.people["eva"]))
    status, said = shared.call("POST", f"holds/{hold}/approvals", forged, person="eva")
    assert status == 422, said


def test_an_approval_of_another_hold_is_refused(shared: Site) -> None:
    """It names its hold; handed in for another one it is not taken."""
    first, second = held(shared, body("first of two")), held(shared, body("second of two"))
    signed = shared.approval(first, "ada")
    status, said = shared.call("POST", f"holds/{second}/approvals", signed, person="ada")
    assert status == 422, said
    assert said["error"]["type"] == "TrustError"


def test_a_refusal_closes_the_hold(shared: Site) -> None:
    """One refuses: DENY from then on, though another approved, and the refusal is in the log."""
    data = body("refuse me")
    hold = held(shared, data)
    shared.approve(hold, "ada")
    shared.approve(hold, "ben", verdict=Verdict.REFUSE)
    status, told = ask(shared, data)
    assert status == 403
    assert told["outcome"] == "DENY"
    assert any(entry["hold"] == hold and entry["state"] == "refused" for entry in shared.entries("hold"))


def test_ten_at_once_get_one_permit(shared: Site) -> None:
    """The same approved request ten times at once: exactly one PERMIT, one entry that consumes, one forwarded."""
    for turn in range(5):
        data = body(f"ten at once {turn}")
        hold = held(shared, data)
        for person in ("ada", "ben"):
            shared.approve(hold, person)
        reached = len(shared.upstream.received())
        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda _, data=data: shared.post(data, workload="recall")[0], range(10)))
        assert statuses.count(200) == 1, statuses
        assert set(statuses) <= {200, 403, 428}
        assert len(shared.upstream.received()) == reached + 1
        shared.check_consumed()


def test_a_held_call_is_approved_for_its_arguments(shared: Site) -> None:
    """The commander and the reviewer sign one call: sent again it goes through once, other arguments don't."""
    client = shared.key_bound(openai.OpenAI)
    tool: Any = {"type": "function", "function": {"name": "actuate", "parameters": {"type": "object"}}}

    def call(target: str, words: str = "now") -> Any:
        return client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f'call actuate({{"target": "{target}"}}) {words}'}],
            tools=[tool],
        )

    with pytest.raises(openai.APIStatusError) as caught:
        call("T-114")
    told: Any = caught.value.body
    assert told["countermark"]["clauses"] == ["RL-2"]
    for person in ("ada", "cem"):
        assert shared.approve(told["countermark"]["hold_id"], person)["counts"]
    with pytest.raises(openai.APIStatusError):
        call("T-115")
    answer = call("T-114", "in other words, for the approval is of the call")
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {"target": "T-114"}
    with pytest.raises(openai.APIStatusError) as caught:
        call("T-114")
    assert caught.value.status_code == 428
