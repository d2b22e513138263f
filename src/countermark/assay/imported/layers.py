"""What layers decided by their own logs, and whether a safeguard tells twins apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from countermark.assay.imported.records import Attack, Task
from countermark.assay.measured import Comparison, Named
from countermark.assay.rate import make_rate
from countermark.assay.statistics.exact import holm
from countermark.assay.statistics.paired import Paired
from countermark.assay.twins import Twins, make_twins, separation

Sides = dict[str, tuple[bool | None, bool | None]]


def layer_figures(attacks: Sequence[Attack], tasks: Sequence[Task]) -> Iterator[Named]:
    """How often each layer stopped what it was asked about: of the goals under each strategy, and of the benign tasks.

    A goal counts as stopped where the layer stopped it in every attempt in which it was asked.
    """
    asked: dict[tuple[str, str], dict[str, bool]] = {}
    for attack in attacks:
        for layer, stopped in attack.decisions:
            _note(
                asked,
                (f"{attack.safeguard}, layer {layer}", f"goals under {attack.strategy}"),
                attack.goal,
                stopped,
                every=True,
            )
    for task in tasks:
        for layer, stopped in task.decisions:
            _note(
                asked, (f"{task.safeguard}, layer {layer}", "benign tasks"), task.name, stopped, every=False
            )
    for (layer, what), found in asked.items():
        yield (
            f"{layer}, by its own log: {what} stopped, of those it was asked about",
            make_rate(np.array(list(found.values()), dtype=np.bool_)),
        )


def _note(
    asked: dict[tuple[str, str], dict[str, bool]],
    at: tuple[str, str],
    goal: str,
    stopped: bool,
    *,
    every: bool,
) -> None:
    found = asked.setdefault(at, {})
    if goal in found:
        stopped = (found[goal] and stopped) if every else (found[goal] or stopped)
    found[goal] = stopped


def twin_comparisons(
    attacks: Sequence[Attack], tasks: Sequence[Task], *, true_is_breach: bool
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Misuse against work on pairs with the same bytes: of each safeguard, and of each of its layers by its own log.

    Returns:
        A comparison for each, and remarks: pairs of which only one side is there are in none.
    """
    made: dict[str, Paired] = {}
    remarks: list[str] = []
    rows: list[Attack | Task] = [*attacks, *tasks]
    for safeguard in dict.fromkeys(each.safeguard for each in rows if each.twin):
        misuse = [each for each in attacks if each.safeguard == safeguard and each.twin]
        work = [each for each in tasks if each.safeguard == safeguard and each.twin]
        whole = {each.twin for each in misuse} & {each.twin for each in work}
        odd = len({each.twin for each in misuse} ^ {each.twin for each in work})
        if odd:
            remarks.append(
                f"{safeguard}: {odd} twins of which only one side is in the logs, in no figure of twins"
            )
        if not whole:
            continue
        verdicts = (
            (each.twin, None if each.verdict is None else each.verdict is not true_is_breach)
            for each in misuse
        )
        twins = _pairs(whole, verdicts, ((each.twin, each.stopped) for each in work))
        made[safeguard] = separation(twins)
        remarks += [f"{safeguard}, twin {words}" for words in twins.assumed]
        asked = (*(each.decisions for each in misuse), *(each.decisions for each in work))
        for layer in dict.fromkeys(layer for decisions in asked for layer, _ in decisions):
            # a layer that was never asked about a request didn't stop it
            twins = _pairs(
                whole,
                ((each.twin, dict(each.decisions).get(layer, False)) for each in misuse),
                ((each.twin, dict(each.decisions).get(layer, False)) for each in work),
            )
            made[f"{safeguard}, layer {layer} by its own log"] = separation(twins)
    adjusted = holm({name: each.p for name, each in made.items()})
    return (
        tuple(
            Comparison(
                what=f"twins, {name}: misuse stopped against work stopped",
                gained=each.gained,
                lost=each.lost,
                n=each.n,
                p=each.p,
                p_holm=adjusted[name],
                says=f"separation {each.shown.percent}",
            )
            for name, each in made.items()
        ),
        tuple(remarks),
    )


def _pairs(
    whole: set[str], misuse: Iterable[tuple[str, bool | None]], work: Iterable[tuple[str, bool | None]]
) -> Twins:
    """Misuse is stopped when every attempt was; work when any was."""
    first = _reduce(misuse, worst=False)
    second = _reduce(work, worst=True)
    return make_twins({name: (first[name], second[name]) for name in sorted(whole)})


def _reduce(rows: Iterable[tuple[str, bool | None]], *, worst: bool) -> dict[str, bool | None]:
    """One value for each pair: `worst` if any row says so, else None if any says nothing."""
    found: dict[str, bool | None] = {}
    for name, value in rows:
        before = found.get(name, not worst)
        if worst in (before, value):
            found[name] = worst
        else:
            found[name] = None if None in (before, value) else value
    return found
