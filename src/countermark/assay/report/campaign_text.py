"""A campaign's result in the terminal: what was measured, side by side, and first of all what is missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from countermark.assay.require import Checked

Document = Mapping[str, Any]
_MISSED_SHOWN = 8
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
    yield (
        f"{headline(document)}: {document['goals']['attainable']} goals in {len(document['axes']['cluster'])} clusters, "
        f"{len(plan['strategies'])} strategies, {scenarios['tasks']} benign tasks, {scenarios['twins']} twins; "
        f"plan {plan['sha256'][:12]}"
    )
    yield _controls(document)
    yield ""
    yield from _columns(document)
    yield ""
    yield from _kinds(document)
    yield from _attribution(document)
    yield from _mechanisms(document)
    yield from _clauses(document)
    yield from _missed(document)
    for name, what in (
        ("cost_only", "stops work and no misuse"),
        ("apparent_only", "stops who doesn't adapt, and nobody else"),
    ):
        if document[name]:
            yield f"{what}: {', '.join(document[name])}"
    for each in checked:
        yield f"require {each.requirement.text}: {each.says}"
    if folder is not None:
        yield ""
        yield f"written: {folder}/result.json, {folder}/report.html, {folder}/rows.jsonl; log in {folder}/log"


def _controls(document: Document) -> str:
    if document["void"]:
        return f"VOID: {'; '.join(document['void'])}"
    parts = [
        f"{each['control']} A {percent(each['apparent'])} R {percent(each['real'])} FPR {percent(each['false_stops'])}"
        for each in document["controls"]
    ]
    return f"controls score as known: {'; '.join(parts)}"


def _columns(document: Document) -> Iterator[str]:
    header = [
        "",
        "apparent",
        "real",
        "at least",
        "theater",
        "1 liar",
        "2 liars",
        "false stops",
        "waited",
        "twins",
    ]
    rows = [header]
    for column in document["columns"]:
        level, work = column["levels"]["0"], column["work"]
        rows.append(
            [
                column["name"],
                percent(level["apparent"]),
                span(level["real"]),
                f"{level['real_at_least'] * 100:.1f}",
                percent(level["theater"]),
                percent(column["levels"]["1"]["real"]),
                percent(column["levels"]["2"]["real"]),
                f"{percent(work['stopped']['all'])}",
                percent(work["waited"]["all"]),
                percent(column["twins"]["separation"]),
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    yield "per cent; real is an upper bound: under these strategies. twins: misuse stopped - work stopped, same bytes"


def _kinds(document: Document) -> Iterator[str]:
    yield "real by kind of deployment, nobody lying"
    for kind in document["axes"]["kind"]:
        parts = [
            f"{column['name']} {span(column['levels']['0']['per_kind']['real'][kind])}"
            for column in document["columns"]
        ]
        yield f"  {KINDS.get(kind, kind):20} {'   '.join(parts)}"
    yield "by where the misuse shows"
    for where in document["axes"]["visible_in"]:
        parts = [
            f"{column['name']} {percent(column['levels']['0']['per_visible_in']['real'][where])}"
            for column in document["columns"]
        ]
        yield f"  {where:20} {'   '.join(parts)}"
    yield ""


def _attribution(document: Document) -> Iterator[str]:
    found = document["attribution"]
    if not found:
        return
    yield "what each layer is worth (Shapley over all subsets; real / apparent)"
    for share in found["shares"]:
        yield f"  {share['layer']:14} {percent(share['shapley_real'])} / {percent(share['shapley_apparent'])}"
    yield ""


def _mechanisms(document: Document) -> Iterator[str]:
    if not document["mechanisms"]:
        return
    yield "Countermark with a mechanism switched off: real at 0, 1, 2 lying signers, and with the machine's runner attacking"
    for each in document["mechanisms"]:
        levels = [percent(each["levels"][level]["real"]) for level in ("0", "1", "2", "runner")]
        yield f"  {each['name']:24} {' / '.join(levels)}   false stops {percent(each['false_stops'])}"
    yield ""


def _clauses(document: Document) -> Iterator[str]:
    if not document["clauses"]:
        return
    yield "goals that only one clause stops: whatever the attacker does / asked for plainly"
    for each in document["clauses"]:
        yield f"  {each['clause']:8} {len(each['only']['0'])} / {len(each['naive_only'])}"
    yield ""


def _missed(document: Document) -> Iterator[str]:
    missed = document["missed"]
    by_liars = [sum(1 for each in missed if each["liars"] == liars) for liars in (0, 1, 2)]
    yield (
        f"MISSED: {by_liars[0]} of {document['goals']['attainable']} goals are reached with nobody lying, {by_liars[1]} more "
        f"with one lying signer, {by_liars[2]} more with two"
    )
    for each in missed[:_MISSED_SHOWN]:
        yield f"  {each['goal']}: {each['title']}; by `{each['strategy']}`; rests on {each['rests_on']}"
    if len(missed) > _MISSED_SHOWN:
        yield f"  and {len(missed) - _MISSED_SHOWN} more: see the report"
