"""What the records say together, in sentences whose numbers are counted off the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from countermark.assay.measured import OURS, Measured, Source, Standing

LEGEND = (
    (
        "real",
        "stopped whichever of the recorded attacks is used: an upper bound, more attacks can only lower it",
    ),
    ("theater", "stopped while the attacker doesn't adapt, and reached when he does: apparent - real"),
    ("open", "reached without adapting"),
    ("stopped, not told apart", "one attack was recorded: how much of it is real, nobody knows"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The counts that the first sentence rests on.

    Attributes:
        ours: Whether it is of this project's own runs, which are never counted with others'.
        measured: Recorded public safeguards that were attacked in more than one way.
        halved: Those of them that kept less than half of what they seemed to stop.
        nothing: Those that kept nothing.
        apparent_only: Recorded public safeguards that were attacked in one way.
        cost_only: By name: what stops work, and no more misuse.
        real_only: Safeguards of which it isn't known what they stop while nobody adapts.
    """

    ours: bool
    measured: int
    halved: int
    nothing: int
    apparent_only: int
    cost_only: tuple[str, ...]
    real_only: int = 0

    @property
    def sentence(self) -> str:
        """The finding, first of all."""
        head = "Self-assessed, by this project: of" if self.ours else "Of"
        if not self.measured and not self.apparent_only:
            return (
                f"{_many(self.real_only)} of which real was measured, and apparent was not: how much of what "
                f"{'it seems' if self.real_only == 1 else 'they seem'} to stop is theater, nobody knows."
            )
        if not self.measured:
            return (
                f"{_many(self.apparent_only)}, {'' if self.apparent_only == 1 else 'each '}attacked in one way only: what "
                f"{_it(self.apparent_only)} stopped is apparent, and how much of it is real was not measured."
            )
        more = (
            f" {self.apparent_only} more were attacked in one way only: how much of theirs is real, nobody knows."
            if self.apparent_only
            else ""
        )
        if self.real_only:
            more += (
                f" Of {self.real_only} more, what they seem to stop was not measured, so neither was theater."
            )
        were = "was" if self.measured == 1 else "were"
        return (
            f"{head} {_many(self.measured, 'recorded ')} that {were} attacked in more than one way, {self.halved} kept less "
            f"than half of what {_it(self.measured)} seemed to stop, and {self.nothing} kept nothing.{more}"
        )


def find(sources: Sequence[Source]) -> Finding:
    """Count off what the sentence says. This project's own runs are left out, unless there is nothing else."""
    ours = all(source.written_by == OURS for source in sources)
    counted = [each for source in sources if ours or source.written_by != OURS for each in source.measured]
    told_apart = [each for each in counted if each.standing is Standing.MEASURED]
    return Finding(
        ours=ours,
        measured=len(told_apart),
        halved=sum(_halved(each) for each in told_apart),
        nothing=sum(each.real is not None and each.real.k == 0 for each in told_apart),
        apparent_only=len(counted) - len(told_apart),
        cost_only=tuple(name for source in sources for name in source.cost_only),
        real_only=sum(len(source.real_only) for source in sources if ours or source.written_by != OURS),
    )


def _many(count: int, kind: str = "") -> str:
    return f"{count} {kind}safeguard{'' if count == 1 else 's'}"


def _it(count: int) -> str:
    return "it" if count == 1 else "they"


def _halved(each: Measured) -> bool:
    return each.real is not None and each.real.value < each.apparent.value / 2
