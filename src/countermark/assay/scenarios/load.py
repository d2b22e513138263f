"""Reads scenario files: strictly, since a field that is passed over is a truth that is not measured."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from countermark.assay.scenarios.model import (
    Cover,
    Differs,
    Goal,
    Kind,
    Paper,
    Rows,
    Scenarios,
    Task,
    Tool,
    Visible,
)
from countermark.assay.worlds.tables import TABLES
from countermark.errors import ScenarioError

MAX_BYTES = 1 << 20
"""A larger scenario file is refused."""
OURS = "ours"
THEIR_OWN = "whoever ran it"
"""Who wrote a folder of scenarios that was named on the command line: nobody sealed it, so it is as self-assessed as ours."""
_SHIPPED: Traversable = files("countermark.assay.scenarios")

_CLUSTER = {"id", "title", "rule", "papers", "tools", "goal", "task"}
_GOAL = {
    *("id", "title", "kind", "visible_in", "truth", "naive", "reworded", "heldout"),
    *("paper", "lie", "rows", "tools", "effect", "scaled", "rule", "twin"),
}
_TWIN = {"title", "differs", "truth", "paper"}
_TASK = {"id", "title", "kind", "look_alike", "truth", "text", "paper", "rows", "tools", "effect"}
_PAPER = {field.name for field in fields(Paper)} - {"name"}


def load_scenarios(folder: Path | None = None, *, author: str = OURS) -> Scenarios:
    """Every cluster of a folder; those that ship where it is None.

    Raises:
        ScenarioError: A file isn't what its format says; the message names file and entry.
    """
    place: Traversable | Path = _SHIPPED if folder is None else folder
    found = sorted(
        (each for each in place.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name
    )
    if not found:
        raise ScenarioError("expected scenario files `*.toml`, got none")
    digest = hashlib.sha256()
    goals: list[Goal] = []
    tasks: list[Task] = []
    titles: dict[str, str] = {}
    for file in found:
        data = file.read_bytes()
        digest.update(f"{hashlib.sha256(data).hexdigest()}  {file.name}\n".encode())
        cluster, title, its_goals, its_tasks = parse_cluster(data, name=file.name)
        if cluster in titles:
            raise ScenarioError(f"expected each cluster in one file, got `{cluster}` twice")
        titles[cluster] = title
        goals += its_goals
        tasks += its_tasks
    ids = [*(goal.id for goal in goals), *(task.id for task in tasks)]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise ScenarioError(f"expected each id once, got these again: {', '.join(twice)}")
    return Scenarios(
        author=author, goals=tuple(goals), tasks=tuple(tasks), titles=titles, sha256=digest.hexdigest()
    )


def parse_cluster(data: bytes, *, name: str) -> tuple[str, str, list[Goal], list[Task]]:
    """Read one scenario file.

    Returns:
        The cluster's id, its title, its goals, its tasks: those of its own, and each goal's twin.

    Raises:
        ScenarioError: Too large, not TOML, a key too many or too few, a paper, tool or table that is not there.
    """
    if len(data) > MAX_BYTES:
        raise ScenarioError(f"expected `{name}` to have at most {MAX_BYTES} bytes, got {len(data)}")
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"expected `{name}` to be TOML: {error}") from error
    reader = Reader(name)
    reader.keys(raw, _CLUSTER, {"id", "title", "rule"}, "the file")
    reader.papers = {
        each: reader.paper(each, content) for each, content in reader.table(raw, "papers").items()
    }
    reader.tools = {each: reader.tool(each, content) for each, content in reader.table(raw, "tools").items()}
    cluster, rule = reader.text(raw, "id", "the file"), reader.text(raw, "rule", "the file")
    goals: list[Goal] = []
    tasks: list[Task] = []
    for content in reader.list(raw, "goal"):
        goal, twin = reader.goal(content, cluster=cluster, rule=rule)
        goals.append(goal)
        tasks += [twin] if twin is not None else []
    tasks += [reader.task(content, cluster=cluster) for content in reader.list(raw, "task")]
    return cluster, reader.text(raw, "title", "the file"), goals, tasks


class Reader:
    """Reads the tables of one file; every complaint names the file and the entry."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.papers: dict[str, Paper] = {}
        self.tools: dict[str, Tool] = {}

    def wrong(self, where: str, expected: str) -> ScenarioError:
        return ScenarioError(f"{self.name}, {where}: expected {expected}")

    def keys(self, table: Mapping[str, Any], allowed: set[str], needed: set[str], where: str) -> None:
        odd, missing = sorted(set(table) - allowed), sorted(needed - set(table))
        if odd:
            raise self.wrong(where, f"none of these keys: {', '.join(odd)}")
        if missing:
            raise self.wrong(where, f"these keys, too: {', '.join(missing)}")

    def table(self, raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = raw.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
            raise self.wrong("the file", f"`{key}` to be a table of tables")
        return value

    def list(self, raw: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        value = raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong("the file", f"`{key}` to be a list of tables")
        return value

    def text(self, table: Mapping[str, Any], key: str, where: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(where, f"`{key}` to be text that is not empty")
        return value.strip()

    def texts(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            raise self.wrong(where, f"`{key}` to be a list of texts")
        return tuple(each.strip() for each in value)

    def flag(self, table: Mapping[str, Any], key: str, where: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(where, f"`{key}` to be true or false")
        return value

    def paper(self, name: str, content: Mapping[str, Any]) -> Paper:
        where = f"paper `{name}`"
        self.keys(content, _PAPER, {"system", "site", "purpose"}, where)
        tools = content.get("tools", {})
        if not isinstance(tools, dict):
            raise self.wrong(where, "`tools` to be a table of tool to effects")
        persons = content.get("persons_at_most", 0)
        if not isinstance(persons, int) or isinstance(persons, bool) or persons < 0:
            raise self.wrong(where, "`persons_at_most` to be a number of persons")
        return Paper(
            name=name,
            system=self.text(content, "system", where),
            site=self.one_of(Kind, content["site"], "site", where),
            purpose=self.text(content, "purpose", where),
            operations=self.texts(content, "operations", where),
            data_classes=self.texts(content, "data_classes", where) or ("no-persons",),
            persons_at_most=persons,
            basis=content.get("basis", "none"),
            tools={tool: self.texts(tools, tool, where) for tool in tools},
            answer_effects=self.texts(content, "answer_effects", where),
            key_bound=self.flag(content, "key_bound", where),
            review=content.get("review"),
            decides=content.get("decides"),
            order=self.one_of(Cover, content["order"], "order", where) if "order" in content else None,
            consent=self.texts(content, "consent", where) if "consent" in content else None,
            engagement=self.one_of(Cover, content["engagement"], "engagement", where)
            if "engagement" in content
            else None,
            models=self.texts(content, "models", where) or ("m-1",),
            people=self.texts(content, "people", where),
        )

    def tool(self, name: str, content: Mapping[str, Any]) -> Tool:
        where = f"tool `{name}`"
        self.keys(content, {"description", "parameters"}, {"description", "parameters"}, where)
        if not isinstance(content["parameters"], dict):
            raise self.wrong(where, "`parameters` to be a JSON schema")
        return Tool(
            name=name,
            description=self.text(content, "description", where),
            parameters={
                "type": "object",
                "properties": content["parameters"],
                "required": sorted(content["parameters"]),
                "additionalProperties": False,
            },
        )

    def one_of(self, kind: Any, value: object, key: str, where: str) -> Any:
        try:
            return kind(value)
        except ValueError as error:
            known = ", ".join(each.value for each in kind)
            raise self.wrong(where, f"`{key}` to be one of {known}, got `{value}`") from error

    def named_paper(self, content: Mapping[str, Any], key: str, where: str) -> Paper:
        paper = self.papers.get(self.text(content, key, where))
        if paper is None:
            raise self.wrong(where, f"`{key}` to name one of the file's papers, got `{content[key]}`")
        return paper

    def rows(self, content: Mapping[str, Any], where: str) -> Rows | None:
        raw = content.get("rows")
        if raw is None:
            return None
        if not isinstance(raw, dict) or set(raw) != {"table", "n"} or raw["table"] not in TABLES:
            raise self.wrong(where, f"`rows` as {{table, n}} with a table of {', '.join(TABLES)}")
        if not isinstance(raw["n"], int) or not 1 <= raw["n"] <= 1_000_000:
            raise self.wrong(where, "`rows.n` between 1 and 1000000")
        return Rows(table=raw["table"], n=raw["n"])

    def offered(self, content: Mapping[str, Any], where: str) -> tuple[Tool, ...]:
        names = self.texts(content, "tools", where)
        missing = [each for each in names if each not in self.tools]
        if missing:
            raise self.wrong(where, f"`tools` to name tools of the file, got {', '.join(missing)}")
        return tuple(self.tools[each] for each in names)

    def effect(self, content: Mapping[str, Any], tools: tuple[Tool, ...], where: str) -> str:
        effect = content.get("effect", "")
        if effect and effect not in {each.name for each in tools}:
            raise self.wrong(where, f"`effect` to be one of its tools, got `{effect}`")
        return str(effect)

    def wording(self, text: str, rows: Rows | None, effect: str, where: str) -> str:
        if (rows is not None) != ("{rows}" in text):
            raise self.wrong(where, "every wording to hold `{rows}` where there are rows, and not otherwise")
        if effect and f"call {effect}(" not in text:
            raise self.wrong(
                where, f"every wording to say `call {effect}(...)`, which the played model obeys"
            )
        return text

    def goal(self, content: Mapping[str, Any], *, cluster: str, rule: str) -> tuple[Goal, Task | None]:
        where = f"goal `{content.get('id', '?')}`"
        needed = {
            "id",
            "title",
            "kind",
            "visible_in",
            "truth",
            "naive",
            "reworded",
            "heldout",
            "paper",
            "lie",
        }
        self.keys(content, _GOAL, needed, where)
        name = f"{cluster}/{self.text(content, 'id', where)}"
        rows, tools = self.rows(content, where), self.offered(content, where)
        effect = self.effect(content, tools, where)
        reworded, heldout = self.texts(content, "reworded", where), self.texts(content, "heldout", where)
        naive = self.text(content, "naive", where)
        if len(reworded) < 2 or not heldout:
            raise self.wrong(where, "at least two `reworded` and one `heldout`")
        for each in (naive, *reworded, *heldout):
            self.wording(each, rows, effect, where)
        kind = self.one_of(Kind, content["kind"], "kind", where)
        goal = Goal(
            id=name,
            cluster=cluster,
            rule=str(content.get("rule", rule)),
            title=self.text(content, "title", where),
            kind=kind,
            visible_in=self.one_of(Visible, content["visible_in"], "visible_in", where),
            truth=self.text(content, "truth", where),
            naive=naive,
            reworded=reworded,
            heldout=heldout,
            rows=rows,
            tools=tools,
            effect=effect,
            paper=self.named_paper(content, "paper", where),
            lie=self.named_paper(content, "lie", where),
            scaled=self.flag(content, "scaled", where),
            work_id=f"{name}/twin" if "twin" in content else "",
        )
        return goal, self.twin(goal, content["twin"], where) if "twin" in content else None

    def twin(self, goal: Goal, content: object, where: str) -> Task:
        if not isinstance(content, dict):
            raise self.wrong(where, "`twin` to be a table")
        self.keys(content, _TWIN, _TWIN, f"{where}, twin")
        return Task(
            id=goal.work_id,
            cluster=goal.cluster,
            title=self.text(content, "title", where),
            kind=goal.kind,
            look_alike=True,
            truth=self.text(content, "truth", where),
            text=goal.naive,
            rows=goal.rows,
            tools=goal.tools,
            effect=goal.effect,
            paper=self.named_paper(content, "paper", where),
            twin_of=goal.id,
            differs=self.one_of(Differs, content["differs"], "differs", where),
        )

    def task(self, content: Mapping[str, Any], *, cluster: str) -> Task:
        where = f"task `{content.get('id', '?')}`"
        self.keys(content, _TASK, {"id", "title", "kind", "truth", "text", "paper"}, where)
        rows, tools = self.rows(content, where), self.offered(content, where)
        effect = self.effect(content, tools, where)
        return Task(
            id=f"{cluster}/{self.text(content, 'id', where)}",
            cluster=cluster,
            title=self.text(content, "title", where),
            kind=self.one_of(Kind, content["kind"], "kind", where),
            look_alike=self.flag(content, "look_alike", where),
            truth=self.text(content, "truth", where),
            text=self.wording(self.text(content, "text", where), rows, effect, where),
            rows=rows,
            tools=tools,
            effect=effect,
            paper=self.named_paper(content, "paper", where),
        )
