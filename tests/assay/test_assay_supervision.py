"""Supervisors: what they can be expected to catch, and supervisors as a layer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from countermark.assay.supervision.calculator import WITHIN_DAYS, Site, chance, expect
from countermark.assay.supervision.simulated import CONTENT, CONTEXT, NEITHER, Supervisors, shows_under
from countermark.cli.assay import assay
from countermark.errors import EstimateError

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "assay-supervision.md"
ASKED = ("--per-day", 100000, "--seen", 0.05, "--hit", 0.6, "--prevalence", 0.00001)
rates = st.floats(0, 1)


def run(*arguments: object, code: int = 0) -> Result:
    """Run `countermark assay supervision`."""
    result = CliRunner().invoke(assay, ["supervision", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def document(*arguments: object, code: int = 0) -> Any:
    """The one JSON document that it prints."""
    return json.loads(run(*arguments, "--json", code=code).stdout)


def site(**changed: object) -> Site:
    """100,000 requests a day, one of them misuse, 5 % seen, 60 % recognised."""
    fields = {"per_day": 100_000, "seen": 0.05, "hit": 0.6, "prevalence": 1e-5, **changed}
    return Site(**fields)  # type: ignore[arg-type]


def test_the_page_shows_what_the_command_prints() -> None:
    """The how-to's example is the command's own output."""
    page = HOW_TO.read_text(encoding="utf-8")
    shown = page.split("```text\n")[1].split("```")[0]
    assert run(*ASKED, "--false-alarm", 0.02).stdout == shown


def test_expected_days_are_those_of_the_geometric_distribution() -> None:
    """Mean, median and 95 % quantile equal scipy.stats.geom, the chance equals scipy.stats.binom."""
    found, q = expect(site()), 1e-5 * 0.05 * 0.6
    assert found.days_mean == pytest.approx(stats.geom.mean(q) / 100_000)
    assert found.days_median == pytest.approx(stats.geom.ppf(0.5, q) / 100_000)
    assert found.days_95 == pytest.approx(stats.geom.ppf(0.95, q) / 100_000)
    assert found.chance == pytest.approx(1 - stats.binom.pmf(0, 100_000 * 90, q))
    assert found.passed == pytest.approx(stats.geom.mean(0.03) - 1)


def test_a_catch_is_at_a_whole_request() -> None:
    """With one request a day and 30 % caught, half of the first catches are within 2 days; what is certain takes one."""
    found = expect(site(per_day=1, seen=1, hit=1, prevalence=0.3))
    assert (found.days_median, found.days_95) == (2, 9)
    sure = expect(site(per_day=4, seen=1, hit=1, prevalence=1))
    assert (sure.days_mean, sure.days_median, sure.days_95, sure.chance, sure.passed) == (
        0.25,
        0.25,
        0.25,
        1,
        0,
    )
    assert chance(1, 0) == 0


def test_the_first_catch_in_seeded_sites_is_where_it_is_expected() -> None:
    """Over 3,000 played sites the first catch falls within the stated quantiles as often as stated (exact binomial 99.9 %)."""
    rng, found = np.random.default_rng(7), expect(site(per_day=200, seen=0.2, hit=0.7, prevalence=0.01))
    days = (
        np.array(
            [1 + np.argmax(rng.random(20_000) < 0.01 * 0.2 * 0.7) for _ in range(3000)], dtype=np.float64
        )
        / 200
    )
    for days_at, level in ((found.days_median, 0.5), (found.days_95, 0.95)):
        held = int((days <= days_at).sum())
        assert stats.binomtest(held, 3000, level).pvalue > 0.001, (held, level)
    assert days.mean() == pytest.approx(found.days_mean, rel=4 / math.sqrt(3000))


def test_most_alarms_are_false_where_misuse_is_rare() -> None:
    """At 1 in 100,000 and 2 % false alarms 3 of 10,000 alarms are right: p h / (p h + (1 - p) f)."""
    found = expect(site(false_alarm=0.02))
    assert found.precision == pytest.approx(6e-6 / (6e-6 + (1 - 1e-5) * 0.02))
    assert found.alarms_per_day == pytest.approx(100, rel=0.01)
    assert expect(site()).precision is None
    assert expect(site(false_alarm=0, prevalence=0)).precision is None


def test_headcount_is_what_reaches_the_chance() -> None:
    """With so many reviewers the chance is 95 % at least, and with one less it isn't."""
    found = expect(site())
    assert found.once.reviewers is not None
    for reviewers, enough in ((found.once.reviewers, True), (found.once.reviewers - 1, False)):
        seen = reviewers * site().cases_per_reviewer / 100_000
        assert (chance(1e-5 * seen * 0.6, 100_000 * WITHIN_DAYS) >= 0.95) is enough
    assert found.now.reviewers == 34  # 5,000 cases, 150 each
    assert expect(site(seconds_per_case=60)).now.reviewers == 17


def test_no_number_of_people_makes_up_for_what_they_do_not_recognise() -> None:
    """A hit rate of 60 % never catches 95 % of misuse; misuse so rare that all requests seen don't do has no headcount."""
    assert expect(site()).each.reviewers is None
    assert expect(site(hit=0.97)).each.reviewers == 653
    rare = expect(site(prevalence=1e-9)).once
    assert rare.reviewers is None
    assert rare.why_not == "even if they saw every request, the chance would be 0.5 %"
    assert expect(site(hit=0.95)).each.seen == 1


def test_whole_numbers_of_people_are_not_rounded_up() -> None:
    """3,000 cases at 150 each are 20 people; a case may take a whole day, and then each person has one."""
    assert expect(site(seen=0.03)).now.reviewers == 20
    assert expect(site(per_day=10, seen=0.5, seconds_per_case=18_000)).now.reviewers == 5
    shown = expect(site()).to_document()["reviewers"]
    assert shown["now"] == {"seen": 0.05, "reviewers": 34, "why_not": None}
    assert shown["catch_each"]["why_not"] == "even of what they see, they recognise 60 %"


def test_without_access_the_chance_is_nothing() -> None:
    """Whatever the other numbers: chance 0, never a catch, no headcount; said in words, beside what access would give."""
    found = expect(site(access=False, false_alarm=0.02))
    assert (found.chance, found.days_mean, found.alarms_per_day) == (0, math.inf, 0)
    assert found.now.reviewers is found.once.reviewers is found.each.reviewers is None
    text = run(*ASKED, "--no-access").stdout
    assert "The chance that they catch a misuse is 0" in text
    assert "a chance of 93.3 % in 90 days" in text
    bare = run("--per-day", 100, "--prevalence", 0.01, "--no-access").stdout
    assert "is 0" in bare
    shown = document(*ASKED, "--no-access")
    assert (shown["chance"], shown["days_to_first_catch"]["mean"]) == (0, None)


@given(rates, rates, rates, st.floats(1, 1e6), rates)
def test_more_seen_is_never_less_caught(
    seen: float, more: float, hit: float, per_day: float, p: float
) -> None:
    """chance, and 1 / days, rise with the share that is seen; chance is in 0 to 1; JSON has no infinite number."""
    low, high = sorted((seen, more))
    first, second = (expect(site(seen=each, hit=hit, per_day=per_day, prevalence=p)) for each in (low, high))
    assert 0 <= first.chance <= second.chance <= 1
    assert first.days_mean >= second.days_mean
    assert first.days_median <= first.days_95
    json.dumps(first.to_document(), allow_nan=False)


BAD = {
    "seen in percent": ({"seen": 5}, "`seen` as a rate from 0 to 1 (0.05 for 5 %), got `5`"),
    "a negative hit rate": ({"hit": -0.1}, "`hit` as a rate"),
    "prevalence that is no number": ({"prevalence": math.nan}, "`prevalence` as a rate"),
    "false alarms over 1": ({"false_alarm": 1.5}, "`false_alarm` as a rate"),
    "no requests": ({"per_day": 0}, "more than 0 requests"),
    "endless requests": ({"per_day": math.inf}, "more than 0 requests"),
    "no time for a case": ({"seconds_per_case": 0}, "seconds per case over 0"),
    "more than a day for a case": ({"seconds_per_case": 1e6}, "seconds per case over 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_numbers_that_cannot_be_are_refused(case: str) -> None:
    """Each with a message that says which, and what it should be."""
    changed, says = BAD[case]
    with pytest.raises(EstimateError) as caught:
        site(**changed)
    assert says in str(caught.value)


def test_the_command_assumes_nothing_of_a_site() -> None:
    """What is missing is named; reviews and expectations are not mixed; errors are JSON for who asked for JSON."""
    assert "--seen, --hit, --prevalence" in run("--per-day", 5, code=2).stderr
    assert "alone, got --per-day" in run("--per-day", 5, "--recorded", HOW_TO, code=2).stderr
    assert document(*ASKED[:-1], 7, code=2)["error"]["type"] == "EstimateError"


def layer(**changed: object) -> Supervisors:
    """Supervisors who look at half, recognise 80 % of what shows and report 5 % of work."""
    fields = {"coverage": 0.5, "hit": 0.8, "false_alarm": 0.05, "seed": 3, **changed}
    return Supervisors(**fields)  # type: ignore[arg-type]


FIRST_STOPPED = [0, 1, 4, 6, 11, 12, 15, 17, 18, 19, 22, 23, 24, 27, 30, 32, 37, 38]
EXPECTED = {
    "content": (True, CONTENT, 0.4),
    "context, which they don't see": (True, CONTEXT, 0.025),
    "neither": (True, NEITHER, 0.025),
    "work": (False, CONTENT, 0.025),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_the_hit_rate_goes_by_where_misuse_shows(case: str) -> None:
    """Coverage times the rate for that place, over 4,000 requests (exact binomial test at 0.1 %)."""
    misuse, visible_in, share = EXPECTED[case]
    stopped = sum(layer().stopped(f"r{i}", misuse=misuse, visible_in=visible_in) for i in range(4000))
    assert stats.binomtest(stopped, 4000, share).pvalue > 0.001, stopped


@given(st.integers(-(2**62), 2**62), st.text(), rates, st.lists(rates, min_size=3, max_size=3))
def test_people_who_see_only_text_do_not_tell_twins_apart(
    seed: int, request: str, coverage: float, three: list[float]
) -> None:
    """For every seed, request, coverage and hit rate: stopped(misuse at neither) == stopped(work of the same bytes)."""
    false_alarm, context, hit = sorted(three)
    people = layer(seed=seed, coverage=coverage, hit=hit, false_alarm=false_alarm, context_hit=context)
    assert people.stopped(request, misuse=True, visible_in=NEITHER) == people.stopped(request, misuse=False)
    blind = layer(seed=seed, coverage=coverage, hit=hit, false_alarm=false_alarm)
    hidden = shows_under(CONTENT, misdescribed=True)
    assert blind.stopped(request, misuse=True, visible_in=hidden) == blind.stopped(request, misuse=False)


@given(st.text(), st.lists(rates, min_size=2, max_size=2), st.lists(rates, min_size=2, max_size=2))
def test_layers_of_one_seed_are_paired(request: str, coverages: list[float], hits: list[float]) -> None:
    """More coverage or a higher hit rate stops all that was stopped before; one seed gives one answer."""
    (few, many), (low, high) = sorted(coverages), sorted(hits)
    weak = layer(coverage=few, hit=low, false_alarm=0)
    strong = layer(coverage=many, hit=high, false_alarm=0)
    assert weak.stopped(request, misuse=True, visible_in=CONTENT) <= strong.stopped(
        request, misuse=True, visible_in=CONTENT
    )
    assert weak.see(request, misuse=True) == layer(coverage=few, hit=low, false_alarm=0).see(
        request, misuse=True
    )


def test_draws_are_the_same_on_every_machine() -> None:
    """Which of the first requests are stopped is fixed for a seed, and another for another one."""
    stopped = [i for i in range(40) if layer().stopped(f"r{i}", misuse=True, visible_in=CONTENT)]
    assert stopped == FIRST_STOPPED
    assert stopped != [
        i for i in range(40) if layer(seed=4).stopped(f"r{i}", misuse=True, visible_in=CONTENT)
    ]


def test_who_looks_afterwards_stops_nothing() -> None:
    """They report as before, and nothing is stopped."""
    late, early = layer(before_effect=False), layer()
    seen = [late.see(f"r{i}", misuse=True, visible_in=CONTENT) for i in range(50)]
    assert any(each.reported for each in seen)
    assert not any(each.stopped for each in seen)
    assert [each.reported for each in seen] == [
        early.stopped(f"r{i}", misuse=True, visible_in=CONTENT) for i in range(50)
    ]


def test_a_strategy_of_misdescription_takes_misuse_out_of_the_content() -> None:
    """What showed in the content no longer does; what only the context shows still does."""
    assert [shows_under(each, misdescribed=True) for each in (CONTENT, CONTEXT, NEITHER)] == [
        CONTEXT,
        CONTEXT,
        NEITHER,
    ]
    assert shows_under(CONTENT, misdescribed=False) == CONTENT


def test_reports_that_say_the_opposite_are_refused() -> None:
    """A hit rate below that of false alarms, rates out of range and unknown places are errors."""
    for changed in (
        {"hit": 0.01},
        {"coverage": 2},
        {"context_hit": 0.9},
        {"context_hit": 0.01},
        {"hit": math.nan},
    ):
        with pytest.raises(EstimateError):
            layer(**changed)
    with pytest.raises(EstimateError, match="visible_in"):
        layer().stopped("r", misuse=True, visible_in="somewhere")
