"""What other parts depend on: a log that entries are appended to. `MemoryLog` is its form for tests.

The durable form is `writer.LogWriter`; both pass the same test class (`tests/tlog/test_tlog_log.py`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

from countermark.errors import LogError, MalformedError, TooLargeError
from countermark.tlog.tree import Frontier, hash_leaf

MAX_ENTRY_BYTES = 65535
"""C2SP tlog-tiles stores an entry's length in 16 bits."""


class Log(Protocol):
    """An append-only list of entries, each 1 to 65535 opaque bytes.

    Guarantees:
        - When `append` returns (or the future of `submit` has its result), the entry is durable: it survives the end of
          the process and of the machine. Its number is the result.
        - Numbers start at 0 and have no gaps. An entry that was submitted after another was answered has a higher one.
        - `LogError` means that durability is *not known*: the entry may be found after a restart, or not. From then on
          every append fails in the same way, until the log is opened anew; nothing is tried again.
        - Cancelling a waiting `append` does not take the entry back.
        - All methods may be called from any thread.
    """

    @property
    def size(self) -> int:
        """Number of durable entries."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the log takes no more entries, or None while it does."""
        ...

    def root(self) -> bytes:
        """Root hash of the tree over the durable entries, 32 bytes."""
        ...

    def submit(self, entry: bytes) -> Future[int]:
        """Hand in an entry; the future has its number once it is durable, or a `LogError`.

        Raises:
            TooLargeError: Over 65535 bytes.
            MalformedError: Empty.
            LogError: The log is closed or has failed.
        """
        ...

    def post(self, entry: bytes) -> None:
        """Hand in an entry that nobody waits for: it becomes durable with the next batch, within a fraction of a second.

        Raises:
            TooLargeError: Over 65535 bytes.
            MalformedError: Empty.
            LogError: The log is closed or has failed.
        """
        ...

    async def append(self, entry: bytes) -> int:
        """Append an entry; returns its number once it is durable.

        Raises:
            TooLargeError: Over 65535 bytes.
            MalformedError: Empty.
            LogError: Not known to be durable.
        """
        ...

    def close(self) -> None:
        """Answer everything that was handed in, then refuse what comes. May be called twice."""
        ...


def check_entry(entry: bytes) -> None:
    """Refuse what can't be an entry.

    Raises:
        TooLargeError: Over `MAX_ENTRY_BYTES`.
        MalformedError: Empty.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise TooLargeError(f"expected an entry of at most {MAX_ENTRY_BYTES} bytes, got {len(entry)}")
    if not entry:
        raise MalformedError("expected an entry of at least one byte, got none")


def _never(entry: bytes) -> bool:
    return False


class MemoryLog:
    """A `Log` in memory, whose disk can be made to fail; for tests and trials, since nothing survives the process.

    Args:
        entries: What the log holds already, as after a restart.
        fail_before: Asked for each entry; on True the write fails and the entry is not in the log.
        fail_after: Asked for each entry; on True the entry is in the log, and the submitter gets an error all the same,
            as where the machine stops between the write and the answer.

    As with the durable log, the first failure is final: every later append fails.
    """

    def __init__(
        self,
        entries: Iterable[bytes] = (),
        *,
        fail_before: Callable[[bytes], bool] = _never,
        fail_after: Callable[[bytes], bool] = _never,
    ) -> None:
        self._fail_before = fail_before
        self._fail_after = fail_after
        self._entries = list(entries)
        self._frontier = Frontier()
        for entry in self._entries:
            self._frontier.append(hash_leaf(entry))
        self._refusal: str | None = None
        self._lock = threading.Lock()  # guards all of the above

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All entries, in order."""
        with self._lock:
            return tuple(self._entries)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._frontier.size

    @property
    def failure(self) -> str | None:
        """Why the log takes no more entries, or None while it does."""
        return self._refusal

    def root(self) -> bytes:
        """Root hash over all entries."""
        with self._lock:
            return self._frontier.root()

    def submit(self, entry: bytes) -> Future[int]:
        """Append an entry; see `Log.submit`. The future is done on return."""
        check_entry(entry)
        future: Future[int] = Future()
        with self._lock:
            if self._refusal is not None:
                raise LogError(self._refusal)
            if self._fail_before(entry):
                self._refusal = "the log has failed: a write was refused before it happened (played)"
                future.set_exception(LogError(self._refusal))
                return future
            index = len(self._entries)
            self._entries.append(bytes(entry))
            self._frontier.append(hash_leaf(entry))
            if self._fail_after(entry):
                self._refusal = "the log has failed: a write happened and was not confirmed (played)"
                future.set_exception(LogError(self._refusal))
                return future
        future.set_result(index)
        return future

    def post(self, entry: bytes) -> None:
        """Append an entry; see `Log.post`."""
        self.submit(entry)

    async def append(self, entry: bytes) -> int:
        """Append an entry; see `Log.append`."""
        future = self.submit(entry)
        await asyncio.sleep(0)  # the durable log always lets other tasks run here, so this one must too
        return future.result()

    def close(self) -> None:
        """Refuse what comes."""
        with self._lock:
            self._refusal = self._refusal or "the log is closed"
