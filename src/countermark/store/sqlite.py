"""The default store: one SQLite file beside the log, no server.

`SqliteStore` opens the file; its attributes implement the Protocols that the parts declare. Content of holds comes
sealed and is overwritten when they are closed; keys are never in here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from countermark.clock import Clock, system_clock
from countermark.errors import (
    HoldClosedError,
    HoldLimitError,
    ReplayError,
    StoreError,
    TooLargeError,
    UnknownHoldError,
)
from countermark.oversight.hold import (
    MAX_APPROVAL_BYTES,
    MAX_APPROVALS,
    Hold,
    HoldState,
    hold_from_dict,
    hold_to_dict,
)
from countermark.pdp.state import StoredSuspension
from countermark.store.database import Database

MIGRATIONS = (
    """
CREATE TABLE hold (
    hold_id TEXT NOT NULL UNIQUE,
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    workload TEXT NOT NULL,
    action_digest TEXT NOT NULL,
    state TEXT NOT NULL,
    expires_us INTEGER NOT NULL,
    closed_us INTEGER,
    record TEXT NOT NULL,
    sealed BLOB,
    CHECK ((state = 'open') = (sealed IS NOT NULL)),
    CHECK ((state = 'open') = (closed_us IS NULL))
) STRICT;
CREATE UNIQUE INDEX hold_open ON hold (workload, action_digest) WHERE state = 'open';
CREATE INDEX hold_by_action ON hold (workload, action_digest, state);
CREATE TABLE hold_approval (
    hold_id TEXT NOT NULL REFERENCES hold (hold_id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    number INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (hold_id, sha256)
) STRICT;
CREATE TABLE nonce (key TEXT PRIMARY KEY, until_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_until ON nonce (until_us);
CREATE TABLE consumed (approval TEXT PRIMARY KEY, entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE suspension (
    suspension_id TEXT PRIMARY KEY,
    document BLOB NOT NULL,
    until_us INTEGER NOT NULL,
    lifted_by BLOB
) STRICT;
CREATE TABLE last_seen (one INTEGER PRIMARY KEY CHECK (one = 1), seen_us INTEGER NOT NULL) STRICT
""",
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _time(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


class SqliteStore:
    """All state of one gateway in one file of mode 0600.

    Attributes:
        holds: `HoldStore` of oversight.
        nonces: `NonceStore` of evidence.
        consumed: `ConsumedSet` of oversight.
        suspensions: `SuspensionStore`.
        last_seen: `LastSeen`.

    Raises:
        StoreError: The file can't be opened, is readable by others, or isn't one of ours (of this version).
    """

    def __init__(self, path: Path, *, clock: Clock = system_clock) -> None:
        """Open or create the file.

        Args:
            clock: Tells which nonces are past; nothing else here takes the time by itself.
        """
        self._database = Database(path, MIGRATIONS)
        self.holds = SqliteHolds(self._database)
        self.nonces = SqliteNonces(self._database, clock)
        self.consumed = SqliteConsumed(self._database)
        self.suspensions = SqliteSuspensions(self._database)
        self.last_seen = SqliteLastSeen(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_HOLD = "SELECT record, state, closed_us FROM hold"


def _hold(row: tuple[str, str, int | None]) -> Hold:
    record, state, closed_us = row
    hold = hold_from_dict(json.loads(record))
    return replace(hold, state=HoldState(state), closed_at=None if closed_us is None else _time(closed_us))


class SqliteHolds:
    """`HoldStore` in SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, hold: Hold, sealed: bytes, *, limit: int, now: datetime) -> Hold:
        """See `HoldStore.open`."""
        self.expire(now)
        with self._database.write() as connection:
            rows = connection.execute(
                f"{_HOLD} WHERE workload = ? AND action_digest = ? AND state IN ('open', 'refused')"
                " AND expires_us > ? ORDER BY number DESC",
                (hold.workload, hold.action_digest, _us(now)),
            )
            standing = [_hold(row) for row in rows]
            for known in standing:
                if known.is_same_question(hold):
                    return known
            for known in standing:
                if known.state is HoldState.OPEN:
                    _close(connection, known.hold_id, HoldState.SUPERSEDED, now)
            (count,) = connection.execute(
                "SELECT count(*) FROM hold WHERE workload = ? AND state = 'open'", (hold.workload,)
            ).fetchone()
            if count >= limit:
                raise HoldLimitError(
                    f"expected fewer than {limit} open holds of `{hold.workload}`, got {count}"
                )
            connection.execute(
                "INSERT INTO hold (hold_id, workload, action_digest, state, expires_us, record, sealed)"
                " VALUES (?, ?, ?, 'open', ?, ?, ?)",
                (
                    hold.hold_id,
                    hold.workload,
                    hold.action_digest,
                    _us(hold.expires_at),
                    json.dumps(hold_to_dict(hold)),
                    sealed,
                ),
            )
        if standing:
            self._database.empty_log()
        return hold

    def find(self, workload: str, action_digest: str, *, now: datetime) -> Hold | None:
        """See `HoldStore.find`."""
        rows = self._database.read(
            f"{_HOLD} WHERE workload = ? AND action_digest = ? AND state IN ('open', 'refused')"
            " AND expires_us > ? ORDER BY number DESC LIMIT 1",
            (workload, action_digest, _us(now)),
        )
        return _hold(rows[0]) if rows else None

    def get(self, hold_id: str) -> Hold:
        """See `HoldStore.get`."""
        rows = self._database.read(f"{_HOLD} WHERE hold_id = ?", (hold_id,))
        if not rows:
            raise UnknownHoldError(f"expected a hold on file, got `{hold_id[:40]}`")
        return _hold(rows[0])

    def list(
        self, *, state: HoldState | None = HoldState.OPEN, workload: str | None = None
    ) -> Sequence[Hold]:
        """See `HoldStore.list`."""
        rows = self._database.read(
            f"{_HOLD} WHERE coalesce(state = ?1, TRUE) AND coalesce(workload = ?2, TRUE) ORDER BY number",
            (None if state is None else str(state), workload),
        )
        return [_hold(row) for row in rows]

    def sealed_content(self, hold_id: str) -> bytes:
        """See `HoldStore.sealed_content`."""
        rows = self._database.read("SELECT sealed, state FROM hold WHERE hold_id = ?", (hold_id,))
        if not rows:
            raise UnknownHoldError(f"expected a hold on file, got `{hold_id[:40]}`")
        sealed, state = rows[0]
        if sealed is None:
            raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {state}")
        return bytes(sealed)

    def add_approval(self, hold_id: str, *, sha256: str, document: bytes, now: datetime) -> None:
        """See `HoldStore.add_approval`."""
        if len(document) > MAX_APPROVAL_BYTES:
            raise TooLargeError(
                f"expected an approval of at most {MAX_APPROVAL_BYTES} bytes, got {len(document)}"
            )
        with self._database.write() as connection:
            state, expires_us = _state(connection, hold_id)
            if state is not HoldState.OPEN or expires_us <= _us(now):
                said = "expired" if state is HoldState.OPEN else str(state)
                raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {said}")
            known, count = connection.execute(
                "SELECT coalesce(sum(sha256 = ?1), 0), count(*) FROM hold_approval WHERE hold_id = ?2",
                (sha256, hold_id),
            ).fetchone()
            if known:
                return
            if count >= MAX_APPROVALS:
                raise TooLargeError(f"expected at most {MAX_APPROVALS} approvals of hold `{hold_id}`")
            connection.execute(
                "INSERT INTO hold_approval (hold_id, sha256, number, document) VALUES (?, ?, ?, ?)",
                (hold_id, sha256, count, document),
            )

    def approvals(self, hold_id: str) -> Sequence[bytes]:
        """See `HoldStore.approvals`."""
        rows = self._database.read(
            "SELECT document FROM hold_approval WHERE hold_id = ? ORDER BY number", (hold_id,)
        )
        return [bytes(document) for (document,) in rows]

    def close(self, hold_id: str, state: HoldState, *, now: datetime) -> None:
        """See `HoldStore.close`."""
        with self._database.write() as connection:
            known, _ = _state(connection, hold_id)
            if known is state:
                return
            if known is not HoldState.OPEN:
                raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {known}")
            _close(connection, hold_id, state, now)
        self._database.empty_log()

    def expire(self, now: datetime) -> Sequence[str]:
        """See `HoldStore.expire`."""
        if not self._database.read(
            "SELECT 1 FROM hold WHERE state = 'open' AND expires_us <= ? LIMIT 1", (_us(now),)
        ):
            return []
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT hold_id FROM hold WHERE state = 'open' AND expires_us <= ? ORDER BY number",
                (_us(now),),
            )
            expired = [hold_id for (hold_id,) in rows.fetchall()]
            for hold_id in expired:
                _close(connection, hold_id, HoldState.EXPIRED, now)
        self._database.empty_log()
        return expired

    def forget(self, before: datetime) -> int:
        """See `HoldStore.forget`."""
        with self._database.write() as connection:
            return connection.execute(
                "DELETE FROM hold WHERE state != 'open' AND closed_us < ?1 AND expires_us < ?1",
                (_us(before),),
            ).rowcount


def _state(connection: sqlite3.Connection, hold_id: str) -> tuple[HoldState, int]:
    row = connection.execute("SELECT state, expires_us FROM hold WHERE hold_id = ?", (hold_id,)).fetchone()
    if row is None:
        raise UnknownHoldError(f"expected a hold on file, got `{hold_id[:40]}`")
    return HoldState(row[0]), row[1]


def _close(connection: sqlite3.Connection, hold_id: str, state: HoldState, now: datetime) -> None:
    connection.execute(
        "UPDATE hold SET state = ?, closed_us = ?, sealed = NULL WHERE hold_id = ?",
        (str(state), _us(now), hold_id),
    )


class SqliteNonces:
    """`NonceStore` in SQLite: survives a restart, so that a proof cannot be used once before it and once after."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def remember(self, nonce_key: str, until: datetime) -> bool:
        """Remember `nonce_key` until then. False where it is remembered already; of two callers one gets True.

        Raises:
            StoreError: It could not be remembered; whoever asked has to refuse.
        """
        now_us = _us(self._clock())
        with self._database.write() as connection:
            connection.execute("DELETE FROM nonce WHERE until_us <= ?", (now_us,))
            made = connection.execute(
                "INSERT INTO nonce (key, until_us) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (nonce_key, _us(until)),
            )
            return made.rowcount == 1


class SqliteConsumed:
    """`ConsumedSet` in SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def consumed(self, ids: Iterable[str]) -> frozenset[str]:
        """See `ConsumedSet.consumed`."""
        rows = self._database.read(
            "SELECT approval FROM consumed WHERE approval IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return frozenset(approval for (approval,) in rows)

    def consume(self, ids: Collection[str], entry_index: int) -> None:
        """See `ConsumedSet.consume`."""
        with self._database.write() as connection:
            for approval in sorted(set(ids)):
                _insert_consumed(connection, approval, entry_index, ReplayError)

    def rebuild(self, entries: Iterable[tuple[str, int]]) -> None:
        """See `ConsumedSet.rebuild`."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM consumed")
            for approval, entry_index in entries:
                _insert_consumed(connection, approval, entry_index, StoreError)


def _insert_consumed(
    connection: sqlite3.Connection,
    approval: str,
    entry_index: int,
    error: type[ReplayError] | type[StoreError],
) -> None:
    connection.execute("INSERT INTO consumed VALUES (?, ?) ON CONFLICT DO NOTHING", (approval, entry_index))
    (entry,) = connection.execute("SELECT entry FROM consumed WHERE approval = ?", (approval,)).fetchone()
    if entry != entry_index:
        raise error(
            f"expected approval `{approval[:16]}` to be used once, got entries {entry} and {entry_index}"
        )


class SqliteSuspensions:
    """`SuspensionStore` in SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, suspension_id: str, document: bytes, *, valid_until: datetime) -> None:
        """See `SuspensionStore.take`."""
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT lifted_by FROM suspension WHERE suspension_id = ?", (suspension_id,)
            ).fetchone()
            if row is not None and row[0] is not None:
                raise StoreError(
                    f"expected a suspension that stands, got `{suspension_id[:80]}`, which was lifted"
                )
            connection.execute(
                "INSERT INTO suspension (suspension_id, document, until_us) VALUES (?1, ?2, ?3)"
                " ON CONFLICT (suspension_id) DO UPDATE SET document = ?2, until_us = ?3 WHERE until_us < ?3",
                (suspension_id, document, _us(valid_until)),
            )

    def lift(self, suspension_id: str, document: bytes) -> None:
        """See `SuspensionStore.lift`."""
        with self._database.write() as connection:
            found = connection.execute(
                "UPDATE suspension SET lifted_by = coalesce(lifted_by, ?) WHERE suspension_id = ?",
                (document, suspension_id),
            )
            if found.rowcount != 1:
                raise StoreError(f"expected a suspension on file, got `{suspension_id[:80]}`")

    def standing(self, now: datetime) -> Sequence[StoredSuspension]:
        """See `SuspensionStore.standing`."""
        return [each for each in self.all() if each.lifted_by is None and now < each.valid_until]

    def all(self) -> Sequence[StoredSuspension]:
        """See `SuspensionStore.all`."""
        rows = self._database.read(
            "SELECT suspension_id, document, until_us, lifted_by FROM suspension ORDER BY suspension_id"
        )
        return [_suspension(row) for row in rows]


def _suspension(row: Any) -> StoredSuspension:
    suspension_id, document, until_us, lifted_by = row
    return StoredSuspension(
        suspension_id=suspension_id,
        document=bytes(document),
        valid_until=_time(until_us),
        lifted_by=None if lifted_by is None else bytes(lifted_by),
    )


class SqliteLastSeen:
    """`LastSeen` in SQLite: exact in memory, on disk whenever it has moved by a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        rows = database.read("SELECT seen_us FROM last_seen")
        self._latest_us: int = rows[0][0] if rows else 0
        self._kept_us = self._latest_us

    def advance(self, now: datetime) -> datetime:
        """See `LastSeen.advance`."""
        self._latest_us = max(self._latest_us, _us(now))
        if self._latest_us - self._kept_us >= 1_000_000:
            with self._database.write() as connection:
                connection.execute(
                    "INSERT INTO last_seen VALUES (1, ?1) ON CONFLICT (one)"
                    " DO UPDATE SET seen_us = ?1 WHERE seen_us < ?1",
                    (self._latest_us,),
                )
            self._kept_us = self._latest_us
        return _time(self._latest_us)
