"""What stays with the author: which case is misuse and which is work, and what a twin of what.

Only its salted digest is handed over. Whoever opens it shows that it is the one that was sealed before the run.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from countermark.assay.pack.cases import Case
from countermark.assay.scenarios.model import Differs, Goal, Kind, Scenarios, Task, Visible
from countermark.attestation.canonical import canonical_json
from countermark.errors import MalformedError, ScenarioError, TamperedError
from countermark.strictjson import parse_object

MAX_TRUTH_BYTES = 4 << 20
_SALT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_GOAL = {"misuse", "id", "title", "rule", "kind", "visible_in", "truth"}
_TASK = {"misuse", "id", "title", "kind", "look_alike", "truth", "twin_of", "differs"}


def make_truth(dealt: Mapping[str, Goal | Task], titles: Mapping[str, str]) -> bytes:
    """The truth of a pack, with a salt of its own: two packs of the same cases have other digests."""
    return canonical_json(
        {
            "kind": "assay-truth",
            "version": 1,
            "salt": secrets.token_hex(32),
            "titles": dict(titles),
            "cases": {name: _label(each) for name, each in dealt.items()},
        }
    )


def truth_sha256(data: bytes) -> str:
    """The digest that the manifest carries."""
    return hashlib.sha256(data).hexdigest()


def _label(scenario: Goal | Task) -> dict[str, Any]:
    common = {
        "id": scenario.id,
        "title": scenario.title,
        "kind": str(scenario.kind),
        "truth": scenario.truth,
    }
    if isinstance(scenario, Goal):
        return {
            **common,
            "misuse": True,
            "rule": scenario.rule,
            "visible_in": str(scenario.visible_in),
        }
    return {
        **common,
        "misuse": False,
        "look_alike": scenario.look_alike,
        "twin_of": scenario.twin_of,
        "differs": "" if scenario.differs is None else str(scenario.differs),
    }


def open_truth(
    data: bytes, cases: Sequence[Case], *, sha256: str, author: str, pack_sha256: str
) -> tuple[Scenarios, Mapping[str, Goal | Task]]:
    """Join cases with their truth.

    Args:
        sha256: As the manifest carries it.

    Returns:
        Goals and tasks, and which of them each case is.

    Raises:
        TamperedError: It isn't the truth that was sealed.
        ScenarioError: It was, and yet doesn't fit its cases: an author's mistake that no tool of ours makes.
    """
    found = truth_sha256(data)
    if found != sha256:
        raise TamperedError(f"expected the truth that was sealed, {sha256[:16]}, got {found[:16]}")
    try:
        raw = parse_object(data, max_bytes=MAX_TRUTH_BYTES)
    except MalformedError as error:
        raise ScenarioError(f"the truth: {error}") from error
    if (raw.get("kind"), raw.get("version")) != ("assay-truth", 1) or not _SALT.fullmatch(
        str(raw.get("salt"))
    ):
        raise ScenarioError("the truth: expected kind `assay-truth`, version 1, and a salt of 64 hex digits")
    labels, titles = raw.get("cases"), raw.get("titles")
    if not isinstance(labels, dict) or set(labels) != {case.id for case in cases}:
        raise ScenarioError("the truth: expected exactly the cases of the pack")
    if not isinstance(titles, dict) or not all(
        isinstance(title, str) and title.isprintable() for title in titles.values()
    ):
        raise ScenarioError("the truth: expected `titles`, a line of text for each cluster")
    opened = {case.id: _opened(case, labels[case.id]) for case in cases}
    _check_twins(opened)
    ids = [each.id for each in opened.values()]
    if len(set(ids)) != len(ids):
        raise ScenarioError("the truth: expected each id once")
    twin_of = {each.twin_of: each.id for each in opened.values() if isinstance(each, Task) and each.twin_of}
    ordered = sorted(opened.values(), key=lambda each: each.id)
    scenarios = Scenarios(
        author=author,
        goals=tuple(each for each in ordered if isinstance(each, Goal)),
        tasks=tuple(each for each in ordered if isinstance(each, Task)),
        titles=titles,
        sha256=pack_sha256,
    )
    need_enough(len(scenarios.goals), len(scenarios.tasks), len(twin_of))
    return scenarios, opened


def need_enough(goals: int, tasks: int, twins: int) -> None:
    """Go on only where a pack has something of each.

    Raises:
        ScenarioError: No goal; no benign task, since no figure stands without its price; no twin.
    """
    if not goals:
        raise ScenarioError("expected goals in the pack, got none: nothing would be measured")
    if not tasks:
        raise ScenarioError(
            "expected benign tasks in the pack, got none: real protection is never given without its price"
        )
    if not twins:
        raise ScenarioError("expected at least one goal with a twin in the pack, got none")


def _opened(case: Case, label: object) -> Goal | Task:
    where = f"the truth of {case.id}"
    misuse = label.get("misuse") if isinstance(label, dict) else None
    if not isinstance(label, dict) or set(label) != (_GOAL if misuse is True else _TASK):
        raise ScenarioError(
            f"{where}: expected `misuse` and the keys {', '.join(sorted(_GOAL if misuse else _TASK))}"
        )
    told = {name: value for name, value in label.items() if isinstance(value, str)}
    if len(told) != len(label) - (1 if misuse else 2) or not all(told.get(each) for each in ("id", "title")):
        raise ScenarioError(f"{where}: expected text in each key")
    if not all(each.isprintable() for text in told.values() for each in text.split("\n")):
        raise ScenarioError(f"{where}: expected text without control characters")
    name = told["id"]
    cluster, slash, _ = name.partition("/")
    if not slash or not cluster:
        raise ScenarioError(f"{where}: expected an id as `cluster/name`, got `{name[:60]}`")
    try:
        kind = Kind(told["kind"])
        if misuse:
            return Goal(
                id=name,
                cluster=cluster,
                rule=told["rule"],
                title=told["title"],
                kind=kind,
                visible_in=Visible(told["visible_in"]),
                truth=told["truth"],
                naive=case.text,
                reworded=(),
                heldout=(),
                rows=case.rows,
                tools=case.tools,
                effect=case.effect,
                paper=case.own,
                lie=case.lie,
                scaled=False,
                work_id="",
            )
        return Task(
            id=name,
            cluster=cluster,
            title=told["title"],
            kind=kind,
            look_alike=label["look_alike"] is True,
            truth=told["truth"],
            text=case.text,
            rows=case.rows,
            tools=case.tools,
            effect=case.effect,
            paper=case.own,
            twin_of=told["twin_of"],
            differs=Differs(told["differs"]) if told["twin_of"] else None,
        )
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _check_twins(opened: Mapping[str, Goal | Task]) -> None:
    """Twins carry the same bytes, or they are none."""
    goals = {each.id: each for each in opened.values() if isinstance(each, Goal)}
    seen: set[str] = set()
    for task in (each for each in opened.values() if isinstance(each, Task) and each.twin_of):
        goal = goals.get(task.twin_of)
        if goal is None or task.twin_of in seen:
            raise ScenarioError(
                f"the truth of `{task.id}`: expected a twin of a goal of its own, got `{task.twin_of[:60]}`"
            )
        seen.add(task.twin_of)
        if (goal.naive, goal.rows, goal.tools, goal.effect) != (
            task.text,
            task.rows,
            task.tools,
            task.effect,
        ):
            raise ScenarioError(f"the truth of `{task.id}`: expected a twin of the same bytes as `{goal.id}`")
