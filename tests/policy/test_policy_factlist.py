"""The list of facts is complete, its schema is what clauses are checked against, and its page is current."""

from __future__ import annotations

from pathlib import Path

import cedarpy
import pytest

from countermark.errors import PolicyError
from countermark.facts import MOST, UNKNOWN
from countermark.policy.factlist import LONG, VIEWS, load_factlist
from countermark.policy.glossary import glossary

FACTS = load_factlist()
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FACTS.facts)
def test_a_fact_says_all_that_is_generated_from_it(name: str) -> None:
    """Type, views, unknown value and words for every value are there."""
    fact = FACTS.fact(name)
    assert fact.group in ("claim", "statement", "gateway", "signal")
    assert fact.views == tuple(view for view in VIEWS if view in fact.views)
    assert fact.sentence.endswith(".")
    if fact.type == LONG:
        assert fact.bound is not None
        assert fact.unit
        assert fact.unknown == MOST
        assert "{}" in fact.reads["*"]
        return
    assert fact.unknown == UNKNOWN
    for value in FACTS.types[fact.type].values:
        assert value in fact.say(value) or value in fact.reads


def test_no_claim_is_read_at_a_level_that_permits() -> None:
    """Claims are in the claimed view only; a fact in both has a tie that may be a claim."""
    for fact in FACTS.facts.values():
        if fact.group == "claim":
            assert fact.views == ("claimed",)
        elif "claimed" in fact.views:
            assert fact.name == "consent"


def test_signals_are_in_a_view_of_their_own() -> None:
    """What a classifier says has no assurance level, and a quiet value that clauses may ask for."""
    for fact in FACTS.facts.values():
        assert (fact.group == "signal") is (fact.views == ("signal",)) is bool(fact.quiet)
        assert "signal" not in fact.views or len(fact.views) == 1
        if fact.quiet:
            assert fact.quiet in FACTS.types[fact.type].values
            assert fact.unknown == UNKNOWN


def test_the_schema_of_everything_is_cedar() -> None:
    """All views of all facts and any roles make a schema that Cedar reads; so does nothing at all."""
    every = {f"{view}.{fact.name}" for fact in FACTS.facts.values() for view in fact.views}
    cedarpy.Schema.from_str(FACTS.schema(every, ("a_role", "b_role")))
    cedarpy.Schema.from_str(FACTS.schema(set(), ()))


def test_only_open_types_are_extended() -> None:
    """A bundle can't add a third answer to yes and no, or a second `unknown`."""
    more = FACTS.with_values({"DataClass": ["health"]})
    assert more.types["DataClass"].values[-1] == "health"
    assert FACTS.types["DataClass"].values[-1] != "health"
    for enums in (
        {"YesNo": ["maybe"]},
        {"Nothing": ["x"]},
        {"Purpose": ["unknown"]},
        {"DataClass": ["persons"]},
    ):
        with pytest.raises(PolicyError):
            FACTS.with_values(enums)


def test_values_are_read_strictly() -> None:
    """Examples and defaults name values that exist, numbers in range."""
    assert FACTS.parse_value("countersigned.persons_at_most", "12") == 12
    assert FACTS.parse_value("observed.binding", "key-bound") == "key-bound"
    for path, text in (
        ("countersigned.persons_at_most", "-1"),
        ("countersigned.persons_at_most", "many"),
        ("countersigned.persons_at_most", str(MOST + 1)),
        ("countersigned.persons_at_most", True),
        ("countersigned.links", "maybe"),
        ("countersigned.binding", "api-key"),
        ("observed.binding", "conflict"),
        ("heard.links", "yes"),
        ("countersigned.likns", "yes"),
    ):
        with pytest.raises(PolicyError):
            FACTS.parse_value(path, text)


def test_the_glossary_is_current() -> None:
    """docs/reference/facts.md is what the list of facts says."""
    page = (ROOT / "docs" / "reference" / "facts.md").read_text()
    assert page == glossary(FACTS), "run `python -m countermark.policy.glossary > docs/reference/facts.md`"
