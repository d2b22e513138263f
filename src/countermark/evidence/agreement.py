"""One value per level: the value on which everything of at least that level agrees, else `conflict`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from countermark.facts import CONFLICT, UNKNOWN, AppraisedFact, FactValue, Level, Support

STATEMENT_VIEWS: Final = (Level.OPERATOR, Level.COUNTERSIGNED, Level.OBSERVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One support, and what others must agree with (the value, unless the fact stands for more than it shows)."""

    support: Support
    content: Hashable


def agreed(words: Sequence[Word], *, unknown: FactValue) -> FactValue:
    """The value on which all words agree; `conflict` (a number's worst value) where they don't."""
    if not words:
        return unknown
    if len({word.content for word in words}) > 1:
        return unknown if isinstance(unknown, int) else CONFLICT
    return words[0].support.value


def fact_of_words(name: str, words: Sequence[Word], *, unknown: FactValue = UNKNOWN) -> AppraisedFact:
    """Make a fact of its words: in each view those of at least that level are listened to."""
    values = {
        level: agreed([word for word in words if word.support.level >= level], unknown=unknown)
        for level in STATEMENT_VIEWS
    }
    return AppraisedFact(
        name=name, values=MappingProxyType(values), support=tuple(word.support for word in words)
    )


def best_of_subjects(values: Mapping[Hashable, Iterable[str]]) -> str:
    """Join a relation's values over several orders or engagements: each may cover a request alone.

    Among statements about one subject agreement rules (what can't be told, `unknown`, contradicts nobody). Over the
    subjects `conflict` comes first, so that no further order can outweigh a dispute, then `inside`, then `outside`.
    """
    found: set[str] = set()
    for subject_values in values.values():
        told = set(subject_values) - {UNKNOWN}
        found.add(CONFLICT if len(told) > 1 else next(iter(told), UNKNOWN))
    for value in (CONFLICT, "inside", "outside"):
        if value in found:
            return value
    return UNKNOWN
