"""One goal or task in a world: its data, its request's bytes, and the workloads that can ask for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from countermark.assay.scenarios.model import Goal, Rows, Task, Tool
from countermark.assay.worlds.tables import Row, by_reference, make_rows

MODEL = "m-1"
INLINE_AT_MOST = 200
"""More rows than this are not sent but named: the system that asks holds them as a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scenario, filled by a seed.

    Attributes:
        workloads: Role to the workload's name in the world. `own`: the system that asks, with true papers. `twin`: its twin's
            system, once more, so that nothing which is approved there is approved for the task, or the other way round.
            `lie-1`, `lie-2`: the same system with the lie signed by one person, or by two of two parties. `office`: the office
            assistant of the same site, with true papers. `consented`, `ordered`, `engaged`: systems of the same party that hold
            a true consent, order, engagement for something else. `desk-1` to `desk-4`: service desks. `similar`: a system whose
            true papers are those of similar work (its twin's kind of paper, on a basis about others). `spare` and
            `careless-1` to `careless-5`: the same as `own`, once more each: what is put on file about one, or signed for it,
            serves no other try. Which of them there are is what the strategies of a campaign need (`world.py`).
        people: Role to the roles of people who sign what that system asks for where it is held, with its paper in hand.
        statements: What each of these holds that can be named in a header: role to the statement's digest.
        decided: Its twin differs in that people decided on this very effect; then they look at it, and at no paper alone.
        made_at: When the world's statements begin; None until the world is made.
    """

    scenario: Goal | Task
    rows: tuple[Row, ...]
    total: int
    workloads: Mapping[str, str]
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    statements: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    decided: bool = False
    made_at: datetime | None = None

    @property
    def id(self) -> str:
        """The scenario's id."""
        return self.scenario.id

    def text(self, template: str, rows: Sequence[Row] | None = None) -> str:
        """A wording with its data."""
        if "{rows}" not in template:
            return template
        shown = self.rows if rows is None else rows
        if self.total > INLINE_AT_MOST and rows is None:
            return template.replace("{rows}", by_reference(self.rows, self.total))
        return template.replace("{rows}", "\n".join(row.text for row in shown))

    def body(self, text: str, **more: object) -> bytes:
        """A request of the OpenAI chat form; the same text gives the same bytes."""
        made: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
        if self.scenario.tools:
            made["tools"] = [_offered(tool) for tool in self.scenario.tools]
        return json.dumps(made | more, ensure_ascii=False, separators=(",", ":")).encode()


def _offered(tool: Tool) -> dict[str, object]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def fill(rows: Rows | None, *, scenario: str, seed: int) -> tuple[tuple[Row, ...], int]:
    """The rows of a scenario, and how many there are in all; the same seed gives the same."""
    if rows is None:
        return (), 0
    shown = min(rows.n, INLINE_AT_MOST)
    return make_rows(rows.table, shown, scenario=rows.of or scenario, seed=seed), rows.n
