"""Keyed selectors and relations: one spelling, one digest; inside means all of it."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from evidence_world import KEYS, engagement, order
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import MalformedError, SettingsError
from countermark.evidence.predicates.engagement import Engagement, parse_engagement
from countermark.evidence.predicates.legal_basis import parse_legal_basis
from countermark.evidence.relations import (
    MAX_RECORDED_DIGESTS,
    Relation,
    covers,
    digest_of_digests,
    parse_relation,
    parse_seen,
    relate_engagement,
    relate_order,
    relation_record,
    seen_record,
)
from countermark.evidence.selectors import SelectorKeys, SelectorsSeen, normalise_selector


@given(st.text(max_size=20))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """normalise(normalise(x)) == normalise(x)."""
    assert normalise_selector(normalise_selector(text)) == normalise_selector(text)


def test_spellings_of_one_selector_are_one() -> None:
    """Case, compatibility forms and spaces don't make another person."""
    spellings = ["email:Ada@Halden.example", " EMAIL:ADA@HALDEN.EXAMPLE ", "email:\uff41da@halden.example"]
    assert len({normalise_selector(text) for text in spellings}) == 1
    seen = KEYS.see(spellings)
    assert seen.count == 1
    assert seen.digests == {"k1": frozenset(KEYS.digest(spellings[0]).values())}


def test_a_digest_is_hmac_sha256() -> None:
    """Another implementation gets the same digests with any HMAC."""
    expected = hmac.new(b"k" * 32, b"phone:+15550100", hashlib.sha256).hexdigest()
    assert SelectorKeys({"k": b"k" * 32}).digest("phone:+15550100") == {"k": expected}


def test_keys_stay_secret_and_strong() -> None:
    """A repr shows ids only; short keys, many keys and odd ids are refused with what to write."""
    assert "secret" not in repr(SelectorKeys({"k1": b"secret" * 6}))
    for keys in ({"k1": b"short"}, {"K 1": b"x" * 32}, {f"k{number}": b"x" * 32 for number in range(17)}):
        with pytest.raises(SettingsError, match="selector key"):
            SelectorKeys(keys)


def test_digests_of_each_key_are_of_the_same_selectors() -> None:
    """An observation that lost a digest is no observation."""
    with pytest.raises(MalformedError, match="2 digests"):
        SelectorsSeen(count=2, digests={"k1": frozenset({"0" * 64})})


def test_relation_to_an_order_counts_who_is_outside() -> None:
    """`24 of 25 outside order 17/3`, as explain and the log print it."""
    statement = order(["person 0"])
    seen = KEYS.see(f"person {number}" for number in range(25))
    relation = relate_order(parse_legal_basis(statement.predicate), statement.sha256, seen)
    assert str(relation) == "24 of 25 outside order 17/3"
    assert relation.statement == statement.sha256
    unknown = relate_order(parse_legal_basis(statement.predicate), statement.sha256, SelectorsSeen(count=25))
    assert unknown.outside is None
    assert "key that this gateway doesn't know" in str(unknown)


def test_relation_to_an_engagement_counts_each_address_once() -> None:
    """`engagement E-9 covers 31 of 31`."""
    statement = engagement()
    parsed = parse_engagement(statement.predicate)
    addresses = [f"10.4.0.{number}" for number in range(31)]
    assert str(relate_engagement(parsed, statement.sha256, addresses * 2)) == "engagement E-9 covers 31 of 31"


COVERED: dict[str, tuple[str, bool]] = {
    "an address in the range": ("10.4.200.1", True),
    "the address before the range": ("10.3.255.255", False),
    "the address after the range": ("10.5.0.0", False),
    "the whole range": ("10.4.0.0/16", True),
    "a wider network": ("10.4.0.0/15", False),
    "a network written with host bits": ("10.4.1.7/24", True),
    "an IPv4 address inside IPv6": ("::ffff:10.4.0.1", True),
    "an IPv4 address inside IPv6, outside the range": ("::ffff:10.5.0.1", False),
    "a network of IPv4 addresses inside IPv6": ("::ffff:10.4.0.0/112", False),
    "IPv6": ("2001:db8:4::1", True),
    "IPv6 outside": ("2001:db9::1", False),
    "an address of one machine's own link": ("fe80::1%eth0", False),
    "a leading zero that some read as octal": ("10.04.0.1", False),
    "an address as one number": ("168034305", False),
    "a name below the zone": ("a.b.lab.example", True),
    "a name in capitals, with its root": ("Host.LAB.example.", True),
    "the zone itself": ("lab.example", False),
    "a name that ends like the zone": ("evillab.example", False),
    "a name that holds the zone": ("host.lab.example.evil.example", False),
    "a name with an empty label": (".lab.example", False),
    "a name with more than a name": ("x/y.lab.example", False),
    "an exact name": ("www.halden.example", True),
    "a name below an exact name": ("a.www.halden.example", False),
    "a letter that looks like another": ("host.l\u0430b.example", False),
    "nothing": ("", False),
}


def _engagement() -> Engagement:
    statement = engagement(
        ranges=["10.4.0.0/16", "2001:db8::/32"], names=["*.lab.example", "www.halden.example"]
    )
    return parse_engagement(statement.predicate)


@pytest.mark.parametrize("case", COVERED)
def test_covers(case: str) -> None:
    """An address is inside where the whole of it is, and what can be read in two ways is outside."""
    address, inside = COVERED[case]
    assert covers(_engagement(), address) is inside


def test_an_address_of_a_link_is_inside_no_range() -> None:
    """`fe80::1%eth0` is another machine on every link, so no range that anybody signs can mean it."""
    link = parse_engagement(engagement(ranges=["fe80::/16"]).predicate)
    assert covers(link, "fe80::1")
    assert not covers(link, "fe80::1%eth0")


@given(st.text(max_size=30) | st.ip_addresses().map(str))
def test_any_text_lies_inside_or_outside(address: str) -> None:
    """No text that is taken for an address is an error."""
    assert covers(_engagement(), address) in (True, False)


RELATIONS = st.builds(
    lambda kind, seen, outside: Relation(
        kind=kind,
        identity="17/3",
        statement="a" * 64,
        seen=seen,
        outside=None if outside is None else min(outside, seen),
    ),
    st.sampled_from(["order", "engagement"]),
    st.integers(0, 1000),
    st.none() | st.integers(0, 1000),
)


@given(RELATIONS)
def test_a_relation_survives_the_log(relation: Relation) -> None:
    """parse_relation(relation_record(r)) == r."""
    assert parse_relation(relation_record(relation)) == relation


def test_a_relation_that_was_changed_into_nonsense_is_refused() -> None:
    """More outside than were seen, another kind, or another field is no relation."""
    sound = relation_record(Relation(kind="order", identity="17/3", statement="a" * 64, seen=2, outside=1))
    for change in (
        {"outside": 3},
        {"outside": -1},
        {"kind": "hunch"},
        {"statement": "a"},
        {"more": 1},
        {"seen": True},
    ):
        with pytest.raises(MalformedError):
            parse_relation(sound | change)


@pytest.mark.parametrize("count", [0, 1, 25, MAX_RECORDED_DIGESTS, MAX_RECORDED_DIGESTS + 1])
def test_what_was_seen_survives_the_log(count: int) -> None:
    """Up to 256 selectors the digests themselves are kept, and a relation can be recomputed; above, their digest is."""
    seen = KEYS.see(f"person {number}" for number in range(count))
    record = seen_record(seen)
    kept = parse_seen(record)
    assert kept.count == count
    if count <= MAX_RECORDED_DIGESTS:
        assert kept == seen
    else:
        assert record["keys"] == {"k1": {"sha256": digest_of_digests(seen.digests["k1"])}}
        assert kept.digests == {}


def test_a_record_with_another_count_is_refused() -> None:
    """Digests that were taken out of an entry are missed."""
    record = seen_record(KEYS.see(["a", "b"]))
    record["keys"]["k1"]["hmac_sha256"].pop()
    with pytest.raises(MalformedError, match="2 digests"):
        parse_seen(record)


def test_a_replay_recomputes_an_orders_relation_from_the_entry_alone() -> None:
    """From recorded digests and the statement an auditor gets the recorded relation, without content."""
    statement = order(["a", "b"])
    parsed = parse_legal_basis(statement.predicate)
    seen = KEYS.see(["a", "c"])
    kept = parse_seen(seen_record(seen))
    assert relate_order(parsed, statement.sha256, kept) == relate_order(parsed, statement.sha256, seen)
