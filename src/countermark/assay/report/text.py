"""The measurements as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from countermark.assay.measured import Measured, RealOnly, Source
from countermark.assay.recorded.tables import origins
from countermark.assay.report.finding import LEGEND, find

WIDTH = 118
MORE = "more: --source NAME for verdicts, curves and judges; --html FILE for one printed sheet; --json"
_NAME, _CELL = 34, 21
_HEADER = ("safeguard", "apparent", "real", "theater", "work stopped")


def render(sources: Sequence[Source], *, detail: bool = False, more: str = MORE) -> str:
    """The tables of all sources, with what they show first.

    Args:
        detail: With verdict lines, curves, other judges and comparisons: for one source at a time.
        more: Where there is more to see, in words; not said in detail.
    """
    finding = find(sources)
    lines = [
        *textwrap.wrap(finding.sentence, WIDTH),
        "",
        "% with 95 % intervals, the wider of exact and clustered where goals are related.",
        *(f"  {word:<10} {meaning}" for word, meaning in LEGEND[:3]),
        "  -          not measured: one attack only, or not recorded",
    ]
    for source in sources:
        lines += ["", *_source(source)]
        if detail:
            lines += ["", *_detail(source)]
    if finding.cost_only:
        lines += ["", f"cost only (stops work, and no more misuse): {'; '.join(finding.cost_only)}"]
    if not detail:
        lines += ["", more]
    return "\n".join(lines)


def _source(source: Source) -> Iterator[str]:
    yield f"{source.title} [{source.name}; {source.written_by}]"
    yield from _wrapped(f"apparent: {source.baseline}")
    yield _cells(*_HEADER)
    yield "-" * (_NAME + 4 * _CELL)
    for each in source.measured:
        work = "-" if each.work is None else each.work.stopped.shown.percent
        yield _cells(
            each.safeguard,
            each.apparent.shown.percent,
            "-" if each.real is None else each.real.shown.percent,
            "-" if each.theater is None else each.theater.shown.percent,
            work,
        )
    for real in source.real_only:
        work = "-" if real.work is None else real.work.stopped.shown.percent
        yield _cells(real.safeguard, "-", real.real.shown.percent, "-", work)
    for words in (*source.remarks, *(f"not measured: {each}" for each in source.unmeasured)):
        yield from _wrapped(words, first="  * ", rest="    ")
    for log in source.inputs:
        files = f"{log.files:,} file{'s' if log.files > 1 else ''}"
        yield f"  from {log.name}: {files}, {log.bytes:,} bytes, sha256 {log.sha256[:16]}"
    if source.tables:
        yield f"  from {'; '.join(sorted({origins()[name].cited for name in source.tables}))}"


def _detail(source: Source) -> Iterator[str]:
    for each in source.measured:
        yield from _wrapped(f"{each.safeguard}: {each.verdict}")
        yield from _of(each)
    for real in source.real_only:
        yield from _wrapped(f"{real.safeguard}: {real.verdict}")
        yield from _of(real)
    for comparison in source.comparisons:
        yield from _wrapped(
            f"{comparison.what}: {comparison.says} (of {comparison.n}; exact McNemar p = {comparison.p:.1g}, Holm "
            f"{comparison.p_holm:.1g})"
        )
    for share in source.shares:
        yield from _wrapped(
            f"layer {share.layer}: alone {share.alone.percent}, left out {share.left_out.percent}, Shapley on real "
            f"{share.shapley_real.percent}, on apparent {share.shapley_apparent.percent}"
        )
    for what, found in source.dependences:
        yield from _wrapped(
            f"{what}: both miss {found.joint * 100:.1f} %, {found.product * 100:.1f} % if they were independent: "
            f"{found.ratio:.1f} times ({found.ratio_low:.1f}-{found.ratio_high:.1f})"
        )
    for name, rate in source.figures:
        yield f"{name}: {rate.shown}"


def _of(each: Measured | RealOnly) -> Iterator[str]:
    if each.discovery:
        curve = " -> ".join(f"{rate.value * 100:.0f} ({name})" for name, rate in each.discovery)
        yield from _wrapped(f"real as attacks became known: {curve}", first="  ", rest="    ")
    if isinstance(each, Measured) and each.budget:
        curve = ", ".join(f"{rate.value * 100:.0f} % within {k}" for k, rate in each.budget)
        yield f"  real by attempts per attack: {curve}"
    if each.best_single is not None:
        yield f"  best single attack: {each.best_single[1].shown.percent} stopped under {each.best_single[0]}"
    for name, rate in each.variants if isinstance(each, Measured) else ():
        yield f"  {name}: {rate.shown.percent}"
    for name, estimate in each.judged:
        yield f"  {name}, with the judge's error: {estimate.percent}"
    if each.assumed:
        yield f"  counted by rule, {len(each.assumed)} cells: {each.assumed[0]}{', ...' if len(each.assumed) > 1 else ''}"
    for words in each.remarks if isinstance(each, Measured) else ():
        yield from _wrapped(words, first="  * ", rest="    ")


def _cells(name: str, *cells: str) -> str:
    return (
        f"{textwrap.shorten(name, _NAME - 1, placeholder='...'):<{_NAME}}"
        + "".join(f"{cell.replace(' %', ''):<{_CELL}}" for cell in cells).rstrip()
    )


def _wrapped(words: str, *, first: str = "", rest: str = "  ") -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=rest)
