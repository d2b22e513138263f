"""What the gateway as a whole has to remember, and no single part asks for: the brake and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from countermark.evidence.possession import NonceStore
from countermark.oversight.approval import ConsumedSet
from countermark.oversight.hold import HoldStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSuspension:
    """A suspension on file.

    Attributes:
        suspension_id: The id that its statement's descriptor names.
        document: The signed statement by which a side took it.
        valid_until: When it lapses by itself.
        lifted_by: The signed statement that lifted it; None while it stands.
    """

    suspension_id: str
    document: bytes
    valid_until: datetime
    lifted_by: bytes | None = None


class SuspensionStore(Protocol):
    """Suspensions taken and lifted. Who may is decided before; each method is atomic, and durable on return."""

    def take(self, suspension_id: str, document: bytes, *, valid_until: datetime) -> None:
        """Put a suspension on file. The same id again only ever prolongs: a shorter time changes nothing.

        Raises:
            StoreError: It was lifted; taking it again needs an id of its own.
        """
        ...

    def lift(self, suspension_id: str, document: bytes) -> None:
        """Note that a suspension was lifted; a second time changes nothing.

        Raises:
            StoreError: There is none of that id.
        """
        ...

    def standing(self, now: datetime) -> Sequence[StoredSuspension]:
        """Those that stand: taken, not lifted, not lapsed. In the order of their ids."""
        ...

    def all(self) -> Sequence[StoredSuspension]:
        """All that were ever taken, in the order of their ids."""
        ...


class LastSeen(Protocol):
    """A time that never runs back, also over restarts: a clock that is set back makes nothing young again."""

    def advance(self, now: datetime) -> datetime:
        """The later of `now` and the latest time ever given here.

        It is kept on disk once a second at most, so after a crash it may be behind by up to a second; the last
        entry of the log is the other, exact floor.
        """
        ...


class Store(Protocol):
    """All state of one gateway: what the parts declare, in one place."""

    @property
    def holds(self) -> HoldStore:
        """Held requests and their approvals."""
        ...

    @property
    def nonces(self) -> NonceStore:
        """Proofs of possession that were used."""
        ...

    @property
    def consumed(self) -> ConsumedSet:
        """Approvals that were used."""
        ...

    @property
    def suspensions(self) -> SuspensionStore:
        """Brakes that were taken."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
