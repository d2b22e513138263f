"""What changed since the last run, goal by goal; and whether the attacker did.

`real` is an upper bound under what was tried. So it rises by itself where less is tried: a strategy left out, fewer attempts,
less access, the hard goals dropped. Such a rise is no finding about the safeguard, and is not reported as one: the change
carries the reasons, `risen` is false, and `need` raises for whoever wanted to hear of it.

What can still be said is said on what both runs have: the goals of both, under the strategies of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.assay.outcomes import Outcomes, real
from countermark.assay.rate import Rate
from countermark.assay.statistics.exact import holm
from countermark.assay.statistics.paired import Paired, pair
from countermark.errors import OutcomesError, WeakerAttackerError

Bools = NDArray[np.bool_]
_NAMED = 3
REAL, APPARENT, FALSE_STOPS = "real", "apparent", "false stops"


class Attacker(StrEnum):
    """How the attacker of the second run stands to that of the first."""

    SAME = "same"
    WEAKER = "weaker"
    STRONGER = "stronger"
    OTHER = "other"
    """In some things weaker, in others stronger."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A safeguard measured once.

    Attributes:
        outcomes: Over the goals that can be reached at all.
        attempts: How often the attacker may try each goal and strategy; more is stronger.
        access: What he holds or sees (`text`, `valid credential`, `two credentials`, `operator's key`); more is stronger.
        versions: Of strategies, where they have any: another version is another strategy.
        work: Whether each benign task was stopped.
    """

    outcomes: Outcomes
    attempts: int
    access: frozenset[str]
    versions: Mapping[str, str] = field(default_factory=dict)
    work: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise OutcomesError(f"expected at least one attempt, got {self.attempts}")

    @property
    def strategies(self) -> frozenset[str]:
        """Names with their versions."""
        return frozenset(self._named.values())

    @property
    def _named(self) -> Mapping[str, str]:
        return {
            each: f"{each}@{self.versions[each]}" if each in self.versions else each
            for each in self.outcomes.strategies
        }

    def common(self, strategies: frozenset[str]) -> Outcomes:
        """Outcomes under those of the strategies that are in `strategies`."""
        return self.outcomes.under({name for name, full in self._named.items() if full in strategies})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One quantity on what both runs have.

    Attributes:
        change: Second minus first.
        p_holm: Adjusted over all that was compared at once.
    """

    what: str
    change: Paired
    p_holm: float

    @property
    def says(self) -> str:
        """In words."""
        if self.change.gained == self.change.lost == 0:
            return f"{self.what}: the same for each of {self.change.n}"
        way = "up" if self.change.value > 0 else "down" if self.change.value < 0 else "as many, others"
        counts = f"{self.change.gained} gained, {self.change.lost} lost of {self.change.n}"
        return f"{self.what}: {way}, {counts}, p = {self.p_holm:.2g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed between two runs.

    Attributes:
        weaker, stronger: What the second attacker lacks, and has, that the first had not, in words.
        before, after: `real` of each run by itself, against its own attacker.
        differences: On the goals and strategies of both runs: real, apparent, false stops.
    """

    weaker: tuple[str, ...]
    stronger: tuple[str, ...]
    before: Rate
    after: Rate
    differences: tuple[Difference, ...]

    @property
    def attacker(self) -> Attacker:
        """How the second attacker stands to the first."""
        if self.weaker and self.stronger:
            return Attacker.OTHER
        return Attacker.WEAKER if self.weaker else Attacker.STRONGER if self.stronger else Attacker.SAME

    @property
    def higher(self) -> bool:
        """Whether the second figure is the higher one, whatever that means."""
        return self.after.value > self.before.value

    @property
    def paired(self) -> Paired:
        """`real` on what both runs have: their common goals, under their common strategies."""
        return next(each.change for each in self.differences if each.what == REAL)

    @property
    def risen(self) -> bool:
        """Whether `real` may be reported as risen.

        It is higher, on the goals of both runs, too, and the second attacker lacks nothing that the first one had.
        """
        return self.higher and not self.weaker and self.paired.value > 0

    @property
    def finding(self) -> str | None:
        """Why the rise may not be reported; None where there is no rise, or nothing against it."""
        if not self.higher or self.risen:
            return None
        went = f"real went from {self.before.value * 100:.1f} to {self.after.value * 100:.1f} %"
        if self.weaker:
            return f"weaker attacker: {went}, but less was tried: {'; '.join(self.weaker)}"
        return f"other goals: {went}, but not on the {self.paired.n} goals that both runs have"

    def need(self) -> None:
        """Go on only where a rise of `real`, if there is one, may be reported.

        Raises:
            WeakerAttackerError: It rose, and less was tried, or easier goals.
        """
        if self.finding is not None:
            raise WeakerAttackerError(self.finding)

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {
            "attacker": str(self.attacker),
            "weaker": list(self.weaker),
            "stronger": list(self.stronger),
            "before": self.before.to_document(),
            "after": self.after.to_document(),
            "risen": self.risen,
            "finding": self.finding,
            "differences": [
                {
                    "what": each.what,
                    **each.change.to_document(),
                    "p_holm": each.p_holm,
                    "says": each.says,
                }
                for each in self.differences
            ],
        }


def compare(before: Run, after: Run) -> Change:
    """What changed between two runs of one safeguard, or between two safeguards.

    Raises:
        OutcomesError: They have no goal, or no strategy, in common.
    """
    return compare_all({"": (before, after)})[""]


def compare_all(runs: Mapping[str, tuple[Run, Run]]) -> Mapping[str, Change]:
    """The same for several (kinds of deployment, layer sets) at once: p-values are adjusted over all of them (Holm).

    Raises:
        OutcomesError: Two runs have no goal, or no strategy, in common.
    """
    found = {name: _differences(*both) for name, both in runs.items()}
    adjusted = holm(
        {f"{name}/{what}": each.p for name, parts in found.items() for what, each in parts.items()}
    )
    return {
        name: Change(
            weaker=_beside(before, after, "lacks"),
            stronger=_beside(after, before, "also has"),
            before=real(before.outcomes),
            after=real(after.outcomes),
            differences=tuple(
                Difference(what=what, change=each, p_holm=adjusted[f"{name}/{what}"])
                for what, each in found[name].items()
            ),
        )
        for name, (before, after) in runs.items()
    }


def _differences(before: Run, after: Run) -> dict[str, Paired]:
    strategies = before.strategies & after.strategies
    goals = [goal for goal in before.outcomes.goals if goal in set(after.outcomes.goals)]
    if not strategies or not goals:
        raise OutcomesError("expected goals and strategies that both runs have: the design is paired")
    first, second = (_in_order(run.common(strategies), goals) for run in (before, after))
    parts = {REAL: pair(first.survives, second.survives, first.clusters)}
    if first.naive is not None and first.naive == second.naive:
        parts[APPARENT] = pair(first.seems, second.seems, first.clusters)
    tasks = [task for task in before.work if task in after.work]
    if tasks:
        then, now = (np.array([run.work[task] for task in tasks], dtype=np.bool_) for run in (before, after))
        parts[FALSE_STOPS] = pair(then, now)
    return parts


def _in_order(outcomes: Outcomes, goals: list[str]) -> Outcomes:
    where = {goal: i for i, goal in enumerate(outcomes.goals)}
    rows = [where[goal] for goal in goals]
    return Outcomes(
        goals=tuple(goals),
        strategies=outcomes.strategies,
        breached=outcomes.breached[rows],
        naive=outcomes.naive,
        clusters=tuple(outcomes.clusters[i] for i in rows) if outcomes.clusters else (),
    )


def _beside(first: Run, second: Run, verb: str) -> tuple[str, ...]:
    """What the first run's attacker has and the second one's hasn't, said with `verb`."""
    reasons = []
    for what, more in (
        ("strategies", first.strategies - second.strategies),
        ("access", first.access - second.access),
        ("goals", set(first.outcomes.goals) - set(second.outcomes.goals)),
    ):
        if more:
            named = ", ".join(f"`{each}`" for each in sorted(more)[:_NAMED])
            rest = f" and {len(more) - _NAMED} more" if len(more) > _NAMED else ""
            reasons.append(f"{verb} {what} {named}{rest}")
    if second.attempts < first.attempts:
        reasons.append(f"{verb} {first.attempts - second.attempts} of {first.attempts} attempts")
    return tuple(reasons)
