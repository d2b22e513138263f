"""Start a played upstream as a process, and ask it what reached it. For demo, tests and benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

# proxies of the environment must not come between us and a loopback address
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackProcess:
    """A running played upstream: its address (`http://127.0.0.1:PORT`) and process id."""

    url: str
    pid: int

    def received(self) -> list[dict[str, Any]]:
        """Every request that reached it, oldest first: path, sha256, size, request_id, headers, status, gone."""
        return self._ask("GET")

    def clear(self) -> list[dict[str, Any]]:
        """Like `received`, and forget them."""
        return self._ask("DELETE")

    def _ask(self, method: str) -> list[dict[str, Any]]:
        request = Request(f"{self.url}/loopback/received", method=method)  # noqa: S310 - our own http address
        with _OPENER.open(request, timeout=10) as answer:
            received: list[dict[str, Any]] = json.load(answer)["received"]
            return received


@contextmanager
def loopback_process(
    *arguments: str, python: Sequence[str] = (sys.executable,), log: Path | None = None
) -> Iterator[LoopbackProcess]:
    """Run `python -m countermark.loopback` with further `arguments` until the block ends.

    It also stops when this process dies, whatever the reason.

    Args:
        log: Where its own words are kept; standard error where it is None.

    Raises:
        RuntimeError: It did not start; its own words are there.
    """
    command = [*python, "-m", "countermark.loopback", "--with-parent", *arguments]
    with ExitStack() as files:
        words = None if log is None else files.enter_context(log.open("ab"))
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True
        )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        url = process.stdout.readline().strip()
        if not url.startswith("http://"):
            raise RuntimeError("the loopback upstream did not start")
        yield LoopbackProcess(url=url, pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            process.stdout.close()
