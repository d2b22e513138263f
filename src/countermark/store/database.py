"""One SQLite file: opened with care, migrated step by step, written in whole transactions.

Every write is durable when its method returns (WAL, `synchronous=FULL`) and nothing is ever half written. Calls are
short and made from one thread, that of the event loop; a lock makes a second thread wait instead of break.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from countermark.errors import StoreError

APPLICATION_ID = 0x434D524B  # "CMRK": tells our file from any other SQLite database
BUSY_TIMEOUT_MS = 5000


class Database:
    """A connection to one file.

    Raises:
        StoreError: The file is not ours, from a newer version, readable by others, damaged, or cannot be opened.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        """Open or create the file and bring it to the newest schema.

        Args:
            migrations: SQL scripts; number i brings version i to i + 1. Never changed, only added to.
        """
        self._path = path
        self._lock = threading.Lock()  # guards the connection: one transaction at a time
        _prepare_file(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"expected to open `{path}`: {error}") from error
        try:
            self._configure()
            self._migrate(migrations)
        except sqlite3.Error as error:
            self._connection.close()
            raise StoreError(f"expected a state file of ours in `{path}`: {error}") from error
        except StoreError:
            self._connection.close()
            raise

    def _configure(self) -> None:
        run = self._connection.execute
        run(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA secure_delete = ON")  # deleted content is overwritten, not only unlinked
        (application,) = run("PRAGMA application_id").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if application not in (0, APPLICATION_ID) or (application == 0 and tables):
            raise StoreError(f"expected a state file of ours in `{self._path}`, got another database")
        if run("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(f"expected a disk that carries a write-ahead log for `{self._path}`")
        run("PRAGMA synchronous = FULL")

    def _migrate(self, migrations: Sequence[str]) -> None:
        with self.write() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migration ("
                "version INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT"
            )
            (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM migration").fetchone()
            if version > len(migrations):
                raise StoreError(
                    f"expected schema version {len(migrations)} or lower in `{self._path}`, got {version}: "
                    "it was made by a newer countermark"
                )
            for number, script in enumerate(migrations[version:], start=version + 1):
                for statement in script.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO migration (version) VALUES (?)", (number,))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block is left; rolled back whole on any error.

        Raises:
            StoreError: SQLite could not read or write; the message says why.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise StoreError(f"expected to write `{self._path}`: {error}") from error
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._rollback()
                raise StoreError(f"expected to write `{self._path}`: {error}") from error
            except BaseException:
                self._rollback()
                raise

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of one query.

        Raises:
            StoreError: SQLite could not read; the message says why.
        """
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"expected to read `{self._path}`: {error}") from error

    def empty_log(self) -> None:
        """Move the write-ahead log into the file and truncate it, so that deleted content is in neither.

        Raises:
            StoreError: SQLite could not write.
        """
        self.read("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file. A second time does nothing."""
        with self._lock:
            self._connection.close()

    def _rollback(self) -> None:
        if self._connection.in_transaction:  # some errors (a full disk) have rolled back already
            self._connection.execute("ROLLBACK")


def _prepare_file(path: Path) -> None:
    """Create the file with mode 0600 (its journal inherits it), or check the mode of the one that is there."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            mode = stat.S_IMODE(os.fstat(handle).st_mode)
        finally:
            os.close(handle)
    except OSError as error:
        raise StoreError(f"expected to open `{path}`: {error.strerror}") from error
    if mode & 0o077:
        raise StoreError(f"expected mode 0600 of `{path}`, got {mode:04o}: run `chmod 600 {path}`")
