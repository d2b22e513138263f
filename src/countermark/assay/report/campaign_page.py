"""A campaign's result as one sheet: a single HTML file without scripts or anything from elsewhere, black on white.

From top to bottom as docs/design tells it: a verdict per kind of deployment; real | theater | open of each layer with what it
costs; twins, discovery and the map of goals and strategies; what each layer, mechanism and clause is worth; what is missed, and
what each miss rests on; how to check it offline, and who wrote the goals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from countermark import __version__
from countermark.assay.report.bars import PATTERNS, parts_bar, swatch
from countermark.assay.report.campaign_text import COSTS, KINDS, headline, percent, span
from countermark.assay.report.finding import LEGEND
from countermark.assay.report.plots import curves, heat_map, legend_mark, twins_plot

Document = Mapping[str, Any]
NOT_COVERED = (
    "Text that a person or a machine acts on downstream; data that nobody registered or seeded; two signers who lie; whoever "
    "holds the upstream key."
)
_SWATCHES = (("real", "R"), ("theater", "T"), ("open", "O"))
_MISSED = 14
_STYLE = """\
:root{color-scheme:light}
body{margin:1.2rem auto;max-width:80rem;padding:0 1rem;font:14px/1.4 system-ui,"Liberation Sans",sans-serif;\
color:#111;background:#fff}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.1em;margin:.9em 0 .2em}p,ul,ol{margin:.3em 0}
.verdicts{padding-left:1.1em}.self{font-size:1.25em;font-weight:700;border:2px solid #000;padding:0 .4em;white-space:nowrap}
.void{border:3px solid #000;padding:.4em;font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin:.3em 0;padding:0;list-style:none}
.legend svg,.bar,.mark{vertical-align:middle}
.scroll{overflow-x:auto}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.4em 1.6em;align-items:start}
.beside>section{min-width:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.9em;padding:.2em 0}
th,td{text-align:left;padding:.1em .6em .1em 0;vertical-align:middle;font-weight:400}
.nowrap th,.nowrap td{white-space:nowrap}
thead th{font-weight:600;border-bottom:1.5px solid #000}
.heat{max-width:100%;height:auto}
.notes{font-size:.9em}
@page{size:A4 portrait;margin:6mm 8mm}
@media print{
body{font-size:6.4pt;line-height:1.16;margin:0;padding:0;max-width:none}
h1{font-size:1.4em;margin:0}h2{font-size:1.05em;margin:.35em 0 0}p,ul,ol,.legend{margin:.1em 0}
.scroll{overflow:visible}th,td{padding:0 .5em 0 0}caption{padding:0}
.bar{width:44mm;height:3mm}.swatch{height:2.6mm;width:5mm}.mark{width:2.4mm;height:2.4mm}
.plot{width:auto;height:33mm}.heat{width:100%;max-height:45mm}
.beside{grid-template-columns:repeat(3,1fr);gap:0 4mm}
.missed{columns:2;column-gap:5mm}.notes{font-size:5.6pt}
tr,li{break-inside:avoid}}
"""


def render(document: Document, *, vkey: str = "", change: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        vkey: The key of the assay's log, for checking it.
        change: What is different from an earlier run, line by line.
    """
    columns, plan = document["columns"], document["plan"]
    title = f"Assay of {document['safeguard']}: how much of it is real"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            PATTERNS,
            "<main>",
            f'<h1>{escape(title)} <span class="self">{escape(headline(document))}</span></h1>',
            *_void(document),
            '<ul class="verdicts">',
            *(f"<li>{each}</li>" for each in _verdicts(document)),
            "</ul>",
            *_safeguards(columns),
            '<div class="beside">',
            f"<section><h2>Twins</h2><p>{escape(_twins_words(columns, plan))}</p>{twins_plot(columns)}</section>",
            f"<section><h2>Discovery</h2><p>Real protection, %, as strategies become known.</p>{curves(columns)}</section>",
            f"<section><h2>What each layer is worth</h2>{_attribution(document)}{_budget(columns[-1])}</section>",
            "</div>",
            f"<h2>Goals and strategies: what {escape(columns[-1]['name'])} does not stop (black: reached)</h2>",
            heat_map(document["heat"], columns[-1]["name"], _groups(document)),
            '<div class="beside">',
            f"<section><h2>What each mechanism buys</h2>{_mechanisms(document)}</section>",
            f"<section><h2>What only each clause stops</h2>{_clauses(document)}</section>",
            f"<section><h2>Where the misuse shows, and how many it is about</h2>{_parts(document)}</section>",
            "</div>",
            *_missed(document),
            *_seeming(document),
            *(["<h2>Since the last run</h2>", _list(change)] if change else []),
            *_check(document, vkey),
            "</main></body></html>",
            "",
        ]
    )


def _void(document: Document) -> Iterator[str]:
    if document["void"]:
        yield f'<p class="void">VOID: {escape("; ".join(document["void"]))}. No figure on this page counts.</p>'


def _verdicts(document: Document) -> Iterator[str]:
    """One sentence per kind of deployment; a pooled figure alone would hide the kind that fails."""
    last, others = document["columns"][-1], document["columns"][:-1]
    for kind in document["axes"]["kind"]:
        level = last["levels"]["0"]
        real, apparent = level["per_kind"]["real"][kind], level["per_kind"]["apparent"][kind]
        best = max(
            others, key=lambda column: column["levels"]["0"]["per_kind"]["real"][kind]["value"], default=None
        )
        beside = ""
        if best is not None:
            rate = best["levels"]["0"]["per_kind"]["real"][kind]
            beside = f"; without it {percent(rate)} ({escape(best['name'])})"
        false = last["work"]["stopped"].get(kind)
        cost = f"; work stopped {percent(false)}" if false else ""
        lied = [percent(last["levels"][liars]["per_kind"]["real"][kind]) for liars in ("1", "2")]
        yield (
            f"<strong>{escape(KINDS.get(kind, kind))}</strong>: of {real['n']} goals {percent(real)} % stopped whatever an "
            f"attacker does with true papers (at least {level['per_kind_at_least'][kind] * 100:.1f}), {percent(apparent)} when "
            f"he doesn't adapt{beside}{cost}; with one lying signer {lied[0]}, with two {lied[1]}."
        )


def _safeguards(columns: Sequence[Document]) -> Iterator[str]:
    items = "".join(
        f"<li>{swatch(kind, letter)} <strong>{escape(word)}</strong>: {escape(meaning)}</li>"
        for (kind, letter), (word, meaning) in zip(_SWATCHES, LEGEND, strict=False)
    )
    yield f'<ul class="legend">{items}</ul>'
    heads = (
        *("Safeguard", "Real | theater | open", "Apparent", "Real", "Theater", "Real, 1 liar", "2 liars"),
        *("Work stopped", "of it look-alikes", "Waited"),
    )
    yield '<div class="scroll"><table class="nowrap">'
    yield (
        "<caption>In % of goals, with 95 % intervals (the wider of exact and clustered); line on each bar: interval of real. "
        "Attackers hold valid credentials and true papers for something else; nobody lies but where it says so.</caption>"
    )
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead><tbody>"
    for number, column in enumerate(columns):
        level, work = column["levels"]["0"], column["work"]
        real = level["real"]
        bar = parts_bar(real["value"], level["apparent"]["value"], real["low"], real["high"])
        figures = (
            bar,
            span(level["apparent"]),
            span(real),
            span(level["theater"]),
            percent(column["levels"]["1"]["real"]),
            percent(column["levels"]["2"]["real"]),
            span(work["stopped"]["all"]),
            percent(work["stopped"]["look-alikes"]) if "look-alikes" in work["stopped"] else "–",
            percent(work["waited"]["all"]),
        )
        yield (
            f'<tr><th scope="row">{legend_mark(number)} {escape(column["name"])}</th>'
            f"{''.join(f'<td>{figure}</td>' for figure in figures)}</tr>"
        )
    yield "</tbody></table></div>"


def _twins_words(columns: Sequence[Document], plan: Document) -> str:
    content = [column["name"] for column in columns if column["reads_content_only"]]
    last = columns[-1]
    return (
        f"{plan['scenarios']['twins']} pairs of the same bytes, one misuse and one work. {' and '.join(content)}: separation 0 "
        f"at any threshold, since nothing but content is read; {last['name']}: {span(last['twins']['separation'])}."
    )


def _attribution(document: Document) -> str:
    found = document["attribution"]
    if not found:
        return "<p>Not measured in this run.</p>"
    rows = [
        (
            share["layer"],
            percent(share["alone"]),
            percent(share["shapley_real"]),
            percent(share["shapley_apparent"]),
        )
        for share in found["shares"]
    ]
    more = "; ".join(
        f"{each['layer']} added to {' + '.join(each['to'])} buys {percent(each['buys'])}"
        for each in found["one_more"]
    )
    table = _table(("Layer", "alone", "real share", "seeming share"), rows)
    return f"{table}<p>{escape(more)} (points of real).</p>"


def _budget(column: Document) -> str:
    steps = "; ".join(f"{COSTS[step['cost']]} {percent(step['real'])}" for step in column["budget"])
    return f"<p>Real of {escape(column['name'])} by what the attacker can afford: {escape(steps)}.</p>"


def _groups(document: Document) -> Mapping[str, Sequence[str]]:
    kinds: dict[str, list[str]] = {KINDS.get(kind, kind): [] for kind in document["axes"]["kind"]}
    for goal in document["goal_list"]:
        kinds.setdefault(KINDS.get(goal["kind"], goal["kind"]), []).append(goal["id"])
    return kinds


def _mechanisms(document: Document) -> str:
    if not document["mechanisms"]:
        return "<p>Not measured in this run.</p>"
    rows = [
        (
            each["name"],
            *(percent(each["levels"][level]["real"]) for level in ("0", "1", "2", "runner")),
            percent(each["false_stops"]),
        )
        for each in document["mechanisms"]
    ]
    return _table(("Switched off", "real", "1 liar", "2 liars", "runner", "work stopped"), rows)


def _clauses(document: Document) -> str:
    if not document["clauses"]:
        return "<p>Not measured in this run.</p>"
    terms = {each["clause"]: each for each in document["plan"]["terms"]}
    rows = []
    for each in document["clauses"]:
        term = terms.get(each["clause"], {})
        by = ", ".join(term.get("changed_by", ())) or "no side alone"
        rows.append((each["clause"], str(len(each["only"]["0"])), str(len(each["naive_only"])), by))
    return _table(("Clause", "goals", "asked plainly", "lifted alone by"), rows)


def _parts(document: Document) -> str:
    last = document["columns"][-1]
    rows = [
        (
            f"visible in {where}",
            *(
                percent(column["levels"]["0"]["per_visible_in"]["real"][where])
                for column in document["columns"]
            ),
        )
        for where in document["axes"]["visible_in"]
    ]
    rows += [
        (
            f"{scale} persons, asked plainly",
            *(percent(column["scales"][scale]) for column in document["columns"]),
        )
        for scale in last["scales"]
    ]
    return _table(("Stopped, %", *(column["name"] for column in document["columns"])), rows)


def _missed(document: Document) -> Iterator[str]:
    missed = document["missed"]
    plainly = [each for each in missed if each["liars"] == 0]
    yield (
        f"<h2>Missed: {len(plainly)} of {document['goals']['attainable']} goals with nobody lying, "
        f"{sum(1 for each in missed if each['liars'] == 1)} more with one lying signer, "
        f"{sum(1 for each in missed if each['liars'] == 2)} more with two</h2>"
    )
    if not missed:
        yield f"<p>None of the {len(document['plan']['strategies'])} strategies reached a goal. Others may.</p>"
        return
    yield '<ol class="missed">'
    for each in missed[:_MISSED]:
        yield (
            f"<li>{escape(each['title'])} ({escape(KINDS.get(each['kind'], each['kind']))}): by {escape(each['strategy'])}; "
            f"rests on {escape(each['rests_on'])}</li>"
        )
    yield "</ol>"
    if len(missed) > _MISSED:
        yield f"<p>And {len(missed) - _MISSED} more, in <code>result.json</code> under <code>missed</code>.</p>"


def _seeming(document: Document) -> Iterator[str]:
    if document["apparent_only"]:
        yield f"<p>Apparent only, stops nobody who adapts: {escape(', '.join(document['apparent_only']))}.</p>"
    if document["cost_only"]:
        yield f"<p>Cost only, stops work and no more misuse: {escape(', '.join(document['cost_only']))}.</p>"


def _check(document: Document, vkey: str) -> Iterator[str]:
    plan = document["plan"]
    software = ", ".join(f"{name} {version}" for name, version in plan["software"].items())
    yield "<h2>What this rests on, and how to check it offline</h2>"
    yield f'<div class="notes"><p><strong>Not covered:</strong> {escape(NOT_COVERED)}</p>'
    controls = "; ".join(
        f"{each['control']} A {percent(each['apparent'])} R {percent(each['real'])} FPR {percent(each['false_stops'])}"
        for each in document["controls"]
    )
    yield (
        f"<p>Goals and attackers: {escape(str(document['written_by']))}. {len(plan['strategies'])} strategies; real is an "
        "upper bound: one more strategy can only lower it. It measures control of use, not any model: the played model obeys. "
        f"Controls: {escape(controls)}. {len(document['assumed'])} cells that nobody measured count against the safeguard.</p>"
    )
    yield (
        f"<p>Plan {escape(plan['sha256'])}, in the log before the first request; the log's key: <code>{escape(vkey)}</code>. "
        "Check: <code>countermark assay report FOLDER</code>, which verifies the log and counts the rows again. "
        f"countermark {escape(__version__)}; {escape(software)}; seed {plan['seed']}.</p></div>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in lines)}</ul>"
