"""Writes the generated parts of `docs/findings/own.md`: `python tests/assay/make_own_findings.py [FOLDER]`.

With the folder of a result, what the page needs of it is first kept in `docs/findings/own.json`. The page's parts are made
from that file, so that a test can hold the page to it.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from make_findings import table

from countermark.assay.campaign.folder import check_folder, read_result
from countermark.assay.report.campaign_text import COSTS, KINDS, span

FOLDER = Path(__file__).parents[2] / "docs" / "findings"
TARGET, KEPT = FOLDER / "own.md", FOLDER / "own.json"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RATE = ("value", "low", "high", "n")
Document = Mapping[str, Any]


def kept_of(document: Document) -> Document:
    """What the page needs of a result; rates without their other intervals."""
    plan = {key: document["plan"][key] for key in ("sha256", "seed", "attempts", "software", "scenarios")}
    levels = ("apparent", "real", "theater", "real_at_least", "per_kind", "per_visible_in", "discovery")
    return _short(
        {
            "plan": {**plan, "strategies": len(document["plan"]["strategies"])},
            "goals": document["goals"],
            "kinds": document["axes"]["kind"],
            "shown": document["axes"]["visible_in"],
            "columns": [
                {
                    "name": column["name"],
                    "levels": {
                        liars: {name: level[name] for name in levels}
                        for liars, level in column["levels"].items()
                    },
                    "work": {part: column["work"][part] for part in ("stopped", "waited")},
                    "twins": column["twins"],
                    "budget": column["budget"],
                    "scales": column["scales"],
                }
                for column in document["columns"]
            ],
            "classifier_at": document["classifier_at"],
            "shares": document["attribution"]["shares"],
            "mechanisms": [
                {
                    "name": each["name"],
                    "title": each["title"],
                    "levels": {liars: {"real": level["real"]} for liars, level in each["levels"].items()},
                }
                for each in document["mechanisms"]
            ],
            "clauses": document["clauses"],
            "missed": dict(
                Counter(
                    f"{each['strategy']}|{each['liars']}|{each['rests_on']}" for each in document["missed"]
                )
            ),
            "would_buy": document["would_buy"],
            "unseen": {name: each["unseen_wordings"] for name, each in document["holdout"].items()},
            "void": document["void"],
        }
    )


def _short(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "intervals" in value or "method" in value:
            return {key: value[key] for key in RATE if key in value}
        return {key: _short(each) for key, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list) else value


def size(document: Document) -> str:
    """How large the run was."""
    plan, scenarios = document["plan"], document["plan"]["scenarios"]
    return (
        f"{document['goals']['attainable']} goals, {plan['strategies']} strategies of at most {plan['attempts']} tries, "
        f"{scenarios['tasks']} benign tasks, {scenarios['twins']} twins; seed {plan['seed']}, plan `{plan['sha256'][:16]}`."
    )


def columns(document: Document) -> str:
    """The four stacks."""
    return table(
        (
            "stack",
            "apparent %",
            "real %",
            "at least",
            "theater %",
            "1 liar",
            "2 liars",
            "work stopped %",
            "waited %",
            "twins",
        ),
        (
            (
                column["name"],
                span(column["levels"]["0"]["apparent"]),
                span(column["levels"]["0"]["real"]),
                f"{column['levels']['0']['real_at_least'] * 100:.1f}",
                span(column["levels"]["0"]["theater"]),
                span(column["levels"]["1"]["real"]),
                span(column["levels"]["2"]["real"]),
                span(column["work"]["stopped"]["all"]),
                span(column["work"]["waited"]["all"]),
                span(column["twins"]["separation"]),
            )
            for column in document["columns"]
        ),
    )


def kinds(document: Document) -> str:
    """Real and apparent by kind of deployment, and by where the misuse shows."""
    last = document["columns"][-1]["levels"]["0"]
    rows = [
        (
            KINDS[kind],
            span(last["per_kind"]["apparent"][kind]),
            span(last["per_kind"]["real"][kind]),
            str(last["per_kind"]["real"][kind]["n"]),
        )
        for kind in document["kinds"]
    ]
    rows += [
        (
            f"shows in {where}",
            span(last["per_visible_in"]["apparent"][where]),
            span(last["per_visible_in"]["real"][where]),
            str(last["per_visible_in"]["real"][where]["n"]),
        )
        for where in document["shown"]
    ]
    return table(("Countermark", "apparent %", "real %", "goals"), rows)


def budget(document: Document) -> str:
    """Real by what the attacker can afford."""
    return table(
        ("the attacker has", "real %"),
        ((COSTS[step["cost"]], span(step["real"])) for step in document["columns"][-1]["budget"]),
    )


def missed(document: Document) -> str:
    """The cheapest way to each goal that is reached."""
    rows = []
    for name, count in sorted(
        document["missed"].items(), key=lambda each: (int(each[0].split("|")[1]), -each[1])
    ):
        strategy, liars, access = name.split("|")
        rows.append((strategy, liars, str(count), access))
    return table(("by", "liars", "goals", "which takes"), rows)


def mechanisms(document: Document) -> str:
    """What each mechanism buys."""
    return table(
        ("Countermark", "real %", "1 liar", "2 liars", "runner attacks"),
        (
            (
                each["name"],
                *(
                    span(each["levels"][level]["real"]) if level in each["levels"] else "not tried"
                    for level in ("0", "1", "2", "runner")
                ),
            )
            for each in document["mechanisms"]
        ),
    )


def clauses(document: Document) -> str:
    """What only each clause stops."""
    return table(
        ("clause", "whatever is tried", "asked plainly"),
        (
            (each["clause"], str(len(each["only"]["0"])), str(len(each["naive_only"])))
            for each in document["clauses"]
        ),
    )


def classifier(document: Document) -> str:
    """The classifier at stated prices."""
    return table(
        ("work that may be stopped", "apparent %", "real %", "on other work, to be expected"),
        (
            (
                f"{each['stated'] * 100:g} %",
                span(each["apparent"]),
                span(each["real"]),
                span(each["left_out"]),
            )
            for each in document["classifier_at"]
        ),
    )


def layers(document: Document) -> str:
    """Shapley shares."""
    return table(
        ("layer", "share of real", "share of what seems"),
        (
            (each["layer"], span(each["shapley_real"]), span(each["shapley_apparent"]))
            for each in document["shares"]
        ),
    )


PARTS: Mapping[str, Callable[[Document], str]] = {
    part.__name__: part
    for part in (size, columns, kinds, budget, missed, mechanisms, clauses, classifier, layers)
}


def page(text: str, document: Document) -> str:
    """The page with its parts made anew."""
    return PART.sub(lambda match: f"{match[1]}{PARTS[match[2]](document)}\n{match[3]}", text)


def main() -> None:
    """Keep what is needed of a result, where one is named, and write the page."""
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        check_folder(folder, vkey=(folder / "log.vkey").read_text().strip())
        KEPT.write_text(json.dumps(kept_of(read_result(folder)), indent=1, sort_keys=True) + "\n")
    TARGET.write_text(page(TARGET.read_text(), json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
