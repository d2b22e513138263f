"""What recorded reviews say of reviewers: how much misuse they stop, how much work, how well they tell them apart.

Only planted cases are known to be misuse, so hits are counted on them. The rest is taken as work, though some of it may be
misuse: the share of it that is stopped is at least as high as the rate of false alarms.

A case without a verdict counts against the reviewers: planted ones passed, others were stopped. Each of them is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from countermark.assay.rate import Rate, make_rate
from countermark.assay.supervision.reviews import VISIBLE_IN, Review
from countermark.assay.supervision.signal import Index, detection
from countermark.errors import NothingMeasuredError

Bools = NDArray[np.bool_]
ENOUGH_SEEDED = 100
"""Planted cases for each reviewer: a person's hit rate is then known to ten points either way. With fewer: pool, and say so."""
SHIFT = (("0-29 min", 0.0), ("30-59 min", 30.0), ("60-119 min", 60.0), ("120 min on", 120.0))
"""Vigilance falls within the first half hour at a screen (Mackworth 1948), so that is the first part."""

_ORDER = {"shift": tuple(name for name, _ in SHIFT), "visible_in": VISIBLE_IN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """A median of times, with its exact interval by order statistics; ends are None where the cases are too few.

    Source: H. A. David, H. N. Nagaraja (2003), Order Statistics, section 7.1.
    """

    median: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        ends = "" if self.low is None or self.high is None else f" ({self.low:.3g}-{self.high:.3g})"
        return f"{self.median:.3g} s{ends}"

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {"median": self.median, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vigilance:
    """Figures of some reviews. What they don't hold cases for is None: not measured, which is not 0.

    Attributes:
        hit: Share of planted misuse that was stopped.
        rubber_stamp: Share of it that was approved: 1 - hit.
        false_alarm: Share of the rest that was stopped.
    """

    cases: int
    hit: Rate | None
    rubber_stamp: Rate | None
    false_alarm: Rate | None
    d_prime: Index | None
    criterion: Index | None
    seconds: Seconds | None

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        named = ("hit", "rubber_stamp", "false_alarm", "d_prime", "criterion", "seconds")
        figures = {name: getattr(self, name) for name in named}
        return {
            "cases": self.cases,
            **{name: None if each is None else each.to_document() for name, each in figures.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Everything that recorded reviews say.

    Attributes:
        parts: By what they differ in (`prevalence`, `shift`, `visible_in`, `strategy`, `reviewer`), then by label; an axis
            that nobody recorded is left out.
        stamped: Times of planted misuse that was approved: how long a rubber stamp takes.
        assumed: Cases without a verdict.
        remarks: What these figures don't say.
    """

    whole: Vigilance
    parts: Mapping[str, Mapping[str, Vigilance]]
    stamped: Seconds | None
    assumed: tuple[str, ...]
    remarks: tuple[str, ...]

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {
            "whole": self.whole.to_document(),
            "parts": {
                axis: {label: each.to_document() for label, each in parts.items()}
                for axis, parts in self.parts.items()
            },
            "seconds_when_planted_misuse_was_approved": (
                None if self.stamped is None else self.stamped.to_document()
            ),
            "assumed": list(self.assumed),
            "remarks": list(self.remarks),
        }


def measure_reviews(reviews: Sequence[Review]) -> Recorded:
    """Count what reviewers did.

    Raises:
        NothingMeasuredError: No review, or no planted misuse among them: nobody knows what they miss.
    """
    if not any(each.seeded_bad for each in reviews):
        raise NothingMeasuredError(
            "expected planted misuse (seeded_bad) among the reviews: without it nobody knows what is missed"
        )
    axes: dict[str, Callable[[Review], str]] = {
        "prevalence": lambda each: "" if each.prevalence is None else f"{each.prevalence * 100:.3g} %",
        "shift": _shift,
        "visible_in": lambda each: each.visible_in,
        "strategy": lambda each: each.strategy,
        "reviewer": lambda each: each.reviewer,
    }
    parts = {}
    by_rarity = sorted(reviews, key=lambda each: each.prevalence or 0)
    for axis, label in axes.items():
        found = _by(by_rarity if axis == "prevalence" else reviews, label, order=_ORDER.get(axis, ()))
        if axis in (
            "visible_in",
            "strategy",
        ):  # these are said of planted misuse only: all the rest is the work beside it
            rest = [each for each in reviews if not each.seeded_bad]
            found = {
                name: [*(each for each in some if each.seeded_bad), *rest] for name, some in found.items()
            }
        if found:
            parts[axis] = {name: _vigilance(some) for name, some in found.items()}
    return Recorded(
        whole=_vigilance(reviews),
        parts=parts,
        stamped=_seconds([each for each in reviews if each.seeded_bad and not each.stopped]),
        assumed=tuple(
            f"{each.case} / {each.reviewer}: no verdict, counted as {'passed' if each.seeded_bad else 'stopped'}"
            for each in reviews
            if each.stopped is None
        ),
        remarks=_remarks(reviews),
    )


def _by(
    reviews: Sequence[Review], label: Callable[[Review], str], *, order: Sequence[str] = ()
) -> dict[str, list[Review]]:
    """Reviews by label, those in `order` first, the others as they first occur."""
    found: dict[str, list[Review]] = {name: [] for name in order}
    for each in reviews:
        if label(each):
            found.setdefault(label(each), []).append(each)
    return {name: some for name, some in found.items() if some}


def _shift(review: Review) -> str:
    if review.minute is None:
        return ""
    return next(name for name, begins in reversed(SHIFT) if review.minute >= begins)


def _vigilance(reviews: Sequence[Review]) -> Vigilance:
    misuse = np.array([each.seeded_bad for each in reviews], dtype=np.bool_)
    stopped = np.array([_stopped(each) for each in reviews], dtype=np.bool_)
    reviewers = tuple(each.reviewer for each in reviews)
    named = tuple((each,) for each in reviewers)
    hit, rubber, alarm, both = None, None, None, None
    if misuse.any():
        hit, rubber = _rate(stopped, misuse, named), _rate(~stopped, misuse, named)
    if (~misuse).any():
        alarm = _rate(stopped, ~misuse, named)
    if hit is not None and alarm is not None:
        both = detection(stopped, misuse, reviewers)
    return Vigilance(
        cases=len(reviews),
        hit=hit,
        rubber_stamp=rubber,
        false_alarm=alarm,
        d_prime=None if both is None else both[0],
        criterion=None if both is None else both[1],
        seconds=_seconds(reviews),
    )


def _stopped(review: Review) -> bool:
    return not review.seeded_bad if review.stopped is None else review.stopped


def _rate(stopped: Bools, among: Bools, reviewers: Sequence[tuple[str, ...]]) -> Rate:
    return make_rate(stopped[among], tuple(of for of, kept in zip(reviewers, among, strict=True) if kept))


def _seconds(reviews: Sequence[Review]) -> Seconds | None:
    times = sorted(each.seconds for each in reviews if each.seconds is not None)
    if not times:
        return None
    n = len(times)
    rank = int(special.bdtrik(0.025, n, 0.5)) + 1 if n > 5 else 0  # 2.5 % at each end take six cases
    while rank and special.bdtr(rank - 1, n, 0.5) > 0.025:
        rank -= 1
    ends = (times[rank - 1], times[n - rank]) if rank else (None, None)
    return Seconds(median=float(np.median(times)), low=ends[0], high=ends[1], n=n)


def _remarks(reviews: Sequence[Review]) -> tuple[str, ...]:
    seeded = _by([each for each in reviews if each.seeded_bad], lambda each: each.reviewer)
    few = [
        each
        for each in dict.fromkeys(r.reviewer for r in reviews)
        if len(seeded.get(each, ())) < ENOUGH_SEEDED
    ]
    said = [
        "What was not planted is taken as work; where some of it is misuse, there are fewer false alarms than shown."
    ]
    if few:
        said.append(
            f"{len(few)} of {len({r.reviewer for r in reviews})} reviewers judged fewer than {ENOUGH_SEEDED} planted cases: "
            "believe the pooled figures, not theirs."
        )
    if not any(each.strategy or each.visible_in for each in reviews):
        said.append(
            "How planted cases were disguised was not recorded: against misuse that looks like work, expect fewer hits."
        )
    return tuple(said)
