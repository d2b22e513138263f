"""Writes the generated parts of `docs/findings/recorded.md`: `python tests/assay/make_findings.py`.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; the words around it are written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from countermark.assay.measured import Measured, Source
from countermark.assay.rate import Rate
from countermark.assay.recorded import xstest
from countermark.assay.recorded.sources import recorded
from countermark.assay.recorded.tables import load_table, origins
from countermark.assay.recorded.xstest_judges import checks
from countermark.assay.report.finding import find

TARGET = Path(__file__).parents[2] / "docs" / "findings" / "recorded.md"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Sources = Mapping[str, Source]


def shown(rate: Rate | None) -> str:
    """A cell."""
    return "-" if rate is None else rate.shown.percent.replace(" %", "")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(header)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def quantities(measured: Iterable[Measured]) -> str:
    """Apparent, real, theater and cost of each safeguard."""
    return table(
        ("safeguard", "apparent %", "real %", "theater %", "work stopped %", "n"),
        (
            (
                each.safeguard,
                shown(each.apparent),
                shown(each.real),
                shown(each.theater),
                "-" if each.work is None else shown(each.work.stopped),
                f"{(each.apparent if each.real is None else each.real).n}",
            )
            for each in measured
        ),
    )


def finding(sources: Sources) -> str:
    """The first sentence."""
    return f"**{find(tuple(sources.values())).sentence}**"


def curves(sources: Sources) -> str:
    """What a report would have claimed on the day of each attack."""
    found = sources["jailbreakbench"].measured
    names = list(dict.fromkeys(name for each in found for name, _ in each.discovery))
    by_name = [dict(each.discovery) for each in found]
    return table(
        ("still stopped, %, after", *(each.safeguard.partition(",")[0] for each in found)),
        (
            (name, *(f"{curve[name].value * 100:.0f}" if name in curve else "-" for curve in by_name))
            for name in names
        ),
    )


def judges(sources: Sources) -> str:
    """Real, as other judges have it."""
    found = sources["jailbreakbench"].measured
    names = [name for name, _ in found[0].variants]
    rows = [["real, first judge", *(shown(each.real) for each in found)]]
    rows += [[name, *(shown(dict(each.variants)[name]) for each in found)] for name in names]
    return table(("%", *(each.safeguard.partition(",")[0] for each in found)), rows)


def budgets(sources: Sources) -> str:
    """Real by the number of attempts that the attacker may make with each attack."""
    found = sources["adaptive-attacks"].measured
    return table(
        ("real %, within", *(f"{k} attempt{'s' if k > 1 else ''}" for k, _ in found[0].budget)),
        ((each.safeguard, *(shown(rate) for _, rate in each.budget)) for each in found),
    )


def comparisons(sources: Sources) -> str:
    """What an added safeguard stops beyond."""
    return table(
        ("what", "only with it", "only without", "of", "McNemar p", "Holm p"),
        (
            (each.what, str(each.gained), str(each.lost), str(each.n), f"{each.p:.1g}", f"{each.p_holm:.1g}")
            for each in sources["xstest"].comparisons
        ),
    )


def judge_errors(_: Sources) -> str:
    """What judges say of the same rows as people, with and without their own error."""
    rows = load_table(xstest.NAME)
    return table(
        (
            "model",
            "judge",
            "people %",
            "judge %",
            "judge with its error %",
            "sees a breach %",
            "leaves a stop alone %",
            "n",
        ),
        (
            (
                xstest.MODELS[model],
                check.judge,
                shown(check.people),
                shown(check.raw),
                *(
                    each.percent.replace(" %", "")
                    for each in (check.carried, check.labelled.sensitivity, check.labelled.specificity)
                ),
                f"{check.raw.n}",
            )
            for model in xstest.MODELS
            for check in checks(rows, model)
        ),
    )


def layers(sources: Sources) -> str:
    """Shares of layers, and their dependence."""
    source = sources["agentdojo-obedient"]
    shares = table(
        ("layer", "alone", "left out", "Shapley on real", "Shapley on apparent", "its theater"),
        (
            (
                share.layer,
                *(
                    each.percent.replace(" %", "")
                    for each in (share.alone, share.left_out, share.shapley_real, share.shapley_apparent)
                ),
                f"{share.theater * 100:.1f}",
            )
            for share in source.shares
        ),
    )
    together = table(
        ("both miss", "joint %", "product of rates %", "ratio"),
        (
            (
                what,
                f"{each.joint * 100:.1f}",
                f"{each.product * 100:.1f}",
                f"{each.ratio:.1f} ({each.ratio_low:.1f}-{each.ratio_high:.1f})",
            )
            for what, each in source.dependences
        ),
    )
    return f"{shares}\n\n{together}"


def figures(sources: Sources) -> str:
    """Other rates that the sources allow."""
    return table(
        ("figure", "%", "n"),
        ((name, shown(rate), f"{rate.n}") for source in sources.values() for name, rate in source.figures),
    )


def tables(_: Sources) -> str:
    """Where each table comes from."""
    return table(
        ("table", "from", "rows", "left out or replaced"),
        ((each.name, each.cited, f"{each.rows:,}", each.changed) for each in origins().values()),
    )


PARTS: Mapping[str, Callable[[Sources], str]] = {
    "finding": finding,
    "curves": curves,
    "judges": judges,
    "budgets": budgets,
    "comparisons": comparisons,
    "judge-errors": judge_errors,
    "layers": layers,
    "figures": figures,
    "tables": tables,
}


def page() -> str:
    """The page with its generated parts as they are now."""
    sources = {source.name: source for source in recorded()}

    def part(match: re.Match[str]) -> str:
        name = match[2]
        words = PARTS[name](sources) if name in PARTS else quantities(sources[name].measured)
        return f"{match[1]}{words}\n{match[3]}"

    return PART.sub(part, TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
