"""Approvals between a decision and its durable entry: taken once, and never given back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countermark.errors import ReplayError
from countermark.oversight.sealing import HoldKey
from countermark.pdp.desk import Desk
from countermark.store.memory import MemoryStore

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture(name="store")
def _store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(name="desk")
def _desk(store: MemoryStore) -> Desk:
    return Desk(
        holds=store.holds,
        consumed=store.consumed,
        key=HoldKey.generate(),
        roles=("reviewer",),
        ttl=timedelta(hours=1),
        limit=5,
        skew_s=60,
    )


def test_an_approval_is_reserved_once(desk: Desk) -> None:
    """A second entry that needs one of them gets none of them."""
    assert desk.reserve([A, B])
    assert not desk.reserve([B, C])
    assert desk.reserve([C]), "and took nothing by failing"


def test_what_an_entry_consumed_is_not_reserved(desk: Desk, store: MemoryStore) -> None:
    """The set that is rebuilt from the log counts as well as what is under way."""
    store.consumed.rebuild([(A, 7)])
    assert not desk.reserve([A])
    assert not desk.reserve([B, A])
    assert desk.reserve([B])


def test_one_approval_in_two_entries_is_an_error(store: MemoryStore) -> None:
    """The index refuses what the log must never say."""
    store.consumed.consume([A], 3)
    store.consumed.consume([A], 3)
    with pytest.raises(ReplayError):
        store.consumed.consume([A], 4)
