"""Every store keeps the same promises: one test class, run against each implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from countermark.errors import (
    HoldClosedError,
    HoldLimitError,
    ReplayError,
    StoreError,
    TooLargeError,
    UnknownHoldError,
)
from countermark.oversight.action import call_descriptor
from countermark.oversight.approval import ConsumedSet
from countermark.oversight.hold import (
    MAX_APPROVAL_BYTES,
    MAX_APPROVALS,
    HeldContent,
    Hold,
    HoldState,
    HoldStore,
    make_hold,
)
from countermark.pdp.state import LastSeen, SuspensionStore
from countermark.store.memory import MemoryStore
from countermark.store.sqlite import SqliteStore

NOW = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
AnyStore = MemoryStore | SqliteStore


class PlayedClock:
    """Tests say what time it is."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> PlayedClock:
    return PlayedClock()


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: PlayedClock) -> Iterator[AnyStore]:
    made: AnyStore
    made = (
        SqliteStore(tmp_path / "state.sqlite", clock=clock)
        if request.param == "sqlite"
        else MemoryStore(clock=clock)
    )
    yield made
    made.close()


def hold_of(target: str = "T-114", *, workload: str = "northmark/field", **changed: Any) -> Hold:
    content = HeldContent(
        descriptor=call_descriptor(
            workload=workload, tool="actuate", arguments={"target": target}, bundle="b" * 64
        ),
        body=b"{}",
    )
    given: dict[str, Any] = {
        "clauses": ("RL-2",),
        "quorum": {"halden_reviewer": 1},
        "bundle": "b" * 64,
        "values": {"countersigned.can_actuate": "yes"},
        "facts": (),
        "requesters": frozenset({"eva"}),
        "now": NOW,
        "expires_at": NOW + HOUR,
    }
    return make_hold(content, **{**given, **changed})


def opened(store: AnyStore, hold: Hold | None = None, *, limit: int = 10, now: datetime = NOW) -> Hold:
    return store.holds.open(hold or hold_of(), b"sealed", limit=limit, now=now)


class TestHolds:
    """`HoldStore`."""

    def test_what_was_put_on_file_is_there(self, store: AnyStore) -> None:
        """open, then get, find, list and content give what was put in."""
        holds: HoldStore = store.holds
        hold = hold_of()
        assert opened(store, hold) == hold
        assert holds.get(hold.hold_id) == hold
        assert holds.find(hold.workload, hold.action_digest, now=NOW) == hold
        assert list(holds.list()) == [hold]
        assert holds.sealed_content(hold.hold_id) == b"sealed"
        assert list(holds.approvals(hold.hold_id)) == []

    def test_the_same_request_held_again_is_the_same_hold(self, store: AnyStore) -> None:
        """A client that asks again opens nothing, and what reviewers look at is not exchanged under them."""
        first = opened(store)
        again = store.holds.open(hold_of(), b"other", limit=10, now=NOW + HOUR / 2)
        assert again == first
        assert store.holds.sealed_content(first.hold_id) == b"sealed"
        assert len(store.holds.list()) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"bundle": "c" * 64},
            {"values": {"countersigned.can_actuate": "no"}},
            {"clauses": ("RL-2", "RL-4")},
        ],
        ids=["another bundle", "other facts", "a clause more"],
    )
    def test_another_question_about_the_same_action_takes_its_place(
        self, store: AnyStore, change: dict
    ) -> None:
        """Signatures under the old facts would not count, so nobody is asked for them any more."""
        first = opened(store)
        store.holds.add_approval(first.hold_id, sha256="1" * 64, document=b"yes", now=NOW)
        second = opened(store, hold_of(**change))
        assert second.hold_id != first.hold_id
        assert store.holds.get(first.hold_id).state is HoldState.SUPERSEDED
        assert [each.hold_id for each in store.holds.list()] == [second.hold_id]
        assert store.holds.find(first.workload, first.action_digest, now=NOW) == second
        assert list(store.holds.approvals(second.hold_id)) == []
        with pytest.raises(HoldClosedError):
            store.holds.sealed_content(first.hold_id)

    def test_a_workload_has_at_most_so_many_open_holds(self, store: AnyStore) -> None:
        """Nobody floods reviewers; other workloads, the same action again and closed holds are not counted."""
        first = opened(store, hold_of("T-1"), limit=2)
        opened(store, hold_of("T-2"), limit=2)
        with pytest.raises(HoldLimitError):
            opened(store, hold_of("T-3"), limit=2)
        assert opened(store, hold_of("T-1"), limit=2) == first
        opened(store, hold_of("T-3", workload="northmark/other"), limit=2)
        assert opened(store, hold_of("T-1", bundle="c" * 64), limit=2).hold_id != first.hold_id
        assert len(store.holds.list(workload="northmark/field")) == 2
        opened(store, hold_of("T-3", now=NOW + HOUR, expires_at=NOW + 2 * HOUR), limit=2, now=NOW + HOUR)

    def test_a_limit_that_is_hit_changes_nothing(self, store: AnyStore) -> None:
        """After the error the store is as it was."""
        first = opened(store, limit=1)
        with pytest.raises(HoldLimitError):
            opened(store, hold_of("T-2"), limit=1)
        assert list(store.holds.list(state=None)) == [first]

    def test_closing_deletes_the_content_and_keeps_the_record(self, store: AnyStore) -> None:
        """After a decision nobody can read what was asked; that it was asked, and who signed, stays."""
        hold = opened(store)
        store.holds.add_approval(hold.hold_id, sha256="1" * 64, document=b"yes", now=NOW)
        store.holds.close(hold.hold_id, HoldState.USED, now=NOW + HOUR / 2)
        with pytest.raises(HoldClosedError):
            store.holds.sealed_content(hold.hold_id)
        closed = store.holds.get(hold.hold_id)
        assert (closed.state, closed.closed_at) == (HoldState.USED, NOW + HOUR / 2)
        assert list(store.holds.approvals(hold.hold_id)) == [b"yes"]
        assert list(store.holds.list()) == []
        assert list(store.holds.list(state=HoldState.USED)) == [closed]
        assert store.holds.find(hold.workload, hold.action_digest, now=NOW) is None

    def test_a_closed_hold_cannot_be_closed_otherwise(self, store: AnyStore) -> None:
        """The same again does nothing (a step repeated after a crash); another state is an error."""
        hold = opened(store)
        store.holds.close(hold.hold_id, HoldState.REFUSED, now=NOW)
        store.holds.close(hold.hold_id, HoldState.REFUSED, now=NOW + HOUR)
        assert store.holds.get(hold.hold_id).closed_at == NOW
        with pytest.raises(HoldClosedError):
            store.holds.close(hold.hold_id, HoldState.USED, now=NOW)

    def test_used_is_used_and_the_next_time_is_another_hold(self, store: AnyStore) -> None:
        """An action that was taken is asked about afresh, without the signatures of the last time."""
        first = opened(store)
        store.holds.close(first.hold_id, HoldState.USED, now=NOW)
        second = opened(store)
        assert second.hold_id != first.hold_id
        assert list(store.holds.approvals(second.hold_id)) == []

    def test_a_refusal_stands_until_its_time_is_over(self, store: AnyStore) -> None:
        """Nobody wears reviewers down by asking again; new facts may be asked about, and so may later times."""
        first = opened(store)
        store.holds.close(first.hold_id, HoldState.REFUSED, now=NOW)
        again = opened(store, now=NOW + HOUR / 2)
        assert (again.hold_id, again.state) == (first.hold_id, HoldState.REFUSED)
        assert store.holds.find(first.workload, first.action_digest, now=NOW) == again
        other = opened(store, hold_of(values={"countersigned.can_actuate": "no"}))
        assert (other.hold_id != first.hold_id, other.state) == (True, HoldState.OPEN)
        later = opened(store, hold_of(now=NOW + HOUR, expires_at=NOW + 2 * HOUR), now=NOW + HOUR)
        assert (later.hold_id != first.hold_id, later.state) == (True, HoldState.OPEN)

    def test_what_is_over_expires(self, store: AnyStore) -> None:
        """expire closes exactly what is over, deletes its content, and says which."""
        first = opened(store, hold_of("T-1"))
        second = opened(store, hold_of("T-2", expires_at=NOW + 2 * HOUR))
        assert list(store.holds.expire(NOW + HOUR / 2)) == []
        assert store.holds.find(first.workload, first.action_digest, now=NOW + HOUR) is None
        assert list(store.holds.expire(NOW + HOUR)) == [first.hold_id]
        assert list(store.holds.expire(NOW + HOUR)) == []
        assert store.holds.get(first.hold_id).state is HoldState.EXPIRED
        assert [each.hold_id for each in store.holds.list()] == [second.hold_id]
        with pytest.raises(HoldClosedError):
            store.holds.sealed_content(first.hold_id)

    def test_approvals_are_kept_once_and_in_order(self, store: AnyStore) -> None:
        """The same document again changes nothing."""
        hold = opened(store)
        for sha256, document in (("2" * 64, b"two"), ("1" * 64, b"one"), ("2" * 64, b"two")):
            store.holds.add_approval(hold.hold_id, sha256=sha256, document=document, now=NOW)
        assert list(store.holds.approvals(hold.hold_id)) == [b"two", b"one"]

    def test_approvals_have_limits(self, store: AnyStore) -> None:
        """Neither size nor number of what is sent in fills the disk."""
        hold = opened(store)
        with pytest.raises(TooLargeError):
            store.holds.add_approval(
                hold.hold_id, sha256="1" * 64, document=b"x" * (MAX_APPROVAL_BYTES + 1), now=NOW
            )
        for number in range(MAX_APPROVALS):
            store.holds.add_approval(hold.hold_id, sha256=f"{number:064}", document=b"x", now=NOW)
        with pytest.raises(TooLargeError):
            store.holds.add_approval(hold.hold_id, sha256="f" * 64, document=b"x", now=NOW)
        store.holds.add_approval(hold.hold_id, sha256=f"{0:064}", document=b"x", now=NOW)

    def test_a_hold_that_is_over_or_closed_takes_no_approval(self, store: AnyStore) -> None:
        """A signature that comes late is told so."""
        hold = opened(store)
        with pytest.raises(HoldClosedError, match="expired"):
            store.holds.add_approval(hold.hold_id, sha256="1" * 64, document=b"x", now=NOW + HOUR)
        store.holds.close(hold.hold_id, HoldState.USED, now=NOW)
        with pytest.raises(HoldClosedError, match="used"):
            store.holds.add_approval(hold.hold_id, sha256="1" * 64, document=b"x", now=NOW)

    @pytest.mark.parametrize(
        "act",
        [
            lambda holds: holds.get("h_x"),
            lambda holds: holds.sealed_content("h_x"),
            lambda holds: holds.add_approval("h_x", sha256="1" * 64, document=b"x", now=NOW),
            lambda holds: holds.close("h_x", HoldState.USED, now=NOW),
        ],
        ids=["get", "content", "approve", "close"],
    )
    def test_an_unknown_hold_is_a_typed_error(
        self, store: AnyStore, act: Callable[[HoldStore], object]
    ) -> None:
        """Nothing is made up for an id that is not on file."""
        with pytest.raises(UnknownHoldError):
            act(store.holds)

    def test_old_holds_are_forgotten_and_refusals_that_stand_are_not(self, store: AnyStore) -> None:
        """forget deletes what is closed and over; open holds and standing refusals stay."""
        old = opened(store, hold_of("T-1"))
        store.holds.add_approval(old.hold_id, sha256="1" * 64, document=b"x", now=NOW)
        store.holds.close(old.hold_id, HoldState.USED, now=NOW)
        refused = opened(store, hold_of("T-2", expires_at=NOW + 9 * HOUR))
        store.holds.close(refused.hold_id, HoldState.REFUSED, now=NOW)
        waiting = opened(store, hold_of("T-3", expires_at=NOW + 9 * HOUR))
        assert store.holds.forget(NOW + 2 * HOUR) == 1
        assert {each.hold_id for each in store.holds.list(state=None)} == {refused.hold_id, waiting.hold_id}
        with pytest.raises(UnknownHoldError):
            store.holds.get(old.hold_id)


class TestNonces:
    """`NonceStore` of evidence."""

    def test_a_key_is_new_once(self, store: AnyStore, clock: PlayedClock) -> None:
        """The second to come is told so, until the time is over."""
        assert store.nonces.remember("n-1", NOW + HOUR) is True
        assert store.nonces.remember("n-1", NOW + HOUR) is False
        assert store.nonces.remember("n-2", NOW + HOUR) is True
        clock.now = NOW + HOUR
        assert store.nonces.remember("n-1", NOW + 2 * HOUR) is True

    def test_a_second_attempt_does_not_prolong_or_shorten(self, store: AnyStore, clock: PlayedClock) -> None:
        """What was remembered first holds."""
        store.nonces.remember("n-1", NOW + HOUR)
        store.nonces.remember("n-1", NOW + timedelta(seconds=1))
        clock.now = NOW + HOUR / 2
        assert store.nonces.remember("n-1", NOW + HOUR) is False


class TestConsumed:
    """`ConsumedSet` of oversight."""

    def test_what_was_consumed_is_known(self, store: AnyStore) -> None:
        """consumed gives exactly those asked about that are."""
        consumed: ConsumedSet = store.consumed
        consumed.consume(["a", "b"], 3)
        assert consumed.consumed(["a", "c"]) == {"a"}
        assert consumed.consumed([]) == frozenset()

    def test_consuming_twice_is_refused_whole(self, store: AnyStore) -> None:
        """If one was used by another entry none is noted; the same entry again is no error."""
        store.consumed.consume(["a"], 3)
        store.consumed.consume(["a"], 3)
        with pytest.raises(ReplayError):
            store.consumed.consume(["0", "a", "z"], 4)
        assert store.consumed.consumed(["0", "a", "z"]) == {"a"}

    def test_the_log_rebuilds_everything(self, store: AnyStore) -> None:
        """After rebuild the set is what the log says, no more and no less."""
        store.consumed.consume(["a", "b"], 3)
        store.consumed.rebuild(iter([("b", 1), ("c", 2), ("c", 2)]))
        assert store.consumed.consumed(["a", "b", "c"]) == {"b", "c"}
        with pytest.raises(ReplayError):
            store.consumed.consume(["b"], 3)
        store.consumed.consume(["b"], 1)

    def test_a_log_that_uses_an_approval_twice_is_refused(self, store: AnyStore) -> None:
        """Such a log can't be ours; nothing is replaced."""
        store.consumed.consume(["a"], 3)
        with pytest.raises(StoreError):
            store.consumed.rebuild([("b", 1), ("c", 2), ("b", 3)])
        assert store.consumed.consumed(["a", "b", "c"]) == {"a"}


class TestSuspensions:
    """`SuspensionStore`."""

    def test_a_suspension_stands_until_it_lapses_or_is_lifted(self, store: AnyStore) -> None:
        """standing lists what brakes now; all keeps what did."""
        suspensions: SuspensionStore = store.suspensions
        suspensions.take("s-2", b"two", valid_until=NOW + 2 * HOUR)
        suspensions.take("s-1", b"one", valid_until=NOW + HOUR)
        assert [each.suspension_id for each in suspensions.standing(NOW)] == ["s-1", "s-2"]
        assert [each.document for each in suspensions.standing(NOW + HOUR)] == [b"two"]
        suspensions.lift("s-2", b"lifted")
        suspensions.lift("s-2", b"again")
        assert [each.suspension_id for each in suspensions.standing(NOW)] == ["s-1"]
        assert [each.lifted_by for each in suspensions.all()] == [None, b"lifted"]

    def test_taking_again_only_prolongs(self, store: AnyStore) -> None:
        """Nobody shortens a brake by taking it again, or takes up one that was lifted."""
        store.suspensions.take("s-1", b"one", valid_until=NOW + HOUR)
        store.suspensions.take("s-1", b"short", valid_until=NOW)
        assert [each.document for each in store.suspensions.standing(NOW)] == [b"one"]
        store.suspensions.take("s-1", b"long", valid_until=NOW + 2 * HOUR)
        assert [each.document for each in store.suspensions.standing(NOW + HOUR)] == [b"long"]
        store.suspensions.lift("s-1", b"lifted")
        with pytest.raises(StoreError):
            store.suspensions.take("s-1", b"one", valid_until=NOW + 9 * HOUR)

    def test_what_was_never_taken_cannot_be_lifted(self, store: AnyStore) -> None:
        """A wrong id is an error, not a brake that stays on unnoticed."""
        with pytest.raises(StoreError):
            store.suspensions.lift("s-1", b"lifted")


class TestLastSeen:
    """`LastSeen`."""

    def test_time_never_runs_back(self, store: AnyStore) -> None:
        """A clock that is set back gives the latest time that was seen."""
        last: LastSeen = store.last_seen
        assert last.advance(NOW) == NOW
        assert last.advance(NOW - HOUR) == NOW
        assert last.advance(NOW + timedelta(microseconds=7)) == NOW + timedelta(microseconds=7)
