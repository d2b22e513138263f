"""The load generator: keeps a number of connections busy for a while, and checks every answer.

Each request has a body of its own with an echo id; an answer that is not the one to this request, or not 200, ends the
run with an error: a gateway that hands out other callers' answers quickly is not a quick gateway. Reads a `Load` as
JSON on standard input, writes a `Measured` as JSON on standard output.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httptools
import uvloop

from mock_model import ECHO, ID_BYTES, plain_answer, streamed_answer

LEAST_ROUNDS = 3
"""A measurement lasts until each connection had about so many answers ..."""
MOST_S = 30.0
"""... but no longer than this."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROSE = "Read the manual of the pump, and say in which order its valves are to be opened after a repair. "


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send, and how long.

    Attributes:
        keys: API keys; requests take them in turn.
        body_bytes: Size of each request's body, about.
        exact: Compare answers byte for byte with the mock's; otherwise look for the id in them.
        pids: Processes whose CPU time is charged to the requests.
    """

    port: int
    keys: tuple[str, ...]
    connections: int
    seconds: float
    warmup_s: float
    body_bytes: int
    stream: bool
    exact: bool
    pids: tuple[int, ...] = ()
    path: str = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came out: rates a second, times in microseconds.

    Attributes:
        first_us: Median time to the first byte of the answer.
        cpu_us: CPU time of `Load.pids` per request; None where no process was named.
    """

    requests: int
    per_s: float
    p50_us: float
    p99_us: float
    first_us: float
    cpu_us: float | None


class WrongAnswerError(Exception):
    """An answer that is not the one to its request."""


class Connection(asyncio.Protocol):
    """One connection that sends a request as soon as the last one is answered."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._echo = b""
        self._sent_at = 0.0
        self._first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        if not self._first_at:
            self._first_at = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - whatever it is ends the run
            self._run.fail(error)

    def on_body(self, body: bytes) -> None:
        """One piece of an answer's body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """A whole answer: check it, count it, send the next request."""
        done_at = time.perf_counter()
        body = b"".join(self._pieces)
        self._pieces.clear()
        status = self._parser.get_status_code()
        if status != 200 or not self._run.is_right(self._echo, body):
            self._run.fail(WrongAnswerError(f"status {status}, expected {self._echo!r}, got {body[:400]!r}"))
            return
        self._run.count(self._sent_at, self._first_at, done_at)
        if self._run.going:
            self._parser = httptools.HttpResponseParser(self)
            self._send()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that is lost while the run goes on ends it."""
        if self._run.going:
            self._run.fail(ConnectionError(f"the gateway closed a connection: {exc}"))
        self._run.left()

    def _send(self) -> None:
        self._echo, request = self._run.next_request()
        self._first_at = 0.0
        self._sent_at = time.perf_counter()
        if self._transport is not None:
            self._transport.write(request)


class Run:
    """One measurement."""

    def __init__(self, load: Load) -> None:
        self.going = True
        self._load = load
        self._measuring = False
        self._times: list[tuple[float, float]] = []
        self._open = load.connections
        self._failed: Exception | None = None
        self._done = asyncio.Event()
        self._numbers = itertools.count(time.time_ns())
        self._requests = [_request(load, key) for key in load.keys]

    def next_request(self) -> tuple[bytes, bytes]:
        """(echo id, request as bytes), never the same twice."""
        number = next(self._numbers)
        head, tail = self._requests[number % len(self._requests)]
        echo = b"%b%016x" % (ECHO, number)
        return echo, b"%b%b%b" % (head, echo, tail)

    def is_right(self, echo: bytes, body: bytes) -> bool:
        """Whether `body` is the answer to the request with `echo`, and to no other."""
        if self._load.exact:
            return body == (b"".join(streamed_answer(echo)) if self._load.stream else plain_answer(echo))
        return echo in body and (not self._load.stream or b"data: [DONE]" in body)

    def count(self, sent_at: float, first_at: float, done_at: float) -> None:
        """Take one answer into the measurement."""
        if self._measuring:
            self._times.append((done_at - sent_at, first_at - sent_at))

    def fail(self, error: Exception) -> None:
        """End the run with an error."""
        self._failed = self._failed or error
        self.going = False
        self._done.set()

    def left(self) -> None:
        """One connection is closed."""
        self._open -= 1
        if not self._open:
            self._done.set()

    async def measure(self) -> Measured:
        """Warm up, measure, and let the last answers come."""
        loop = asyncio.get_running_loop()
        for _ in range(self._load.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._load.port)
        await self._until(self._load.warmup_s)
        self._measuring = True
        began, cpu_began = time.perf_counter(), _cpu_s(self._load.pids)
        await self._until(self._load.seconds)
        while (
            len(self._times) < LEAST_ROUNDS * self._load.connections and time.perf_counter() - began < MOST_S
        ):
            await self._until(0.1)  # a slow stack is measured for longer, not by a handful of answers
        self._measuring = False
        seconds, cpu_s = time.perf_counter() - began, _cpu_s(self._load.pids) - cpu_began
        self.going = False
        await asyncio.wait_for(self._done.wait(), 60)
        if self._failed is not None:
            raise self._failed
        if not self._times:
            raise WrongAnswerError("no answer came within the time of the measurement")
        whole = sorted(time_s for time_s, _ in self._times)
        first = sorted(first_s for _, first_s in self._times)
        return Measured(
            requests=len(whole),
            per_s=len(whole) / seconds,
            p50_us=whole[len(whole) // 2] * 1e6,
            p99_us=whole[len(whole) * 99 // 100] * 1e6,
            first_us=first[len(first) // 2] * 1e6,
            cpu_us=cpu_s / len(whole) * 1e6 if self._load.pids else None,
        )

    async def _until(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._done.wait(), seconds)
        except TimeoutError:
            return
        raise self._failed or ConnectionError("the gateway closed every connection")


def _request(load: Load, key: str) -> tuple[bytes, bytes]:
    """A request, cut where the echo id goes."""
    mark = "ECHO"
    prose = (_PROSE * (load.body_bytes // len(_PROSE) + 1))[: load.body_bytes - 100]
    asked: dict[str, object] = {"model": "m-1", "messages": [{"role": "user", "content": f"{prose} {mark}"}]}
    if load.stream:
        asked["stream"] = True
    before, _, after = json.dumps(asked, separators=(",", ":")).encode().partition(mark.encode())
    length = len(before) + ID_BYTES + len(after)
    head = (
        f"POST {load.path} HTTP/1.1\r\nhost: 127.0.0.1:{load.port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\naccept: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    return head.encode() + before, after


def _cpu_s(pids: tuple[int, ...]) -> float:
    """User and system time of the processes, threads included. Source: proc(5), fields 14 and 15 of stat."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * _TICK_S


async def _main() -> None:
    load = Load(**json.load(sys.stdin))
    json.dump(asdict(await Run(load).measure()), sys.stdout)


if __name__ == "__main__":
    uvloop.run(_main())
