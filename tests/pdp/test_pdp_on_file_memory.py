"""What `StatementsOnFile` remembers from change to change never shows: as if everything were read anew each time."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from evidence_world import (
    DAY,
    NOW,
    OFFICE,
    RECALL,
    credential,
    deployment,
    file_of,
    purpose,
    status,
    trust_root,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.attestation.trust_root import TrustRoot
from countermark.errors import CountermarkError, CredentialError
from countermark.evidence.credentials import CredentialIndex
from countermark.pdp.on_file import StatementsOnFile, payload_sha256

SKEW_S = 60
SECRETS = ("key-of-the-office", "another")
HOUR = timedelta(hours=1)


def root() -> TrustRoot:
    """Credentials need a status that is not older than two days: those here are one day old."""
    return trust_root((("credential", 172_800),))


@cache
def files() -> tuple[bytes, ...]:
    """Statements of every kind of change: newer ones, of another time, that can't be read, about another workload, statuses."""
    first, second = credential(), credential("another", seq=2)
    late = credential("another", begins=NOW + HOUR, ends=NOW + DAY, seq=3, verified_at=NOW + HOUR)
    made = (
        first,
        second,
        late,
        credential(seq=4, holders=[]),
        credential("another", workload=RECALL, name="recall-1"),
        status(first, ends=NOW + 3 * HOUR),
        status(second, seq=2, begins=NOW + HOUR / 2, ends=NOW + DAY, verified_at=NOW + HOUR),
        status(late, seq=3),
        purpose(),
        purpose(seq=2, ends=NOW + 2 * HOUR),
        purpose(RECALL, seq=2),
        deployment(),
        deployment(countersigned_by=None, seq=2),
    )
    return tuple(file_of(each) for each in made)


def index_of(on_file: StatementsOnFile) -> CredentialIndex:
    """As callers make it."""
    found = (*on_file.of_kind("credential"), *on_file.of_kind("status"))
    return CredentialIndex(found, root=root(), skew_s=SKEW_S)


def known(index: CredentialIndex, secret: str, offset: timedelta) -> str:
    """Who a secret stands for, or why nobody."""
    try:
        return str(index.by_api_key(secret, NOW + offset))
    except CredentialError as error:
        return str(error)


CHANGES = st.lists(
    st.tuples(st.sampled_from(("take", "take", "remove", "wait")), st.integers(0, 12)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(CHANGES)
def test_memory_on_file_never_shows(changes: list[tuple[str, int]]) -> None:
    """For any order of taking, removing and waiting: about(w), and credentials indexed when told to == read from the files."""
    offset = timedelta()
    mine = StatementsOnFile((), root(), now=NOW, skew_s=SKEW_S)
    version, index = mine.credentials_version, index_of(mine)
    for what, number in changes:
        data = files()[number % len(files())]
        if what == "take":
            try:
                mine.take(mine.check(data, now=NOW + offset))
            except CountermarkError:
                continue  # it has lapsed by now
        elif what == "remove":
            mine.remove(payload_sha256(data))
        else:
            offset += (number % 5) * HOUR / 4
        mine.refresh(NOW + offset)
        fresh = StatementsOnFile([each.data for each in mine.all()], root(), now=NOW + offset, skew_s=SKEW_S)
        if mine.credentials_version != version:
            version, index = mine.credentials_version, index_of(mine)
        for workload in (OFFICE, RECALL, ""):
            assert {each.sha256 for each in mine.about(workload)} == {
                each.sha256 for each in fresh.about(workload)
            }
        for secret in SECRETS:
            assert known(index, secret, offset) == known(index_of(fresh), secret, offset)


def test_the_changes_reach_who_is_known() -> None:
    """The property isn't empty: a secret is unknown, known with its status, and unknown again when that is taken off."""
    mine = StatementsOnFile((), root(), now=NOW, skew_s=SKEW_S)
    said = []
    for data in (files()[0], files()[5]):
        mine.take(mine.check(data, now=NOW))
        said.append("northmark/office" in known(index_of(mine), SECRETS[0], timedelta()))
    assert mine.remove(payload_sha256(files()[5]))
    said.append("northmark/office" in known(index_of(mine), SECRETS[0], timedelta()))
    assert said == [False, True, False]
