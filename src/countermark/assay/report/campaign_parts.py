"""The parts of a campaign's page beside its figures: residual risk, what is worth what, what is missed, how to check it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from countermark import __version__
from countermark.assay.report.campaign_text import COSTS, KINDS, SHORT_COSTS, percent, span
from countermark.assay.report.plots import numbered
from countermark.assay.report.residual import Way, residual_words, runner_real, ways
from countermark.assay.scenarios.load import OURS

Document = Mapping[str, Any]
NOT_COVERED = (
    "text that a person or a machine acts on downstream; data that nobody registered or seeded; two signers who lie; whoever "
    "holds the upstream key"
)
_WAYS_ON_PAPER, _CLAUSES_ON_PAPER = 9, 14


def safeguard_name(name: str) -> str:
    """As a page prints it."""
    return "Countermark" if name == "countermark" else name


def residual(document: Document) -> Iterator[str]:
    """How many goals are reached, by the cheapest way, and what each way rests on."""
    found = ways(document)
    if not found:
        yield f"<p>None of the {len(document['plan']['strategies'])} strategies reached a goal. Others may.</p>"
        return
    yield f"<p><strong>{escape(residual_words(document))}.</strong></p>"
    kinds, numbers = document["axes"]["kind"], numbered(document["heat"])
    heads = "".join(f'<th scope="col" class="n">{escape(KINDS.get(kind, kind))}</th>' for kind in kinds)
    rows = "".join(
        _way(way, numbers[way.strategy], kinds, paper=number < _WAYS_ON_PAPER)
        for number, way in enumerate(found)
    )
    yield scrolled(
        "cheapest ways to the goals",
        '<table class="wide"><thead><tr><th scope="col">Cheapest way</th>'
        f'<th scope="col" class="n">Goals</th>{heads}<th scope="col">It takes</th>'
        f'<th scope="col" class="words">Rests on: what the attacker holds</th></tr></thead><tbody>{rows}</tbody></table>',
    )
    if len(found) > _WAYS_ON_PAPER:
        rest = sum(len(way.goals) for way in found[_WAYS_ON_PAPER:])
        yield f'<p class="paper">And {rest} goals by {len(found) - _WAYS_ON_PAPER} more ways.</p>'


def _way(way: Way, number: int, kinds: Sequence[str], *, paper: bool) -> str:
    counts = (sum(1 for goal in way.goals if goal["kind"] == kind) for kind in kinds)
    cells = "".join(f'<td class="n">{count or "–"}</td>' for count in counts)
    return (
        f'<tr{"" if paper else " class=screen"}><th scope="row">{number} {escape(way.strategy)}</th>'
        f'<td class="n"><strong>{len(way.goals)}</strong></td>{cells}<td>{escape(SHORT_COSTS[way.cost])}</td>'
        f'<td class="words">{escape(way.rests_on)}</td></tr>'
    )


def seeming(document: Document) -> Iterator[str]:
    """Layers that only seem, or only cost, by name; and the classifier at prices that somebody might allow."""
    if document["apparent_only"]:
        yield f"<p><strong>Apparent only</strong>, stops nobody who adapts: {escape(', '.join(document['apparent_only']))}.</p>"
    if document["cost_only"]:
        yield f"<p><strong>Cost only</strong>, stops work and no more misuse: {escape(', '.join(document['cost_only']))}.</p>"
    if document.get("classifier_at"):
        each = "; ".join(
            f"{at['stated'] * 100:g} %: real {percent(at['real'])}, apparent {percent(at['apparent'])}"
            for at in document["classifier_at"]
        )
        yield f"<p><strong>The classifier alone</strong>, allowed to stop so much of the work: {escape(each)}.</p>"


def attribution(document: Document) -> str:
    """Shares of the layers, what one more would buy, and real by what an attacker can afford and by who makes the attack."""
    column, found = document["columns"][-1], document["attribution"]
    name = escape(safeguard_name(column["name"]))
    steps = "; ".join(f"{COSTS[step['cost']]} {percent(step['real'])}" for step in column["budget"])
    authors = "; ".join(f"{author} {percent(rate)}" for author, rate in column["authors"].items())
    rest = (
        f"<p>Real of {name} by what the attacker can afford: {escape(steps)}. By who makes the attack: "
        f"{escape(authors)}.</p>"
    )
    if not found:
        return f"<p>Shares of layers: not measured in this run.</p>{rest}"
    rows = [
        (
            safeguard_name(share["layer"]),
            *(percent(share[each]) for each in ("alone", "shapley_real", "shapley_apparent")),
        )
        for share in found["shares"]
    ]
    shares = table("shares of layers", ("Layer", "alone", "share of real", "of apparent"), rows)
    return f"{shares}<p>Points of real that one more buys: {escape(_one_more(found))}{escape(_at_most(document))}.</p>{rest}"


def _one_more(found: Document) -> str:
    """What is added to the same layers stands together."""
    by_base: dict[tuple[str, ...], list[str]] = {}
    for each in found["one_more"]:
        by_base.setdefault(tuple(each["to"]), []).append(
            f"{safeguard_name(each['layer'])} {percent(each['buys'])}"
        )
    return "; ".join(
        f"after {' + '.join(safeguard_name(layer) for layer in base)}: {', '.join(added)}"
        for base, added in by_base.items()
    )


def _at_most(document: Document) -> str:
    """The most that a perfect safeguard would add: against a family of strategies, and for a cluster of goals."""
    found = document.get("would_buy")
    if not found:
        return ""
    best = [
        max(found[axis], key=lambda each: each["adds"]["value"], default=None)
        for axis in ("against_families", "for_clusters")
    ]
    words = " and ".join(
        f"{way} {each['what']} {percent(each['adds'])}"
        for way, each in zip(("against", "for"), best, strict=True)
        if each is not None
    )
    return f"; a perfect one {words} at most" if words else ""


def mechanisms(document: Document) -> str:
    """Real with each mechanism switched off, below what it is with all."""
    if not document["mechanisms"]:
        return "<p>Not measured in this run.</p>"
    column = document["columns"][-1]
    whole = (
        "nothing",
        *(percent(column["levels"][level]["real"]) for level in ("0", "1", "2")),
        f"{runner_real(document) * 100:.1f}",
        percent(column["work"]["stopped"]["all"]),
    )
    rows = [
        (
            each["name"].removeprefix("without "),
            *(
                percent(each["levels"][level]["real"]) if level in each["levels"] else "–"
                for level in ("0", "1", "2", "runner")
            ),
            percent(each["false_stops"]),
        )
        for each in document["mechanisms"]
    ]
    heads = ("Switched off", "real", "1 liar", "2 liars", "runner", "work stopped")
    idle = [
        row[0]
        for row, each in zip(rows, document["mechanisms"], strict=True)
        if not any(level["buys"]["gained"] or level["buys"]["lost"] for level in each["levels"].values())
    ]
    note = f'<p class="screen">No strategy is aimed at {escape(", ".join(idle))}.</p>' if idle else ""
    return table("mechanisms switched off", heads, [whole, *rows]) + note


def clauses(document: Document) -> str:
    """Of each clause that forbids: goals that nothing else stops, and who can change alone what it leans on."""
    if not document["clauses"]:
        return "<p>Not measured in this run.</p>"
    terms = {each["clause"]: each for each in document["plan"]["terms"]}
    order = sorted(
        document["clauses"], key=lambda each: -len(each["only"]["0"]) - len(each["naive_only"]) / 1e6
    )
    paper = {each["clause"] for each in order[:_CLAUSES_ON_PAPER]}
    rows = []
    for each in document["clauses"]:
        term = terms.get(each["clause"], {})
        by = ", ".join(party.capitalize() for party in term.get("changed_by", ())) or "no side"
        rows.append(
            (
                f"{each['clause']} {term.get('title', '')}",
                str(len(each["only"]["0"])),
                str(len(each["naive_only"])),
                str(each["work_freed"]),
                by,
            )
        )
    heads = ("Clause", "goals", "plainly", "work", "lifted alone by")
    shown = [each["clause"] in paper for each in document["clauses"]]
    more = ""
    if len(rows) > _CLAUSES_ON_PAPER:
        more = f'<p class="paper">And {len(rows) - _CLAUSES_ON_PAPER} more that stop no more than these.</p>'
    said = (
        '<p class="small">goals: stopped by nothing else, whatever the attacker does; plainly: asked plainly; work: '
        "tasks.</p>"
    )
    return table("clauses left out in turn", heads, rows, words_last=True, paper=shown) + more + said


def parts(document: Document) -> str:
    """Real by where the misuse shows, and what is stopped of plain misuse by how many persons it is about."""
    columns = document["columns"]
    shown, scales = (
        document["axes"]["visible_in"],
        sorted(columns[-1]["scales"], key=lambda scale: int(scale.replace(",", ""))),
    )
    rows = [
        (
            safeguard_name(column["name"]),
            *(percent(column["levels"]["0"]["per_visible_in"]["real"][where]) for where in shown),
            *(percent(column["scales"][scale]) for scale in scales),
        )
        for column in columns
    ]
    heads = ("Stopped, %", *(f"in {where}" for where in shown), *(_persons(scale) for scale in scales))
    made = table("where the misuse shows, and how many persons it is about", heads, rows)
    plainly = f"; {', '.join(map(_persons, scales))}: asked plainly, about so many persons" if scales else ""
    return f'{made}<p class="small">In {", ".join(shown)}: real, by where misuse shows{plainly}.</p>'


def _persons(scale: str) -> str:
    return "1 million" if scale == "1,000,000" else scale


def missed(document: Document) -> str:
    """Every goal that is reached, by name, under the way to it; short lists first, since paper holds only so many names."""
    return "".join(
        f"<div><dt>{escape(way.strategy)}, {len(way.goals)}:</dt> "
        f"<dd>{escape('; '.join(goal['title'] for goal in way.goals))}.</dd></div>"
        for way in sorted(ways(document), key=lambda way: len(way.goals))
    )


def check(document: Document, vkey: str) -> Iterator[str]:
    """What is not covered, who wrote the goals, how the controls scored, and how an outsider checks all of it."""
    plan = document["plan"]
    controls = ", ".join(each["control"] for each in document["controls"])
    scored = "did not score as known" if document["void"] else "score as known"
    yield "<h2>What this rests on, and how to check it offline</h2>"
    yield f'<div class="small"><p><strong>Not covered:</strong> {escape(NOT_COVERED)}.</p>'
    yield (
        f"<p><strong>Who wrote the goals and attackers:</strong> {escape(_author(document))}. It measures control of use, "
        f"not any model: the played model obeys. Real is an upper bound under {len(plan['strategies'])} strategies of "
        f"{plan['attempts']} attempts each: one more can only lower it. Controls ({escape(controls)}) {scored}. "
        f"{len(document['assumed'])} cells that nobody measured count against the safeguard.</p>"
    )
    yield from _held_out(document)
    yield (
        f"<p><strong>Check it:</strong> <code>countermark assay report FOLDER --vkey {escape(vkey or 'KEY')}</code>, offline: "
        f"the plan <code>{escape(plan['sha256'])}</code> was logged before the first request; rows, result and signature are "
        f"those of the log. countermark {escape(__version__)}, seed {plan['seed']}.</p></div>"
    )


def _held_out(document: Document) -> Iterator[str]:
    """Whether what was found holds on goals and in wordings that it was not found on."""
    found = document.get("holdout", {}).get(document["safeguard"])
    if found:
        confirmed = found["confirmed"]
        yield (
            f"<p><strong>Held out:</strong> chosen on half of the clusters, {escape(' + '.join(confirmed['chosen']))} leave "
            f"real {percent(confirmed['dev'])} there and {span(confirmed['test'])} on the others; wordings that nothing was "
            f"developed on change it by {span(found['unseen_wordings'])}.</p>"
        )


def _author(document: Document) -> str:
    if document["self_assessed"]:
        goals = "" if document["written_by"] == OURS else f"goals by {document['written_by']}, attackers by "
        return f"{goals}this project itself (self-assessed); assay pack takes them from anybody"
    return str(document["written_by"])


def table(
    label: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words_last: bool = False,
    paper: Sequence[bool] = (),
) -> str:
    """A table of figures with a name in front of each row.

    Args:
        label: What it is, for who hears it.
        words_last: The last column holds words.
        paper: Of each row, whether a print has it; all, where left out.
    """

    def kind(i: int) -> str:
        return "" if i == 0 or (words_last and i == len(heads) - 1) else ' class="n"'

    head = "".join(f'<th scope="col"{kind(i)}>{escape(each)}</th>' for i, each in enumerate(heads))
    body = "".join(
        f'<tr{"" if not paper or paper[number] else " class=screen"}><th scope="row">{escape(row[0])}</th>'
        f"{''.join(f'<td{kind(i)}>{escape(cell)}</td>' for i, cell in enumerate(row[1:], start=1))}</tr>"
        for number, row in enumerate(rows)
    )
    return scrolled(label, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def scrolled(label: str, inside: str) -> str:
    """Wider than a phone: it scrolls by itself, with the keyboard as well, and the page doesn't."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label, quote=True)}">{inside}</div>'
