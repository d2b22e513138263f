"""The plots of a campaign's page, as SVG: told apart by shape and pattern, so that a black-and-white print can be read.

Each has its words in `aria-label`, and everything that it shows stands in the result's JSON as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Document = Mapping[str, Any]
MARKS = ("circle", "square", "triangle", "diamond")
_SIDE, _EDGE = 150, 26
_DASHES = ("", "5 2", "2 2", "7 2 2 2")


def twins_plot(columns: Sequence[Document]) -> str:
    """Misuse stopped against work stopped, on the same bytes: what reads only content sits on the diagonal."""
    size = _SIDE + _EDGE + 6
    parts = [
        f'<rect x="{_EDGE}" y="4" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#000" stroke-width=".7"/>',
        f'<path d="M{_EDGE} {4 + _SIDE}L{_EDGE + _SIDE} 4" stroke="#000" stroke-width=".7" stroke-dasharray="3 2"/>',
        _text(_EDGE + _SIDE / 2, size + 6, "work stopped, %", anchor="middle"),
        f'<text x="8" y="{4 + _SIDE / 2}" font-size="8" text-anchor="middle" '
        f'transform="rotate(-90 8 {4 + _SIDE / 2})">misuse stopped, %</text>',
    ]
    for tick in (0, 50, 100):
        at = tick / 100 * _SIDE
        parts.append(_text(_EDGE + at, _SIDE + 14, str(tick), anchor="middle"))
        parts.append(_text(_EDGE - 3, 4 + _SIDE - at + 3, str(tick), anchor="end"))
    words = []
    taken: dict[tuple[int, int], int] = {}
    for mark, column in zip(MARKS, columns, strict=False):
        misuse, work = (float(column["twins"][side]["value"]) for side in ("misuse_stopped", "work_stopped"))
        place = (round(work * 100), round(misuse * 100))
        shift = taken.get(place, 0)
        taken[place] = shift + 1
        x, y = _EDGE + work * _SIDE, 4 + (1 - misuse) * _SIDE
        parts.append(_mark(mark, x + 5 * shift, y))
        words.append(
            f"{column['name']}: misuse stopped {misuse * 100:.0f} %, work stopped {work * 100:.0f} %"
        )
    return _svg("; ".join(words), size + 4, size + 12, parts)


def curves(columns: Sequence[Document], level: str = "0") -> str:
    """Real protection as strategies become known, oldest first: what a report would have claimed on the day of each."""
    steps = [column["levels"][level]["discovery"] for column in columns]
    many = max(len(each) for each in steps)
    width, height = 190, _SIDE
    parts = [
        f'<rect x="{_EDGE}" y="4" width="{width}" height="{height}" fill="none" stroke="#000" stroke-width=".7"/>',
        _text(_EDGE + width / 2, height + 24, "strategies known, in their order", anchor="middle"),
    ]
    for tick in (0, 50, 100):
        parts.append(_text(_EDGE - 3, 4 + height - tick / 100 * height + 3, str(tick), anchor="end"))
    for number in sorted({1, (many + 1) // 2, many}):
        parts.append(
            _text(_EDGE + _across(number - 1, many, width), height + 14, str(number), anchor="middle")
        )
    words = []
    for mark, dash, column, mine in zip(MARKS, _DASHES, columns, steps, strict=False):
        points = [
            (
                _EDGE + _across(i, many, width),
                4 + (1 - float(step["value"])) * height,
            )
            for i, step in enumerate(mine)
        ]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(
            f'<path d="{path}" fill="none" stroke="#000" stroke-width="1" stroke-dasharray="{dash}"/>'
        )
        parts.append(_mark(mark, *points[-1]))
        words.append(
            f"{column['name']}: from {float(mine[0]['value']) * 100:.0f} % to {float(mine[-1]['value']) * 100:.0f} %"
        )
    return _svg("; ".join(words), _EDGE + width + 8, height + 30, parts)


def _across(number: int, many: int, width: float) -> float:
    return 0.0 if many == 1 else number / (many - 1) * width


def heat_map(heat: Document, column: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Goal by strategy: a filled cell is reached.

    Args:
        groups: Goals by the kind of deployment, in the order in which they are shown.
    """
    cells = heat["columns"][column]
    strategies = list(heat["strategies"])
    goals = [goal for mine in groups.values() for goal in mine]
    side, left, top = 6.0, 88.0, 12.0
    parts = []
    for j, strategy in enumerate(strategies):
        y = top + j * side
        parts.append(_text(left - 3, y + side - 1, strategy, anchor="end", size=6))
        run: list[int] = []
        for i, goal in enumerate([*goals, None]):
            if goal is not None and cells[goal][j] == "1":
                run.append(i)
            elif run:
                parts.append(
                    f'<rect x="{left + run[0] * side:g}" y="{y:g}" width="{len(run) * side:g}" height="{side - 1:g}"/>'
                )
                run = []
    at = 0
    for kind, mine in groups.items():
        x = left + at * side
        parts.append(_text(x + 1, top - 4, kind, size=6))
        parts.append(
            f'<path d="M{x:g} {top - 10:g}V{top + len(strategies) * side:g}" stroke="#000" stroke-width=".5"/>'
        )
        at += len(mine)
    reached = sum(cells[goal].count("1") for goal in goals)
    words = f"{column}: {reached} of {len(goals) * len(strategies)} pairs of goal and strategy are reached"
    return _svg(words, left + len(goals) * side + 4, top + len(strategies) * side + 2, parts, kind="heat")


def legend_mark(number: int) -> str:
    """The mark of a column, for a table's row."""
    return (
        '<svg class="mark" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">'
        f"{_mark(MARKS[number % len(MARKS)], 6, 6)}</svg>"
    )


def _mark(kind: str, x: float, y: float) -> str:
    shape = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="#fff"',
        "square": f'<rect x="{x - 3.3:.1f}" y="{y - 3.3:.1f}" width="6.6" height="6.6" fill="#fff"',
        "triangle": f'<path d="M{x:.1f} {y - 4.2:.1f}l4 7.2h-8z" fill="#fff"',
        "diamond": f'<path d="M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z" fill="#000"',
    }[kind]
    return f'{shape} stroke="#000" stroke-width="1.1"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 8) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(words: str, width: float, height: float, parts: Sequence[str], kind: str = "plot") -> str:
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(words, quote=True)}" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg>'
    )
