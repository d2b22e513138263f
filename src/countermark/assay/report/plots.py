"""The plots of a campaign's page, as SVG: told apart by shape and pattern, so that a black-and-white print can be read.

Each has its words in `aria-label`, and everything that it shows stands in the result's JSON as well. Sizes go together with the
widths of `campaign_style.py`: on paper no letter is smaller than 6 pt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from countermark.assay.report.campaign_text import SHORT_COSTS

Document = Mapping[str, Any]
MARKS = ("circle", "square", "triangle", "diamond")
PLOT, MAP = 212.0, 700.0
"""Widths in units: of a plot beside others, and of the map across the page."""
_LEFT, _TOP, _SIDE, _LETTER = 26.0, 5.0, 84.0, 7.8
_DASHES = ("", "5 2", "2 2", "7 2 2 2")
_ROW, _MAP_LETTER, _COUNTED = 7.9, 7.9, 118.0


def twins_plot(columns: Sequence[Document]) -> str:
    """Misuse stopped against work stopped, on the same bytes: what reads only content sits on the diagonal."""
    parts = [
        _frame(_SIDE),
        f'<path d="M{_LEFT:g} {_TOP + _SIDE:g}L{_LEFT + _SIDE:g} {_TOP:g}" stroke="#000" stroke-width=".7" '
        'stroke-dasharray="3 2"/>',
        _text(_LEFT + _SIDE / 2, _TOP + _SIDE + 21, "work stopped, %", anchor="middle"),
        _upright(7, _TOP + _SIDE / 2, "misuse stopped, %"),
        *_scale(),
    ]
    for tick in (0, 50, 100):
        parts.append(_text(_LEFT + tick / 100 * _SIDE, _TOP + _SIDE + 11, str(tick), anchor="middle"))
    words, taken = [], dict[tuple[int, int], int]()
    by_height = sorted(
        range(len(columns)), key=lambda i: -float(columns[i]["twins"]["misuse_stopped"]["value"])
    )
    for line, number in enumerate(by_height):
        column, mark = columns[number], MARKS[number % len(MARKS)]
        misuse, work = (float(column["twins"][side]["value"]) for side in ("misuse_stopped", "work_stopped"))
        place = (round(work * 25), round(misuse * 25))
        shift = taken.setdefault(place, 0)  # one beside the other where they would hide each other
        taken[place] += 1
        parts.append(_mark(mark, _LEFT + work * _SIDE + 8 * shift, _TOP + (1 - misuse) * _SIDE))
        beside = _LEFT + _SIDE + 14
        parts += [
            _mark(mark, beside, _TOP + 8 + 12 * line),
            _text(beside + 8, _TOP + 11 + 12 * line, column["name"]),
        ]
        words.append(
            f"{column['name']}: misuse stopped {misuse * 100:.0f} %, work stopped {work * 100:.0f} %"
        )
    parts.append(_text(_LEFT + _SIDE + 9, _TOP + _SIDE - 12, "on the line: misuse and"))
    parts.append(_text(_LEFT + _SIDE + 9, _TOP + _SIDE - 2, "work stopped alike"))
    return _svg("; ".join(words), PLOT, _TOP + _SIDE + 25, parts)


def curves(columns: Sequence[Document], numbers: Mapping[str, int], level: str = "0") -> str:
    """Real protection as strategies become known, oldest first: what a report would have claimed on the day of each.

    Args:
        numbers: Of the strategies, as in the map.
    """
    steps = [column["levels"][level]["discovery"] for column in columns]
    labels = [str(numbers[step["strategy"]]) for step in max(steps, key=len)]
    values = [[float(step["value"]) for step in mine] for mine in steps]
    return _stepped(columns, values, labels, "strategies, numbered as in the map")


def budget_curves(columns: Sequence[Document]) -> str:
    """Real protection by what the attacker can afford: each class of cost includes those before it."""
    values = [[float(step["real"]["value"]) for step in column["budget"]] for column in columns]
    labels = [str(number) for number in range(1, max(map(len, values)) + 1)]
    return _stepped(columns, values, labels, "what the attacker can afford")


def _stepped(
    columns: Sequence[Document], values: Sequence[Sequence[float]], labels: Sequence[str], below: str
) -> str:
    """One stepped line for each column, with its mark at the end."""
    width = PLOT - _LEFT - 44
    every = width / len(labels)
    parts = [
        _frame(width),
        *_scale(),
        _upright(7, _TOP + _SIDE / 2, "real, %"),
        _text(_LEFT + width / 2, _TOP + _SIDE + 21, below, anchor="middle"),
    ]
    for i in range(0, len(labels), math.ceil(11 / every)):
        parts.append(_text(_LEFT + (i + 0.5) * every, _TOP + _SIDE + 11, labels[i], anchor="middle"))
    words, ends = [], dict[int, int]()
    for number, (column, mine) in enumerate(zip(columns, values, strict=True)):
        heights = [_TOP + (1 - value) * _SIDE for value in mine]
        path = f"M{_LEFT:.1f} {heights[0]:.1f}" + "".join(
            f"V{y:.1f}H{_LEFT + (i + 1) * every:.1f}" for i, y in enumerate(heights)
        )
        dash = _DASHES[number % len(_DASHES)]
        parts.append(
            f'<path d="{path}" fill="none" stroke="#000" stroke-width="1.1" stroke-dasharray="{dash}"/>'
        )
        shift = ends.setdefault(round(heights[-1] / 4), 0)
        ends[round(heights[-1] / 4)] += 1
        parts.append(_mark(MARKS[number % len(MARKS)], _LEFT + width + 6 + 9 * shift, heights[-1]))
        words.append(f"{column['name']}: from {mine[0] * 100:.0f} % to {mine[-1] * 100:.0f} %")
    return _svg("; ".join(words), PLOT, _TOP + _SIDE + 25, parts)


def numbered(heat: Document) -> Mapping[str, int]:
    """The number of each strategy, in the order of their appearance."""
    return {strategy: number for number, strategy in enumerate(heat["strategies"], start=1)}


def heat_map(
    heat: Document, column: str, groups: Mapping[str, Sequence[str]], costs: Mapping[str, str]
) -> str:
    """Goal by strategy: a filled cell is reached.

    Args:
        groups: Goals by the kind of deployment, in the order in which they are shown.
        costs: Class of cost of each strategy: rows go by it.
    """
    cells, numbers, index = heat["columns"][column], numbered(heat), list(heat["strategies"])
    goals = [goal for mine in groups.values() for goal in mine]
    order = list(SHORT_COSTS)
    rows = sorted(index, key=lambda each: (order.index(costs[each]), numbers[each]))
    left = 18 + _wide(max(rows, key=len), _MAP_LETTER)
    side = min(24.0, (MAP - left - _COUNTED) / len(goals))
    right = left + side * len(goals)
    labels, top = _kinds(groups, left, side)
    bottom = top + len(rows) * _ROW
    parts, words = [*labels, *_lines(groups, goals, left, side, top, bottom)], []
    before = ""
    for number, strategy in enumerate(rows):
        y = top + number * _ROW
        line = [cells[goal][index.index(strategy)] == "1" for goal in goals]
        base = y + _ROW - 2
        parts.append(_text(left - 17, base, strategy, anchor="end", size=_MAP_LETTER))
        parts.append(_text(left - 3, base, str(numbers[strategy]), anchor="end", size=_MAP_LETTER))
        parts.append(_text(right + 17, base, str(sum(line)), anchor="end", size=_MAP_LETTER))
        if costs[strategy] != before:
            before = costs[strategy]
            parts.append(_text(right + 23, base, SHORT_COSTS[before], size=_MAP_LETTER))
            parts.append(f'<path d="M0 {y:g}H{MAP:g}" stroke="#000" stroke-width=".5"/>')
        parts += [
            f'<rect x="{left + start * side:.2f}" y="{y + 0.8:.1f}" width="{(end - start) * side:.2f}" '
            f'height="{_ROW - 1.6:g}"/>'
            for start, end in _runs(line)
        ]
        words.append(f"{strategy} {sum(line)}")
    said = f"{column}: of {len(goals)} goals are reached by {', '.join(words)}"
    return _svg(said, MAP, bottom + 2, parts, kind="heat")


def _wide(words: str, size: float) -> float:
    """At most so wide in any plain font."""
    return len(words) * size * 0.63


def _kinds(groups: Mapping[str, Sequence[str]], left: float, side: float) -> tuple[list[str], float]:
    """Names of the groups above their cells, in two lines where one of them has no room; and where the cells begin."""
    fits = all(_wide(kind, _MAP_LETTER) < len(mine) * side for kind, mine in groups.items())
    parts, x = [], left
    for number, (kind, mine) in enumerate(groups.items()):
        y = 8.0 if fits or number % 2 else 17.0
        parts.append(_text(x + 1.5, y, kind, size=_MAP_LETTER))
        x += len(mine) * side
    parts.append(_text(x + 4, 8, "goals", size=_MAP_LETTER))
    return parts, 11.0 if fits else 20.0


def _lines(
    groups: Mapping[str, Sequence[str]],
    goals: Sequence[str],
    left: float,
    side: float,
    top: float,
    bottom: float,
) -> list[str]:
    """Between clusters, grey; between kinds of deployment, black."""
    parts = [
        f'<path d="M{left + i * side:.2f} {top:g}V{bottom:g}" stroke="#aaa" stroke-width=".4"/>'
        for i in range(1, len(goals))
        if goals[i].partition("/")[0] != goals[i - 1].partition("/")[0]
    ]
    x = left
    for size in (0, *(len(mine) for mine in groups.values())):
        x += size * side
        parts.append(f'<path d="M{x:.2f} {top - 9:g}V{bottom:g}" stroke="#000" stroke-width=".7"/>')
    return parts


def _runs(line: Sequence[bool]) -> list[tuple[int, int]]:
    """Where filled cells begin and end."""
    found: list[tuple[int, int]] = []
    for i, filled in enumerate(line):
        if not filled:
            continue
        if found and found[-1][1] == i:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def legend_mark(number: int) -> str:
    """The mark of a column, for a table's row."""
    return (
        '<svg class="mark" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">'
        f"{_mark(MARKS[number % len(MARKS)], 6, 6)}</svg>"
    )


def _frame(width: float) -> str:
    return (
        f'<rect x="{_LEFT:g}" y="{_TOP:g}" width="{width:g}" height="{_SIDE:g}" fill="none" stroke="#000" '
        'stroke-width=".7"/>'
    )


def _scale() -> list[str]:
    return [
        _text(_LEFT - 3, _TOP + _SIDE - tick / 100 * _SIDE + 3, str(tick), anchor="end")
        for tick in (0, 50, 100)
    ]


def _mark(kind: str, x: float, y: float) -> str:
    shape = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="#fff"',
        "square": f'<rect x="{x - 3.3:.1f}" y="{y - 3.3:.1f}" width="6.6" height="6.6" fill="#fff"',
        "triangle": f'<path d="M{x:.1f} {y - 4.2:.1f}l4 7.2h-8z" fill="#fff"',
        "diamond": f'<path d="M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z" fill="#000"',
    }[kind]
    return f'{shape} stroke="#000" stroke-width="1.1"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: float = _LETTER) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _upright(x: float, y: float, words: str) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{_LETTER:g}" text-anchor="middle" '
        f'transform="rotate(-90 {x:g} {y:g})">{escape(words)}</text>'
    )


def _svg(words: str, width: float, height: float, parts: Sequence[str], kind: str = "plot") -> str:
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(words, quote=True)}" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">{"".join(parts)}</svg>'
    )
