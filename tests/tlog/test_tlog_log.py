"""The guarantees of `Log`, held by every implementation: one test class for all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from countermark.errors import LogError, MalformedError, TooLargeError
from countermark.tlog.log import Log, MemoryLog
from countermark.tlog.note import NoteSigner
from countermark.tlog.tree import EMPTY_ROOT, tree_root
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"


@pytest.fixture(params=["in memory", "on disk"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Each implementation, empty."""
    made: Log
    if request.param == "in memory":
        made = MemoryLog()
    else:
        key = NoteSigner.generate(ORIGIN)
        made = LogWriter(tmp_path / "log", origin=ORIGIN, key=key, segment_bytes=1 << 16)
    yield made
    made.close()


class TestLog:
    """What `Log` promises."""

    def test_starts_empty(self, log: Log) -> None:
        """An empty log has size 0 and the root of the empty tree."""
        assert log.size == 0
        assert log.root() == EMPTY_ROOT

    async def test_numbers_have_no_gaps(self, log: Log) -> None:
        """Entries get 0, 1, 2 ... and the root is that of the entries in this order."""
        entries = [b"entry %d" % index for index in range(700)]
        numbers = await asyncio.gather(*(log.append(entry) for entry in entries))
        assert numbers == list(range(700))
        assert log.size == 700
        assert log.root() == tree_root(entries)

    def test_submit_answers_with_the_number(self, log: Log) -> None:
        """`submit` works without an event loop, from several threads at once."""
        numbers: list[int] = []

        def work() -> None:
            numbers.extend(log.submit(b"entry").result(timeout=30) for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(numbers) == list(range(80))

    async def test_a_later_entry_has_a_higher_number(self, log: Log) -> None:
        """What is appended after another was answered stands behind it."""
        first = await log.append(b"first")
        assert await log.append(b"second") > first

    @pytest.mark.parametrize(
        ("entry", "error"),
        [
            pytest.param(b"", MalformedError, id="empty"),
            pytest.param(bytes(65536), TooLargeError, id="too large"),
        ],
    )
    async def test_what_cannot_be_an_entry_is_refused(
        self, log: Log, entry: bytes, error: type[Exception]
    ) -> None:
        """An entry has 1 to 65535 bytes; a refused one does not harm the log."""
        with pytest.raises(error):
            await log.append(entry)
        with pytest.raises(error):
            log.submit(entry)
        assert await log.append(bytes(65535)) == 0

    async def test_a_cancelled_append_is_not_taken_back(self, log: Log) -> None:
        """Cancelling the waiting task leaves the entry, and the log goes on."""
        task = asyncio.create_task(log.append(b"cancelled"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await log.append(b"next") == 1

    async def test_a_closed_log_refuses(self, log: Log) -> None:
        """After `close`, which may be called twice, every append raises."""
        await log.append(b"entry")
        log.close()
        log.close()
        with pytest.raises(LogError, match="closed"):
            log.submit(b"late")
        with pytest.raises(LogError, match="closed"):
            await log.append(b"late")
        assert log.size == 1


async def test_a_memory_log_fails_before_a_write() -> None:
    """`fail_before`: the entry is not there, and the log is dead."""
    log = MemoryLog([b"old"], fail_before=lambda entry: entry == b"bad")
    assert await log.append(b"good") == 1
    with pytest.raises(LogError, match="before it happened"):
        await log.append(b"bad")
    assert log.entries == (b"old", b"good")
    with pytest.raises(LogError):
        await log.append(b"good")


async def test_a_memory_log_fails_after_a_write() -> None:
    """`fail_after`: the entry is there, the submitter got an error, and the log is dead until it is opened anew."""
    log = MemoryLog(fail_after=lambda entry: entry == b"bad")
    with pytest.raises(LogError, match="not confirmed"):
        await log.append(b"bad")
    assert log.entries == (b"bad",)
    with pytest.raises(LogError):
        log.submit(b"good")
    assert MemoryLog(log.entries).root() == tree_root([b"bad"])
