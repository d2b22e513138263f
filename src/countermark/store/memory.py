"""The same store in memory, for tests: same Protocols, same test class; gone when the process ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from countermark.clock import Clock, system_clock
from countermark.errors import (
    HoldClosedError,
    HoldLimitError,
    ReplayError,
    StoreError,
    TooLargeError,
    UnknownHoldError,
)
from countermark.oversight.hold import MAX_APPROVAL_BYTES, MAX_APPROVALS, Hold, HoldState
from countermark.pdp.state import StoredSuspension


class MemoryStore:
    """All state of one gateway, in memory. Attributes as in `SqliteStore`."""

    def __init__(self, *, clock: Clock = system_clock) -> None:
        self.holds = MemoryHolds()
        self.nonces = MemoryNonces(clock)
        self.consumed = MemoryConsumed()
        self.suspensions = MemorySuspensions()
        self.last_seen = MemoryLastSeen()

    def close(self) -> None:
        """Nothing to close."""


class MemoryHolds:
    """`HoldStore` in memory."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}  # oldest first
        self._sealed: dict[str, bytes] = {}
        self._approvals: dict[str, dict[str, bytes]] = {}

    def _standing(self, workload: str, action_digest: str, now: datetime) -> list[Hold]:
        return [
            hold
            for hold in reversed(self._holds.values())
            if (hold.workload, hold.action_digest) == (workload, action_digest)
            and hold.state in (HoldState.OPEN, HoldState.REFUSED)
            and hold.expires_at > now
        ]

    def open(self, hold: Hold, sealed: bytes, *, limit: int, now: datetime) -> Hold:
        """See `HoldStore.open`."""
        self.expire(now)
        standing = self._standing(hold.workload, hold.action_digest, now)
        for known in standing:
            if known.is_same_question(hold):
                return known
        superseded = [known for known in standing if known.state is HoldState.OPEN]
        count = len(self.list(workload=hold.workload)) - len(superseded)
        if count >= limit:
            raise HoldLimitError(f"expected fewer than {limit} open holds of `{hold.workload}`, got {count}")
        for known in superseded:
            self._close(known, HoldState.SUPERSEDED, now)
        self._holds[hold.hold_id] = hold
        self._sealed[hold.hold_id] = sealed
        return hold

    def find(self, workload: str, action_digest: str, *, now: datetime) -> Hold | None:
        """See `HoldStore.find`."""
        standing = self._standing(workload, action_digest, now)
        return standing[0] if standing else None

    def get(self, hold_id: str) -> Hold:
        """See `HoldStore.get`."""
        if hold_id not in self._holds:
            raise UnknownHoldError(f"expected a hold on file, got `{hold_id[:40]}`")
        return self._holds[hold_id]

    def list(
        self, *, state: HoldState | None = HoldState.OPEN, workload: str | None = None
    ) -> Sequence[Hold]:
        """See `HoldStore.list`."""
        return [
            hold
            for hold in self._holds.values()
            if state in (None, hold.state) and workload in (None, hold.workload)
        ]

    def sealed_content(self, hold_id: str) -> bytes:
        """See `HoldStore.sealed_content`."""
        hold = self.get(hold_id)
        if hold.state is not HoldState.OPEN:
            raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {hold.state}")
        return self._sealed[hold_id]

    def add_approval(self, hold_id: str, *, sha256: str, document: bytes, now: datetime) -> None:
        """See `HoldStore.add_approval`."""
        if len(document) > MAX_APPROVAL_BYTES:
            raise TooLargeError(
                f"expected an approval of at most {MAX_APPROVAL_BYTES} bytes, got {len(document)}"
            )
        hold = self.get(hold_id)
        if hold.state is not HoldState.OPEN or hold.expires_at <= now:
            said = "expired" if hold.state is HoldState.OPEN else str(hold.state)
            raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {said}")
        kept = self._approvals.setdefault(hold_id, {})
        if sha256 not in kept and len(kept) >= MAX_APPROVALS:
            raise TooLargeError(f"expected at most {MAX_APPROVALS} approvals of hold `{hold_id}`")
        kept.setdefault(sha256, document)

    def approvals(self, hold_id: str) -> Sequence[bytes]:
        """See `HoldStore.approvals`."""
        return list(self._approvals.get(hold_id, {}).values())

    def close(self, hold_id: str, state: HoldState, *, now: datetime) -> None:
        """See `HoldStore.close`."""
        hold = self.get(hold_id)
        if hold.state is state:
            return
        if hold.state is not HoldState.OPEN:
            raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {hold.state}")
        self._close(hold, state, now)

    def _close(self, hold: Hold, state: HoldState, now: datetime) -> None:
        self._holds[hold.hold_id] = replace(hold, state=state, closed_at=now)
        self._sealed.pop(hold.hold_id, None)

    def expire(self, now: datetime) -> Sequence[str]:
        """See `HoldStore.expire`."""
        over = [hold for hold in self.list() if hold.expires_at <= now]
        for hold in over:
            self._close(hold, HoldState.EXPIRED, now)
        return [hold.hold_id for hold in over]

    def forget(self, before: datetime) -> int:
        """See `HoldStore.forget`."""
        old = [
            hold.hold_id
            for hold in self._holds.values()
            if hold.closed_at is not None and hold.closed_at < before and hold.expires_at < before
        ]
        for hold_id in old:
            del self._holds[hold_id]
            self._approvals.pop(hold_id, None)
        return len(old)


class MemoryNonces:
    """`NonceStore` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}

    def remember(self, nonce_key: str, until: datetime) -> bool:
        """Remember `nonce_key` until then. False where it is remembered already."""
        now = self._clock()
        self._until = {known: end for known, end in self._until.items() if end > now}
        if nonce_key in self._until:
            return False
        self._until[nonce_key] = until
        return True


class MemoryConsumed:
    """`ConsumedSet` in memory."""

    def __init__(self) -> None:
        self._entries: dict[str, int] = {}

    def consumed(self, ids: Iterable[str]) -> frozenset[str]:
        """See `ConsumedSet.consumed`."""
        return frozenset(each for each in ids if each in self._entries)

    def consume(self, ids: Collection[str], entry_index: int) -> None:
        """See `ConsumedSet.consume`."""
        for each in ids:
            entry = self._entries.get(each, entry_index)
            if entry != entry_index:
                raise ReplayError(
                    f"expected approval `{each[:16]}` to be used once, got entries {entry} and {entry_index}"
                )
        self._entries.update(dict.fromkeys(ids, entry_index))

    def rebuild(self, entries: Iterable[tuple[str, int]]) -> None:
        """See `ConsumedSet.rebuild`."""
        made: dict[str, int] = {}
        for each, entry_index in entries:
            if made.setdefault(each, entry_index) != entry_index:
                raise StoreError(
                    f"expected approval `{each[:16]}` to be used once, got entries {made[each]} and {entry_index}"
                )
        self._entries = made


class MemorySuspensions:
    """`SuspensionStore` in memory."""

    def __init__(self) -> None:
        self._suspensions: dict[str, StoredSuspension] = {}

    def take(self, suspension_id: str, document: bytes, *, valid_until: datetime) -> None:
        """See `SuspensionStore.take`."""
        known = self._suspensions.get(suspension_id)
        if known is not None and known.lifted_by is not None:
            raise StoreError(
                f"expected a suspension that stands, got `{suspension_id[:80]}`, which was lifted"
            )
        if known is None or known.valid_until < valid_until:
            self._suspensions[suspension_id] = StoredSuspension(
                suspension_id=suspension_id, document=document, valid_until=valid_until
            )

    def lift(self, suspension_id: str, document: bytes) -> None:
        """See `SuspensionStore.lift`."""
        known = self._suspensions.get(suspension_id)
        if known is None:
            raise StoreError(f"expected a suspension on file, got `{suspension_id[:80]}`")
        if known.lifted_by is None:
            self._suspensions[suspension_id] = replace(known, lifted_by=document)

    def standing(self, now: datetime) -> Sequence[StoredSuspension]:
        """See `SuspensionStore.standing`."""
        return [each for each in self.all() if each.lifted_by is None and now < each.valid_until]

    def all(self) -> Sequence[StoredSuspension]:
        """See `SuspensionStore.all`."""
        return [self._suspensions[each] for each in sorted(self._suspensions)]


class MemoryLastSeen:
    """`LastSeen` in memory."""

    def __init__(self) -> None:
        self._latest = datetime(1970, 1, 1, tzinfo=UTC)

    def advance(self, now: datetime) -> datetime:
        """See `LastSeen.advance`."""
        self._latest = max(self._latest, now)
        return self._latest


class MemoryStatements:
    """A `StatementStore` in memory; `kept` holds what a replay will need."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.kept: dict[str, bytes] = {}

    def read_all(self) -> Mapping[str, bytes]:
        """Every file, by payload digest."""
        return dict(self.files)

    def put(self, sha256: str, data: bytes) -> None:
        """Write or replace one file."""
        self.files[sha256] = data

    def remove(self, sha256: str) -> None:
        """Take one file off."""
        self.files.pop(sha256, None)

    def keep(self, target: Path, data: bytes) -> None:
        """Keep a copy for replay, once."""
        self.kept.setdefault(target.name, data)
