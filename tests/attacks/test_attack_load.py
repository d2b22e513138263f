"""One caller who wants all others to wait."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from attack_world import redteam, text

from countermark.content.selectors import Selectors, find_selectors
from countermark.pdp import gather
from countermark.testing import Deployment


async def test_a_long_search_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a list of addresses is looked through, another workload is answered; then the list is decided as ever."""
    reached, go_on = threading.Event(), threading.Event()

    def slowly(texts: Iterable[str], patterns: Any = ()) -> Selectors:
        reached.set()
        assert go_on.wait(30)
        return find_selectors(texts, patterns)

    async with Deployment() as deployment:
        await redteam(deployment)
        await deployment.add_workload("office")
        monkeypatch.setattr(gather, "find_selectors", slowly)
        inside = " ".join(f"10.4.{n >> 8}.{n & 255}" for n in range(4000))
        asked = [
            asyncio.create_task(deployment.ask("redteam", text(f"rank {inside} {more}")))
            for more in ("", "10.5.0.1")
        ]
        assert await asyncio.to_thread(reached.wait, 30)
        assert (await deployment.ask("office", text("hello"))).outcome == "PERMIT"
        assert not any(task.done() for task in asked)
        go_on.set()
        assert [(await task).outcome for task in asked] == ["PERMIT", "DENY"]
        relations = [entry["observation"].get("relations") for entry in deployment.entries("decision")]
        assert [each[0]["seen"] for each in relations if each] == [4000, 4001]


MANY = {
    "ranges": "1.1.1.1-9.9.9.9 ",
    "addresses": "10.4.0.1 ",
    "wildcards": "1,1,1,1,1,1,1.1,1,1,1.1.1 ",
    "escapes": r"\u0031",
    "escapes of escapes": "%25",
    "references": "&#x26;",
    "hexadecimal": "0x1.",
    "an address that never ends": "1.",
    "hosts": "ö.example ",
    "users": "a@",
}


@pytest.mark.parametrize("piece", MANY.values(), ids=MANY.keys())
def test_no_text_takes_longer_than_its_length(piece: str) -> None:
    """Four times the text is about four times the work, counted in steps of the interpreter, not in seconds."""

    def steps(length: int) -> int:
        count = 0

        def trace(*_: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(trace)
        try:
            find_selectors([piece * (length // len(piece))])
        finally:
            sys.setprofile(None)
        return count

    assert steps(40_000) <= 5 * steps(10_000) + 1000
