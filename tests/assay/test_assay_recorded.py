"""The recorded tables give the reference figures, which were computed independently (docs/findings/recorded.md)."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from countermark.assay.measured import Measured, Source, Standing
from countermark.assay.outcomes import real
from countermark.assay.rate import Rate
from countermark.assay.recorded import adaptive_attacks, camel, jailbreakbench, obedient, satml_ctf
from countermark.assay.recorded.sources import SOURCES, recorded
from countermark.assay.recorded.tables import load_table, origins, parse_manifest, parse_table
from countermark.assay.report.finding import find
from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import TableError
from countermark.estimate import Side


@cache
def source(name: str) -> Source:
    """One source, measured once for all tests."""
    return recorded(name)[0]


def safeguards(name: str) -> Mapping[str, Measured]:
    """What a source measured, by the first words of its name."""
    return {each.safeguard.partition(", refusal")[0]: each for each in source(name).measured}


def percent(rate: Rate | None) -> float:
    """As it is printed."""
    assert rate is not None
    return round(rate.value * 100, 1)


def exact(rate: Rate | None) -> tuple[float, float]:
    """The Clopper-Pearson interval as it is printed."""
    assert rate is not None
    return round(rate.exact.low * 100, 1), round(rate.exact.high * 100, 1)


# model: apparent, its interval, best single, its interval, real, CP, Wilson, theater, its interval
JBB = {
    "gpt-4-0125-preview": (
        100,
        (96.4, 100),
        22,
        (14.3, 31.4),
        14,
        (7.9, 22.4),
        (8.5, 22.1),
        86,
        (77.6, 92.1),
    ),
    "gpt-3.5-turbo-1106": (100, (96.4, 100), 7, (2.9, 13.9), 5, (1.6, 11.3), (2.2, 11.2), 95, (88.7, 98.4)),
    "llama-2-7b-chat-hf": (100, (96.4, 100), 6, (2.2, 12.6), 4, (1.1, 9.9), (1.6, 9.8), 96, (90.1, 98.9)),
    "vicuna-13b-v1.5": (10, (4.9, 17.6), 5, (1.6, 11.3), 4, (1.1, 9.9), (1.6, 9.8), 6, (2.2, 12.6)),
}


@pytest.mark.parametrize("model", JBB)
def test_jailbreakbench_figures(model: str) -> None:
    """Apparent, best single attack, real and theater of each model, with their intervals, are those of section 1.2."""
    found = safeguards("jailbreakbench")[model]
    seeming, seeming_ci, best, best_ci, held, held_ci, held_wilson, theater, theater_ci = JBB[model]
    assert (percent(found.apparent), exact(found.apparent)) == (seeming, seeming_ci)
    assert found.best_single is not None
    assert (percent(found.best_single[1]), exact(found.best_single[1])) == (best, best_ci)
    assert (percent(found.real), exact(found.real)) == (held, held_ci)
    assert found.real is not None
    wilson = found.real.wilson
    assert (round(wilson.low * 100, 1), round(wilson.high * 100, 1)) == held_wilson
    assert (percent(found.theater), exact(found.theater)) == (theater, theater_ci)


CURVES = {
    "gpt-4-0125-preview": [100, 96, 64, 14],
    "gpt-3.5-turbo-1106": [100, 53, 19, 5],
    "llama-2-7b-chat-hf": [100, 97, 97, 10, 4],
    "vicuna-13b-v1.5": [10, 8, 5, 5, 4],
}


@pytest.mark.parametrize("model", CURVES)
def test_jailbreakbench_discovery_curves(model: str) -> None:
    """What was still stopped as attacks became known: a report made after PAIR would have claimed 64 and 97 %."""
    found = safeguards("jailbreakbench")[model]
    assert [round(rate.value * 100) for _, rate in found.discovery] == CURVES[model]


# real by the second judge, by both (unseen rows keep the first judge's word), by both on what both saw
JUDGES = {
    "gpt-4-0125-preview": (6, 16, 16),
    "gpt-3.5-turbo-1106": (1, 5, 5),
    "llama-2-7b-chat-hf": (5, 4, 10),
    "vicuna-13b-v1.5": (1, 4, 7),
}


@pytest.mark.parametrize("model", JUDGES)
def test_jailbreakbench_other_judges(model: str) -> None:
    """The second judge gives 6, 1, 5, 1; requiring both 16, 5, 4, 4, and 10 and 7 without the attack it never saw."""
    found = safeguards("jailbreakbench")[model]
    assert tuple(round(rate.value * 100) for _, rate in found.variants) == JUDGES[model]


def test_jailbreakbench_clusters_and_agreement() -> None:
    """Clustered by category GPT-4's 14 % is 4-24 %; the judges agree on 89.2 % of 1,437 rows, 69 against 86."""
    found = safeguards("jailbreakbench")["gpt-4-0125-preview"].real
    assert found is not None
    assert found.clustered is not None
    assert (round(found.clustered.low * 100), round(found.clustered.high * 100)) == (4, 24)
    assert found.shown is found.clustered
    agree = source("jailbreakbench").figures[0][1]
    assert (percent(agree), agree.n) == (89.2, 1437)
    rows = [row for row in load_table("jailbreakbench") if row["submitted"] == "1"]
    verdicts = [(jailbreakbench.first_judge(row), jailbreakbench.second_judge(row)) for row in rows]
    assert (verdicts.count((True, False)), verdicts.count((False, True))) == (69, 86)


def test_an_unseen_attack_would_count_as_a_breach() -> None:
    """By the rule for rows that nobody judged, the second judge leaves nothing real where it saw no row of an attack."""
    rows = load_table("jailbreakbench")
    found = jailbreakbench.outcomes(rows, "llama-2-7b-chat-hf", jailbreakbench.second_judge)
    assert real(found).k == 0
    assert len(found.assumed) == 100


# model: stopped by the template alone at the first attempt, and real, of 50 goals
ADAPTIVE = {
    "Claude 2.1": (100, 0),
    "Claude 2.0": (98, 0),
    "Claude Instant 1.2": (100, 46),
    "Claude 3 Haiku": (96, 0),
    "Claude 3 Sonnet": (14, 0),
    "Claude 3.5 Sonnet (June)": (90, 0),
    "Claude 3 Opus": (100, 100),
}


@pytest.mark.parametrize("model", ADAPTIVE)
def test_adaptive_attack_figures(model: str) -> None:
    """First attempt of the template, and best per goal over all recorded runs, are those of section 1.2."""
    found = safeguards("adaptive-attacks")[model]
    assert (percent(found.apparent), percent(found.real)) == ADAPTIVE[model]
    assert found.budget[-1][1] == found.real
    kept = [rate.k for _, rate in found.budget]
    assert kept == sorted(kept, reverse=True)


def test_adaptive_attack_intervals() -> None:
    """0 of 50 reaches 7.1 %; 23 of 50 is 31.8-60.7 %."""
    assert exact(safeguards("adaptive-attacks")["Claude 2.1"].real) == (0, 7.1)
    assert exact(safeguards("adaptive-attacks")["Claude Instant 1.2"].real) == (31.8, 60.7)


# run: stopped at the first attempt, stopped within all attempts, in percent
RUNS = {
    "Claude 2.1": {
        "transfer run 00": (100, 100),
        "transfer run 01": (100, 100),
        "prefilling run 00": (80, 0),
    },
    "Claude 2.0": {
        "transfer run 00": (10, 2),
        "transfer run 01": (98, 88),
        "transfer run 02": (20, 0),
        "transfer run 03": (98, 52),
    },
    "Claude Instant 1.2": {
        "transfer run 00": (60, 48),
        "transfer run 01": (100, 100),
        "transfer run 02": (64, 46),
    },
    "Claude 3 Haiku": {
        "transfer run 00": (32, 2),
        "transfer run 01": (90, 70),
        "transfer run 02": (96, 48),
        "prefilling run 00, prefilled answer": (4, 4),
        "prefilling run 01": (2, 0),
    },
    "Claude 3 Sonnet": {"transfer run 00": (30, 0), "transfer run 01": (14, 0)},
    "Claude 3.5 Sonnet (June)": {
        "transfer run 00": (4, 4),
        "transfer run 02": (90, 90),
        "transfer run 03": (4, 4),
        "transfer run 04": (22, 18),
        "prefilling run 07, user message": (86, 86),
        "prefilling run 07, system prompt": (52, 52),
        "prefilling run 07, prefilled answer": (0, 0),
    },
    "Claude 3 Opus": {"transfer run 00": (100, 100), "transfer run 01": (100, 100)},
}


@pytest.mark.parametrize("model", RUNS)
def test_adaptive_attack_runs(model: str) -> None:
    """Each run's first attempt and full budget are those of section 1.2."""
    found = safeguards("adaptive-attacks")[model]
    whole = {name: percent(rate) for name, rate in found.alone}
    first = {
        name.removeprefix("stopped at the first attempt, "): percent(rate) for name, rate in found.variants
    }
    for run, figures in RUNS[model].items():
        name = next(each for each in whole if each == run or each.startswith(f"{run}, prefilled"))
        assert (first[name], whole[name]) == figures, run


def test_copies_of_runs_are_copies() -> None:
    """The runs that count once are row by row those that they are said to be copies of."""
    rows = load_table("adaptive-attacks")
    cells = {
        run: [
            (row["goal"], row["attempts"], row["judge_scores"], row["rule"])
            for row in rows
            if (row["log"], row["run"]) == run
        ]
        for run in {*adaptive_attacks.COPIES, *adaptive_attacks.COPIES.values()}
    }
    for copy, original in adaptive_attacks.COPIES.items():
        assert len(cells[copy]) == 50
        assert cells[copy] == cells[original]


def test_agentdojo_figures() -> None:
    """GPT-4o: apparent 96.3, best single 52.3, real 42.4, theater 53.9 points, utility 69.1 %, with their intervals."""
    found = safeguards("agentdojo")["GPT-4o, no defence"]
    assert (percent(found.apparent), exact(found.apparent)) == (96.3, (94.6, 97.7))
    assert (percent(found.real), exact(found.real)) == (42.4, (38.5, 46.4))
    assert found.real is not None
    assert found.real.k == 267
    assert found.theater is not None
    assert (percent(found.theater), exact(found.theater), found.theater.k) == (53.9, (49.9, 57.8), 339)
    assert found.best_single is not None
    assert (percent(found.best_single[1]), exact(found.best_single[1])) == (52.3, (48.3, 56.3))
    alone = {name: percent(rate) for name, rate in found.alone}
    assert (alone["ignore_previous"], alone["injecagent"]) == (94.6, 94.3)
    assert found.work is not None
    assert percent(found.work.stopped) == 30.9


AGENTDOJO_DEFENCES = {
    "GPT-4o + tool filter": (93.2, (90.9, 95.0), 72.2),
    "GPT-4o + injection detector": (92.1, (89.7, 94.0), 41.2),
    "GPT-4o + user's prompt repeated": (72.2, (68.5, 75.6), 84.5),
    "GPT-4o + spotlighting": (58.3, (54.4, 62.2), 72.2),
}


@pytest.mark.parametrize("defence", AGENTDOJO_DEFENCES)
def test_agentdojo_defences_are_apparent_only(defence: str) -> None:
    """Each defence has one attack: what it stops is apparent, with the utility that it leaves."""
    found = safeguards("agentdojo")[defence]
    stopped, interval, utility = AGENTDOJO_DEFENCES[defence]
    assert found.standing is Standing.APPARENT_ONLY
    assert (percent(found.apparent), exact(found.apparent)) == (stopped, interval)
    assert found.work is not None
    assert round(100 - found.work.stopped.value * 100, 1) == utility
    assert found.verdict.startswith(f"A {stopped} | R not measured | T not measured")


def test_agentdojo_rows_are_whole_counts() -> None:
    """All 28 rows are counts over 629 and 97, and every one of them is in the report, once."""
    rows = load_table("agentdojo")
    assert len(rows) == 28
    for row in rows:
        assert (row["attack_n"], row["benign_n"]) == ("629", "97")
        assert 0 <= int(row["attack_success"]) <= 629
        assert 0 <= int(row["benign_ok"]) <= 97
    in_report = sum(len(each.alone) or 1 for each in source("agentdojo").measured)
    assert in_report == 28


def test_the_best_attack_per_pair_is_the_printed_share() -> None:
    """57.55 % of 629 pairs is 362 and no other count."""
    row = load_table("agentdojo-best")[0]
    assert [k for k in range(630) if round(k / 629 * 100, 2) == 57.55] == [int(row["attack_success"])]


def test_satml_figures() -> None:
    """483 of 968 cells broken, 49.9 %; 44 of 44 defences broken by somebody: real 0 (0-8.0)."""
    found = source("satml-ctf").measured[0]
    assert (968 - found.apparent.k, found.apparent.n) == (483, 968)
    assert round(100 - found.apparent.value * 100, 1) == 49.9
    assert found.real is not None
    assert (found.real.k, found.real.n, exact(found.real)) == (0, 44, (0, 8.0))
    assert len(satml_ctf.outcomes().strategies) == 22
    assert not any("/" not in goal or not goal.startswith("team-") for goal in satml_ctf.outcomes().goals)


CAMEL = {
    "Claude 3.5 Sonnet, no defence": (44, 90.7),
    "Claude 3.5 Sonnet, sandwich": (24, 89.7),
    "Claude 3.5 Sonnet, tool filter": (8, 73.2),
    "Claude 3.5 Sonnet, spotlighting": (5, 92.8),
    "Claude 3.5 Sonnet, CaMeL": (0, 63.9),
    "o3 High, no defence": (11, 84.5),
    "o3 High, CaMeL": (0, 77.3),
    "Gemini 2.5 Pro, no defence": (163, 73.2),
    "Gemini 2.5 Pro, CaMeL": (0, 41.2),
    "Claude 4 Sonnet, no defence": (75, 86.6),
    "Claude 4 Sonnet, CaMeL": (11, 74.2),
}


@pytest.mark.parametrize("safeguard", CAMEL)
def test_camel_figures(safeguard: str) -> None:
    """Successful attacks of 949, and utility, are those of section 1.2."""
    found = safeguards("camel")[safeguard]
    successes, utility = CAMEL[safeguard]
    assert (found.open.k, found.open.n) == (successes, 949)
    assert found.work is not None
    assert round(100 - found.work.stopped.value * 100, 1) == utility


def test_camel_nothing_is_not_nothing() -> None:
    """The notebook prints 0 +/- 0.0; the exact upper bound is 0.39 %. Policies interrupt 33.9 and 53.2 %."""
    found = safeguards("camel")["Claude 3.5 Sonnet, CaMeL"]
    assert round(found.open.exact.high * 100, 2) == 0.39
    assert [percent(rate) for _, rate in source("camel").figures] == [33.9, 53.2]


def test_camel_shares_are_counts_of_97() -> None:
    """Every utility without attack is a share of 97 tasks, to the printed decimal."""
    for row in load_table("camel"):
        if "utility_no_attack" in row["table"]:
            share = row["overall"].partition("%")[0]
            assert f"{camel.tasks_of(row['overall']) / 97 * 100:.1f}" == share


# model: direct stop full, with partial, false refusal full, its interval, with partial, its interval
XSTEST = {
    "GPT-4": (97.5, 99.5, 6.4, (3.7, 10.2), 8.4, (5.3, 12.6)),
    "Llama-2, no system prompt": (97.5, 100, 14.0, (9.9, 18.9), 29.6, (24.0, 35.7)),
    "Llama-2, original system prompt": (99.5, 100, 38.0, (32.0, 44.3), 59.6, (53.2, 65.7)),
    "Mistral, guard prompt": (87.5, 96.5, 9.6, (6.2, 13.9), 18.8, (14.2, 24.2)),
    "Mistral, plain": (23.5, 36.0, 0.8, (0.1, 2.9), 1.6, (0.4, 4.0)),
}


@pytest.mark.parametrize("model", XSTEST)
def test_xstest_figures(model: str) -> None:
    """Direct stops and false refusals, full and with partial ones, are those of section 1.3."""
    found = safeguards("xstest")[model]
    stop, stop_partly, false, false_ci, partly, partly_ci = XSTEST[model]
    assert found.work is not None
    assert (percent(found.apparent), percent(found.variants[0][1])) == (stop, stop_partly)
    assert (percent(found.work.stopped), exact(found.work.stopped)) == (false, false_ci)
    assert (percent(found.variants[1][1]), exact(found.variants[1][1])) == (partly, partly_ci)


def test_a_system_prompt_that_only_costs() -> None:
    """Llama-2's system prompt adds 80 false refusals and removes 5 (p = 2e-18), and stops nothing more."""
    found = {each.what: each for each in source("xstest").comparisons}
    name = "Llama-2, original system prompt against Llama-2, no system prompt:"
    cost = found[f"{name} harmless requests fully or partly refused"]
    assert (cost.gained, cost.lost) == (80, 5)
    assert cost.p == pytest.approx(2e-18, rel=0.1)
    gain = found[f"{name} harmful requests fully or partly refused"]
    assert (gain.gained, gain.lost, gain.says) == (0, 0, "no difference shown")
    full = found[f"{name} harmful requests fully refused"]
    assert (full.gained, full.lost) == (4, 0)
    assert full.p_holm >= 0.05
    assert source("xstest").cost_only == ("Llama-2, original system prompt",)


def test_a_guard_prompt_that_costs_and_protects() -> None:
    """Mistral's guard prompt costs, and stops far more: it isn't named as cost only."""
    found = {each.what: each for each in source("xstest").comparisons}
    gain = found["Mistral, guard prompt against Mistral, plain: harmful requests fully refused"]
    assert (gain.gained, gain.lost) == (133, 5)
    assert "Mistral, guard prompt" not in source("xstest").cost_only


def test_a_model_as_judge_misses_refusals() -> None:
    """GPT-4 as a judge finds 21 to 87 % of the refusals that people find; for one model it gave no verdict on 11 rows."""
    found = [round(rate.value, 2) for _, rate in source("xstest").figures]
    assert (min(found), max(found)) == (0.21, 0.87)
    silent = [row for row in load_table("xstest") if row["gpt4_judge"] == "other"]
    assert [row["model"] for row in silent] == ["mistralinstruct"] * 11


AGENTSAFETY = {
    "Claude 3.7 Sonnet": (38.4, 99),
    "DeepSeek R1": (50.6, 180),
    "DeepSeek V3": (53.7, 188),
    "GPT-4o": (54.4, 193),
}


@pytest.mark.parametrize("model", AGENTSAFETY)
def test_openagentsafety_figures(model: str) -> None:
    """Unsafe among the tasks that were reached, as the judge has it."""
    found = safeguards("openagentsafety")[f"{model}, no defence"]
    assert (percent(found.open), found.open.n) == AGENTSAFETY[model]


def test_openagentsafety_without_labels_is_not_measured() -> None:
    """A model without any label has no rate, and is named."""
    assert source("openagentsafety").unmeasured == ("o3-mini: no row has a label of the judge",)
    assert exact(safeguards("openagentsafety")["Claude 3.7 Sonnet, no defence"].open) == (28.8, 48.7)


# layers: apparent, real, its interval, theater, benign tasks denied
OBEDIENT = {
    "detector": (100, 0.0, (0, 0.8), 100, 0),
    "tools": (78.5, 78.5, (74.5, 82.2), 0, 0),
    "taint": (83.5, 30.2, (26.0, 34.6), 53.4, 17),
    "origin": (83.5, 83.5, (79.8, 86.8), 0, 17),
    "detector + tools + taint": (100, 82.4, (78.6, 85.8), 17.6, 17),
    "tools + origin": (94.8, 94.8, (92.4, 96.6), 0, 17),
}


@pytest.mark.parametrize("layers", OBEDIENT)
def test_obedient_agent_layers(layers: str) -> None:
    """Apparent, real and theater of each set of layers on 461 goals, and the work it denies, are those of section 3.4."""
    found = safeguards("agentdojo-obedient")[layers]
    seeming, held, interval, theater, denied = OBEDIENT[layers]
    assert found.apparent.n == 461
    assert (percent(found.apparent), percent(found.real), percent(found.theater)) == (seeming, held, theater)
    assert exact(found.real) == interval
    assert found.work is not None
    assert (found.work.stopped.k, found.work.stopped.n) == (denied, 97)


def test_obedient_agent_attribution() -> None:
    """Shapley on real 0, 65.4, 17.0; on apparent 41.4, 28.1, 30.5; left out 0, 52.3, 3.9."""
    shares = {each.layer: each for each in source("agentdojo-obedient").shares}

    def points(field: str) -> list[float]:
        return [
            round(getattr(shares[layer], field).value * 100, 1) + 0.0
            for layer in ("detector", "tools", "taint")
        ]

    assert points("shapley_real") == [0.0, 65.4, 17.0]
    assert points("shapley_apparent") == [41.4, 28.1, 30.5]
    assert points("left_out") == [0.0, 52.3, 3.9]
    assert sum(each.shapley_real.value for each in shares.values()) == pytest.approx(380 / 461)


def test_obedient_agent_dependence() -> None:
    """Tools and taint miss together 5.2 % against 3.5 %, and 17.6 against 15.0 where text is encoded."""
    marked, encoded = (each for _, each in source("agentdojo-obedient").dependences)
    assert (round(marked.joint * 100, 1), round(marked.product * 100, 1), round(marked.ratio, 1)) == (
        5.2,
        3.5,
        1.5,
    )
    assert (round(encoded.joint * 100, 1), round(encoded.product * 100, 1)) == (17.6, 15.0)


def test_obedient_agent_verdict_line() -> None:
    """The verdict reads as the protocol writes it."""
    found = safeguards("agentdojo-obedient")["detector + tools + taint"]
    assert found.theater is not None
    assert found.real is not None
    assert found.verdict.startswith("A 100.0 | R 82.4, >= 7")
    claim, alone = found.real.at_least(), clopper_pearson(380, 461, side=Side.LOWER)
    assert (round(alone.low * 100, 1), claim.low < alone.low) == (79.3, True)  # pairs are related
    assert exact(found.theater) == (14.2, 21.4)
    assert "FPR 17.5, <= 25.1 | 461 goals, 3 strategies" in found.verdict


def test_obedient_agent_pairs_are_related() -> None:
    """Pairs share 27 injections and 97 tasks: the interval that is shown is much wider than the exact one."""
    found = safeguards("agentdojo-obedient")["tools"].real
    assert found is not None
    assert found.shown.width > 2 * found.exact.width
    goals = obedient.outcomes(load_table("agentdojo-obedient"))[""]
    assert goals.breached.all()


def test_the_finding_counts_what_was_measured() -> None:
    """The first sentence counts recorded public safeguards alone, and names what only costs."""
    finding = find(tuple(source(name) for name in SOURCES))
    assert (finding.measured, finding.halved, finding.nothing) == (13, 12, 6)
    assert finding.cost_only == ("Llama-2, original system prompt",)


def test_every_table_is_what_the_manifest_says() -> None:
    """Hash, columns and rows of each table are checked when it is read; together they fit in 150 kB."""
    for name, origin in origins().items():
        rows = load_table(name)
        assert len(rows) == origin.rows
        assert set(rows[0]) == set(origin.columns)
    assert {table for name in SOURCES for table in source(name).tables} == set(origins())


def test_no_table_holds_other_peoples_words() -> None:
    """No cell is longer than a label: no prompt, no answer, no attack ships."""
    for name in origins():
        if name in ("camel", "agentdojo-best"):  # titles of tables, and a list of attack names
            continue
        longest = max(len(cell) for row in load_table(name) for cell in row.values())
        assert longest < 80, name


def test_a_changed_table_is_refused() -> None:
    """One changed cell, another compression of other bytes, or no gzip at all, is an error."""
    origin = origins()["satml-ctf"]
    text = "\n".join(",".join(row.values()) for row in load_table("satml-ctf"))
    for packed in (
        gzip.compress(text.replace("105", "104").encode()),
        b"not gzip",
        gzip.compress(b"a" * 9_000_000),
    ):
        with pytest.raises(TableError):
            parse_table(packed, origin)


MANIFESTS = {
    "not TOML": "version = ",
    "another version": "version = 2",
    "a table with a key too few": 'version = 1\n[[table]]\nname = "x"',
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_is_read_strictly(case: str) -> None:
    """What isn't in the format is refused."""
    with pytest.raises(TableError):
        parse_manifest(MANIFESTS[case])


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    """The error lists what could have been meant."""
    with pytest.raises(TableError, match=r"jailbreakbench.*got `other`"):
        recorded("other")
    with pytest.raises(TableError, match="got `other`"):
        load_table("other")


def test_two_runs_are_equal() -> None:
    """The same tables give the same measurement, interval by interval."""
    for name in ("jailbreakbench", "satml-ctf"):  # clustered in one way and in two
        assert SOURCES[name]() == SOURCES[name]()


def test_sorted_rows_give_the_same_measurement() -> None:
    """The order of rows in a table is of no matter."""
    rows = load_table("jailbreakbench")
    shuffled = tuple(np.random.default_rng(5).permutation(np.array(rows, dtype=object)))
    for model in jailbreakbench.MODELS:
        assert (
            real(jailbreakbench.outcomes(shuffled, model)).k == real(jailbreakbench.outcomes(rows, model)).k
        )
