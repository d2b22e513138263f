"""A campaign's result as one sheet: a single HTML file without scripts or anything from elsewhere, black on white.

From top to bottom as docs/design tells it: a verdict per kind of deployment; what succeeds against the safeguard itself;
real | theater | open of each layer with what it costs; twins, discovery, and the map of goals and strategies; what each layer,
mechanism and clause is worth; what is missed, by name; how to check it offline, and who wrote the goals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from countermark.assay.report.bars import PATTERNS, parts_bar, swatch
from countermark.assay.report.campaign_parts import (
    attribution,
    check,
    clauses,
    mechanisms,
    missed,
    parts,
    residual,
    safeguard_name,
    scrolled,
    seeming,
)
from countermark.assay.report.campaign_style import STYLE
from countermark.assay.report.campaign_text import COSTS, KINDS, headline, percent, plain, span
from countermark.assay.report.plots import budget_curves, curves, heat_map, legend_mark, numbered, twins_plot

Document = Mapping[str, Any]
_LEGEND = (
    ("real", "R", "stopped whatever the attacker does: an upper bound"),
    ("theater", "T", "stopped until he adapts"),
    ("open", "O", "reached without adapting"),
)


def render(document: Document, *, vkey: str = "", change: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        vkey: The key of the assay's log, for checking it.
        change: What is different from an earlier run, line by line.
    """
    columns = document["columns"]
    name = safeguard_name(document["safeguard"])
    title = f"Assay of {name}: how much of it is real"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style></head><body>",
            PATTERNS,
            "<main><div>",
            f'<h1>{escape(title)} <span class="self">{escape(headline(document))}</span></h1>',
            *_void(document),
            '<ul class="verdicts">',
            *(f"<li>{each}</li>" for each in _verdicts(document)),
            "</ul>",
            f"<h2>Residual risk: what succeeds against {escape(name)}</h2>",
            *residual(document),
            "<h2>Real, theater and open, side by side</h2>",
            *_safeguards(columns),
            *seeming(document),
            '<div class="beside">',
            f"<section><h2>Twins: the same bytes, misuse and work</h2>{twins_plot(columns)}{_twins_words(document)}</section>",
            "<section><h2>Discovery, strategy by strategy</h2>"
            f"{curves(columns, numbered(document['heat']))}{_falls(columns[-1])}</section>",
            f"<section><h2>What each layer is worth</h2>{attribution(document)}</section>",
            f'<section class="screen"><h2>Real by budget</h2>{budget_curves(columns)}{_budgets(columns[-1])}</section>',
            "</div>",
            f"<h2>Goals (across) and strategies (down): black is reached in spite of {escape(name)}</h2>",
            scrolled("map of goals and strategies", _map(document)),
            '<div class="beside halves">',
            '<section class="clauses"><h2>What only each clause stops, and who could lift it alone</h2>'
            f"{clauses(document)}</section>",
            f"<section><h2>What each mechanism buys</h2>{mechanisms(document)}",
            f"<h2>Where it works, and where not</h2>{parts(document)}</section>",
            "</div>",
            f"{_missed_head(document)}</div>",
            f'<dl class="names">{missed(document)}</dl>' if document["missed"] else "",
            "<div>",
            *_since(change),
            *check(document, vkey),
            "</div></main></body></html>",
            "",
        ]
    )


def _void(document: Document) -> Iterator[str]:
    if document["void"]:
        yield f'<p class="void">VOID: {escape("; ".join(document["void"]))}. No figure on this page counts.</p>'


def _verdicts(document: Document) -> Iterator[str]:
    """One verdict per kind of deployment; a pooled figure alone would hide the kind that fails."""
    last, others = document["columns"][-1], document["columns"][:-1]
    for kind in document["axes"]["kind"]:
        level = last["levels"]["0"]
        real, apparent = level["per_kind"]["real"][kind], level["per_kind"]["apparent"][kind]
        one, two = (last["levels"][liars]["per_kind"]["real"][kind] for liars in ("1", "2"))
        words = KINDS.get(kind, kind)
        yield (
            f'<strong>{escape(words[:1].upper() + words[1:])} <span class="figure">{plain(real)}</span></strong> '
            f"really stopped: {real['k']} of {real['n']} goals, whatever an attacker with true papers tries; at least "
            f"{level['per_kind_at_least'][kind] * 100:.1f} % (95 % confidence). Seems to stop {plain(apparent)}, until "
            f"somebody adapts. One signer lies: {plain(one)}; two: {plain(two)}. {_price(last, kind)}"
            f"{_without(others, kind)}"
        )


def _lied(column: Document, liars: str) -> str:
    """Real where somebody lies, with its one-sided bound; on paper there is room for the verdicts' bounds only."""
    level = column["levels"][liars]
    return f'{percent(level["real"])}<span class="screen"> ≥ {level["real_at_least"] * 100:.1f}</span>'


def _price(column: Document, kind: str) -> str:
    stopped, waited = (column["work"][part].get(kind) for part in ("stopped", "waited"))
    if stopped is None:
        return "Cost in work: not measured here."
    most = f"≤ {float(stopped['high']) * 100:.0f}"
    return f"Costs {plain(stopped)} of the work ({most}); {plain(waited)} waited for people."


def _without(others: Sequence[Document], kind: str) -> str:
    """The best of the others, with its price: without that a layer that stops everything would look best."""
    if not others:
        return ""
    best = max(others, key=lambda column: column["levels"]["0"]["per_kind"]["real"][kind]["value"])
    stopped = best["work"]["stopped"].get(kind)
    price = "" if stopped is None else f", costs {plain(stopped)} of the work"
    rate = best["levels"]["0"]["per_kind"]["real"][kind]
    return f" Best without it: {plain(rate)} ({escape(best['name'])}{price})."


def _safeguards(columns: Sequence[Document]) -> Iterator[str]:
    items = "".join(
        f"<li>{swatch(kind, letter)} <strong>{kind}</strong>: {meaning}</li>"
        for kind, letter, meaning in _LEGEND
    )
    yield f'<ul class="legend">{items}</ul>'
    yield (
        '<p class="small">In % of goals; 95 % intervals, the wider of exact and clustered; line on each bar: that of real. '
        "Attackers hold true credentials and papers for something else; nobody lies but where said.</p>"
    )
    heads = (
        *("Apparent", "Real", "Theater", "1 liar", "2 liars"),
        *("Work stopped", "look-alikes", "waited"),
    )
    cells = "".join(f'<th scope="col" class="n">{head}</th>' for head in heads)
    rows = "".join(_safeguard(number, column) for number, column in enumerate(columns))
    yield scrolled(
        "safeguards side by side",
        '<table class="wide bars"><thead><tr><th scope="col">Safeguard</th><th scope="col">Real | theater | open</th>'
        f"{cells}</tr></thead><tbody>{rows}</tbody></table>",
    )


def _safeguard(number: int, column: Document) -> str:
    level, work = column["levels"]["0"], column["work"]
    real = level["real"]
    figures = (
        span(level["apparent"]),
        span(real),
        span(level["theater"]),
        _lied(column, "1"),
        _lied(column, "2"),
        span(work["stopped"]["all"]),
        percent(work["stopped"]["look-alikes"]) if "look-alikes" in work["stopped"] else "–",
        percent(work["waited"]["all"]),
    )
    cells = "".join(f'<td class="n">{figure}</td>' for figure in figures)
    bar = parts_bar(real["value"], level["apparent"]["value"], real["low"], real["high"])
    return f'<tr><th scope="row">{legend_mark(number)} {escape(safeguard_name(column["name"]))}</th><td>{bar}</td>{cells}</tr>'


def _twins_words(document: Document) -> str:
    columns, plan = document["columns"], document["plan"]
    content = [column["name"] for column in columns if column["reads_content_only"]]
    only = f"{' and '.join(content)} read only content: separation 0 at any threshold. " if content else ""
    last = columns[-1]
    said = f"{plan['scenarios']['twins']} pairs. {only}{safeguard_name(last['name'])}: {span(last['twins']['separation'])}."
    return f"<p>{escape(said)}</p>"


def _budgets(column: Document) -> str:
    """What the numbers of the budget's axis stand for; on paper the sentence beside the layers says it."""
    named = "; ".join(f"{i} {COSTS[step['cost']]}" for i, step in enumerate(column["budget"], start=1))
    return f"<p>{escape(named)}. Each includes those before it.</p>"


def _falls(column: Document) -> str:
    """The strategies that took most, by name: a curve shows that it falls, not by what."""
    steps = column["levels"]["0"]["discovery"]
    values = [float(step["value"]) * 100 for step in steps]
    falls = [(before - after, i + 1) for i, (before, after) in enumerate(pairwise(values))]
    most = sorted((each for each in sorted(falls, reverse=True)[:3] if each[0] > 0), key=lambda each: each[1])
    if not most:
        return "<p>No strategy after the first took anything.</p>"
    words = ", ".join(f"{steps[i]['strategy']} ({values[i - 1]:.0f} to {values[i]:.0f})" for _, i in most)
    return f"<p>{escape(safeguard_name(column['name']))} falls most by {escape(words)}.</p>"


def _map(document: Document) -> str:
    kinds: dict[str, list[str]] = {KINDS.get(kind, kind): [] for kind in document["axes"]["kind"]}
    for goal in document["goal_list"]:
        kinds.setdefault(KINDS.get(goal["kind"], goal["kind"]), []).append(goal["id"])
    costs = {each["name"]: each["cost"] for each in document["plan"]["strategies"]}
    return heat_map(document["heat"], document["columns"][-1]["name"], kinds, costs)


def _missed_head(document: Document) -> str:
    if not document["missed"]:
        return ""
    return (
        f"<h2>Missed, by name: {len(document['missed'])} goals, each under the cheapest way to it"
        '<span class="paper"> (as many as this sheet holds; all: result.json)</span></h2>'
    )


def _since(change: Sequence[str]) -> Iterator[str]:
    if change:
        yield "<h2>Since the last run</h2>"
        yield f'<p class="small">{escape(". ".join(change))}.</p>'
