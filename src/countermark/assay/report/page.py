"""The measurements as one sheet: a single HTML file without scripts or anything from elsewhere, black on white."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from countermark import __version__
from countermark.assay.measured import OURS, Judged, Measured, RealOnly, Source
from countermark.assay.rate import Rate
from countermark.assay.recorded.tables import origins
from countermark.assay.report.bars import PATTERNS, bar, real_bar, swatch
from countermark.assay.report.finding import LEGEND, find
from countermark.assay.statistics.bootstrap import SEED

TITLE = "How much of a safeguard is real: public records"
COMMAND = "countermark assay recorded --html FILE"
_SWATCHES = (("real", "R"), ("theater", "T"), ("open", "O"), ("unknown", "?"))
_STYLE = """\
:root{color-scheme:light}
body{margin:1.2rem auto;max-width:76rem;padding:0 1rem;font:14px/1.4 system-ui,"Liberation Sans",sans-serif;\
color:#111;background:#fff}
h1{font-size:1.5em;margin:0 0 .3em}h2{font-size:1.1em;margin:1em 0 .3em}p{margin:.3em 0}
.verdict{font-weight:600;font-size:1.1em}
.legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin:.5em 0;padding:0;list-style:none}
.legend svg,.bar{vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.9em;padding:.2em 0}
th,td{text-align:left;padding:.12em .5em .12em 0;vertical-align:middle;white-space:nowrap;font-weight:400}
thead th{font-weight:600;border-bottom:1.5px solid #000}
tbody th[scope=rowgroup]{font-weight:600;padding-top:.5em;border-bottom:.5px solid #777;white-space:normal}
th[scope=rowgroup] small{font-weight:400}
.notes{font-size:.85em}.notes div{margin:0 0 .3em}.notes dt,.notes dd{display:inline;margin:0}.notes dt{font-weight:600}
@page{size:A4 portrait;margin:7mm 8mm}
@media print{
body{font-size:7pt;line-height:1.22;margin:0;padding:0;max-width:none}
.scroll{overflow:visible}
th,td{padding:.02em .5em .02em 0}tbody th[scope=rowgroup]{padding-top:.15em}
.bar{width:52mm;height:3.2mm}.swatch{height:3mm;width:6mm}
.notes{font-size:5.4pt;line-height:1.12;columns:3;column-gap:4mm;margin:0}h1{font-size:1.3em}h2{font-size:1em;margin:.4em 0 0}
p,.legend{margin:.1em 0}.notes div{margin:0 0 .1em}
tr{break-inside:avoid}}
"""


def render(sources: Sequence[Source], *, title: str = TITLE, command: str = COMMAND) -> str:
    """The whole page.

    Args:
        command: What makes the page again.
    """
    finding = find(sources)
    cost = ""
    if finding.cost_only:
        cost = f"<p>Cost only, stops work and no more misuse: {escape('; '.join(finding.cost_only))}.</p>"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            PATTERNS,
            "<main>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="verdict">{escape(finding.sentence)}</p>',
            cost,
            _legend(real_only=finding.real_only > 0),
            '<div class="scroll" role="region" tabindex="0" aria-label="safeguards and what they stop">',
            *_table(sources),
            "</div>",
            "<h2>What these figures rest on</h2>",
            _notes(sources),
            "<h2>Where the records come from</h2>",
            _origins(sources),
            f"<p><small>countermark {escape(__version__)}, seed {SEED}: <code>{escape(command)}</code> "
            "makes this page again, offline; <code>--json</code> has every interval, judge and curve.</small></p>",
            "</main></body></html>",
            "",
        ]
    )


def _legend(*, real_only: bool) -> str:
    items = "".join(
        f"<li>{swatch(kind, letter)} <strong>{escape(word)}</strong>: {escape(meaning)}</li>"
        for (kind, letter), (word, meaning) in zip(_SWATCHES, LEGEND, strict=True)
    )
    if real_only:
        items += (
            f"<li>{swatch('unknown', '?')} <strong>after real</strong>: theater or open; what is stopped while nobody adapts "
            "was not measured</li>"
        )
    return f'<ul class="legend">{items}</ul>'


def _table(sources: Sequence[Source]) -> Iterator[str]:
    yield "<table>"
    yield (
        "<caption>In % of goals, with 95 % intervals: the wider of the exact and the clustered one where goals are related. "
        "Line on each bar: interval of real, or of what was stopped. A dash: not measured, or not recorded.</caption>"
    )
    heads = ("Safeguard", "Real | theater | open", "Apparent", "Real", "Theater", "Work stopped", "Goals")
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{cells}</tr></thead>"
    for source in sources:
        yield "<tbody>"
        ours = "; self-assessed" if source.written_by == OURS else ""
        yield (
            f'<tr><th scope="rowgroup" colspan="{len(heads)}">{escape(source.title)} '
            f"<small>(apparent: {escape(source.baseline)}{ours})</small></th></tr>"
        )
        shown = [each for each in source.measured if each.on_sheet]
        yield from (_row(each) for each in shown)
        yield from (_real_row(each) for each in source.real_only)
        rest = [each for each in source.measured if not each.on_sheet]
        if rest:
            yield f'<tr><td colspan="{len(heads)}">{escape(_rest(rest))}</td></tr>'
        yield "</tbody>"
    yield "</table>"


def _row(each: Measured) -> str:
    work = None if each.work is None else each.work.stopped
    cells = "".join(f"<td>{_shown(rate)}</td>" for rate in (each.apparent, each.real, each.theater, work))
    goals = (each.apparent if each.real is None else each.real).n
    return (
        f'<tr><th scope="row">{escape(each.safeguard)}</th><td>{bar(each)}</td>{cells}<td>{goals:,}</td></tr>'
    )


def _real_row(each: RealOnly) -> str:
    work = None if each.work is None else each.work.stopped
    cells = "".join(f"<td>{_shown(rate)}</td>" for rate in (None, each.real, None, work))
    return f'<tr><th scope="row">{escape(each.safeguard)}</th><td>{real_bar(each)}</td>{cells}<td>{each.real.n:,}</td></tr>'


def _rest(rest: Sequence[Measured]) -> str:
    """What isn't on the sheet, in one line: nothing is left out unsaid."""
    stopped = sorted(each.apparent.value * 100 for each in rest)
    theater = [each.theater.value * 100 for each in rest if each.theater is not None]
    words = f"and {len(rest)} more, with --json: apparent {stopped[0]:.1f} to {stopped[-1]:.1f}"
    return f"{words}, theater {min(theater):.1f} to {max(theater):.1f}" if theater else words


def _shown(rate: Rate | None) -> str:
    return "–" if rate is None else escape(rate.shown.percent.replace(" %", "").replace("-", "–"))


def _notes(sources: Sequence[Source]) -> str:
    parts = []
    for source in sources:
        works = {each.work.what for each in source.measured if each.work is not None}
        lines = [
            f"a goal is {source.reading.unit}",
            *(f"work stopped: {what}" for what in sorted(works)),
            *source.remarks,
            *_beside(source),
            *(f"not measured: {each}" for each in source.unmeasured),
            *(f"{each.safeguard}: {words}" for each in source.measured for words in each.remarks),
            *(_judged(each.safeguard, each.judged) for each in source.measured if each.judged),
            *(_judged(each.safeguard, each.judged) for each in source.real_only if each.judged),
        ]
        parts.append(_note(source.title, "; ".join(lines)))
    return f'<dl class="notes">{"".join(parts)}</dl>'


def _beside(source: Source) -> list[str]:
    """Of imported logs: what layers did by their own logs, and what twins and pairs of safeguards show."""
    if not source.inputs:
        return []
    return [
        *(f"{each.what}: {each.says}, of {each.n:,}" for each in source.comparisons),
        *(f"{name}: {rate.shown.percent}" for name, rate in source.figures),
    ]


def _judged(safeguard: str, judged: Sequence[Judged]) -> str:
    figures = ", ".join(f"{name} {estimate.percent}" for name, estimate in judged)
    return f"{safeguard}, with the judge's error: {figures}"


def _origins(sources: Sequence[Source]) -> str:
    """The notices that the licences ask to keep; tables of one origin share one."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for name in dict.fromkeys(name for source in sources for name in source.tables):
        origin = origins()[name]
        names.setdefault((origin.cited, origin.holder, origin.changed), []).append(name)
    parts = (
        _note(", ".join(tables), f"{cited}; {holder}. Changed: {changed}")
        for (cited, holder, changed), tables in names.items()
    )
    logs = "".join(
        _note(
            each.name,
            f"{each.files:,} file{'s' if each.files > 1 else ''}, {each.bytes:,} bytes, sha256 {each.sha256}",
        )
        for source in sources
        for each in source.inputs
    )
    return f'<dl class="notes">{"".join(parts)}{logs}</dl>'


def _note(of: str, words: str) -> str:
    return f"<div><dt>{escape(of)}:</dt> <dd>{escape(words)}.</dd></div>"
