"""What is handed over of goals and tasks: cases, all of one shape, which don't say whether they are misuse or work.

Each case has the request, the paper of the system that asks, that of a similar system, and what an insider could get signed
of it falsely. A task has the last two as well: as its twin has them, turned round, or drawn from its cluster.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from countermark.assay.scenarios.load import Reader
from countermark.assay.scenarios.model import Differs, Goal, Paper, Rows, Scenarios, Task, Tool, Visible
from countermark.assay.worlds.scene import INLINE_AT_MOST
from countermark.assay.worlds.systems import office, similar
from countermark.attestation.canonical import canonical_json
from countermark.errors import MalformedError, ScenarioError
from countermark.strictjson import parse_object

CASES = "cases.json"
"""Their name among a pack's files."""
MAX_CASES_BYTES = 4 << 20
MAX_CASES = 2000
SIGNERS = ("halden_reviewer", "northmark_duty_officer", "northmark_commander")
"""Roles of the world's people who may approve a held request."""
_KEYS = {"id", "text", "rows", "data", "tools", "effect", "papers"}
_PAPERS = ("own", "similar", "lie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request with what is signed around it.

    Attributes:
        id: `case-017`; says nothing.
        own: What is truly signed of the system that asks.
        similar: The true paper of a system whose work is most like it; what its order or engagement names is made others.
        lie: What an insider could get signed of the asking system, falsely.
    """

    id: str
    text: str
    rows: Rows | None
    tools: tuple[Tool, ...]
    effect: str
    own: Paper
    similar: Paper
    lie: Paper

    def goal(self) -> Goal:
        """The case as something that could be attacked: nobody knows whether it is misuse until the author says so."""
        return Goal(
            id=self.id,
            cluster=self.id,
            rule="",
            title="",
            kind=self.own.site,
            visible_in=Visible.CONTEXT,
            truth="",
            naive=self.text,
            reworded=(),
            heldout=(),
            rows=self.rows,
            tools=self.tools,
            effect=self.effect,
            paper=self.own,
            lie=self.lie,
            scaled=False,
            work_id="",
        )


def split(scenarios: Scenarios, rng: random.Random) -> tuple[tuple[Case, ...], Mapping[str, Goal | Task]]:
    """Deal goals and tasks out as cases, in an order that says nothing.

    Returns:
        The cases, and which scenario each of them is.

    Raises:
        ScenarioError: Something that a sealed run can't carry: more rows than a request holds, a kind that isn't its paper's.
    """
    every: list[Goal | Task] = [*scenarios.goals, *scenarios.tasks]
    if len(every) > MAX_CASES:
        raise ScenarioError(f"expected at most {MAX_CASES} goals and tasks, got {len(every)}")
    for each in every:
        _check(each)
    rng.shuffle(every)
    sources = list(dict.fromkeys(_source(each) for each in every))
    rng.shuffle(sources)
    data = {source: f"data-{number:03d}" for number, source in enumerate(sources, start=1)}
    dealt = {f"case-{number:03d}": each for number, each in enumerate(every, start=1)}
    papers = _Papers(scenarios, rng)
    made = []
    for name, each in dealt.items():
        own, near, lie = (replace(paper, name="") for paper in papers.of(each))
        made.append(
            Case(
                id=name,
                text=each.naive if isinstance(each, Goal) else each.text,
                rows=None if each.rows is None else replace(each.rows, of=data[_source(each)]),
                tools=each.tools,
                effect=each.effect,
                own=own,
                similar=near,
                lie=lie,
            )
        )
    return tuple(made), dealt


def _source(scenario: Goal | Task) -> str:
    """What rows are drawn for: a twin carries its goal's."""
    return (scenario.twin_of if isinstance(scenario, Task) else "") or scenario.id


def _check(scenario: Goal | Task) -> None:
    if scenario.kind is not scenario.paper.site:
        raise ScenarioError(
            f"expected `{scenario.id}` of the kind of its paper's site, `{scenario.paper.site}`, got `{scenario.kind}`"
        )
    if scenario.rows is not None and scenario.rows.n > INLINE_AT_MOST:
        raise ScenarioError(
            f"expected at most {INLINE_AT_MOST} rows in `{scenario.id}`, got {scenario.rows.n}: what is only named can't be "
            "seen to be carried"
        )
    papers = [scenario.paper, *([scenario.lie] if isinstance(scenario, Goal) else [])]
    odd = [role for paper in papers for role in paper.people if role not in SIGNERS]
    if odd:
        raise ScenarioError(
            f"expected people of `{scenario.id}` in the roles {', '.join(SIGNERS)}, got `{odd[0]}`"
        )


class _Papers:
    """The three papers of each case. What a task gets follows the same pattern as what goals have."""

    def __init__(self, scenarios: Scenarios, rng: random.Random) -> None:
        self.scenarios = scenarios
        self.rng = rng
        self.goals = {goal.id: goal for goal in scenarios.goals}
        self.twins = {task.twin_of: task for task in scenarios.tasks if task.twin_of}

    def of(self, scenario: Goal | Task) -> tuple[Paper, Paper, Paper]:
        if isinstance(scenario, Goal):
            near = similar(scenario, self.twins.get(scenario.id), self.scenarios.tasks)
            return scenario.paper, self._seen(near, scenario.id), scenario.lie
        if scenario.twin_of:
            goal = self.goals[scenario.twin_of]
            return scenario.paper, self._seen(goal.paper, goal.id), _turned(goal, scenario)
        return self._drawn(scenario)

    def _seen(self, near: Paper, goal: str) -> Paper:
        """Where people decide each single effect they look at the effect: a paper in order is no reason to sign it."""
        twin = self.twins.get(goal)
        return near if twin is None or twin.differs is not Differs.DECISION else replace(near, people=())

    def _drawn(self, task: Task) -> tuple[Paper, Paper, Paper]:
        """Papers of the cluster that are to one another as those of some goal: which are equal tells nothing either."""
        alone = [goal for goal in self.scenarios.goals if goal.id not in self.twins]
        like = self.rng.choice(alone or list(self.scenarios.goals))
        own, (like_own, like_near, like_lie) = task.paper, self.of(like)
        goals = [
            goal for goal in self.scenarios.goals if goal.cluster == task.cluster
        ] or self.scenarios.goals
        works = [each.paper for each in self.scenarios.tasks if each.cluster == task.cluster]
        near = own if like_near == like_own else self._other(works, own) or office(task.kind)
        if like_lie == like_own:
            lie = own
        elif like_lie == like_near:
            lie = near
        else:
            lie = self._other([goal.lie for goal in goals], own, near) or office(task.kind)
        return own, near, lie

    def _other(self, papers: Iterable[Paper], *than: Paper) -> Paper | None:
        others = [each for each in papers if each not in than]
        return self.rng.choice(others) if others else None


def _turned(goal: Goal, task: Task) -> Paper:
    """What is to a twin as the goal's lie is to the goal: its own paper for its own, and the other's for the other's."""
    if goal.lie == goal.paper:
        return task.paper
    return goal.paper if goal.lie == task.paper else goal.lie


def encode_cases(cases: Sequence[Case]) -> bytes:
    """As one file: canonical JSON, each case with the same keys."""
    return canonical_json({"cases": [_document(case) for case in cases]}) + b"\n"


def _document(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "text": case.text,
        "rows": None if case.rows is None else {"table": case.rows.table, "n": case.rows.n},
        "data": "" if case.rows is None else case.rows.of,
        "tools": {
            tool.name: {"description": tool.description, "parameters": tool.parameters["properties"]}
            for tool in case.tools
        },
        "effect": case.effect,
        "papers": {name: _paper(getattr(case, name)) for name in _PAPERS},
    }


def _paper(paper: Paper) -> dict[str, Any]:
    plain = {name: value for name, value in asdict(paper).items() if name != "name" and value is not None}
    return {
        name: list(value)
        if isinstance(value, tuple)
        else {tool: list(effects) for tool, effects in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in plain.items()
    }


def parse_cases(data: bytes) -> tuple[Case, ...]:
    """Read what `encode_cases` wrote, strictly.

    Raises:
        ScenarioError: Not cases of this format, or such as the world can't make.
    """
    try:
        raw = parse_object(data, max_bytes=MAX_CASES_BYTES)
    except MalformedError as error:
        raise ScenarioError(f"{CASES}: {error}") from error
    listed = raw.get("cases")
    if set(raw) != {"cases"} or not isinstance(listed, list) or not 0 < len(listed) <= MAX_CASES:
        raise ScenarioError(f"{CASES}: expected exactly `cases`, a list of 1 to {MAX_CASES}")
    cases = tuple(_parse(each, number) for number, each in enumerate(listed, start=1))
    for case in cases:
        _check(case.goal())
        if {role for paper in (case.similar, case.lie) for role in paper.people} - set(SIGNERS):
            raise ScenarioError(f"{CASES}, {case.id}: expected people in the roles {', '.join(SIGNERS)}")
    return cases


def _parse(raw: object, number: int) -> Case:
    name = f"case-{number:03d}"
    reader = Reader(f"{CASES}, {name}")
    if not isinstance(raw, dict) or raw.get("id") != name:
        raise ScenarioError(f"{CASES}: expected `{name}` as case number {number}")
    reader.keys(raw, _KEYS, _KEYS, "the case")
    tools, papers = reader.table(raw, "tools"), reader.table(raw, "papers")
    if set(papers) != set(_PAPERS):
        raise reader.wrong("the case", f"the papers {', '.join(_PAPERS)}")
    offered = tuple(reader.tool(each, content) for each, content in tools.items())
    rows = reader.rows(raw, "the case")
    data = raw["data"]
    if not isinstance(data, str) or bool(data) != (rows is not None) or (data and not _is_data(data)):
        raise reader.wrong(
            "the case", "`data` as `data-001` where there are rows, and empty where there are none"
        )
    effect = reader.effect(raw, offered, "the case")
    return Case(
        id=name,
        text=reader.wording(reader.text(raw, "text", "the case"), rows, effect, "the case"),
        rows=None if rows is None else replace(rows, of=data),
        tools=offered,
        effect=effect,
        own=_read(reader, papers, "own"),
        similar=_read(reader, papers, "similar"),
        lie=_read(reader, papers, "lie"),
    )


def _read(reader: Reader, papers: Mapping[str, Mapping[str, Any]], name: str) -> Paper:
    for key in ("basis", "review", "decides"):
        if not isinstance(papers[name].get(key, ""), str):
            raise reader.wrong(f"paper `{name}`", f"`{key}` to be text")
    return replace(reader.paper(name, papers[name]), name="")


def _is_data(name: str) -> bool:
    return (
        name.startswith("data-") and name.removeprefix("data-").isdigit() and len(name) <= len("data-00000")
    )
