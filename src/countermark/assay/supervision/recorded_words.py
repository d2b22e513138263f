"""What recorded reviews, and a log's holds, say in words, for the terminal."""

from __future__ import annotations

from countermark.assay.rate import Rate
from countermark.assay.supervision.holds import STATES, HoldLog
from countermark.assay.supervision.recorded import Recorded, Vigilance

_NOT = "not measured"
_HEAD = ("", "cases", "hit", "rubber stamp", "false alarms", "d'", "criterion", "median time")
_AXES = {
    "prevalence": "by prevalence of misuse",
    "shift": "by time on shift",
    "visible_in": "by where the misuse shows",
    "strategy": "by how it was disguised",
    "reviewer": "by reviewer",
}


def render_reviews(found: Recorded) -> str:
    """A table, the whole first, then each part; then what the figures don't say."""
    rows = [_HEAD, _row("all", found.whole)]
    for axis, parts in found.parts.items():
        rows += [(_AXES[axis], *[""] * (len(_HEAD) - 1))]
        rows += [_row(f"  {label}", each) for label, each in parts.items()]
    widths = [max(len(row[i]) for row in rows if row[1] or i) for i in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.append("")
    if found.stamped is not None:
        lines.append(f"Planted misuse that was approved was looked at for {found.stamped} (median).")
    if found.assumed:
        lines.append(
            f"{len(found.assumed)} cases without a verdict count against the reviewers, first {found.assumed[0]}."
        )
    lines += found.remarks
    lines.append(
        "Intervals: 95 %. Rubber stamp: planted misuse that was approved. d' 0: can't tell misuse from work;"
    )
    lines.append("criterion above 0: inclined to pass.")
    return "\n".join(lines)


def render_holds(found: HoldLog) -> str:
    """What became of holds; and that nobody knows how many approvals were right."""
    counts = ", ".join(f"{found.states[state]:,} {state}" for state in STATES)
    lines = [f"{found.holds:,} holds: {counts}."]
    if found.approved is not None:
        lines.append(f"Of those decided or expired, approved: {found.approved.shown}.")
    if found.seconds is not None:
        lines.append(
            f"From hold to permit: {found.seconds:,.0f} s (median), the caller's asking again included."
        )
    lines += [
        f"  {clause}: " + ", ".join(f"{n} {state}" for state, n in states.items() if n)
        for clause, states in found.by_clause.items()
    ]
    lines.append(
        "Hit rate: not measured. None of these holds is known to be misuse; plant some (spec/assay-review.md)."
    )
    lines.append("The log was read as it lies there; `countermark log verify` says whether it was changed.")
    return "\n".join(lines)


def _row(label: str, each: Vigilance) -> tuple[str, ...]:
    return (
        label,
        f"{each.cases:,}",
        _rate(each.hit),
        _rate(each.rubber_stamp),
        _rate(each.false_alarm),
        _NOT if each.d_prime is None else str(each.d_prime),
        _NOT if each.criterion is None else str(each.criterion),
        _NOT if each.seconds is None else str(each.seconds),
    )


def _rate(rate: Rate | None) -> str:
    return _NOT if rate is None else rate.shown.percent
