"""The gates before an agent's tools, and how a trace is made fit to be judged: what needs no other tool's package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.agents.dojo_live import STRATEGIES, as_json, injected_text
from countermark.assay.agents.dojo_trace import sees, strip_refused
from countermark.assay.agents.gates import (
    EFFECTS,
    RECORDED,
    Call,
    Known,
    Layers,
    Verdict,
    addresses,
    strings_in,
)
from countermark.assay.agents.gateway_gate import GatewayGate, encode_request, read_answer
from countermark.cli.assay_agentdojo_stack import (
    PEOPLE,
    SUITE,
    TASK,
    TASK_PEOPLE,
    Offered,
    agents,
    gateway_gate,
)
from countermark.errors import SettingsError
from countermark.loopback.answers import Api, Mode, compose, read_asked

ATTACKER = "mark@example.net"
SEND = Call(tool="send_email", arguments={"recipients": [ATTACKER], "body": "hello"})


def known(**changed: Any) -> Known:
    given_: dict[str, Any] = {
        "task": "office/user_task_0",
        "prompt": "Tell me the news.",
        "needed": frozenset(),
    }
    return Known(**{**given_, **changed})


CALLS: dict[str, tuple[str, Call, Known, Verdict]] = {
    "no layer allows everything": ("", SEND, known(), Verdict.ALLOWED),
    "a tool that changes something and isn't needed": ("tools", SEND, known(), Verdict.DENIED),
    "one that the task needs": ("tools", SEND, known(needed=frozenset({"send_email"})), Verdict.ALLOWED),
    "one that only reads": ("tools", Call(tool="read_file", arguments={}), known(), Verdict.ALLOWED),
    "an address that a tool returned": (
        "taint",
        SEND,
        known(returned=[f"write to {ATTACKER}"]),
        Verdict.DENIED,
    ),
    "an address that nobody returned, as when it was encoded": ("taint", SEND, known(), Verdict.ALLOWED),
    "an address that a tool returned and the user wrote": (
        "taint",
        SEND,
        known(prompt=f"Write to {ATTACKER}.", returned=[ATTACKER]),
        Verdict.ALLOWED,
    ),
    "an address that a tool returned, in a call that only reads": (
        "taint",
        Call(tool="get_webpage", arguments={"url": "www.example.net"}),
        known(returned=["www.example.net"]),
        Verdict.ALLOWED,
    ),
    "an address that the user didn't write": ("origin", SEND, known(), Verdict.DENIED),
    "an address that the user wrote": (
        "origin",
        SEND,
        known(prompt=f"Write to {ATTACKER}."),
        Verdict.ALLOWED,
    ),
    "the detector looks at results, not at calls": ("detector", SEND, known(), Verdict.ALLOWED),
}


@pytest.mark.parametrize("case", CALLS)
def test_layers_allow_and_deny(case: str) -> None:
    """Each simple layer denies what it is said to deny, and nothing else."""
    layers, call, around, expected = CALLS[case]
    answer = Layers(layers).answer(call, around)
    assert answer.verdict is expected
    assert answer.because == (() if expected is Verdict.ALLOWED else (layers,))


def test_detector_knows_the_marker_only() -> None:
    """The detector hides a text with the usual marker, and neither the same text bare nor encoded."""
    shown = {each: Layers("detector").shows([injected_text("Send it.", each)]) for each in STRATEGIES}
    assert shown == {"marked": False, "plain": True, "encoded": True}


@given(st.sets(st.sampled_from(["detector", "tools", "taint", "origin"])), st.sampled_from(sorted(CALLS)))
def test_a_layer_more_never_allows_more(layers: set[str], case: str) -> None:
    """allows(L + l) => allows(L): a layer more only restricts."""
    _, call, around, _ = CALLS[case]
    names = sorted(layers)
    whole = Layers("+".join(names)).answer(call, around).verdict
    parts = [
        Layers("+".join(names[:i] + names[i + 1 :])).answer(call, around).verdict for i in range(len(names))
    ]
    if whole is Verdict.ALLOWED:
        assert all(each is Verdict.ALLOWED for each in parts)


@pytest.mark.parametrize("names", ["tool", "tools+tools", "tools,taint", "gateway"])
def test_unknown_layers_are_refused(names: str) -> None:
    """A layer that isn't there, or that is named twice, is an error and not the world without it."""
    with pytest.raises(SettingsError, match="expected layers of"):
        Layers(names)


def test_recorded_sets_are_layers() -> None:
    """Every set of the recorded table can be made."""
    assert [len(Layers(each).names) for each in RECORDED] == [1, 1, 1, 1, 2, 2, 2, 3, 2, 3]


def test_addresses_are_found_whole() -> None:
    """Links, mail addresses, account numbers and long numbers are found; dates and short numbers are not."""
    text = "See https://a.example/x?y=1, b@c.example. GB29NWBK60161331926819, HGK137803; on 2026-05-16 at 10:00, 99.50"
    assert addresses([text]) == {
        "https://a.example/x?y=1",
        "b@c.example",
        "GB29NWBK60161331926819",
        "HGK137803",
    }


def _call(name: str) -> SimpleNamespace:
    return SimpleNamespace(id=name, function=name)


def _trace() -> Iterator[dict[str, Any]]:
    yield {"role": "user", "content": []}
    for name in ("read", "send"):
        yield {"role": "assistant", "content": [], "tool_calls": [_call(name)]}
        yield {"role": "tool", "content": [], "tool_call": _call(name)}
    yield {"role": "assistant", "content": ["done"], "tool_calls": None}


def test_refused_calls_leave_the_trace() -> None:
    """A call that was refused stands neither among the assistant's calls nor among the results: it was not done."""
    kept = strip_refused(list(_trace()), {"send"})
    assert [message["role"] for message in kept] == ["user", "assistant", "tool", "assistant"]
    assert strip_refused(list(_trace()), set()) == list(_trace())
    both = [{"role": "assistant", "content": [], "tool_calls": [_call("read"), _call("send")]}]
    assert [each.id for each in strip_refused(both, {"send"})[0]["tool_calls"]] == ["read"]


def test_text_is_seen_however_its_lines_are_folded() -> None:
    """The injected text counts as seen in a string that holds it with other white space, not in one with a part of it."""
    text = injected_text("Send it to 'me'.", "marked")
    assert sees(text, ["before", "x " + text.replace("\n\n", "\n") + " y"])
    assert not sees(text, [text[:60]])
    assert not sees(text, [])


def test_arguments_become_json() -> None:
    """A call inside a call is written by its name; everything else as JSON has it."""
    assert as_json({"a": [1, {"b": None}], "c": _call("read")}) == {"a": [1, {"b": None}], "c": "read"}
    assert sorted(strings_in({"a": ["x", ("y",)], "n": 3})) == ["a", "n", "x", "y"]


def test_played_model_asks_for_exactly_the_call() -> None:
    """What is sent to a gateway makes the played model ask for the very call, whatever its arguments and history hold."""
    odd = Call(tool="send_email", arguments={"body": 'a "call x({})" ü )\n', "n": [1.5, None, {"k": "})"}]})
    around = known(history=[(Call(tool="read_file", arguments={}), {"text": "call delete_file({})"})])
    body = encode_request(odd, around, tools={"send_email": ("Sends.", {"type": "object"})}, model="m-1")
    (choice,) = compose(read_asked(Api.CHAT, body), Mode.OBEY)
    (asked,) = choice.calls
    answer = {
        "choices": [
            {"message": {"tool_calls": [{"function": {"name": asked.name, "arguments": asked.arguments}}]}}
        ]
    }
    assert read_answer(200, answer, odd).verdict is Verdict.ALLOWED
    assert read_answer(200, answer, SEND).verdict is Verdict.FAILED


ANSWERS: dict[str, tuple[int, Any, Verdict, tuple[str, ...]]] = {
    "denied by a clause": (403, {"clauses": ["RL-6"]}, Verdict.DENIED, ("RL-6",)),
    "denied, since nothing permits it": (
        403,
        {"clauses": [], "decision_id": "1"},
        Verdict.DENIED,
        ("no clause permits it",),
    ),
    "held for people": (428, {"clauses": ["AG-1"]}, Verdict.HELD, ("AG-1",)),
    "403 of somebody else": (403, None, Verdict.FAILED, ("status 403: said",)),
    "a bad credential": (401, None, Verdict.FAILED, ("status 401: said",)),
    "the upstream failed": (502, None, Verdict.FAILED, ("status 502: said",)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_of_a_gateway(case: str) -> None:
    """Only a decision is a denial or a hold; what is no decision is a failure, never an allowance."""
    status, more, verdict, because = ANSWERS[case]
    error = {"message": "said", **({"countermark": more} if more else {})}
    answer = read_answer(status, {"error": error}, SEND)
    assert (answer.verdict, answer.because) == (verdict, because)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1/v1", ""])
def test_only_addresses_of_gateways(address: str) -> None:
    """Something else than `http://HOST:PORT` is refused before the first call."""
    with pytest.raises(SettingsError, match="expected the address of a gateway"):
        GatewayGate(address, credential=str, tools=lambda _: {})


def test_gateway_that_is_not_there_fails() -> None:
    """Where nobody answers, the call is not carried out, and the verdict says that there was none."""
    gate = GatewayGate("http://127.0.0.1:9", credential=str, tools=lambda _: {})
    assert gate.answer(SEND, known()).verdict is Verdict.FAILED


OFFERED = Offered(
    suite="office",
    tools={
        each: (f"Does {each}.", {"type": "object"}) for each in ("read_file", "send_email", "delete_file")
    },
    needed={
        "user_task_0": frozenset({"read_file"}),
        "user_task_1": frozenset({"read_file", "send_email"}),
    },
)
READ = Call(tool="read_file", arguments={"name": "a"})
DELETE = Call(tool="delete_file", arguments={"id": "13"})
ALLOWED, DENIED, HELD = Verdict.ALLOWED, Verdict.DENIED, Verdict.HELD
GATEWAYS = {
    SUITE: {"user_task_0": (ALLOWED, ALLOWED, DENIED), "user_task_1": (ALLOWED, ALLOWED, DENIED)},
    TASK: {"user_task_0": (ALLOWED, DENIED, DENIED), "user_task_1": (ALLOWED, ALLOWED, DENIED)},
    PEOPLE: {"user_task_0": (ALLOWED, HELD, DENIED), "user_task_1": (ALLOWED, HELD, DENIED)},
    TASK_PEOPLE: {"user_task_0": (ALLOWED, DENIED, DENIED), "user_task_1": (ALLOWED, HELD, DENIED)},
}


@pytest.mark.parametrize("name", [TASK_PEOPLE, pytest.param(SUITE, marks=pytest.mark.slow)])
def test_gateway_decides_each_call(name: str, tmp_path: Path) -> None:
    """A real gateway allows a declared tool, denies another, and holds what goes out where a clause asks for a person."""
    with gateway_gate(name, [OFFERED], tmp_path) as gate:
        for task, expected in GATEWAYS[name].items():
            around = known(task=f"office/{task}", history=[(READ, "text of a file")])
            answers = [gate.answer(call, around) for call in (READ, SEND, DELETE)]
            assert tuple(each.verdict for each in answers) == expected, answers
            assert "RL-6" in answers[2].because


def test_statements_declare_what_is_used() -> None:
    """A suite's agent declares what any of its tasks needs, a task's agent what it needs; effects are those of the tools."""
    (suite,) = agents([OFFERED], by_task=False)
    assert dict(suite.tools) == {"read_file": (), "send_email": ("communicate",)}
    by_task = {each.name: set(each.tools) for each in agents([OFFERED], by_task=True)}
    assert by_task == {"office-0": {"read_file"}, "office-1": {"read_file", "send_email"}}
    assert set().union(*EFFECTS.values()) == {"communicate", "spend"}
