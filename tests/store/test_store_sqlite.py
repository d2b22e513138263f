"""What only a file can promise: it survives, it is private, it forgets what it deletes, it fails clearly."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_store_implementations import HOUR, NOW, hold_of

from countermark.errors import ReplayError, StoreError
from countermark.oversight.hold import HoldState
from countermark.store.sqlite import SqliteStore


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Holds, approvals, nonces, consumed approvals, suspensions and the time outlive the process."""
    path = tmp_path / "state.sqlite"
    hold = hold_of()
    with SqliteStore(path, clock=lambda: NOW) as store:
        store.holds.open(hold, b"sealed", limit=1, now=NOW)
        store.holds.add_approval(hold.hold_id, sha256="1" * 64, document=b"yes", now=NOW)
        store.nonces.remember("n-1", NOW + HOUR)
        store.consumed.consume(["a"], 7)
        store.suspensions.take("s-1", b"one", valid_until=NOW + HOUR)
        store.last_seen.advance(NOW)
    with SqliteStore(path, clock=lambda: NOW) as store:
        assert store.holds.get(hold.hold_id) == hold
        assert store.holds.sealed_content(hold.hold_id) == b"sealed"
        assert store.holds.approvals(hold.hold_id) == [b"yes"]
        assert store.nonces.remember("n-1", NOW + HOUR) is False
        assert store.consumed.consumed(["a"]) == {"a"}
        assert [each.document for each in store.suspensions.standing(NOW)] == [b"one"]
        assert store.last_seen.advance(NOW - HOUR) == NOW


CHILD = """
import sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from countermark.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(100_000):
    store.consumed.consume([str(number)], number)
    print(number, flush=True)
"""


def test_what_was_confirmed_survives_a_killed_process(tmp_path: Path) -> None:
    """kill -9 in the middle of writing: everything whose call had returned is there."""
    path = tmp_path / "state.sqlite"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    confirmed = [int(child.stdout.readline()) for _ in range(30)]
    os.kill(child.pid, signal.SIGKILL)
    confirmed += [int(line) for line in child.stdout.read().splitlines() if line.strip()]
    child.wait()
    with SqliteStore(path) as store:
        ids = [str(number) for number in confirmed]
        assert store.consumed.consumed(ids) == set(ids)


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    """The database and its journal have mode 0600 whatever the umask."""
    before = os.umask(0)
    try:
        with SqliteStore(tmp_path / "state.sqlite") as store:
            store.consumed.consume(["a"], 1)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert "state.sqlite-wal" in modes


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Loose permissions are an error with the command that mends it."""
    path = tmp_path / "state.sqlite"
    SqliteStore(path).close()
    path.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        SqliteStore(path)


@pytest.mark.parametrize("way", ["close", "expire", "supersede"])
def test_deleted_content_is_in_no_file(tmp_path: Path, way: str) -> None:
    """After a hold is decided or over, its bytes are neither in the database nor in its journal."""
    secret = b"sealed content that has to go" * 400
    with SqliteStore(tmp_path / "state.sqlite") as store:
        hold = hold_of()
        store.holds.open(hold, secret, limit=2, now=NOW)
        found = [each.name for each in tmp_path.iterdir() if secret[:200] in each.read_bytes()]
        assert found, "it has to be somewhere before"
        if way == "close":
            store.holds.close(hold.hold_id, HoldState.USED, now=NOW)
        elif way == "expire":
            store.holds.expire(NOW + 2 * HOUR)
        else:
            store.holds.open(hold_of(bundle="c" * 64), b"other", limit=2, now=NOW)
        assert [each.name for each in tmp_path.iterdir() if secret[:200] in each.read_bytes()] == []


def test_of_many_threads_one_consumes(tmp_path: Path) -> None:
    """A second thread waits instead of breaking, and one approval is consumed by one entry."""
    with SqliteStore(tmp_path / "state.sqlite") as store:
        won: list[int] = []

        def consume(entry: int) -> None:
            with contextlib.suppress(ReplayError):
                store.consumed.consume(["a"], entry)
                won.append(entry)

        threads = [threading.Thread(target=consume, args=(entry,)) for entry in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """A command beside a running gateway sees and changes the same state, whole transactions at a time."""
    path = tmp_path / "state.sqlite"
    with SqliteStore(path, clock=lambda: NOW) as one, SqliteStore(path, clock=lambda: NOW) as two:
        assert one.nonces.remember("n", NOW + HOUR) is True
        assert two.nonces.remember("n", NOW + HOUR) is False
        hold = one.holds.open(hold_of(), b"sealed", limit=1, now=NOW)
        assert two.holds.open(hold_of(), b"sealed", limit=1, now=NOW) == hold


@pytest.mark.parametrize(
    "prepare",
    ["another database", "no database", "newer", "a folder", "damaged"],
)
def test_a_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, prepare: str) -> None:
    """Nothing is opened, guessed or mended; the message names the file."""
    path = tmp_path / "state.sqlite"
    if prepare == "a folder":
        path.mkdir()
    elif prepare == "no database":
        path.write_bytes(b"not a database, but long enough to look at " * 30)
        path.chmod(0o600)
    elif prepare == "another database":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
        path.chmod(0o600)
    else:
        SqliteStore(path).close()
        if prepare == "newer":
            with sqlite3.connect(path) as connection:
                connection.execute("INSERT INTO migration (version) VALUES (99)")
            connection.close()
        else:
            data = bytearray(path.read_bytes())
            data[4096:] = b"\xff" * (len(data) - 4096)
            path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"state\.sqlite"):
        SqliteStore(path).holds.list()


def test_a_failing_disk_is_a_typed_error_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A write that SQLite refuses (here: a full file) raises StoreError, and the transaction is gone whole."""
    with SqliteStore(tmp_path / "state.sqlite") as store:
        connection = store.holds._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="full"):
            store.consumed.rebuild((f"{number:064}", number) for number in range(10_000))
        assert store.consumed.consumed([f"{0:064}"]) == frozenset()
        connection.execute("PRAGMA max_page_count = 1000000")
        store.consumed.consume(["a"], 1)


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Using it after `close` is a StoreError, not a foreign one."""
    store = SqliteStore(tmp_path / "state.sqlite")
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.consumed.consume(["a"], 1)
    with pytest.raises(StoreError):
        store.holds.list()


def test_the_time_seen_is_on_disk_within_a_second(tmp_path: Path) -> None:
    """Small steps cost no write; a crash loses less than a second of them."""
    path = tmp_path / "state.sqlite"
    with SqliteStore(path) as store:
        store.last_seen.advance(NOW)
        store.last_seen.advance(NOW + timedelta(milliseconds=900))
    with SqliteStore(path) as store:
        assert store.last_seen.advance(datetime(2020, 1, 1, tzinfo=UTC)) == NOW
