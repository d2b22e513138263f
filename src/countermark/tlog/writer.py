"""The one writer of a log: many submitters, one thread, one `fdatasync` for each batch.

A batch is whatever was handed in while the last `fdatasync` ran, so that a lone submitter waits for one and many
submitters share it. What is on disk:

    lock                       held while a process writes
    segments/<first index>.seg the entries (`segment`)
    checkpoint, tile/          what is published of them (`publish`)
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from countermark.errors import CountermarkError, LogError
from countermark.tlog.durable import disk_error, make_folder
from countermark.tlog.log import check_entry
from countermark.tlog.note import NoteKey, NoteSigner
from countermark.tlog.publish import Publisher
from countermark.tlog.recovery import recover
from countermark.tlog.segment import (
    FOLDER,
    SEGMENT_BYTES,
    SegmentWriter,
    check_segment_bytes,
    first_chain,
    record_bytes,
)

BATCH_ENTRIES = 4096
BATCH_BYTES = 4 << 20
"""A batch ends when it has so many bytes, so that one sync stays quick whatever is submitted."""
PUBLISH_INTERVAL_S = 0.5

OnBatch = Callable[[int, Sequence[bytes]], None]
"""`on_batch(first_index, entries)`, called by the writer's thread after the entries are durable and answered. An
exception from it ends the log as a failed write does, because what follows the log would have a gap."""

POST_LINGER_S = 0.02
"""How long an entry that nobody waits for may wait for company."""

_Waiting = tuple[
    bytes, "Future[int] | None", "asyncio.AbstractEventLoop | None", "asyncio.Future[int] | None"
]


class LogWriter:
    """A durable `Log` in a folder; its guarantees are those of `log.Log`.

    Args:
        folder: Is made where it isn't there.
        origin: Names the log for ever.
        key: Signs checkpoints; its name should be the origin.
        segment_bytes: Room that is reserved for a segment; at least 4096.
        on_batch: Follows the log, for example to keep an index.
        publish_interval_s: At most so long after an entry is durable, its tiles and checkpoint are begun.
        earlier_keys: Keys that signed before `key` did; the checkpoint on disk may be theirs.

    Raises:
        TamperedError: Segments, tiles and checkpoint on disk don't match; the message names what differs.
        CheckpointError: The checkpoint on disk is not signed by `key` or `earlier_keys`, or is another log's.
        LogError: Another process writes this log, or the disk refused.
    """

    def __init__(
        self,
        folder: Path,
        *,
        origin: str,
        key: NoteSigner,
        segment_bytes: int = SEGMENT_BYTES,
        on_batch: OnBatch | None = None,
        publish_interval_s: float = PUBLISH_INTERVAL_S,
        earlier_keys: Sequence[NoteKey] = (),
    ) -> None:
        self._folder = folder
        self._origin = origin
        self._segment_bytes = check_segment_bytes(segment_bytes)
        self._on_batch = on_batch
        self._publish_interval_s = publish_interval_s
        self._lock_fd = _lock(folder)
        self._segment: SegmentWriter | None = None
        try:
            self._open(key, earlier_keys)
        except BaseException:
            if self._segment is not None:
                self._segment.abandon()
            os.close(self._lock_fd)
            raise
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._gate = (
            threading.Lock()
        )  # guards `_closed`, and that nothing enters the queue after the closing None
        self._closed = False
        self._failure: str | None = None  # set once, by whichever thread fails first
        self._dirty = threading.Event()  # there are durable entries that no checkpoint covers
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="tlog-writer", daemon=True)
        # Publishing has a thread of its own: its syncs (a few for each tile) would otherwise add to the latency of
        # every batch that arrives meanwhile.
        self._publishing = threading.Thread(target=self._publish_loop, name="tlog-publisher", daemon=True)
        self._writer.start()
        self._publishing.start()

    def _open(self, key: NoteSigner, earlier_keys: Sequence[NoteKey]) -> None:
        found = recover(self._folder, origin=self._origin, keys=(key.key, *earlier_keys))
        self._size = found.builder.size
        self._chain = found.chain if found.last is not None else first_chain(self._origin)
        self._cut_bytes = 0 if found.torn is None else found.torn.size
        self._publisher = Publisher(
            self._folder, origin=self._origin, key=key, builder=found.builder, checkpoint=found.checkpoint
        )
        if found.last is not None:
            path, header, end = found.last
            self._segment = SegmentWriter.resume(path, header, end=end, capacity=self._segment_bytes)
        # INVARIANT: the checkpoint of size 0 is durable before the first segment (recovery relies on it)
        self._publisher.publish()
        try:
            make_folder(self._folder / FOLDER)
        except OSError as error:
            raise disk_error(f"making `{self._folder / FOLDER}`", error) from error

    @property
    def size(self) -> int:
        """Number of durable entries."""
        return self._size

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn batch that were cut when the log was opened; 0 after a clean end."""
        return self._cut_bytes

    @property
    def failure(self) -> str | None:
        """Why the log takes no more entries, or None while it does."""
        return self._failure

    def root(self) -> bytes:
        """Root hash of the tree over the durable entries, 32 bytes."""
        return self._publisher.root()

    def submit(self, entry: bytes) -> Future[int]:
        """Hand in an entry; see `Log.submit`."""
        check_entry(entry)
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()  # it can't be cancelled any more: the entry will be written
        self._enqueue((bytes(entry), future, None, None))
        return future

    async def append(self, entry: bytes) -> int:
        """Append an entry; see `Log.append`. The loop is woken once for each batch, not for each entry."""
        check_entry(entry)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._enqueue((bytes(entry), None, loop, future))
        return await future

    def post(self, entry: bytes) -> None:
        """Hand in an entry that nobody waits for; see `Log.post`."""
        check_entry(entry)
        self._enqueue((bytes(entry), None, None, None))

    def publish_checkpoint(self) -> bytes:
        """Write tiles and checkpoint for all durable entries now; returns the signed checkpoint.

        Raises:
            LogError: The disk refused; the log has failed then.
        """
        try:
            return self._publisher.publish()
        except LogError as error:
            self._fail(str(error))
            raise

    def close(self) -> None:
        """Answer what was handed in, publish it, seal the segment and let go of the folder.

        Raises:
            LogError: The last checkpoint or the seal could not be written; entries that were answered are durable.
        """
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._stop.set()
        self._dirty.set()
        self._publishing.join()
        try:
            if self._failure is None:
                self._publisher.publish()
                if self._segment is not None:
                    self._segment.seal()
        finally:
            if self._segment is not None:
                self._segment.abandon()
            os.close(self._lock_fd)

    def __enter__(self) -> LogWriter:
        """Nothing more to do: the log is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._gate:
            if self._failure is not None:
                raise LogError(self._failure)
            if self._closed:
                raise LogError("the log is closed")
            self._queue.put(waiting)

    def _fail(self, reason: str) -> None:
        if self._failure is None:
            self._failure = f"the log has failed and takes no entries until it is opened anew: {reason}"

    def _write_loop(self) -> None:
        """Runs in the writer's thread until the None that `close` puts into the queue."""
        while (waiting := self._queue.get()) is not None:
            batch = [waiting]
            payload = len(waiting[0])
            ended = False
            # what nobody waits for goes along with the next batch; a sync of its own would delay that one
            linger_until = None if _is_awaited(waiting) else time.monotonic() + POST_LINGER_S
            while len(batch) < BATCH_ENTRIES and payload < BATCH_BYTES:
                try:
                    if linger_until is None:
                        more = self._queue.get_nowait()
                    else:
                        more = self._queue.get(timeout=max(0.0, linger_until - time.monotonic()))
                except Empty:
                    break
                if more is None:
                    ended = True
                    break
                batch.append(more)
                payload += len(more[0])
                if _is_awaited(more):
                    linger_until = None
            self._commit(batch, payload)
            if ended:
                return

    def _commit(self, batch: Sequence[_Waiting], payload: int) -> None:
        if self._failure is not None:
            _answer_error(batch, self._failure)
            return
        first = self._size
        entries = tuple(waiting[0] for waiting in batch)
        try:
            segment = self._segment_for(record_bytes(len(entries), payload))
            self._chain = segment.append(first, entries, self._chain)
        except OSError as error:
            self._fail(str(disk_error("writing entries", error)))
        except LogError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - were this thread to end, submitters would wait for ever
            self._fail(f"writing entries failed: {error}")
        if self._failure is not None:
            # a failed sync leaves unknown what is on disk: nothing is retried, and nothing is written behind it
            _answer_error(batch, self._failure)
            return
        self._publisher.add(entries)
        self._size = first + len(entries)
        self._dirty.set()
        _answer(batch, first)
        if self._on_batch is not None:
            try:
                self._on_batch(first, entries)
            except Exception as error:  # noqa: BLE001 - whatever follows the log must not end its thread
                self._fail(f"what follows the log failed at entry {first}: {error}")

    def _segment_for(self, size: int) -> SegmentWriter:
        """The segment that a record of `size` bytes goes into."""
        if self._segment is not None:
            if self._segment.has_room(size):
                return self._segment
            # sealed before the next one exists: only the last segment may have room left
            self._segment.seal()
            self._segment = None
        self._segment = SegmentWriter.create(
            self._folder,
            origin=self._origin,
            first_index=self._size,
            chain=self._chain,
            capacity=self._segment_bytes,
            record=size,
        )
        return self._segment

    def _publish_loop(self) -> None:
        """Runs in the publisher's thread until `close`."""
        while True:
            self._dirty.wait()
            if self._stop.wait(self._publish_interval_s):
                return
            self._dirty.clear()
            try:
                self._publisher.publish(gently=True)
            except CountermarkError as error:
                self._fail(str(error))
                return
            except Exception as error:  # noqa: BLE001 - a key store may raise anything
                # entries that are never published must not pile up unnoticed
                self._fail(f"signing a checkpoint failed: {error}")
                return


def _lock(folder: Path) -> int:
    """Take the folder for this process alone; returns the descriptor that holds the lock."""
    try:
        make_folder(folder)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise disk_error(f"opening the log in `{folder}`", error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise LogError(f"the log in `{folder}` is being written by another process") from error
    except OSError as error:
        os.close(fd)
        raise disk_error(f"locking the log in `{folder}`", error) from error
    return fd


def _is_awaited(waiting: _Waiting) -> bool:
    return waiting[1] is not None or waiting[2] is not None


def _answer(batch: Sequence[_Waiting], first: int) -> None:
    """Give each submitter its number; one wake-up for each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[int], int]]] = {}
    for index, (_, future, loop, awaited) in enumerate(batch, first):
        if future is not None:
            future.set_result(index)
        elif loop is not None and awaited is not None:
            loops.setdefault(loop, []).append((awaited, index))
    for loop, pairs in loops.items():
        _wake(loop, _resolve, pairs)


def _answer_error(batch: Sequence[_Waiting], reason: str) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[int]]] = {}
    for _, future, loop, awaited in batch:
        if future is not None:
            future.set_exception(LogError(reason))
        elif loop is not None and awaited is not None:
            loops.setdefault(loop, []).append(awaited)
    for loop, futures in loops.items():
        _wake(loop, _reject, (futures, reason))


def _wake(loop: asyncio.AbstractEventLoop, call: Callable[..., None], argument: object) -> None:
    try:
        loop.call_soon_threadsafe(call, argument)
    except RuntimeError:
        return  # that loop has been closed: nobody waits there any more


def _resolve(pairs: Sequence[tuple[asyncio.Future[int], int]]) -> None:
    for future, index in pairs:
        if not future.done():  # the waiting task may have been cancelled
            future.set_result(index)


def _reject(argument: tuple[Sequence[asyncio.Future[int]], str]) -> None:
    futures, reason = argument
    for future in futures:
        if not future.done():
            future.set_exception(LogError(reason))
