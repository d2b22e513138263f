"""The benchmark's load generator: it measures only what answers its own requests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from load import Load, Run, WrongAnswerError
from mock_model import MockProtocol, find_echo, plain_answer, streamed_answer


def load(port: int, *, exact: bool = True, stream: bool = False) -> Load:
    return Load(
        port=port,
        keys=("a", "b"),
        connections=2,
        seconds=0.1,
        warmup_s=0.01,
        body_bytes=1000,
        stream=stream,
        exact=exact,
    )


class Swapped(MockProtocol):
    """A server that answers with the echo of another request."""

    def on_message_complete(self) -> None:
        self._pieces = [b"".join(self._pieces).replace(b"echo-", b"ECHO-") + b"echo-0123456789abcdef"]
        super().on_message_complete()


async def measure(protocol: type[MockProtocol], *, exact: bool = True, stream: bool = False):
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        return await Run(load(server.sockets[0].getsockname()[1], exact=exact, stream=stream)).measure()
    finally:
        server.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_bench_measures_right_answers(stream):
    """Against the mock alone every answer is right, whole and streamed, and there are figures."""
    measured = await measure(MockProtocol, stream=stream)
    assert measured.requests >= 6
    assert 0 < measured.first_us <= measured.p50_us <= measured.p99_us


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_bench_fails_on_another_callers_answer(exact, stream):
    """One answer to somebody else's request ends the run: speed by mixing up callers is no speed."""
    with pytest.raises(WrongAnswerError):
        await measure(Swapped, exact=exact, stream=stream)


def test_bench_answers_carry_the_echo():
    """The mock puts the request's own id into whole and streamed answers."""
    echo = find_echo(b'{"messages": "x echo-00000000000000ff"}')
    assert echo in plain_answer(echo)
    assert echo in b"".join(streamed_answer(echo))
