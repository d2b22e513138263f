"""What supervision of a site can expect, in words, for the terminal."""

from __future__ import annotations

import math

from countermark.assay.supervision.calculator import CONFIDENCE, ON_TASK_S, WITHIN_DAYS, Expected, Headcount

_AFTER = "what is recognised after its effect is not undone"


def render(found: Expected, *, with_access: Expected | None = None) -> str:
    """One paragraph and a table.

    Args:
        with_access: The same site, if supervisors were let in; shown for a site where they aren't.
    """
    site = found.site
    lines = [
        f"{site.per_day:,g} requests a day, {found.misuse_per_day:,.3g} of them misuse "
        f"({_share(site.prevalence)})."
    ]
    if not site.access:
        lines += [
            "No access: supervisors see nothing of what happens at this site. The chance that they catch a misuse is 0, in",
            f"{WITHIN_DAYS} days and in any number of days, whatever they would recognise and however many they are.",
        ]
        if with_access is not None:
            lines += [
                f"Let in, to look at {_share(site.seen)}, they would have a chance of {_percent(with_access.chance)} in "
                f"{WITHIN_DAYS} days: what a site keeps from them costs all of it."
            ]
        return "\n".join(lines)
    lines += [
        f"Supervisors look at {_share(site.seen)} and recognise {_share(site.hit)} of the misuse that they look at: "
        f"{_share(site.caught)} of all misuse.",
        "",
        f"first catch     {_first(found)}",
        f"in {WITHIN_DAYS} days      {_percent(found.chance)} to catch at least one",
        f"until then      {_number(found.passed)} misuses go through on average; {_AFTER}",
        f"alarms          {_alarms(found)}",
        f"people          {_people('to look at so much', found.now)}",
        f"                {_people(f'{CONFIDENCE:.0%} to catch one in {WITHIN_DAYS} days', found.once)}",
        f"                {_people(f'{CONFIDENCE:.0%} to catch any given one', found.each)}",
        "",
        f"Assumed: {site.seconds_per_case:g} s a case and {ON_TASK_S / 3600:g} h a day at the screen, so "
        f"{site.cases_per_reviewer:,.0f} cases per reviewer and day; requests are seen at",
        "random and recognised independently. Who knows what is looked at, or misdescribes what he does, is caught less.",
    ]
    return "\n".join(lines)


def _first(found: Expected) -> str:
    if math.isinf(found.days_mean):
        return "never"
    mean, median, most = (_number(each) for each in (found.days_mean, found.days_median, found.days_95))
    return f"after {mean} days (mean); half of the time within {median}, 95 % of the time within {most}"


def _alarms(found: Expected) -> str:
    if found.alarms_per_day is None:
        return "not known how many are false: say it with --false-alarm"
    if found.precision is None:
        return "none"
    return f"{_number(found.alarms_per_day)} a day, of which {_percent(found.precision)} are misuse"


def _people(what: str, count: Headcount) -> str:
    if count.reviewers is None or count.seen is None:
        return f"{what}: no number is enough, {count.why_not}"
    return f"{what}: {count.reviewers:,} reviewers, who look at {_share(count.seen)}"


def _share(rate: float) -> str:
    """A rate in percent, or one in so many where that is short: 5 %, 1 in 100,000."""
    if 0 < rate < 0.001:
        return f"1 in {1 / rate:,.0f}"
    return f"{rate * 100:.3g} %"


def _percent(rate: float) -> str:
    """With a decimal; never rounded to a certainty that is none."""
    if 0 < rate < 0.001:
        return f"{rate * 100:.2g} %"
    if 0.999 < rate < 1:
        return "over 99.9 %"
    return f"{rate * 100:.1f} %"


def _number(number: float) -> str:
    if math.isinf(number):
        return "all"
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
