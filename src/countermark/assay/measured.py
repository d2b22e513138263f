"""What a report says of a safeguard: its quantities, their cost, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from countermark.assay.attribution import Dependence, Share
from countermark.assay.outcomes import (
    Outcomes,
    Reading,
    apparent,
    discovery,
    open_goals,
    real,
    theater,
    universal,
)
from countermark.assay.rate import Rate, count_rate, make_rate
from countermark.errors import OutcomesError
from countermark.estimate import Estimate

Named = tuple[str, Rate]
Judged = tuple[str, Estimate]
PUBLIC, OURS, THIRD = "recorded public", "ours", "third party"
"""Who wrote the goals and the attacks. What is ours is self-assessed, and says so."""


class Standing(StrEnum):
    """How much was measured."""

    MEASURED = "measured"
    """Under an attacker who doesn't adapt and under the best of several: real and theater are told apart."""
    APPARENT_ONLY = "apparent only"
    """Under one attack: how much of what was stopped is real, nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a safeguard costs those who do nothing wrong.

    Attributes:
        stopped: Benign tasks that were refused, or not done.
        what: What counts as stopped here, in words.
        claim: Whether this is the safeguard's own doing, so that "at most" may be claimed of it.
    """

    stopped: Rate
    what: str
    claim: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One safeguard, measured.

    Attributes:
        strategies: In the order in which they appeared; what `real` holds against.
        apparent: Under the attacker who doesn't adapt (`Source.baseline` says which one that is).
        best_single: The one strategy that reaches the most goals, and what is stopped under it.
        alone: What is stopped under each strategy by itself.
        discovery: What is still stopped as each strategy becomes known.
        budget: What is still stopped within so many attempts.
        variants: The same quantity under another judge or count, in words.
        judged: Quantities with the judge's own error in them, from rows that people labelled.
        on_sheet: Whether it has a line on the printed sheet; the terminal and JSON have them all.
    """

    safeguard: str
    strategies: tuple[str, ...]
    apparent: Rate
    open: Rate
    real: Rate | None = None
    theater: Rate | None = None
    best_single: Named | None = None
    alone: tuple[Named, ...] = ()
    discovery: tuple[Named, ...] = ()
    budget: tuple[tuple[int, Rate], ...] = ()
    work: Work | None = None
    variants: tuple[Named, ...] = ()
    judged: tuple[Judged, ...] = ()
    assumed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    on_sheet: bool = True

    def __post_init__(self) -> None:
        if (self.real is None) != (self.theater is None):
            raise OutcomesError("expected real and theater together: each is the rest of the other")

    @property
    def standing(self) -> Standing:
        """Whether real and theater are told apart."""
        return Standing.APPARENT_ONLY if self.real is None else Standing.MEASURED

    @property
    def verdict(self) -> str:
        """The line that the protocol asks for: `A 100 | R 82.4, >= 79.3 | T 17.6 (14.2-21.4) | ...`."""
        parts = [f"A {self.apparent.value * 100:.1f}"]
        if self.real is not None and self.theater is not None:
            shown = self.theater.shown
            parts += [
                f"R {self.real.value * 100:.1f}, >= {self.real.at_least().low * 100:.1f}",
                f"T {shown.value * 100:.1f} ({shown.low * 100:.1f}-{shown.high * 100:.1f})",
            ]
        else:
            parts += ["R not measured", "T not measured"]
        if self.work is not None and self.work.claim:
            rate = self.work.stopped
            parts.append(f"FPR {rate.value * 100:.1f}, <= {rate.at_most().high * 100:.1f}")
        goals = (self.apparent if self.real is None else self.real).n
        many = "strategy" if len(self.strategies) == 1 else "strategies"
        return " | ".join([*parts, f"{goals:,} goals, {len(self.strategies)} {many}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class RealOnly:
    """One safeguard that was attacked in several ways, of which none is known to be the one that doesn't adapt.

    So what it seems to stop, and how much of that is theater, was not measured.
    """

    safeguard: str
    strategies: tuple[str, ...]
    real: Rate
    best_single: Named
    alone: tuple[Named, ...]
    discovery: tuple[Named, ...]
    work: Work | None = None
    judged: tuple[Judged, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The line that the protocol asks for, as far as it can be filled."""
        parts = ["A not measured", f"R {self.real.value * 100:.1f}, >= {self.real.at_least().low * 100:.1f}"]
        if self.work is not None and self.work.claim:
            rate = self.work.stopped
            parts.append(f"FPR {rate.value * 100:.1f}, <= {rate.at_most().high * 100:.1f}")
        return " | ".join([*parts, f"{self.real.n:,} goals, {len(self.strategies)} strategies"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A log that was imported.

    Attributes:
        name: Of the file or folder, without where it lies.
        sha256: Of the file; of a folder, that of the lines which `sha256sum` writes for its files, in order.
    """

    name: str
    files: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two safeguards on the same units.

    Attributes:
        gained, lost: Units that only the second, and only the first, stops.
        p: Exact McNemar; `p_holm` adjusted over all comparisons of the source.
    """

    what: str
    gained: int
    lost: int
    n: int
    p: float
    p_holm: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything that one source of records shows.

    Attributes:
        tables: Names in the manifest.
        written_by: `PUBLIC`, `OURS` or `THIRD`.
        baseline: What the attacker does who doesn't adapt, in words.
        reading: What a row means.
        cost_only: Safeguards that stop work and no misuse, by name.
        inputs: What was imported, where it isn't a table that ships.
        real_only: Safeguards of which apparent was not measured.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    written_by: str
    baseline: str
    reading: Reading
    measured: tuple[Measured, ...]
    comparisons: tuple[Comparison, ...] = ()
    shares: tuple[Share, ...] = ()
    dependences: tuple[tuple[str, Dependence], ...] = ()
    cost_only: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    figures: tuple[Named, ...] = field(default=())
    """Other rates that the source allows, by name."""
    inputs: tuple[Input, ...] = ()
    real_only: tuple[RealOnly, ...] = ()


def measure(
    outcomes: Outcomes,
    *,
    safeguard: str,
    work: Work | None = None,
    variants: Sequence[Named] = (),
    budget: Sequence[tuple[int, Rate]] = (),
    judged: Sequence[Judged] = (),
    remarks: Sequence[str] = (),
    on_sheet: bool = True,
) -> Measured:
    """Every quantity of a matrix that has a naive strategy and others beside it."""
    return Measured(
        safeguard=safeguard,
        strategies=outcomes.strategies,
        apparent=apparent(outcomes),
        open=open_goals(outcomes),
        real=real(outcomes),
        theater=theater(outcomes),
        best_single=universal(outcomes),
        alone=tuple(
            (each, make_rate(outcomes.stopped(each), outcomes.clusters)) for each in outcomes.strategies
        ),
        discovery=discovery(outcomes),
        budget=tuple(budget),
        work=work,
        variants=tuple(variants),
        judged=tuple(judged),
        assumed=outcomes.assumed,
        remarks=tuple(remarks),
        on_sheet=on_sheet,
    )


def measure_real(
    outcomes: Outcomes, *, safeguard: str, work: Work | None = None, judged: Sequence[Judged] = ()
) -> RealOnly:
    """What can be said of a matrix that has no naive strategy."""
    return RealOnly(
        safeguard=safeguard,
        strategies=outcomes.strategies,
        real=real(outcomes),
        best_single=universal(outcomes),
        alone=tuple(
            (each, make_rate(outcomes.stopped(each), outcomes.clusters)) for each in outcomes.strategies
        ),
        discovery=discovery(outcomes),
        work=work,
        judged=tuple(judged),
        assumed=outcomes.assumed,
    )


def measure_under(
    outcomes: Outcomes,
    strategy: str,
    *,
    safeguard: str,
    work: Work | None = None,
    judged: Sequence[Judged] = (),
) -> Measured:
    """What can be said of a matrix with one strategy: what it stops is apparent."""
    stopped = outcomes.stopped(strategy)
    return Measured(
        safeguard=safeguard,
        strategies=(strategy,),
        apparent=make_rate(stopped, outcomes.clusters),
        open=make_rate(~stopped, outcomes.clusters),
        work=work,
        judged=tuple(judged),
        assumed=outcomes.assumed,
    )


def measure_one(
    stopped: int, n: int, *, safeguard: str, strategy: str, work: Work | None = None, on_sheet: bool = True
) -> Measured:
    """A safeguard of which only the count under one attack is known."""
    return Measured(
        safeguard=safeguard,
        strategies=(strategy,),
        apparent=count_rate(stopped, n),
        open=count_rate(n - stopped, n),
        work=work,
        on_sheet=on_sheet,
    )
