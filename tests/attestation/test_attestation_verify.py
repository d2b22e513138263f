"""Who vouches for a statement, at which level, until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attestation_world import END, KEYS, NOW, charter, countersigned, file_of, purpose, signed_root, the_root

from countermark.attestation.envelope import (
    encode_envelope,
    encode_lines,
    parse_envelope,
    read_lines,
    sign_envelope,
)
from countermark.attestation.statement import make_statement
from countermark.attestation.trust_root import TrustRoot, parse_trust_root
from countermark.attestation.verify import StatementCache, verify_statement
from countermark.errors import (
    CountermarkError,
    ExpiredError,
    MalformedError,
    NotYetValidError,
    PayloadTypeError,
    QuorumError,
    RoleError,
    TooLargeError,
)
from countermark.facts import Level


def root_with(change: Callable[[dict[str, Any]], object], *signers: str) -> TrustRoot:
    """The usual trust root after a change of its content."""
    content = charter()
    change(content)
    return parse_trust_root(signed_root(content, *signers), now=NOW)


def test_a_statement_of_one_party_is_its_word_alone() -> None:
    """One role's signature makes a statement of level OPERATOR, with its maker named."""
    made = verify_statement(file_of((purpose(), "ben")), the_root(), now=NOW)
    assert made.level is Level.OPERATOR
    assert [str(signer) for signer in made.makers] == [
        "northmark/northmark_systems (ben): system-queried, party"
    ]
    assert made.countersigners == ()
    assert made.validity.valid_until == datetime(2026, 7, 1, tzinfo=UTC)
    assert (made.kind, made.seq, made.predicate["purpose"]) == ("purpose", 1, "office")


def test_a_counterpart_raises_it_and_says_how_it_knows() -> None:
    """With a counterpart's countersignature it is COUNTERSIGNED; each signer keeps its basis; the earliest end wins."""
    statement = purpose()
    made = verify_statement(
        file_of((statement, "ben"), (countersigned(statement), "ada")), the_root(), now=NOW
    )
    assert made.level is Level.COUNTERSIGNED
    assert [str(signer) for signer in made.countersigners] == [
        "halden/halden_reviewer (ada): inspected, none"
    ]
    assert made.makers[0].basis == "system-queried"
    assert made.validity.valid_until == datetime(2026, 6, 15, tzinfo=UTC)
    assert made.parties == {"halden", "northmark"}


def test_every_person_with_the_right_key_type_counts() -> None:
    """A P-256 key makes and countersigns as an Ed25519 key does."""
    statement = purpose()
    made = verify_statement(
        file_of((statement, "ben-2"), (countersigned(statement), "dua")), the_root(), now=NOW
    )
    assert made.level is Level.COUNTERSIGNED
    assert made.countersigners[0].person == "dua"


COUNTS_NOTHING: dict[str, Callable[[], tuple[bytes, str]]] = {
    "another role of the maker's own party": lambda: (
        file_of((purpose(), "ben"), (countersigned(purpose()), "cem")),
        "expected a counterpart of the maker, got `northmark`",
    ),
    "the maker's second key": lambda: (
        file_of((purpose(), "ben"), (countersigned(purpose()), "ben-2")),
        "expected signers whose role may make `countersignature`",
    ),
    "a party that is no counterpart": lambda: (
        file_of((purpose(), "ben"), (countersigned(purpose()), "fay")),
        "expected a counterpart of the maker, got `brightwater`",
    ),
    "a key that the trust root doesn't know": lambda: (
        file_of((purpose(), "ben"), (countersigned(purpose()), "stranger")),
        "expected signatures of 1 trusted keys, got 0",
    ),
    "a countersignature of an older version of the statement": lambda: (
        file_of((purpose(seq=2), "ben"), (countersigned(purpose()), "ada")),
        "got one of another statement",
    ),
    "a countersignature that has expired": lambda: (
        file_of((purpose(), "ben"), (countersigned(purpose(), valid_until=NOW), "ada")),
        "expected a time before 2026-05-03T10:00:00Z",
    ),
    "a countersignature whose time has not come": lambda: (
        file_of(
            (purpose(), "ben"), (countersigned(purpose(), valid_from=NOW + timedelta(seconds=61)), "ada")
        ),
        "expected a time from 2026-05-03T10:01:01Z",
    ),
    "a countersignature under another subject's name": lambda: (
        file_of(
            (purpose(), "ben"),
            (
                make_statement(
                    "countersignature",
                    "northmark/field",
                    {"statement": purpose().sha256},
                    {},
                    seq=1,
                    valid_from=NOW,
                    valid_until=END,
                    basis="word",
                    interest="none",
                ),
                "ada",
            ),
        ),
        "expected the subject name `northmark/office`",
    ),
    "the statement itself, signed by the counterpart": lambda: (
        file_of((purpose(), "ben"), (purpose(), "ada")),
        "expected predicate `countersignature`, got `purpose`",
    ),
    "the counterpart's signature on the statement's own envelope": lambda: (
        file_of((purpose(), ("ben", "ada"))),
        "",
    ),
    "a line that is no envelope": lambda: (
        file_of((purpose(), "ben")) + b"{}\n",
        "expected an envelope with `payload`",
    ),
    "a countersignature for a predicate without counterparts": lambda: (
        file_of(
            (purpose(kind="deployment", content={}), "ben"),
            (countersigned(purpose(kind="deployment", content={})), "ada"),
        ),
        "expected a counterpart of the maker, got `halden`",
    ),
}


@pytest.mark.parametrize("case", COUNTS_NOTHING)
def test_what_does_not_countersign_leaves_the_level_and_is_named(case: str) -> None:
    """A line that doesn't count never raises and never lowers the statement, and the result says why."""
    lines, reason = COUNTS_NOTHING[case]()
    made = verify_statement(lines, the_root(), now=NOW)
    assert made.level is Level.OPERATOR
    assert made.countersigners == ()
    if reason:
        assert len(made.ignored) == 1
        assert reason in made.ignored[0]
        assert made.ignored[0].startswith("line 2: ")


def test_a_bad_line_does_not_take_a_good_one_away() -> None:
    """Lines are judged one by one: a bad one before a good one changes nothing but `ignored`."""
    statement = purpose()
    good = file_of((statement, "ben"), (countersigned(statement), "ada"))
    first, second = read_lines(good)
    made = verify_statement([first, b"not json", second], the_root(), now=NOW)
    assert made.level is Level.COUNTERSIGNED
    assert len(made.ignored) == 1


def test_the_newest_countersignature_of_a_party_is_the_one_that_counts() -> None:
    """A renewal with a higher `seq` takes the older one's place, in whichever order they stand."""
    statement = purpose()
    old = (countersigned(statement), "ada")
    new = (
        countersigned(statement, seq=2, valid_until=datetime(2026, 6, 30, tzinfo=UTC), basis="measured"),
        "ada",
    )
    for lines in (file_of((statement, "ben"), old, new), file_of((statement, "ben"), new, old)):
        made = verify_statement(lines, the_root(), now=NOW)
        assert [signer.basis for signer in made.countersigners] == ["measured"]
        assert made.validity.valid_until == datetime(2026, 6, 30, tzinfo=UTC)


def status() -> Any:
    return make_statement(
        "status",
        "northmark/office",
        {"statement": "00" * 32},
        {"status": "good"},
        seq=1,
        valid_from=datetime(2026, 4, 1, tzinfo=UTC),
        valid_until=END,
        basis="word",
        interest="party",
    )


def oversight() -> Any:
    return purpose(kind="oversight", content={"review": "none", "decides": "nobody"})


REFUSED: dict[str, tuple[Callable[[], bytes], datetime, type[CountermarkError]]] = {
    "no line at all": (lambda: b"\n", NOW, MalformedError),
    "no signature": (lambda: file_of((purpose(), ())), NOW, QuorumError),
    "a key that the trust root doesn't know": (lambda: file_of((purpose(), "stranger")), NOW, QuorumError),
    "a gateway's key": (lambda: file_of((purpose(), "gw-1")), NOW, QuorumError),
    "a side's key, which belongs to no role": (lambda: file_of((purpose(), "halden-side")), NOW, QuorumError),
    "a role without that predicate": (lambda: file_of((purpose(), "ada")), NOW, RoleError),
    "a role without that subject": (
        lambda: file_of((purpose(name="northmar", descriptor={"workload": "northmark/office"}), "ben")),
        NOW,
        RoleError,
    ),
    "one of the two persons that the role needs": (lambda: file_of((oversight(), "cem")), NOW, QuorumError),
    "two keys of one person, where the role needs two persons": (
        lambda: file_of((oversight(), ("ben", "ben-2"))),
        NOW,
        QuorumError,
    ),
    "at its end": (lambda: file_of((purpose(), "ben")), datetime(2026, 7, 1, tzinfo=UTC), ExpiredError),
    "before its beginning by more than the skew": (
        lambda: file_of((purpose(), "ben")),
        datetime(2026, 4, 30, 23, 58, 59, tzinfo=UTC),
        NotYetValidError,
    ),
    "a role whose right has ended": (
        lambda: file_of((status(), "ada")),
        datetime(2026, 6, 1, tzinfo=UTC),
        ExpiredError,
    ),
    "a countersignature standing first": (
        lambda: file_of((countersigned(purpose()), "ada")),
        NOW,
        PayloadTypeError,
    ),
    "another payload type": (
        lambda: encode_envelope(sign_envelope(purpose().payload, KEYS["ben"], payload_type="text/plain")),
        NOW,
        PayloadTypeError,
    ),
    "over 64 lines": (lambda: file_of((purpose(), "ben")) + b"{}\n" * 64, NOW, TooLargeError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nobody_vouches_for_is_an_error(case: str) -> None:
    """No signature, no right, no time: each is a typed error."""
    lines, now, error = REFUSED[case]
    with pytest.raises(error) as caught:
        verify_statement(lines(), the_root(), now=now)
    assert type(caught.value) is error


def test_two_persons_of_a_role_reach_its_threshold() -> None:
    """k of n of one role on one envelope."""
    made = verify_statement(file_of((oversight(), ("ben", "cem"))), the_root(), now=NOW)
    assert [(signer.role, signer.person) for signer in made.makers] == [
        ("northmark_board", "ben"),
        ("northmark_board", "cem"),
    ]


def test_skew_forgives_the_beginning_and_never_the_end() -> None:
    """A maker's clock may run ahead by the skew; an end is an end."""
    lines = file_of((purpose(), "ben"))
    verify_statement(lines, the_root(), now=datetime(2026, 4, 30, 23, 59, 0, tzinfo=UTC))
    with pytest.raises(NotYetValidError):
        verify_statement(lines, the_root(), now=datetime(2026, 4, 30, 23, 59, 0, tzinfo=UTC), skew_s=59)
    with pytest.raises(ExpiredError):
        verify_statement(lines, the_root(), now=datetime(2026, 7, 1, tzinfo=UTC), skew_s=3600)


def test_a_right_with_a_date_ends_the_statement_that_leans_on_it() -> None:
    """`until` of the maker's right is an end like the statement's own."""
    made = verify_statement(file_of((status(), "ada")), the_root(), now=NOW)
    assert made.validity.valid_until == datetime(2026, 6, 1, tzinfo=UTC)


def test_the_statement_ends_with_its_trust_root() -> None:
    """A trust root that has lapsed vouches for nothing, also in a process that read it earlier."""
    early = datetime(2026, 5, 20, tzinfo=UTC)
    root = parse_trust_root(signed_root(charter(), until=early), now=NOW)
    lines = file_of((purpose(), "ben"))
    assert verify_statement(lines, root, now=NOW).validity.valid_until == early
    with pytest.raises(ExpiredError):
        verify_statement(lines, root, now=early)


def test_under_a_one_sided_root_nothing_is_countersigned() -> None:
    """Who signs the root alone could name any counterpart in it: the level stays OPERATOR, and it says why."""
    root = root_with(lambda content: content["sides"].pop("halden"), "northmark-side")
    statement = purpose()
    made = verify_statement(file_of((statement, "ben"), (countersigned(statement), "ada")), root, now=NOW)
    assert made.level is Level.OPERATOR
    assert any("one-sided" in reason for reason in made.ignored)
    assert root.runner_level("gw-1") is Level.OPERATOR


def test_too_many_signatures_in_one_file_are_refused() -> None:
    """The work that one file can cause is bounded."""
    statement = purpose()
    full = sign_envelope(statement.payload, KEYS["ben"])
    many = parse_envelope(encode_envelope(full))
    line = type(many)(payload=many.payload, payload_type=many.payload_type, signatures=many.signatures * 32)
    with pytest.raises(TooLargeError):
        verify_statement(encode_lines([line] * 5), the_root(), now=NOW)


def test_a_second_look_gives_the_same_result_without_verifying_again() -> None:
    """The cache answers with the very object, for the same bytes, root and skew, until the result may change."""
    cache = StatementCache()
    lines = file_of((purpose(), "ben"))
    first = cache.verify(lines, the_root(), now=NOW)
    assert cache.verify(lines, the_root(), now=NOW + timedelta(days=1)) is first
    assert cache.verify(read_lines(lines), the_root(), now=NOW) == first
    assert cache.verify(lines, the_root(), now=NOW, skew_s=5) == first
    assert len(cache) == 3
    with pytest.raises(ExpiredError):
        cache.verify(lines, the_root(), now=datetime(2026, 7, 1, tzinfo=UTC))
    with pytest.raises(NotYetValidError):
        cache.verify(lines, the_root(), now=datetime(2026, 4, 1, tzinfo=UTC))


def test_the_cache_never_serves_a_stripped_or_forged_copy() -> None:
    """The same payload with other signatures is another key."""
    cache = StatementCache()
    cache.verify(file_of((purpose(), "ben")), the_root(), now=NOW)
    with pytest.raises(QuorumError):
        cache.verify(file_of((purpose(), ())), the_root(), now=NOW)
    with pytest.raises(QuorumError):
        cache.verify(file_of((purpose(), "stranger")), the_root(), now=NOW)


def test_the_cache_looks_again_when_a_countersignature_comes_into_force() -> None:
    """A level that will rise by itself is not remembered past that moment."""
    statement = purpose()
    begins = NOW + timedelta(hours=1)
    lines = file_of((statement, "ben"), (countersigned(statement, valid_from=begins), "ada"))
    cache = StatementCache()
    assert cache.verify(lines, the_root(), now=NOW).level is Level.OPERATOR
    assert cache.verify(lines, the_root(), now=begins).level is Level.COUNTERSIGNED


def test_the_cache_forgets_the_oldest_first() -> None:
    """It holds at most `max_entries`; what falls out is verified again."""
    cache = StatementCache(max_entries=2)
    files = [file_of((purpose(seq=seq), "ben")) for seq in range(3)]
    results = [cache.verify(lines, the_root(), now=NOW) for lines in files]
    assert len(cache) == 2
    assert cache.verify(files[2], the_root(), now=NOW) is results[2]
    assert cache.verify(files[0], the_root(), now=NOW) is not results[0]
