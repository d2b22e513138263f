"""Bars real | theater | open as SVG, told apart by pattern and letter, so that a black-and-white print can be read."""

from __future__ import annotations

from countermark.assay.measured import Measured, RealOnly, Standing
from countermark.estimate import Estimate

WIDTH, HEIGHT = 200, 13
_TOP, _DEPTH = 1.5, 10.0
_LETTER = 9.0
"""What a letter needs."""

PATTERNS = """\
<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="theater" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">\
<rect width="4" height="4" fill="#fff"/><rect width="1.5" height="4" fill="#000"/></pattern>
<pattern id="unknown" width="4" height="4" patternUnits="userSpaceOnUse">\
<rect width="4" height="4" fill="#fff"/><circle cx="1" cy="1" r=".75" fill="#000"/>\
<circle cx="3" cy="3" r=".75" fill="#000"/></pattern>
</defs></svg>"""


def bar(each: Measured) -> str:
    """The bar of one safeguard with the interval of its first border: of real, or of what was stopped."""
    if each.standing is Standing.APPARENT_ONLY or each.real is None or each.theater is None:
        stopped = each.apparent.value
        parts = [("unknown", 0.0, stopped, "?"), ("open", stopped, 1.0, "O")]
        border, words = (
            each.apparent.shown,
            f"stopped, not told apart {_percent(stopped)}, open {_percent(1 - stopped)}",
        )
    else:
        real, apparent = each.real.value, each.apparent.value
        parts = [
            ("real", 0.0, real, "R"),
            ("theater", real, apparent, "T"),
            ("open", apparent, 1.0, "O"),
        ]
        border = each.real.shown
        words = (
            f"real {_percent(real)}, theater {_percent(apparent - real)}, open {_percent(1 - apparent)}; "
            f"interval of real {_percent(border.low)} to {_percent(border.high)}"
        )
    inside = "".join(_part(*part, border=border) for part in parts) + _whisker(border)
    return _svg(words, WIDTH, inside)


def real_bar(each: RealOnly) -> str:
    """The bar of a safeguard of which only `real` is known: what isn't real is theater or open, nobody knows which."""
    real, border = each.real.value, each.real.shown
    parts = [("real", 0.0, real, "R"), ("unknown", real, 1.0, "?")]
    words = (
        f"real {_percent(real)}, theater or open {_percent(1 - real)}; interval of real {_percent(border.low)} to "
        f"{_percent(border.high)}"
    )
    return _svg(words, WIDTH, "".join(_part(*part, border=border) for part in parts) + _whisker(border))


def parts_bar(real: float, apparent: float, low: float, high: float) -> str:
    """The bar of a safeguard of which only the numbers are at hand, as in a result's JSON; each from 0 to 1."""
    parts = (("real", 0.0, real, "R"), ("theater", real, apparent, "T"), ("open", apparent, 1.0, "O"))
    border = Estimate(value=real, low=low, high=high, n=1, method="as given")
    words = (
        f"real {_percent(real)}, theater {_percent(apparent - real)}, open {_percent(1 - apparent)}; interval of real "
        f"{_percent(low)} to {_percent(high)}"
    )
    return _svg(words, WIDTH, "".join(_part(*part, border=border) for part in parts) + _whisker(border))


def swatch(kind: str, letter: str) -> str:
    """One pattern with its letter, for the legend; hidden from readers aloud, since its words stand beside it."""
    inside = _part(kind, 0.0, 24 / WIDTH, letter)
    return (
        f'<svg class="swatch" width="26" height="{HEIGHT}" viewBox="-1 0 26 {HEIGHT}" aria-hidden="true" '
        f'focusable="false">{inside}</svg>'
    )


def _svg(words: str, width: int, inside: str) -> str:
    return (
        f'<svg class="bar" role="img" aria-label="{words}" width="{width + 2}" height="{HEIGHT}" '
        f'viewBox="-1 0 {width + 2} {HEIGHT}">{inside}</svg>'
    )


def _part(kind: str, start: float, end: float, letter: str, border: Estimate | None = None) -> str:
    x, width = start * WIDTH, (end - start) * WIDTH
    if width <= 0:
        return ""
    fill = {"real": "#000", "open": "#fff"}.get(kind, f"url(#{kind})")
    shape = (
        f'<rect x="{x:.2f}" y="{_TOP}" width="{width:.2f}" height="{_DEPTH:g}" fill="{fill}" stroke="#000" '
        'stroke-width=".6"/>'
    )
    middle = _place(x, width, border)
    if middle is None:
        return shape
    box = ""
    if kind in ("theater", "unknown"):
        box = f'<rect x="{middle - 4:.2f}" y="{_TOP + 1:g}" width="8" height="{_DEPTH - 2:g}" fill="#fff"/>'
    ink = "#fff" if kind == "real" else "#000"
    text = (
        f'<text x="{middle:.2f}" y="{_TOP + 7.8:g}" text-anchor="middle" font-size="8" font-weight="700" '
        f'fill="{ink}">{letter}</text>'
    )
    return shape + box + text


def _place(x: float, width: float, border: Estimate | None) -> float | None:
    """Where a letter fits in its part without touching the interval; None where it doesn't."""
    half = _LETTER / 2
    free = [(x, x + width)]
    if border is not None:
        low, high = border.low * WIDTH - 2, border.high * WIDTH + 2
        free = [(x, min(x + width, low)), (max(x, high), x + width)]
    start, end = max(free, key=lambda span: span[1] - span[0])
    return (start + end) / 2 if end - start >= 2 * half else None


def _whisker(border: Estimate) -> str:
    """The interval as a line with ends; white around black, so that it shows on every pattern."""
    low, high, y = border.low * WIDTH, border.high * WIDTH, _TOP + _DEPTH / 2
    path = f"M{low:.2f} {y:g}H{high:.2f}M{low:.2f} {y - 2.6:g}V{y + 2.6:g}M{high:.2f} {y - 2.6:g}V{y + 2.6:g}"
    return "".join(
        f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{width}" stroke-linecap="square"/>'
        for ink, width in (("#fff", 3), ("#000", 1.1))
    )


def _percent(rate: float) -> str:
    return f"{rate * 100 + 0.0:.1f} %"
