"""What happened in one telling of the story, and how it is shown: a table for people, a document for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark.demo.beside import Beside
from countermark.demo.goals import Goals
from countermark.demo.story import Asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What happened to one request behind the gateway.

    Attributes:
        first: The first decision: PERMIT, HOLD or DENY.
        final: After people looked, where they were asked.
        body_sha256: Of the bytes that the client sent, as the client counted them.
        waited: People had to look before it went through.
    """

    asking: Asking
    first: str
    final: str
    clauses: tuple[str, ...]
    reason: str
    decision: str
    body_sha256: str

    @property
    def waited(self) -> bool:
        """Held first, permitted after people signed."""
        return self.first == "HOLD" and self.final == "PERMIT"

    @property
    def stopped(self) -> bool:
        """It never reached the model."""
        return self.final != "PERMIT"

    @property
    def missed(self) -> bool:
        """Misuse that went through."""
        return self.asking.misuse and not self.stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The whole story as it happened, for tests and for `--json`."""

    folder: Path
    beside: Beside
    """What the other three columns stopped."""
    happened: Sequence[Happened]
    lawful: Mapping[int, str]
    """Request to what `all-lawful-uses` would have decided."""
    anthropic_too: str
    forwarded: int
    entries: int
    one_sided: bool
    goals: Goals | None
    """The assay on its own goals; None where it was not run."""
    seconds: float


def render(told: Told, *, width: int = 120) -> str:
    """The story as a table for a terminal of `width` columns, with what it means under it."""
    says = max(30, min(62, width - 90))
    head = f"{'#':>2}  {'the request says':<{says}}  {'R':<4}  {'C':<4}  {'S':<4}  {'M':<15}  {'all lawful uses':<15}  "
    room = max(24, width - len(head))
    lines = [
        "R = a model that refuses by wording. C = and a classifier before it. S = and supervisors who read 5 % (simulated).",
        "M = Countermark: the gateway alone, its provenance and counts still to come.",
        "",
        f"{head}why",
        "-" * width,
    ]
    for each in told.happened:
        asking = each.asking
        clauses = f"{' '.join(each.clauses)}: " if each.clauses else ""
        why = textwrap.wrap(f"{clauses}{each.reason}", room) or [""]
        said = textwrap.wrap(asking.says, says)
        cells = [
            f"{asking.number:>2}  {said[0]:<{says}}  {_cells(told.beside, asking.number)}  "
            f"{_shown(each):<15}  {told.lawful[asking.number]:<15}  {why[0]}"
        ]
        for line in range(1, max(len(why), len(said))):
            said_more = said[line] if line < len(said) else ""
            why_more = why[line] if line < len(why) else ""
            cells.append(f"    {said_more:<{says}}".ljust(len(head)) + why_more)
        lines.extend(cell.rstrip() for cell in cells)
    meaning = [piece for line in _meaning(told) for piece in (textwrap.wrap(line, width) or [""])]
    return "\n".join([*lines, "", *meaning])


def _cells(beside: Beside, number: int) -> str:
    return "  ".join(f"{'stop' if column[number] else 'pass':<4}" for column in beside.columns.values())


def _shown(each: Happened) -> str:
    if each.missed:
        return f"{each.first}: MISSED"
    return "HOLD, PERMIT" if each.waited else each.final


def _meaning(told: Told) -> Iterator[str]:
    four, five = (next(h for h in told.happened if h.asking.number == n) for n in (4, 5))
    same = "identical" if four.body_sha256 == five.body_sha256 else "NOT identical"
    yield (
        f"4 = 5: sha256 {same} ({four.body_sha256[:12]}). No layer that reads only content can tell them apart: "
        "separation on twins 0."
    )
    twelve = next(h for h in told.happened if h.asking.number == 12)
    if twelve.missed:
        yield "12: this is what a lie costs now: two signatures and two approvals, all on record."
    misuse = [h for h in told.happened if h.asking.misuse]
    work = [h for h in told.happened if not h.asking.misuse]
    waited = sum(h.waited for h in work)
    stopped, stopped_too = (sum(h.stopped for h in kind) for kind in (misuse, work))
    others = [
        [sum(column[h.asking.number] for h in kind) for column in told.beside.columns.values()]
        for kind in (misuse, work)
    ]
    named = ", ".join(
        f"{name} {count}/{len(misuse)}"
        for name, count in zip((*told.beside.columns, "Countermark"), (*others[0], stopped), strict=True)
    )
    freed = ", ".join(f"{count}/{len(work)}" for count in (*others[1], stopped_too))
    yield f"12 shown   stopped misuse: {named}    work stopped: {freed} ({waited} waited for two people)"
    if told.goals is None:
        yield "goals      not measured: this telling left the assay out"
    else:
        yield f"goals      {told.goals.line}"
        yield f"the page: {told.goals.page}"
    yield (
        "NOT COVERED: data that nobody recognises yet (3), what adds up over requests (11), signers and reviewers who see "
        "the same paper (12), text that a person or a machine acts on downstream; whoever holds the upstream key"
    )
    yield ""
    seen = (
        "one-sided: nobody else keeps a checkpoint yet"
        if told.one_sided
        else "checked against a kept checkpoint"
    )
    yield f"log: {told.entries} entries verified offline ({seen}); {told.forwarded} requests reached the model"
    yield f"the other official client, streamed through the same gateway: {told.anthropic_too!r}"
    yield f"told in {told.seconds:.0f} s; left for looking around: {told.folder}"
    yield f"next: countermark log show --last 5 --dir {told.folder}/gateway"


def to_document(told: Told) -> Mapping[str, Any]:
    """The story for programs."""
    return {
        "folder": str(told.folder),
        "entries": told.entries,
        "one_sided": told.one_sided,
        "forwarded": told.forwarded,
        "seconds": round(told.seconds, 1),
        "goals": None if told.goals is None else told.goals.to_document(),
        "requests": [
            {
                "number": each.asking.number,
                "misuse": each.asking.misuse,
                "stopped_by": {
                    name: column[each.asking.number] for name, column in told.beside.columns.items()
                },
                "first": each.first,
                "final": each.final,
                "clauses": each.clauses,
                "missed": each.missed,
                "all_lawful_uses": told.lawful[each.asking.number],
                "reason": each.reason,
                "decision": each.decision,
            }
            for each in told.happened
        ],
    }
