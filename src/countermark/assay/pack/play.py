"""Plays a pack against one stack: each case as it is asked plainly, and under the author's script; a row for each.

We send, with the real credentials; the script only says what. Whether a case was reached is for what came out to say, never
for the script.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from countermark.assay.campaign.ask import TIMEOUT_S, Answer, Asker, signed_for
from countermark.assay.campaign.door import Passed, Stack
from countermark.assay.campaign.rows import CampaignRow, RowFile
from countermark.assay.pack.cases import SIGNERS, Case
from countermark.assay.pack.marks import Mark, carried, marks_of
from countermark.assay.pack.script import LINE_S, Ended, Said, Script, running_script
from countermark.assay.strategies.strategy import NAIVE, Ask
from countermark.assay.worlds.scene import Scene
from countermark.errors import CampaignError

OWN = ("spare", "careless-1", "careless-2")
"""The asking system's twin copy that the script has at 0, 1 and 2 lying signers: what is held for one serves no other."""
SHARED = ("office", "consented", "ordered", "engaged", "desk-1", "desk-2", "desk-3", "desk-4")
LIES: Mapping[str, frozenset[str]] = {
    "lie-1": frozenset({"the records office"}),
    "lie-2": frozenset({"the records office", "the provider's policy officer"}),
}
"""Role to who has signed falsely for it to be."""
SCRIPT_FAULT = "script "
"""How `why` begins in a row whose script was at fault."""
_SIDE_BY_SIDE = 4
_HOPELESS = 20
"""Faults of a script on one stack after which it is no longer started there, where it had as many in most cases."""


def strategy_name(liars: int) -> str:
    """The script's name in rows and figures, at so many lying signers."""
    return "script" if not liars else f"script-{liars}"


def roles_of(liars: int) -> tuple[str, ...]:
    """Systems that the script may ask from; `own` is the one that the case is about."""
    return ("own", "similar", *SHARED, *(("lie-1",) if liars else ()), *(("lie-2",) if liars > 1 else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What is played.

    Attributes:
        asks: Requests that the script has for one case at one number of lying signers.
        line_s: How long the script may take for a line.
    """

    cases: tuple[Case, ...]
    scenes: Mapping[str, Scene]
    attacker: Mapping[str, str]
    asks: int
    liars: int
    line_s: float = LINE_S

    @property
    def keys(self) -> Sequence[tuple[str, str, str]]:
        """Scenario, strategy and attempt of each row that there will be on a stack."""
        return [
            key
            for case in self.cases
            for key in (
                (case.id, NAIVE, NAIVE),
                *((case.id, strategy_name(liars), "script") for liars in range(self.liars + 1)),
            )
        ]


class AskFile:
    """What scripts asked and what came through, kept so that whoever doubts a row can read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards the file: stacks run side by side in threads
        data = path.read_bytes() if path.exists() else b""
        if not data.endswith(b"\n"):  # a line that a stop has cut off: its row isn't there either
            path.write_bytes(data[: data.rfind(b"\n") + 1])

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            CampaignError: The disk refused.
        """
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
            except OSError as error:
                raise CampaignError(f"expected to write to `{self._path}`: {error.strerror}") from error


async def play_stack(
    stack: Stack, exam: Exam, rows: RowFile, asked: AskFile, *, tell: Callable[[], None] = lambda: None
) -> None:
    """Play every case that isn't played yet; what is in `rows` already is not played again.

    Args:
        tell: Called after each row; how many there are, `rows` knows.

    Raises:
        CampaignError: Rows can't be written, or the script can't be started at all.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    gate = asyncio.Semaphore(_SIDE_BY_SIDE)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        asker, faults = Asker(session, stack), _Faults()

        async def play(case: Case) -> None:
            async with gate:
                attempts = [_Plain(asker, stack, exam, case)]
                attempts += [
                    _Scripted(asker, stack, exam, case, liars=liars, asked=asked, faults=faults)
                    for liars in range(exam.liars + 1)
                ]
                for attempt in attempts:
                    if (stack.name, *attempt.key) not in rows:
                        rows.append(await attempt.row())
                        tell()

        async with asyncio.TaskGroup() as group:
            for case in exam.cases:
                group.create_task(play(case))


@dataclass(slots=True)
class _Faults:
    """How a script fares on one stack; one that does nothing but hang is not waited for in every case."""

    rows: int = 0
    faults: int = 0

    @property
    def hopeless(self) -> bool:
        """Enough faults, in most of its rows."""
        return self.faults >= _HOPELESS and 2 * self.faults > self.rows

    def add(self, ended: Ended) -> None:
        self.rows += 1
        self.faults += ended.fault


class _Plain:
    """A case as its own system asks it, with the people who sign what this system asks for."""

    def __init__(self, asker: Asker, stack: Stack, exam: Exam, case: Case) -> None:
        self.asker, self.stack, self.exam, self.case = asker, stack, exam, case
        self.scene = exam.scenes[case.id]
        self.key = (case.id, NAIVE, NAIVE)

    async def row(self) -> CampaignRow:
        ask = Ask(workload=self.scene.workloads["own"], body=self.scene.body(self.scene.text(self.case.text)))
        answer = await self.send(ask, self.scene.people["own"])
        return self.made(answer, hashlib.sha256(ask.body).hexdigest())

    async def send(self, ask: Ask, signs: Sequence[str]) -> Answer:
        """One request; where it is held, these people sign, and it is sent again."""
        answer = await self.asker.ask(ask, effect=self.case.effect)
        if not signs or self.stack.people is None:
            return answer
        return await signed_for(
            answer, lambda: self.asker.ask(ask, effect=self.case.effect), self.stack.people, signs
        )

    def made(self, answer: Answer, sha256: str) -> CampaignRow:
        scenario, strategy, attempt = self.key
        return CampaignRow(
            stack=self.stack.name,
            scenario=scenario,
            strategy=strategy,
            attempt=attempt,
            passed=answer.passed,
            clauses=answer.clauses,
            decision=answer.decision,
            why=answer.why,
            sha256=sha256,
        )


class _Scripted(_Plain):
    """A case under the script, at one number of lying signers."""

    def __init__(
        self,
        asker: Asker,
        stack: Stack,
        exam: Exam,
        case: Case,
        *,
        liars: int,
        asked: AskFile,
        faults: _Faults,
    ) -> None:
        super().__init__(asker, stack, exam, case)
        self.key = (case.id, strategy_name(liars), "script")
        self.liars, self.asked, self.faults = liars, asked, faults
        self.marks: tuple[Mark, ...] = marks_of(self.scene, case.text, case.effect)
        self.workloads = {role: self.scene.workloads[role] for role in roles_of(liars) if role != "own"}
        self.workloads["own"] = self.scene.workloads[OWN[liars]]
        self.progress = _Progress()

    async def row(self) -> CampaignRow:
        if self.faults.hopeless:
            why = f"{SCRIPT_FAULT}not started again after {self.faults.faults} faults"
            return self.made(replace(self.progress.last, why=why), "")
        last_words = ""
        async with running_script(self.exam.attacker, line_s=self.exam.line_s) as script:
            ended = await self._talk(script)
            if ended.fault:
                last_words = script.last_words
        self.faults.add(ended)
        progress = self.progress
        answer = replace(progress.last, passed=progress.verdict(reached=ended is Ended.REACHED))
        if ended.fault:
            answer = replace(answer, why=f"{SCRIPT_FAULT}{ended}: {last_words}".removesuffix(": "))
        elif not progress.asks:
            answer = replace(answer, why="the script asked for nothing")
        return self.made(answer, progress.sha256)

    async def _talk(self, script: Script) -> Ended:
        if not await script.tell(self._start(script.confined)):
            return Ended.HUNG
        while True:
            said = await script.next()
            if isinstance(said, Ended):
                return said
            if self.progress.asks >= self.exam.asks:
                return Ended.TOO_MANY
            refused = self._refused(said)
            answer = refused if refused is not None else await self._put(said)
            if self.progress.reached(len(self.marks)):
                return Ended.REACHED
            told = {
                "became": str(answer.passed),
                "clauses": list(answer.clauses),
                "why": answer.why,
                "left": self.exam.asks - self.progress.asks,
            }
            if not await script.tell(told):
                return Ended.HUNG

    def _start(self, confined: Mapping[str, str]) -> Mapping[str, Any]:
        papers = {"own": self.case.own, "similar": self.case.similar}
        return {
            "case": self.case.id,
            "text": self.case.text,
            "rows": [row.text for row in self.scene.rows],
            "marks": [list(mark) for mark in self.marks],
            "effect": self.case.effect,
            "tools": [tool.name for tool in self.case.tools],
            "roles": list(roles_of(self.liars)),
            "papers": {
                role: {"system": paper.system, "purpose": paper.purpose} for role, paper in papers.items()
            },
            "statements": {
                role: f"sha256:{digest}"
                for role, digest in self.scene.statements.items()
                if role in roles_of(self.liars)
            },
            "signers": list(SIGNERS) if self.liars else [],
            "liars": self.liars,
            "asks": self.exam.asks,
            "confined": dict(confined),
        }

    def _refused(self, said: Said) -> Answer | None:
        """Why an ask isn't sent; it counts as one all the same."""
        if said.role not in self.workloads or set(said.signs) - set(SIGNERS):
            why = f"not sent: no such role among {', '.join(self.workloads)}, or signer among {', '.join(SIGNERS)}"
        elif len(self.progress.lying | _lying(said)) > self.liars:
            why = f"not sent: more lying signers than {self.liars}"
        else:
            return None
        self.progress.asks += 1
        return Answer(passed=Passed.STOPPED, why=why)

    async def _put(self, said: Said) -> Answer:
        people = self.scene.people.get(said.role, ())
        signs = tuple(dict.fromkeys((*people, *said.signs)))
        messages = [_filled(each, self.scene) for each in said.messages]
        more: dict[str, object] = {"messages": messages}
        if said.metadata:
            more["metadata"] = dict(said.metadata)
        ask = Ask(workload=self.workloads[said.role], body=self.scene.body("", **more), headers=said.headers)
        answer = await self.send(ask, signs)
        self.progress.add(ask, answer, carried(self.marks, messages), _lying(said))
        if answer.passed.through:
            self.asked.append(
                {
                    "stack": self.stack.name,
                    "case": self.case.id,
                    "strategy": self.key[1],
                    "role": said.role,
                    "signs": list(signs),
                    "headers": dict(said.headers),
                    "became": str(answer.passed),
                    "sha256": hashlib.sha256(ask.body).hexdigest(),
                    "messages": messages,
                }
            )
        return answer


@dataclass(slots=True)
class _Progress:
    """What the asks of one case have come to; `lying` are those whom that which came through has taken."""

    asks: int = 0
    sha256: str = ""
    through: frozenset[int] | None = None
    lying: frozenset[str] = frozenset()
    waited: bool = False
    failed: bool = False
    last: Answer = field(default_factory=lambda: Answer(passed=Passed.STOPPED))

    def add(self, ask: Ask, answer: Answer, carries: frozenset[int], lying: frozenset[str]) -> None:
        self.asks += 1
        self.sha256 = self.sha256 or hashlib.sha256(ask.body).hexdigest()
        self.last = answer
        if answer.passed.through:
            self.through = (self.through or frozenset()) | carries
            self.lying |= lying
            self.waited |= answer.passed is Passed.WAITED
        self.failed |= answer.passed is Passed.FAILED

    def reached(self, marks: int) -> bool:
        """Whether all that the case is about came through, in one ask or in several."""
        return self.through is not None and len(self.through) == marks

    def verdict(self, *, reached: bool) -> Passed:
        """Of the whole: an ask that nobody answered might have been the one that comes through."""
        if reached:
            return Passed.WAITED if self.waited else Passed.PASSED
        if self.failed:
            return Passed.FAILED
        return Passed.HELD if self.last.passed is Passed.HELD else Passed.STOPPED


def _lying(said: Said) -> frozenset[str]:
    return LIES.get(said.role, frozenset()) | set(said.signs)


def _filled(message: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
    content = message.get("content")
    return {**message, "content": scene.text(content)} if isinstance(content, str) else dict(message)
