"""The table of properties is what the tests say."""

from __future__ import annotations

import re

from make_properties import TABLE, properties, table


def test_the_table_is_current() -> None:
    """`tests/PROPERTIES.md` is what `python tests/make_properties.py` writes now."""
    assert TABLE.read_text() == table(), "run: python tests/make_properties.py"


def test_every_property_says_what_it_holds() -> None:
    """Each property has a statement, and each test that the promises' table names exists."""
    found = list(properties())
    assert all(each.statement for each in found), [each.test for each in found if not each.statement]
    names = {each.test for each in found}
    promised = set(re.findall(r"`(test_[a-z_]+)`", TABLE.read_text().partition("## All properties")[0]))
    assert promised - names == {"test_the_cases_reach_every_outcome"}
