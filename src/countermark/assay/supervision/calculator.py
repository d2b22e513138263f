"""How long supervision takes to catch a misuse, and how many people it takes; before anybody is hired.

Each request is a trial. It is caught where it is misuse, and is seen, and is recognised:

    q = prevalence x seen x hit

The first catch is at request m with the chance (1 - q)^(m - 1) q (the geometric distribution), and at least one of m
requests is caught with the chance 1 - (1 - q)^m (the binomial one). Days are requests divided by requests per day. An
alarm is right with the chance p h / (p h + (1 - p) f), by Bayes' theorem; with rare misuse most alarms are false.

It is assumed that requests are seen at random and recognised independently. An attacker who knows which requests are seen,
or who misdescribes what he does, is caught less: use the hit rate that people have *under that* (`recorded.py`).

Source: W. Feller (1968), An Introduction to Probability Theory, vol. 1, chapter VI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermark.errors import EstimateError

SECONDS_PER_CASE = 120.0
"""To read a request, look up the order or consent that it names, and decide. Reading alone takes less, and says nothing
about a twin."""
ON_TASK_S = 5 * 3600.0
"""A day's work at the screen. People watching for what is rare begin to miss it within half an hour (Mackworth 1948; Warm,
Parasuraman, Matthews 2008), so a shift of eight hours is some ten spells of half an hour, with other work between them."""
WITHIN_DAYS = 90
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is known, or assumed, of a site.

    Attributes:
        per_day: Requests.
        seen: Share of them that a supervisor looks at.
        hit: Share of the misuse that they look at which they recognise.
        prevalence: Share of requests that are misuse.
        false_alarm: Share of the work that they look at which they report; None where nobody knows.
        access: Whether supervisors see anything there at all; false at a classified or air-gapped site.
        seconds_per_case: To look at one request.

    Raises:
        EstimateError: A number that can't be; the message says which.
    """

    per_day: float
    seen: float
    hit: float
    prevalence: float
    false_alarm: float | None = None
    access: bool = True
    seconds_per_case: float = SECONDS_PER_CASE

    def __post_init__(self) -> None:
        for name in ("seen", "hit", "prevalence", "false_alarm"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= 1:  # NaN is no rate, either
                raise EstimateError(f"expected `{name}` as a rate from 0 to 1 (0.05 for 5 %), got `{rate:g}`")
        if not 0 < self.per_day < math.inf:
            raise EstimateError(f"expected more than 0 requests per day, got `{self.per_day:g}`")
        if not 0 < self.seconds_per_case <= ON_TASK_S:
            raise EstimateError(
                f"expected seconds per case over 0 and up to {ON_TASK_S:,.0f} (a day's work), got `{self.seconds_per_case:g}`"
            )

    @property
    def effective(self) -> float:
        """The share that they really see."""
        return self.seen if self.access else 0.0

    @property
    def caught(self) -> float:
        """Share of the misuse that is seen and recognised."""
        return self.effective * self.hit

    @property
    def cases_per_reviewer(self) -> float:
        """Cases that one reviewer looks at in a day."""
        return ON_TASK_S / self.seconds_per_case


@dataclass(frozen=True, slots=True, kw_only=True)
class Headcount:
    """How many reviewers a goal takes.

    Attributes:
        seen: The share of requests that they have to look at.
        reviewers: None where no number of them is enough.
        why_not: In words; empty where a number is enough.
    """

    seen: float | None
    reviewers: int | None
    why_not: str = ""


_BLIND = Headcount(seen=None, reviewers=None, why_not="nobody can look where nobody is let in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What such a site can expect.

    Attributes:
        days_mean, days_median, days_95: To the first catch; infinite where there is never one.
        chance: To catch at least one within `WITHIN_DAYS`.
        passed: Misuses that go through before the first one is caught, on average; infinite where none ever is.
        alarms_per_day, precision: What supervisors report, and how much of that is misuse; None where the false alarms
            are not known, or nothing is reported.
        now: People that it takes to look at the stated share.
        once: For `CONFIDENCE` to catch at least one within `WITHIN_DAYS`.
        each: For `CONFIDENCE` to catch any given misuse.
    """

    site: Site
    misuse_per_day: float
    days_mean: float
    days_median: float
    days_95: float
    chance: float
    passed: float
    alarms_per_day: float | None
    precision: float | None
    now: Headcount
    once: Headcount
    each: Headcount

    def to_document(self) -> Mapping[str, Any]:
        """For JSON; what is infinite or not known is null."""
        site = self.site
        return {
            "site": {
                "per_day": site.per_day,
                "seen": site.seen,
                "hit": site.hit,
                "prevalence": site.prevalence,
                "false_alarm": site.false_alarm,
                "access": site.access,
            },
            "assumed": {
                "seconds_per_case": site.seconds_per_case,
                "on_task_s": ON_TASK_S,
                "cases_per_reviewer_per_day": site.cases_per_reviewer,
            },
            "misuse_per_day": self.misuse_per_day,
            "share_of_misuse_caught": site.caught,
            "days_to_first_catch": {
                "mean": _finite(self.days_mean),
                "median": _finite(self.days_median),
                "within_95": _finite(self.days_95),
            },
            "within_days": WITHIN_DAYS,
            "chance": self.chance,
            "misuses_passed_before": _finite(self.passed),
            "alarms_per_day": self.alarms_per_day,
            "precision": self.precision,
            "reviewers": {
                name: {"seen": each.seen, "reviewers": each.reviewers, "why_not": each.why_not or None}
                for name, each in (("now", self.now), ("catch_one", self.once), ("catch_each", self.each))
            },
        }


def expect(site: Site) -> Expected:
    """What supervision of a site can be expected to catch."""
    q = site.prevalence * site.caught
    alarms, precision = _alarms(site)
    return Expected(
        site=site,
        misuse_per_day=site.per_day * site.prevalence,
        days_mean=math.inf if q == 0 else 1 / q / site.per_day,
        days_median=_days(site, q, 0.5),
        days_95=_days(site, q, CONFIDENCE),
        chance=chance(q, site.per_day * WITHIN_DAYS),
        passed=math.inf if q == 0 else (1 - site.caught) / site.caught,
        alarms_per_day=alarms,
        precision=precision,
        now=_count(site, site.effective) if site.access else _BLIND,
        once=_once(site),
        each=_each(site),
    )


def chance(q: float, requests: float) -> float:
    """The chance that at least one of so many requests is caught, when each is with the chance `q`."""
    if q >= 1:
        return 1.0 if requests > 0 else 0.0
    return -math.expm1(requests * math.log1p(-q))


def _days(site: Site, q: float, level: float) -> float:
    """Days within which the first catch falls with the chance `level`: the quantile of the geometric distribution."""
    if q == 0:
        return math.inf
    requests = 0.0 if q >= 1 else math.log1p(-level) / math.log1p(-q)
    whole = requests if math.isinf(requests) else max(1, math.ceil(requests - 1e-9))
    return whole / site.per_day


def _alarms(site: Site) -> tuple[float | None, float | None]:
    if site.false_alarm is None:
        return None, None
    right = site.prevalence * site.hit
    each = right + (1 - site.prevalence) * site.false_alarm
    alarms = site.per_day * site.effective * each
    return alarms, right / each if alarms > 0 else None


def _once(site: Site) -> Headcount:
    if not site.access:
        return _BLIND
    at_most = site.prevalence * site.hit  # what is caught of all requests when all are seen
    best = chance(at_most, site.per_day * WITHIN_DAYS)
    needed = -math.expm1(math.log1p(-CONFIDENCE) / (site.per_day * WITHIN_DAYS))
    if at_most < needed:
        why = f"even if they saw every request, the chance would be {best * 100:.1f} %"
        return Headcount(seen=None, reviewers=None, why_not=why)
    return _count(site, needed / at_most)


def _each(site: Site) -> Headcount:
    if not site.access:
        return _BLIND
    if site.hit < CONFIDENCE:
        why = f"even of what they see, they recognise {site.hit * 100:g} %"
        return Headcount(seen=None, reviewers=None, why_not=why)
    return _count(site, CONFIDENCE / site.hit)


def _count(site: Site, seen: float) -> Headcount:
    cases = site.per_day * seen / site.cases_per_reviewer
    return Headcount(seen=seen, reviewers=math.ceil(cases - 1e-9))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
