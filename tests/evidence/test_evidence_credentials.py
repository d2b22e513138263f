"""Credentials: one credential names one workload, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from evidence_world import DAY, NOW, OFFICE, RECALL, credential, key, purpose, sign, status, trust_root

from countermark.attestation.verify import VerifiedStatement
from countermark.errors import CredentialError
from countermark.evidence.credentials import CredentialIndex
from countermark.facts import Level

SECRET = "key-of-the-office"
SIGNING = key("workload").public


def index(*statements: VerifiedStatement) -> CredentialIndex:
    """An index under the tests' trust root."""
    return CredentialIndex(statements, root=trust_root())


def test_an_api_key_names_its_workload() -> None:
    """The credential of a presented key says workload, holders, rights, and until when."""
    statement = credential(may_explain=True)
    found = index(statement, purpose()).by_api_key(SECRET, NOW)
    assert (found.workload, found.name, found.statement) == (OFFICE, "office-1", statement.sha256)
    assert (found.holders, found.may_explain) == (frozenset({"eva"}), True)
    assert (found.binding, found.public, found.valid_until) == ("api-key", None, NOW + DAY)


def test_a_key_names_its_workload() -> None:
    """A key is found by its id, and is to be believed only after the request's signature."""
    found = index(credential(public=SIGNING)).by_key_id(SIGNING.keyid, NOW)
    assert (found.workload, found.binding, found.public) == (OFFICE, "key-bound", SIGNING)


def test_the_index_holds_no_secret() -> None:
    """The digest of a key is no key: presenting it opens nothing."""
    statement = credential()
    for text in (str(statement.predicate["sha256"]), "", SECRET + " ", SECRET.upper(), "\ud800"):
        with pytest.raises(CredentialError, match="unknown one"):
            index(statement).by_api_key(text, NOW)
    with pytest.raises(CredentialError):
        index(statement).by_key_id(str(statement.predicate["sha256"]), NOW)
    with pytest.raises(CredentialError):
        index(credential(public=SIGNING)).by_api_key(SIGNING.keyid, NOW)


UNUSABLE: dict[str, tuple[Callable[[], list[VerifiedStatement]], str]] = {
    "none on file": (list, "unknown"),
    "expired": (lambda: [credential(ends=NOW)], "unknown"),
    "not yet valid": (lambda: [credential(begins=NOW + DAY, ends=NOW + 3 * DAY, verified_at=NOW + DAY)], "unknown"),
    "replaced by one with another secret": (lambda: [credential(), credential("another", seq=2)], "unknown"),
    "replaced by one that can't be read": (lambda: [credential(), credential(seq=2, holders=[])], "unknown"),
    "made by another party": (lambda: [credential(by="ada")], "unknown"),
    "made by another party for its own workload's name": (
        lambda: [sign("credential", OFFICE, {"credential": "x"}, {
            name: credential(workload="halden/lab").predicate[name]
            for name in ("workload", "kind", "sha256", "holders", "may_explain")
        })],
        "unknown",
    ),
    "one secret for two workloads": (lambda: [credential(), credential(workload=RECALL, name="recall-1")], "several"),
    "two makers who disagree about the name": (lambda: [credential(), credential("another", by="dua")], "disagree"),
    "one number with two contents": (lambda: [credential(), credential("another")], "disagree"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable(case: str) -> None:
    """A credential that is out of time, replaced, foreign or in dispute opens nothing."""
    make, why = UNUSABLE[case]
    with pytest.raises(CredentialError, match=why):
        index(*make()).by_api_key(SECRET, NOW)


def test_a_secret_in_dispute_is_unusable_for_both() -> None:
    """Where two workloads claim one secret, neither has it; the end of one gives it to the other."""
    disputed = index(credential(), credential(workload=RECALL, name="recall-1", ends=NOW + DAY / 2))
    with pytest.raises(CredentialError, match="several"):
        disputed.by_api_key(SECRET, NOW)
    assert disputed.by_api_key(SECRET, NOW + DAY * 3 / 4).workload == OFFICE


def test_another_party_cannot_dispute_a_credential() -> None:
    """Only the workload's own party makes its credentials; others' are kept with the reason and disturb nothing."""
    foreign = credential("another", by="ada")
    found = index(credential(), foreign)
    assert found.by_api_key(SECRET, NOW).workload == OFFICE
    assert [(item.statement, "made by party `northmark`" in item.reason) for item in found.ignored] == [
        (foreign.sha256, True)
    ]


def test_a_further_signature_takes_nothing_away() -> None:
    """Who signs a credential beside the workload's own party doesn't make it unusable."""
    assert index(credential(by=("cem", "ada"))).by_api_key(SECRET, NOW).workload == OFFICE


def test_what_cannot_be_read_disputes_nothing() -> None:
    """An unreadable statement replaces older ones of its makers, and contradicts nobody else's."""
    assert index(credential(), credential(by="dua", holders=[])).by_api_key(SECRET, NOW).workload == OFFICE


def test_two_parties_may_use_one_name() -> None:
    """`office-1` of two parties are two credentials."""
    theirs = credential("theirs", workload="halden/office", by="ada")
    found = index(credential(), theirs)
    assert found.by_api_key(SECRET, NOW).workload == OFFICE
    assert found.by_api_key("theirs", NOW).workload == "halden/office"


def test_one_secret_under_two_names_is_read_strictly() -> None:
    """The holders of both names count as requesters, and what only one allows isn't allowed."""
    found = index(credential(may_explain=True), credential(name="office-2", holders=["fay"])).by_api_key(
        SECRET, NOW
    )
    assert found.holders == {"eva", "fay"}
    assert found.may_explain is False


def test_a_credential_needs_its_status_where_the_trust_root_says_so() -> None:
    """Without a fresh `status: good` of its maker a credential opens nothing."""
    root = trust_root((("credential", 3600),))
    ours = credential(root=root)
    good = status(ours, root=root, begins=NOW - timedelta(seconds=600))
    found = CredentialIndex([ours, good], root=root)
    assert found.by_api_key(SECRET, NOW).valid_until == NOW + timedelta(seconds=3000)
    with pytest.raises(CredentialError):
        found.by_api_key(SECRET, NOW + timedelta(seconds=3000))
    with pytest.raises(CredentialError):
        CredentialIndex([ours], root=root).by_api_key(SECRET, NOW)


def test_a_credential_counts_with_its_partys_word_alone() -> None:
    """A credential needs no countersignature: what a workload may do rests on other statements."""
    assert credential().level is Level.OPERATOR
