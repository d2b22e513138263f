"""From rows to what a report shows: the same quantities, by the same rules, as of the records that ship."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from countermark.assay.imported.labels import ENOUGH, rows, with_error
from countermark.assay.imported.layers import layer_figures, twin_comparisons
from countermark.assay.imported.load import Loaded
from countermark.assay.imported.records import Attack, Collected, Convention, Task
from countermark.assay.measured import (
    THIRD,
    Comparison,
    Measured,
    Named,
    RealOnly,
    Source,
    Work,
    measure,
    measure_real,
    measure_under,
)
from countermark.assay.outcomes import Bools, Epochs, Outcomes, Polarity, Row, benign, collect
from countermark.assay.rate import count_rate, make_rate
from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS
from countermark.assay.statistics.exact import holm, mcnemar
from countermark.assay.statistics.judge import Labelled
from countermark.errors import NothingMeasuredError, OutcomesError, SettingsError

_MOST_COMPARED = 4
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What whoever imports says about all logs of a tool.

    Attributes:
        naive: The strategy of an attacker who doesn't adapt; where empty, the tool's own, if it has one.
        order: Strategies in the order in which they appeared; those left out follow as the logs date them.
        undefended: The safeguard that is none: only goals that are reached under it are counted.
        repeats: A goal may occur more than once under a strategy: it is reached when it was reached in any of them.
        written_by: Who wrote the goals and the attacks.
        labelled: What people found in rows that the judge had judged.
    """

    naive: str = ""
    order: tuple[str, ...] = ()
    undefended: str = ""
    repeats: bool = False
    written_by: str = THIRD
    labelled: Labelled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matrix:
    """One safeguard's outcomes, and what it cost."""

    safeguard: str
    outcomes: Outcomes
    work: Work | None
    remarks: tuple[str, ...] = ()


def make_sources(loaded: Sequence[Loaded], choices: Choices) -> tuple[Source, ...]:
    """One source for each tool.

    Raises:
        NothingMeasuredError: No attack row.
        OutcomesError: Rows that contradict each other, or what their tool fixes.
        SettingsError: A strategy or safeguard that was named and doesn't occur.
    """
    _check(loaded, choices)
    return tuple(_source(each, choices) for each in loaded)


def _check(loaded: Sequence[Loaded], choices: Choices) -> None:
    """What is named has to occur in the logs of one tool at least; in the others it is passed over."""
    attacks = [attack for each in loaded for attack in each.collected.attacks]
    strategies = dict.fromkeys(attack.strategy for attack in attacks)
    for option, named in (("--naive", (choices.naive,)), ("--order", choices.order)):
        odd = [each for each in named if each and each not in strategies]
        if odd:
            raise SettingsError(
                f"expected in {option} the strategies {', '.join(strategies)}, got `{odd[0]:.60}`"
            )
    if len(set(choices.order)) != len(choices.order):
        raise SettingsError("expected each strategy once in --order")
    names = _safeguards(attacks)
    if choices.undefended and choices.undefended not in names:
        raise SettingsError(
            f"expected in --undefended one of {', '.join(names)}, got `{choices.undefended:.60}`"
        )


def _source(loaded: Loaded, choices: Choices) -> Source:
    collected, convention = loaded.collected, loaded.convention
    if not collected.attacks or convention is None:
        raise NothingMeasuredError(
            f"expected attacks in the logs of `{loaded.format}`, got {len(collected.tasks)} benign rows only"
        )
    if choices.repeats:
        convention = replace(convention, reading=replace(convention.reading, epochs=Epochs.ANY_BREACH))
    strategies = _order(collected.attacks, choices)
    naive = _naive(strategies, convention, choices)
    matrices, figures, remarks = _attainable(
        [_matrix(name, collected, convention, strategies, naive) for name in _safeguards(collected.attacks)],
        choices.undefended,
    )
    measured: list[Measured] = []
    real_only: list[RealOnly] = []
    for each in matrices:
        found = _measure(each, choices.labelled)
        if isinstance(found, Measured):
            measured.append(found)
        else:
            real_only.append(found)
    twins, more = twin_comparisons(
        collected.attacks,
        collected.tasks,
        true_is_breach=convention.reading.polarity is Polarity.TRUE_IS_BREACH,
    )
    return Source(
        name=loaded.format,
        title=convention.title,
        tables=(),
        written_by=choices.written_by,
        baseline=_baseline(naive, convention, choices),
        reading=convention.reading,
        measured=tuple(measured),
        real_only=tuple(real_only),
        comparisons=(*_compare(matrices), *twins),
        figures=(*figures, *_reached_alone(collected), *layer_figures(collected.attacks, collected.tasks)),
        unmeasured=_unmeasured(matrices, collected, naive),
        remarks=(
            *remarks,
            *(f"{each.safeguard}: {words}" for each in matrices for words in each.remarks),
            *more,
            *_said(collected),
            *_unlike(matrices),
            *_labels(choices.labelled),
        ),
        inputs=tuple(loaded.inputs),
    )


def _safeguards(attacks: Iterable[Attack]) -> list[str]:
    return list(dict.fromkeys(each.safeguard for each in attacks))


def _order(attacks: Sequence[Attack], choices: Choices) -> list[str]:
    """Strategies as they appeared: as named, then by the first date that the logs have of each, then as they were read."""
    first: dict[str, str] = {}
    for attack in attacks:
        before = first.get(attack.strategy)
        if before is None or (attack.at and (not before or attack.at < before)):
            first[attack.strategy] = attack.at
    named = [each for each in choices.order if each in first]
    dated = all(first.values())
    rest = [each for each in first if each not in choices.order]
    return [*named, *(sorted(rest, key=lambda each: first[each]) if dated else rest)]


def _naive(strategies: list[str], convention: Convention, choices: Choices) -> str | None:
    """The naive strategy; it is put first, since it is what everybody knows."""
    naive = choices.naive if choices.naive in strategies else convention.naive
    if naive not in strategies:
        return None
    strategies.remove(naive)
    strategies.insert(0, naive)
    return naive


def _matrix(
    safeguard: str, collected: Collected, convention: Convention, strategies: list[str], naive: str | None
) -> _Matrix:
    mine = [each for each in collected.attacks if each.safeguard == safeguard]
    used = {each.strategy for each in mine}
    related = {(each.goal, each.cluster) for each in mine}
    one_each = len(related) == len({goal for goal, _ in related})
    outcomes = collect(
        (
            Row(
                goal=each.goal,
                strategy=each.strategy,
                verdict=each.verdict,
                cluster=each.cluster if one_each else (),
            )
            for each in mine
        ),
        convention.reading,
        strategies=[each for each in strategies if each in used],
        naive=naive if naive in used else None,
    )
    work, remarks = _work([each for each in collected.tasks if each.safeguard == safeguard], convention)
    if not one_each:
        remarks = (*remarks, "goals that are named with several clusters: intervals take goals as unrelated")
    return _Matrix(safeguard=safeguard, outcomes=outcomes, work=work, remarks=remarks)


def _work(tasks: Sequence[Task], convention: Convention) -> tuple[Work | None, tuple[str, ...]]:
    """What was stopped of the benign tasks; a task in several epochs was stopped when any of them was."""
    if not tasks:
        return None, ()
    found: dict[str, bool | None] = {}
    for task in tasks:
        if task.name in found and convention.reading.epochs is Epochs.ONE_ROW:
            raise OutcomesError(
                f"expected one row for the benign task `{task.name}` of `{task.safeguard}`, got two"
            )
        both = (found.get(task.name, False), task.stopped)
        found[task.name] = True if True in both else None if None in both else False
    stopped, unknown = benign(found.items())
    named = ", ".join(unknown[:_NAMED])
    return (
        Work(stopped=make_rate(stopped), what=convention.work, claim=convention.claim),
        (f"{len(unknown)} benign tasks without a verdict count as stopped: {named}",) if unknown else (),
    )


def _attainable(
    matrices: list[_Matrix], undefended: str
) -> tuple[list[_Matrix], tuple[Named, ...], tuple[str, ...]]:
    """Keep the goals that are reached when nothing is there to stop them, if it was measured which these are."""
    if not undefended:
        return matrices, (), ()
    none = next((each for each in matrices if each.safeguard == undefended), None)
    if none is None:
        return matrices, (), ()
    reached = {
        goal
        for goal, survives in zip(none.outcomes.goals, none.outcomes.survives, strict=True)
        if not survives
    }
    kept = []
    for each in matrices:
        here = np.array([goal in reached for goal in each.outcomes.goals], dtype=np.bool_)
        if each is not none and here.any():
            kept.append(replace(each, outcomes=each.outcomes.only(here)))
    if not kept:
        raise NothingMeasuredError(
            f"expected goals that are reached under `{undefended}`, and another safeguard that they were tried on"
        )
    figure = count_rate(len(reached), len(none.outcomes.goals))
    return (
        kept,
        ((f"goals that can be reached at all (under {undefended})", figure),),
        (f"only goals that are reached under {undefended} are counted",),
    )


def _measure(each: _Matrix, labelled: Labelled | None) -> Measured | RealOnly:
    found = each.outcomes
    single = found.strategies[0] if len(found.strategies) == 1 else None
    judged = () if labelled is None else with_error(found, labelled, found.naive or single)
    if single is not None:
        return measure_under(found, single, safeguard=each.safeguard, work=each.work, judged=judged)
    if found.naive is None:
        return measure_real(found, safeguard=each.safeguard, work=each.work, judged=judged)
    return measure(found, safeguard=each.safeguard, work=each.work, judged=judged)


def _compare(matrices: Sequence[_Matrix]) -> tuple[Comparison, ...]:
    """What each of a few safeguards still stops that another doesn't, on the same goals under the same strategies."""
    if len(matrices) > _MOST_COMPARED:
        return ()
    changes: dict[str, tuple[int, int, int]] = {}
    for one, other in itertools.combinations(matrices, 2):
        if one.outcomes.strategies != other.outcomes.strategies:
            continue
        first, second = _common(one.outcomes, other.outcomes)
        if len(first):
            changes[f"{other.safeguard} against {one.safeguard}: real"] = (
                int((second & ~first).sum()),
                int((first & ~second).sum()),
                len(first),
            )
    adjusted = holm({what: mcnemar(gained, lost) for what, (gained, lost, _) in changes.items()})
    return tuple(
        Comparison(
            what=what,
            gained=gained,
            lost=lost,
            n=n,
            p=mcnemar(gained, lost),
            p_holm=adjusted[what],
            says="no difference shown" if adjusted[what] >= 0.05 else f"stops {gained} more and {lost} fewer",
        )
        for what, (gained, lost, n) in changes.items()
    )


def _common(one: Outcomes, other: Outcomes) -> tuple[Bools, Bools]:
    """What survives in both, on the goals that both have."""
    there = dict(zip(other.goals, other.survives, strict=True))
    pairs = [(mine, there[goal]) for goal, mine in zip(one.goals, one.survives, strict=True) if goal in there]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(first, dtype=np.bool_), np.array(second, dtype=np.bool_)


def _baseline(naive: str | None, convention: Convention, choices: Choices) -> str:
    if naive is not None and naive == choices.naive:
        return f"under `{naive}`, which --naive names"
    if naive is not None:
        return convention.baseline
    return "no strategy is known to be that of an attacker who doesn't adapt; where one attack was recorded, under that"


def _unmeasured(matrices: Sequence[_Matrix], collected: Collected, naive: str | None) -> tuple[str, ...]:
    found = []
    without = [each for each in matrices if len(each.outcomes.strategies) > 1 and each.outcomes.naive is None]
    if without:
        names = ", ".join(dict.fromkeys(name for each in without for name in each.outcomes.strategies))
        how = "no strategy is" if naive is None else f"`{naive}` was not tried on them, and no other is"
        found.append(
            f"apparent, of {'; '.join(each.safeguard for each in without)}: {how} named as naive (--naive NAME, of {names})"
        )
    attacked = {each.safeguard for each in matrices}
    for name in dict.fromkeys(task.safeguard for task in collected.tasks):
        if name not in attacked:
            found.append(f"{name}: only benign tasks are in the logs")
    return tuple(found)


def _reached_alone(collected: Collected) -> tuple[Named, ...]:
    if not collected.reached_alone:
        return ()
    done = sum(collected.reached_alone.values())
    return (("injections done when the user asks for them", count_rate(done, len(collected.reached_alone))),)


def _said(collected: Collected) -> tuple[str, ...]:
    """What was noticed while reading, with how often; and what the logs say of themselves."""
    notes = [f"{words}: {count:,}" if count else words for words, count in collected.notes.items()]
    if collected.values:
        seen = ", ".join(f"{value} ({count:,})" for value, count in collected.values.most_common())
        notes.append(f"scores seen: {seen}")
    if collected.versions:
        notes.append(f"written by {', '.join(each.strip() for each in collected.versions)}")
    return tuple(notes)


def _unlike(matrices: Sequence[_Matrix]) -> tuple[str, ...]:
    """Say where safeguards were not measured alike, so that nobody compares them as if they had been."""
    found = []
    if len({frozenset(each.outcomes.strategies) for each in matrices}) > 1:
        found.append(
            "safeguards were attacked with different strategies: a higher `real` may only be a weaker attacker"
        )
    if len({frozenset(each.outcomes.goals) for each in matrices}) > 1:
        found.append("safeguards were attacked on different goals: compare them on those that they share")
    fewest = min(
        (
            len({each[way] for each in matrix.outcomes.clusters})
            for matrix in matrices
            for way in _ways(matrix)
        ),
        default=FEWEST_CLUSTERS,
    )
    if fewest < FEWEST_CLUSTERS:
        found.append(
            f"goals are related by {fewest} {'cluster' if fewest == 1 else 'clusters'}; with fewer than {FEWEST_CLUSTERS}, "
            "intervals take them as unrelated and are too narrow"
        )
    return tuple(found)


def _ways(matrix: _Matrix) -> range:
    return range(len(matrix.outcomes.clusters[0]) if matrix.outcomes.clusters else 0)


def _labels(labelled: Labelled | None) -> tuple[str, ...]:
    if labelled is None:
        return ()
    many = rows(labelled)
    few = f"; at least {ENOUGH} are asked for" if many < ENOUGH else ""
    return (
        f"the judge's error is of {many:,} labelled rows: sensitivity {labelled.sensitivity.percent}, specificity "
        f"{labelled.specificity.percent}{few}",
    )
