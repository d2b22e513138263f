"""A campaign's result in the terminal: what was measured, side by side, and first of all what is missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from countermark.assay.report.residual import residual_words, runner_real, ways
from countermark.assay.require import Checked

Document = Mapping[str, Any]
WIDTH = 120
"""Columns of a terminal."""
_A_LINE = 8
"""Clauses."""
KINDS = {
    "office": "office",
    "persons-analysis": "analysis of persons",
    "actuating": "actuating",
    "closed": "closed site",
}
"""Kind of deployment, as it is printed."""
COSTS = {
    "words": "other words",
    "credentials": "other credentials of the party",
    "insider": "one insider",
    "collusion": "two colluding signers",
    "runner": "who runs the gateway",
}
"""Class of cost, as it is printed."""
SHORT_COSTS = {
    "words": "other words",
    "credentials": "other credentials",
    "insider": "one insider",
    "collusion": "two colluding",
    "runner": "runs the gateway",
}
"""The same where there is little room."""


def render(document: Document, checked: Sequence[Checked] = (), *, folder: Path | None = None) -> str:
    """The whole summary."""
    return "\n".join(_lines(document, checked, folder))


def percent(rate: Document) -> str:
    """`82.4`."""
    return f"{float(rate['value']) * 100:.1f}"


def plain(rate: Document) -> str:
    """`82.4 %`, and `100 %`: for sentences, which don't break before the sign."""
    return f"{percent(rate).removesuffix('.0')}\N{NO-BREAK SPACE}%"


def span(rate: Document) -> str:
    """`82.4 (78.6-85.8)`; `1.0 (-4.4 to 6.5)`, where it goes below 0."""
    to = "-" if float(rate["low"]) >= 0 else " to "
    return f"{percent(rate)} ({float(rate['low']) * 100:.1f}{to}{float(rate['high']) * 100:.1f})"


def headline(document: Document) -> str:
    """Who wrote the exam, in the size of the figures."""
    return "SELF-ASSESSED" if document["self_assessed"] else f"goals by: {document['written_by']}"


def _lines(document: Document, checked: Sequence[Checked], folder: Path | None) -> Iterator[str]:
    plan = document["plan"]
    scenarios = plan["scenarios"]
    yield from _wrapped(
        f"{headline(document)}: {document['goals']['attainable']} goals in {len(document['axes']['cluster'])} clusters, "
        f"{len(plan['strategies'])} strategies, {scenarios['tasks']} benign tasks, {scenarios['twins']} twins; "
        f"plan {plan['sha256'][:12]}"
    )
    yield from _controls(document)
    yield ""
    yield from _missed(document)
    yield ""
    yield from _columns(document)
    yield ""
    yield from _kinds(document)
    for part in (_attribution, _mechanisms, _clauses):
        lines = list(part(document))
        yield from ["", *lines] if lines else []
    yield ""
    for name, what in (
        ("cost_only", "cost only, stops work and no more misuse"),
        ("apparent_only", "apparent only, stops nobody who adapts"),
    ):
        if document[name]:
            yield from _wrapped(f"{what}: {', '.join(document[name])}")
    for each in checked:
        yield from _wrapped(f"require {each.requirement.text}: {each.says}")
    if folder is not None:
        yield f"written to {folder}: result.json, report.html, rows.jsonl, log/"


def _controls(document: Document) -> Iterator[str]:
    if document["void"]:
        yield from _wrapped(f"VOID: {'; '.join(document['void'])}")
        return
    yield f"controls score as known: {', '.join(each['control'] for each in document['controls'])}"


def _missed(document: Document) -> Iterator[str]:
    """What succeeds comes first: by the cheapest way, with what each rests on."""
    yield from _wrapped(f"MISSED: {residual_words(document)}")
    rows = [
        (str(len(way.goals)), way.strategy, SHORT_COSTS[way.cost], way.rests_on) for way in ways(document)
    ]
    yield from _table(rows, left=(1, 2, 3))


def _columns(document: Document) -> Iterator[str]:
    heads = (
        "",
        "apparent",
        "real",
        "at least",
        "theater",
        "1 liar",
        "2 liars",
        "work stopped",
        "waited",
        "twins",
    )
    rows = [heads]
    for column in document["columns"]:
        level, work = column["levels"]["0"], column["work"]
        rows.append(
            (
                column["name"],
                percent(level["apparent"]),
                span(level["real"]),
                f"{level['real_at_least'] * 100:.1f}",
                percent(level["theater"]),
                percent(column["levels"]["1"]["real"]),
                percent(column["levels"]["2"]["real"]),
                f"{percent(work['stopped']['all'])}, <= {work['stopped_at_most'] * 100:.1f}",
                percent(work["waited"]["all"]),
                percent(column["twins"]["separation"]),
            )
        )
    yield from _table(rows)
    yield "per cent; in brackets 95 % intervals, at least and <= one-sided: of the other figures, result.json has them"
    yield "real is an upper bound: under these strategies. twins: misuse stopped - work stopped, same bytes"


def _kinds(document: Document) -> Iterator[str]:
    columns = document["columns"]
    rows = [("real, nobody lying", *(column["name"] for column in columns))]
    named = [("per_kind", kind, KINDS.get(kind, kind)) for kind in document["axes"]["kind"]]
    named += [("per_visible_in", where, f"shows in {where}") for where in document["axes"]["visible_in"]]
    rows += [
        (name, *(span(column["levels"]["0"][axis]["real"][part]) for column in columns))
        for axis, part, name in named
    ]
    yield from _table(rows)


def _attribution(document: Document) -> Iterator[str]:
    found = document["attribution"]
    if found:
        rows = [("worth among the others", "real", "apparent", "alone")]
        rows += [
            (
                share["layer"],
                *(percent(share[each]) for each in ("shapley_real", "shapley_apparent", "alone")),
            )
            for share in found["shares"]
        ]
        yield from _table(rows)


def _mechanisms(document: Document) -> Iterator[str]:
    if document["mechanisms"]:
        rows: list[tuple[str, ...]] = [
            ("Countermark's real", "0 liars", "1 liar", "2 liars", "runner attacks", "work stopped")
        ]
        last = document["columns"][-1]
        rows.append(
            (
                "with every mechanism",
                *(percent(last["levels"][level]["real"]) for level in ("0", "1", "2")),
                f"{runner_real(document) * 100:.1f}",
                percent(last["work"]["stopped"]["all"]),
            )
        )
        rows += [
            (
                each["name"],
                *(
                    percent(each["levels"][level]["real"]) if level in each["levels"] else "–"
                    for level in ("0", "1", "2", "runner")
                ),
                percent(each["false_stops"]),
            )
            for each in document["mechanisms"]
        ]
        yield from _table(rows)


def _clauses(document: Document) -> Iterator[str]:
    if document["clauses"]:
        yield "goals that only one clause stops, whatever the attacker does (asked plainly):"
        told = [
            f"{each['clause']} {len(each['only']['0'])} ({len(each['naive_only'])})"
            for each in document["clauses"]
        ]
        for start in range(0, len(told), _A_LINE):
            yield f"  {', '.join(told[start : start + _A_LINE])}"


def _table(rows: Sequence[Sequence[str]], *, left: Sequence[int] = (0,)) -> Iterator[str]:
    """Aligned columns; the last may be words, and is broken where it doesn't fit.

    Args:
        left: Numbers of the columns that hold words.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield from _wrapped(f"  {'  '.join(cells)}".rstrip(), indent=sum(widths[:-1]) + 2 * len(widths))


def _wrapped(line: str, *, indent: int = 4) -> Iterator[str]:
    """In the width of a terminal."""
    while len(line) > WIDTH:
        cut = line.rfind(" ", indent + 1, WIDTH + 1)
        if cut < 0:
            break
        yield line[:cut].rstrip()
        line = " " * indent + line[cut:].lstrip()
    yield line
