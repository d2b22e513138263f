"""Recorded reviews, their figures, and what a log tells of its holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from countermark.assay.supervision.holds import APPROVED, EXPIRED, REFUSED, WAITING, count_holds
from countermark.assay.supervision.recorded import Recorded, measure_reviews
from countermark.assay.supervision.recorded_words import render_holds
from countermark.assay.supervision.reviews import Review, parse_reviews
from countermark.assay.supervision.signal import detection
from countermark.cli.assay import assay
from countermark.errors import CountermarkError, NothingMeasuredError, ReviewError
from countermark.tlog.entry import encode_entry

SPEC = Path(__file__).parents[2] / "spec" / "assay-review.md"
HEAD = "case,reviewer,seeded_bad,verdict"


def reviews(
    hits: int, seeded: int, alarms: int, work: int, *, reviewer: str = "r", **more: Any
) -> Iterator[Review]:
    """Reviews of one person: so many of the planted stopped, so many of the others."""
    for kind, stopped, many in ((True, hits, seeded), (False, alarms, work)):
        for i in range(many):
            yield Review(
                case=f"{reviewer}-{kind}-{i}-{more}",
                reviewer=reviewer,
                seeded_bad=kind,
                stopped=i < stopped,
                **more,
            )


def test_the_examples_of_the_format_are_read() -> None:
    """CSV and JSON lines give the same review, and a case without a verdict has none."""
    page = SPEC.read_text(encoding="utf-8")
    rows = parse_reviews(page.split("```csv\n")[1].split("```")[0].encode())
    line = parse_reviews(page.split("```json\n")[1].split("```")[0].encode())
    assert rows[0] == line[0]
    assert (rows[0].seconds, rows[0].prevalence, rows[0].minute) == (41.5, 0.01, 12)
    assert rows[3].stopped is None
    assert len(rows) == 4


def test_known_values_of_sensitivity_and_criterion() -> None:
    """d' and c with half a case added to each count and one to each number equal those of the normal quantiles."""
    stopped = np.array([True] * 80 + [False] * 20 + [True] * 10 + [False] * 190)
    sensitivity, criterion = detection(stopped, np.array([True] * 100 + [False] * 200))
    hit, alarm = (stats.norm.ppf(each) for each in (80.5 / 101, 10.5 / 201))
    assert sensitivity.value == pytest.approx(hit - alarm)
    assert criterion.value == pytest.approx(-(hit + alarm) / 2)
    assert round(sensitivity.value, 2) == 2.45
    assert sensitivity.n == (100, 200)


def test_perfect_and_blind_reviewers_have_numbers_and_open_ends() -> None:
    """All hits and no false alarm: a finite d' whose upper end is open. As many hits as alarms: d' about 0."""
    perfect = detection(np.array([True] * 20 + [False] * 20), np.array([True] * 20 + [False] * 20))[0]
    assert math.isfinite(perfect.value)
    assert perfect.high == math.inf
    assert perfect.to_document()["high"] is None
    assert "no limit" in str(perfect)
    blind = detection(np.array([True] * 10 + [False] * 10), np.array([True, False] * 10))[0]
    assert blind.value == pytest.approx(0)
    assert blind.low < 0 < blind.high


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_stopping_more_is_not_seeing_more(cases: list[tuple[bool, bool]]) -> None:
    """Reversing every verdict turns d' and c into -d' and -c; the value lies within its interval's widening."""
    stopped, misuse = (np.array(each, dtype=np.bool_) for each in zip(*cases, strict=True))
    if misuse.all() or not misuse.any():
        with pytest.raises(NothingMeasuredError):
            detection(stopped, misuse)
        return
    first, second = detection(stopped, misuse), detection(~stopped, misuse)
    for one, other in zip(first, second, strict=True):
        assert one.value == pytest.approx(-other.value)
        assert one.low == pytest.approx(-other.high)


def test_the_interval_of_sensitivity_holds_the_truth() -> None:
    """Over 600 seeded sets of 40 planted and 60 other cases the interval of d' holds the true one in 95 % at least."""
    rng, true = np.random.default_rng(2), stats.norm.ppf(0.7) - stats.norm.ppf(0.1)
    misuse = np.array([True] * 40 + [False] * 60)
    held = 0
    for _ in range(600):
        found = detection(rng.random(100) < np.where(misuse, 0.7, 0.1), misuse)[0]
        held += found.low <= true <= found.high
    assert held >= 0.95 * 600


def test_with_ten_reviewers_people_are_drawn() -> None:
    """Reviewers who differ much widen the interval: one person's cases are alike."""
    cases = [each for i in range(12) for each in reviews(39 if i % 2 else 8, 40, 2, 40, reviewer=f"r{i}")]
    found = measure_reviews(cases).whole
    assert found.d_prime is not None
    assert found.hit is not None
    assert found.d_prime.method == "bootstrap of 12 reviewers"
    assert found.hit.shown.method == "cluster bootstrap, 12 clusters"
    assert found.hit.shown.width > found.hit.exact.width


def whole() -> Recorded:
    """Two people, two prevalences, an hour of difference, plain and disguised."""
    return measure_reviews(
        [
            *reviews(
                9, 10, 1, 90, reviewer="a", prevalence=0.1, minute=5, seconds=40.0, visible_in="content"
            ),
            *reviews(
                2, 10, 1, 90, reviewer="b", prevalence=0.01, minute=130, seconds=6.0, visible_in="context"
            ),
        ]
    )


def test_parts_show_where_reviewers_miss() -> None:
    """By prevalence, rarest first; by time on shift; by where the misuse shows; by reviewer. Nobody said a strategy."""
    found = whole()
    assert list(found.parts) == ["prevalence", "shift", "visible_in", "reviewer"]
    assert [(label, each.hit.k) for label, each in found.parts["prevalence"].items() if each.hit] == [
        ("1 %", 2),
        ("10 %", 9),
    ]
    assert list(found.parts["shift"]) == ["0-29 min", "120 min on"]
    assert [each.rubber_stamp.value for each in found.parts["visible_in"].values() if each.rubber_stamp] == [
        0.1,
        0.8,
    ]
    assert {each.false_alarm.n for each in found.parts["visible_in"].values() if each.false_alarm} == {180}


def test_a_rubber_stamp_has_its_time() -> None:
    """Planted misuse that was approved: 9 of 20, looked at for 6 seconds."""
    found = whole()
    assert found.whole.rubber_stamp is not None
    assert (found.whole.rubber_stamp.k, found.whole.rubber_stamp.n) == (9, 20)
    assert found.stamped is not None
    assert found.stamped.median == 6
    assert found.remarks[1].startswith("2 of 2 reviewers judged fewer than 100")


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40))
def test_the_interval_of_a_median_is_by_order_statistics(times: list[float]) -> None:
    """low <= median <= high, from the times themselves, with P(fewer than that many below) <= 2.5 %; none under six."""
    cases = [
        Review(case=f"c{i}", reviewer="r", seeded_bad=True, stopped=True, seconds=each)
        for i, each in enumerate(times)
    ]
    found = measure_reviews(cases).whole.seconds
    assert found is not None
    assert (found.low is None) == (len(times) < 6)
    if found.low is not None and found.high is not None:
        assert found.low <= found.median <= found.high
        rank = sorted(times).index(found.low)
        assert stats.binom.cdf(rank - 1, len(times), 0.5) <= 0.025


def test_a_case_without_a_verdict_counts_against_the_reviewers() -> None:
    """A planted one passed, another was stopped; both are listed."""
    found = measure_reviews(parse_reviews(f"{HEAD}\nc1,r,true,\nc2,r,false,\n".encode()))
    assert found.whole.hit is not None
    assert found.whole.false_alarm is not None
    assert (found.whole.hit.k, found.whole.false_alarm.k) == (0, 1)
    assert found.assumed == (
        "c1 / r: no verdict, counted as passed",
        "c2 / r: no verdict, counted as stopped",
    )


def test_without_planted_misuse_nothing_is_measured() -> None:
    """Nobody knows what is missed: an error, not a rate of 0. Without other cases d' is not measured, hits are."""
    with pytest.raises(NothingMeasuredError, match="nobody knows what is missed"):
        measure_reviews(list(reviews(0, 0, 3, 10)))
    only = measure_reviews(list(reviews(5, 10, 0, 0))).whole
    assert only.hit is not None
    assert only.d_prime is only.false_alarm is None


BAD = {
    "": "`case` is missing",
    f"{HEAD}\n": "got none",
    "case,reviewer,seeded_bad\nc,r,true\n": "line 1: expected case, reviewer, seeded_bad, verdict",
    f"{HEAD},mood\n": "got `mood`",
    f"{HEAD},case\n": "line 1: expected each column once",
    f"{HEAD}\nc,r,true\n": "line 2: expected 4 fields, got 3",
    f"{HEAD}\nc,r,yes,stop\n": "line 2: expected seeded_bad `true` or `false`, got `yes`",
    f"{HEAD}\nc,r,true,deny\n": "line 2: expected a verdict",
    f"{HEAD}\n,r,true,stop\n": "line 2: expected `case` as text",
    f"{HEAD}\nc,r,true,stop\nc,r,true,pass\n": "line 3: expected one review",
    f"{HEAD}\nc,r,true,stop\nc,q,false,pass\n": "line 3: expected case `c` to be seeded or not",
    f"{HEAD},seconds\nc,r,true,stop,-1\n": "line 2: expected `seconds` as a number of 0 or more",
    f"{HEAD},seconds\nc,r,true,stop,nan\n": "line 2: expected `seconds`",
    f"{HEAD},prevalence\nc,r,true,stop,5\n": "line 2: expected `prevalence` as a number from 0 to 1",
    f"{HEAD},visible_in\nc,r,true,stop,nowhere\n": "line 2: expected visible_in",
    f'{HEAD}\n"c,r,true,stop\n': "expected CSV",
    '{"case": "c"}\n': "line 1: expected case",
    '{"case": "c", "case": "d"}\n': "line 1: expected one JSON object",
    '{"case": 5, "reviewer": "r", "seeded_bad": true, "verdict": "stop"}\n': "`case` as text",
    '{"case": "c", "reviewer": "r", "seeded_bad": 1, "verdict": "stop"}\n': "seeded_bad",
    '{"case": "c", "reviewer": "r", "seeded_bad": true, "verdict": "stop", "minute": true}\n': "`minute`",
    '{"case": "c", "reviewer": "r", "seeded_bad": true, "verdict": "stop", "strategy": 1}\n': "`strategy`",
    '{"case": "c", "reviewer": "r", "seeded_bad": true, "verdict": []}\n': "expected a verdict",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_the_format_is_refused_with_its_line(text: str) -> None:
    """Nothing is guessed: the message names the line, and what was expected."""
    with pytest.raises((ReviewError, NothingMeasuredError)) as caught:
        parse_reviews(text.encode())
    assert BAD[text] in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"{HEAD}\n{text}".encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """For all bytes: reviews, or an error of this package."""
    try:
        parse_reviews(data)
    except CountermarkError:
        return


def test_the_command_reads_reviews(tmp_path: Path) -> None:
    """As a table and as JSON, with null for what was not measured."""
    file = tmp_path / "reviews.csv"
    file.write_text(f"{HEAD}\n" + "".join(f"c{i},r,true,{'stop' if i < 3 else 'pass'}\n" for i in range(10)))
    text = CliRunner().invoke(assay, ["supervision", "--recorded", str(file)])
    assert text.exit_code == 0, text.output
    assert "70.0 % (34.8-93.3)" in text.output  # the rubber stamp
    shown = json.loads(CliRunner().invoke(assay, ["supervision", "--recorded", str(file), "--json"]).stdout)
    assert (shown["whole"]["hit"]["k"], shown["whole"]["d_prime"]) == (3, None)
    bad = CliRunner().invoke(assay, ["supervision", "--recorded", str(tmp_path), "--json"])
    assert bad.exit_code == 2
    assert json.loads(bad.stdout)["error"]["type"] == "CheckpointError"


def decision(at: int, outcome: str, action: str, **more: Any) -> bytes:
    """A decision's entry, `at` seconds after noon."""
    return encode_entry(
        {
            "kind": "decision",
            "at": f"2026-11-24T12:{at // 60:02}:{at % 60:02}Z",
            "workload": "northmark/recall",
            "action_digest": action,
            "outcome": outcome,
            "clauses": ["RL-5"],
            **more,
        }
    )


def hold(at: int, hold_id: str, state: str) -> bytes:
    """What became of a hold."""
    return encode_entry(
        {"kind": "hold", "at": f"2026-11-24T12:{at // 60:02}:{at % 60:02}Z", "hold": hold_id, "state": state}
    )


def test_a_log_tells_what_became_of_holds_and_not_whether_it_was_right() -> None:
    """Approved once it was permitted with approvals, refused, expired, or neither; a request asked again counts once."""
    found = count_holds(
        [
            decision(0, "HOLD", "a", hold="h1"),
            decision(5, "HOLD", "a", hold="h1"),
            decision(100, "PERMIT", "a", approvals=["x", "y"]),
            decision(101, "PERMIT", "a", approvals=["x", "z"]),
            decision(110, "HOLD", "b", hold="h2", clauses=["RL-1", "RL-5"]),
            hold(120, "h2", "refused"),
            decision(130, "HOLD", "c", hold="h3"),
            hold(190, "h3", "expired"),
            decision(200, "HOLD", "d", hold="h4"),
            decision(210, "PERMIT", "e"),
            hold(220, "h9", "expired"),
        ]
    )
    assert found.states == {APPROVED: 1, REFUSED: 1, EXPIRED: 1, WAITING: 1}
    assert found.approved is not None
    assert (found.approved.k, found.approved.n, found.seconds) == (1, 3, 100)
    assert found.by_clause["RL-1"][REFUSED] == 1
    assert found.to_document()["hit_rate"] is None
    assert "Hit rate: not measured" in render_holds(found)


def test_a_log_without_holds_tells_nothing() -> None:
    """Nobody was asked: an error, not a rate; an entry that can't be read is named."""
    with pytest.raises(NothingMeasuredError, match="nobody was asked"):
        count_holds([decision(0, "PERMIT", "a")])
    with pytest.raises(ReviewError, match="entry 0"):
        count_holds([encode_entry({"kind": "decision", "at": "noon"})])
