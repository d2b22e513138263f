"""The glossary of facts, generated from `facts.toml` for docs/reference/facts.md.

python -m countermark.policy.glossary > docs/reference/facts.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from countermark.facts import MOST, Level
from countermark.policy.factlist import LONG, SIGNAL, Fact, FactList, load_factlist

_GROUPS = {
    "claim": "What the caller says of himself. A claim may only restrict: it is read in `forbid … when` and nowhere else.",
    "statement": "What is appraised from signed statements and from what ties them to the request. The weaker of the two "
    "counts.",
    "gateway": "What the gateway sees itself. It counts as `observed` where the charter names the gateway's runner, else "
    "as `operator`.",
    "signal": "What a classifier says of the content (docs/how-to/use-a-classifier.md). It may restrict and never permits: "
    "clauses read it in `forbid … unless` alone, and ask for its quiet value.",
}
_VIEWS = {
    Level.CLAIMED: "the caller says so",
    Level.OPERATOR: "at least one party's word",
    Level.COUNTERSIGNED: "at least two opposed parties' word",
    Level.OBSERVED: "the sight of a gateway whose runner the charter names",
}


def _values(fact: Fact, facts: FactList) -> str:
    if fact.type == LONG:
        unknown = "2^63 - 1" if fact.unknown == MOST else str(fact.unknown)
        return f"a whole number of {fact.unit}; where unknown: {unknown}"
    known = facts.types[fact.type]
    more = " and the bundle's own" if known.is_open else ""
    return f"{', '.join(f'`{value}`' for value in known.all_values)}{more}"


def _section(fact: Fact, facts: FactList) -> Iterator[str]:
    yield f"### {fact.name}"
    yield ""
    yield fact.sentence
    yield ""
    yield f"- type: `{fact.type}` ({_values(fact, facts)})"
    yield f"- views: {', '.join(f'`context.{view}.{fact.name}`' for view in fact.views)}"
    yield f"- computed by {fact.by}"
    if fact.bound is not None:
        signs = "`<` or `<=`" if fact.bound == "upper" else "`>` or `>=`"
        yield f"- clauses bound it with {signs}"
    if fact.quiet:
        yield f"- clauses ask for `{fact.quiet}`"
    yield ""


def glossary(facts: FactList) -> str:
    """The whole page, in Markdown."""
    lines = [
        "# Facts",
        "",
        f"Everything that a clause may read: version {facts.version} of the list of facts. Generated from",
        "`src/countermark/policy/facts.toml` by `python -m countermark.policy.glossary`; a test compares.",
        "",
        "A fact is read through a *view*, which holds what words of at least its level agree on: where they disagree it",
        "is `conflict`, where there are none it is `unknown`, and no clause accepts either.",
        "",
        "| view | whose word it listens to |",
        "| --- | --- |",
        *(f"| `{level.word}` | {said} |" for level, said in _VIEWS.items()),
        f"| `{SIGNAL}` | the classifier that the bundle names; no assurance level |",
        "",
        "Beside the facts, `context.approvals.ROLE` counts the persons of a role who approved exactly this action.",
        "",
    ]
    for group, said in _GROUPS.items():
        lines += [f"## {group.capitalize()} facts", "", said, ""]
        for fact in facts.facts.values():
            if fact.group == group:
                lines += _section(fact, facts)
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(glossary(load_factlist()))
