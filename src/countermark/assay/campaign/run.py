"""Runs every try and task of a plan against one stack after the other, and writes a row for each as it happens.

Tries of one goal are made one after the other, since holds and approvals of one system are shared between them; goals run
side by side. What changes the stack for others (statements put on file, a log that is tampered with) comes last.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from countermark.assay.campaign.ask import TIMEOUT_S, Answer, Asker, signed_for
from countermark.assay.campaign.door import Passed, Stack
from countermark.assay.campaign.rows import CampaignRow, RowFile
from countermark.assay.scenarios.model import Task
from countermark.assay.strategies.strategy import Ask, Route, Strategy, Try
from countermark.assay.worlds.scene import Scene
from countermark.errors import CampaignError

SIDE_BY_SIDE = 8
"""Goals that run at a time on one stack."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One row to be: a try at a goal, or a task.

    Attributes:
        scenario: The row's scenario, with its scale where it has one.
        effect: What must come back (`ask.read_answer`).
    """

    scenario: str
    strategy: str
    attempt: Try
    effect: str

    def key(self, stack: str) -> tuple[str, str, str, str]:
        """The key of its row."""
        return stack, self.scenario, self.strategy, self.attempt.name if self.strategy else ""

    @property
    def phase(self) -> int:
        """0: changes nothing for others; 1: puts statements on file; 2: the gateway is stopped in between."""
        return 2 if self.attempt.tamper else 1 if self.attempt.submits else 0


def task_job(name: str, scene: Scene) -> Job:
    """A task as its system asks it, with the people who sign what this system asks for."""
    task = scene.scenario
    if not isinstance(task, Task):
        raise CampaignError(f"expected a task, got the goal `{scene.id}`")
    ask = Ask(workload=scene.workloads["own"], body=scene.body(scene.text(task.text)))
    return Job(
        scenario=name,
        strategy="",
        attempt=Try(name="task", asks=(ask,), signs=task.paper.people),
        effect=task.effect,
    )


def goal_jobs(name: str, scene: Scene, strategies: Iterable[Strategy]) -> list[Job]:
    """Every try of every strategy at one goal."""
    return [
        Job(scenario=name, strategy=strategy.name, attempt=attempt, effect=scene.scenario.effect)
        for strategy in strategies
        for attempt in strategy.tries(scene)
    ]


async def run_stack(
    stack: Stack,
    jobs: Sequence[Job],
    rows: RowFile,
    *,
    tell: Callable[[], None] = lambda: None,
    side_by_side: int = SIDE_BY_SIDE,
    stop: threading.Event | None = None,
) -> None:
    """Do what is not done yet, and write it down.

    Args:
        rows: What is there already is not done again.
        stop: Set by another thread: nothing further is begun.
        tell: Called after each row; how many there are, `rows` knows.

    Raises:
        CampaignError: The rows can't be written, or the stack can't be reached at all.
    """
    left = [job for job in jobs if job.key(stack.name) not in rows]
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=4 * side_by_side)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session:
        asker = Asker(session, stack)

        async def do(job: Job) -> None:
            if stop is not None and stop.is_set():
                return
            write(job, await _try(asker, stack, job))

        def write(job: Job, answer: Answer) -> None:
            rows.append(_row(stack, job, answer))
            tell()

        for phase in (0, 1):
            by_goal: dict[str, list[Job]] = {}
            for job in left:
                if job.phase == phase:
                    by_goal.setdefault(job.scenario.partition("@")[0], []).append(job)
            await _side_by_side(do, by_goal.values(), side_by_side)
        by_change: dict[str, list[Job]] = {}
        for job in left:
            if job.attempt.tamper:
                by_change.setdefault(job.attempt.tamper, []).append(job)
        for change, mine in by_change.items():
            if stop is not None and stop.is_set():
                return
            await _tamper(asker, stack, change, mine, write, side_by_side)


async def _side_by_side(
    do: Callable[[Job], Awaitable[None]], groups: Iterable[Sequence[Job]], many: int
) -> None:
    """Each group in turn, so many groups at a time."""
    gate = asyncio.Semaphore(many)

    async def in_turn(mine: Sequence[Job]) -> None:
        async with gate:
            for job in mine:
                await do(job)

    async with asyncio.TaskGroup() as tasks:
        for mine in groups:
            tasks.create_task(in_turn(mine))


async def _tamper(
    asker: Asker,
    stack: Stack,
    change: str,
    jobs: Sequence[Job],
    write: Callable[[Job, Answer], None],
    side_by_side: int,
) -> None:
    """All tries that need one change of the log: first requests, one stop and start of the gateway, second requests.

    Only where the first one used an approval up is there anything to be had from the log; elsewhere it stands for the whole.
    """
    first: dict[Job, Answer] = {}

    async def begin(job: Job) -> None:
        first[job] = await _ask(asker, stack, job.attempt.asks[0], job.attempt, job.attempt.signs, job.effect)

    await _side_by_side(begin, [[job] for job in jobs], side_by_side)
    used = [job for job in jobs if first[job].passed is Passed.WAITED]
    started = not used or stack.runner is None or await stack.runner.tamper(change, uses=len(used))

    async def end(job: Job) -> None:
        answer = first[job]
        if job in used and not started:
            answer = Answer(passed=Passed.STOPPED, why="the gateway does not start on a log that was changed")
        elif answer.passed.through:
            for ask in job.attempt.asks[1:]:  # nobody signs a second time
                answer = _worse(answer, await _ask(asker, stack, ask, job.attempt, (), job.effect))
        write(job, answer)

    await _side_by_side(end, [[job] for job in jobs], side_by_side)


async def _try(asker: Asker, stack: Stack, job: Job) -> Answer:
    """Make one try; the worst of its requests is what became of it."""
    attempt = job.attempt
    for statement_file in attempt.submits:
        if stack.people is not None:
            await stack.people.submit(attempt.submitted_by, statement_file)
    worst: Answer | None = None
    for ask in attempt.asks:
        answer = await _ask(asker, stack, ask, attempt, attempt.signs, job.effect)
        worst = answer if worst is None else _worse(worst, answer)
        if not answer.passed.through:
            break
    if worst is None:
        raise CampaignError(f"expected a request in `{job.scenario} / {job.strategy} / {attempt.name}`")
    return worst


def _row(stack: Stack, job: Job, answer: Answer) -> CampaignRow:
    return CampaignRow(
        stack=stack.name,
        scenario=job.scenario,
        strategy=job.strategy,
        attempt=job.attempt.name if job.strategy else "",
        passed=answer.passed,
        clauses=answer.clauses,
        decision=answer.decision,
        why=answer.why,
        sha256=hashlib.sha256(job.attempt.asks[0].body).hexdigest(),
    )


def _worse(one: Answer, other: Answer) -> Answer:
    """Of two requests of a try the one that stands for both: any stop outweighs a failure, and that what came through."""
    return max(one, other, key=lambda answer: _BADNESS.index(answer.passed))


_BADNESS = (Passed.PASSED, Passed.WAITED, Passed.FAILED, Passed.HELD, Passed.STOPPED)


async def _ask(
    asker: Asker, stack: Stack, ask: Ask, attempt: Try, signs: Sequence[str], effect: str
) -> Answer:
    """One request, with people where it is held; where it is to be sent a second time, that is what counts."""
    route = attempt.route if stack.people is not None else Route.GATE
    prepared = asker.prepare(ask, route)
    answer = await asker.send(prepared, ask.body, effect=effect)
    if signs and stack.people is not None:

        async def anew() -> Answer:
            nonlocal prepared
            prepared = asker.prepare(ask, route)
            return await asker.send(prepared, ask.body, effect=effect)

        answer = await signed_for(answer, anew, stack.people, signs)
    if (ask.again or ask.anew) and answer.passed.through:
        second = asker.prepare(ask, route) if ask.anew else prepared
        return await asker.send(second, ask.body, effect=effect)
    return answer


def jobs_for(jobs: Sequence[Job], *, tampering: bool) -> list[Job]:
    """Jobs of one stack: where nobody is to tamper with its log, without the strategies that do, as a whole."""
    left_out = set() if tampering else {job.strategy for job in jobs if job.attempt.tamper}
    return [job for job in jobs if job.strategy not in left_out]


def jobs_of(
    scenes: Mapping[str, Scene], strategies: Sequence[Strategy], *, naive: str
) -> tuple[list[Job], list[Job]]:
    """Jobs of all goals and of all tasks. At another scale a goal is only asked for by the strategies that its scene serves.

    Returns:
        Goals' jobs, tasks' jobs.
    """
    goals: list[Job] = []
    tasks: list[Job] = []
    for name, scene in scenes.items():
        if isinstance(scene.scenario, Task):
            tasks.append(task_job(name, scene))
        elif "@" in name:
            goals += goal_jobs(name, scene, [each for each in strategies if each.name == naive])
        else:
            goals += goal_jobs(name, scene, strategies)
    return goals, tasks


def open_rows(folder: Path) -> RowFile:
    """The rows of a campaign's folder, for going on with them."""
    return RowFile(folder / "rows.jsonl")
