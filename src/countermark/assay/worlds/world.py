"""Plans a world: for each goal and task its data, its systems with their papers, and what those lean on.

Every paper in it is true, but those of `lie-1` and `lie-2`, which say what would make the goal look like work, signed by one
person or by two of two parties. One seed gives one world.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

from countermark.assay.scenarios.model import Cover, Differs, Goal, Paper, Rows, Scenarios, Task
from countermark.assay.strategies.strategy import Strategy
from countermark.assay.worlds import systems
from countermark.assay.worlds.bases import Named, bases_of, named_in
from countermark.assay.worlds.plan import BasisType, PlannedBasis, PlannedWorkload, Signed, WorldPlan
from countermark.assay.worlds.scene import Scene, fill
from countermark.assay.worlds.tables import Row

SCALES = (1, 100, 1_000_000)
"""Persons that the same use is measured at."""
PARTY = "northmark"
_MAX_SLUG = 52
"""Characters of a workload's name after its party, without its role: the gateway takes 64 with it."""
_COPIES = ("own", "spare", "careless-1", "careless-2", "careless-3", "careless-4", "careless-5")
"""Roles of the system that asks: each is a workload of its own, with the same papers and bases of its own."""
_LIES: Mapping[str, Signed] = MappingProxyType({"lie-1": Signed.ONE, "lie-2": Signed.TWO})


def plan_world(
    scenarios: Scenarios,
    strategies: Iterable[Strategy],
    *,
    seed: int,
    scales: tuple[int, ...] = SCALES,
    similar: Mapping[str, Paper] | None = None,
) -> WorldPlan:
    """Plan the world that these strategies meet these scenarios in.

    Args:
        strategies: A goal's scene has the roles that some of them need, and no other.
        seed: Of rows, keys, credentials and whoever else is named in a basis.
        scales: Numbers of persons at which a scaled goal is also asked for, openly and from its own system.
        similar: Goal to the paper of the system that plays `similar`, where whoever wrote the goals said it; else it follows
            from twins and tasks.
    """
    needs = frozenset(chain.from_iterable(strategy.needs for strategy in strategies)) | {"own"}
    planner = _Planner(scenarios, needs=needs, seed=seed, similar=similar or {})
    for task in scenarios.tasks:
        planner.add_task(task)
    for goal in scenarios.goals:
        planner.add_goal(goal)
        if goal.scaled and goal.rows is not None:
            for n in scales:
                planner.add_scaled(goal, replace(goal.rows, n=n))
    planner.add_shared()
    return planner.plan()


class _Planner:
    """Collects scenes, workloads and bases; roles that are shared are made once, at the end, when all rows are known."""

    def __init__(
        self, scenarios: Scenarios, *, needs: frozenset[str], seed: int, similar: Mapping[str, Paper]
    ) -> None:
        self.scenarios = scenarios
        self.similar = similar
        self.needs = needs
        self.seed = seed
        self.twins = {task.twin_of: task for task in scenarios.tasks if task.twin_of}
        self.workloads: dict[str, PlannedWorkload] = {}
        self.bases: list[PlannedBasis] = []
        self.first_basis: dict[str, str] = {}
        self.scenes: dict[str, Scene] = {}
        self.about: list[Named] = []

    def add_task(self, task: Task) -> None:
        # a twin's rows are its goal's, so that the requests are the same bytes
        rows, total = fill(task.rows, scenario=task.twin_of or task.id, seed=self.seed)
        about = self._about(task.text, rows, task.rows)
        name = self._workload(task.id, "own", task.paper, about)
        self.scenes[task.id] = Scene(
            scenario=task,
            rows=rows,
            total=total,
            workloads={"own": name},
            people={"own": task.paper.people},
            seed=self.seed,
        )

    def add_goal(self, goal: Goal) -> None:
        rows, total = fill(goal.rows, scenario=goal.id, seed=self.seed)
        about = self._about(goal.naive, rows, goal.rows)
        workloads: dict[str, str] = {}
        people: dict[str, tuple[str, ...]] = {}
        for role in _COPIES:
            if role in self.needs:
                workloads[role] = self._workload(goal.id, role, goal.paper, about)
                people[role] = goal.paper.people
        for role, signed in _LIES.items():
            if role in self.needs:
                workloads[role] = self._lie(goal, role, signed, about)
                people[role] = goal.lie.people
        twin = self.twins.get(goal.id)
        decided = twin is not None and twin.differs is Differs.DECISION and bool(twin.paper.people)
        if "similar" in self.needs:
            chosen = self.similar.get(goal.id) or systems.similar(goal, twin, self.scenarios.tasks)
            paper = _about_others(chosen)
            workloads["similar"] = self._workload(goal.id, "similar", paper, about)
            # where people decide each single effect, they look at the effect: a paper in order is no reason to sign it
            people["similar"] = () if decided else paper.people
        if "twin" in self.needs and twin is not None:
            workloads["twin"] = self._workload(goal.id, "twin", twin.paper, about)
            people["twin"] = twin.paper.people
        for role, name, paper in self._shared(goal):
            workloads[role] = name
            people[role] = paper.people
        self.scenes[goal.id] = Scene(
            scenario=goal,
            rows=rows,
            total=total,
            workloads=workloads,
            people=people,
            seed=self.seed,
            decided=decided,
        )

    def add_scaled(self, goal: Goal, at: Rows) -> None:
        """The same use at another number of persons: only its own system, since it is only asked for openly."""
        scene_id = f"{goal.id}@{at.n}"
        rows, total = fill(at, scenario=goal.id, seed=self.seed)
        about = self._about(goal.naive, rows, at)
        self.scenes[scene_id] = Scene(
            scenario=replace(goal, rows=at),
            rows=rows,
            total=total,
            workloads={"own": self._workload(scene_id, "own", goal.paper, about)},
            people={"own": goal.paper.people},
            seed=self.seed,
        )

    def add_shared(self) -> None:
        """The systems that play a role for every goal; their bases name nobody of any scene."""
        everything = Named(
            persons=tuple(chain.from_iterable(about.persons for about in self.about)),
            networks=tuple(chain.from_iterable(about.networks for about in self.about)),
        )
        for goal in self.scenarios.goals:
            for _, name, paper in self._shared(goal):
                if name not in self.workloads:
                    self._add(name, paper, everything, scenario=name)

    def plan(self) -> WorldPlan:
        holds = {
            (scene_id, role): self.first_basis[name]
            for scene_id, scene in self.scenes.items()
            for role, name in scene.workloads.items()
            if name in self.first_basis
        }
        return WorldPlan(
            seed=self.seed,
            workloads=tuple(self.workloads.values()),
            bases=tuple(self.bases),
            scenes=MappingProxyType(self.scenes),
            holds=MappingProxyType(holds),
        )

    def _about(self, text: str, rows: tuple[Row, ...], source: Rows | None) -> Named:
        about = named_in(text, rows, source.table if source is not None else "")
        self.about.append(about)
        return about

    def _shared(self, goal: Goal) -> list[tuple[str, str, Paper]]:
        """Role, workload and paper of each shared system that a strategy needs."""
        found = [(role, paper) for role, paper in systems.SHARED.items() if role in self.needs]
        if "office" in self.needs:
            found.append(("office", systems.office(goal.kind)))
        return [(role, f"{PARTY}/{paper.name}", paper) for role, paper in found]

    def _workload(self, scene_id: str, role: str, paper: Paper, about: Named) -> str:
        return self._add(_name(scene_id, role), paper, about, scenario=scene_id)

    def _lie(self, goal: Goal, role: str, signed: Signed, about: Named) -> str:
        name = _name(goal.id, role)
        return self._add(name, goal.lie, about, scenario=goal.id, truth=goal.paper, signed=signed)

    def _add(
        self,
        name: str,
        paper: Paper,
        about: Named,
        *,
        scenario: str,
        truth: Paper | None = None,
        signed: Signed = Signed.TWO,
    ) -> str:
        self.workloads[name] = PlannedWorkload(name=name, paper=paper, truth=truth, signed=signed)
        true = bases_of(truth or paper, about, scenario=scenario, seed=self.seed)
        for number, basis in enumerate(bases_of(paper, about, scenario=scenario, seed=self.seed)):
            basis_name = f"{name}.{basis.type.value}"
            self.bases.append(
                PlannedBasis(
                    name=basis_name,
                    type=basis.type,
                    workloads=(name,),
                    selectors=basis.selectors,
                    ranges=basis.ranges,
                    may_derive=basis.may_derive,
                    data_set=basis_name.partition("/")[2] if basis.type is BasisType.CONSENT else "",
                    signed=Signed.TWO if basis in true else signed,
                )
            )
            if not number:
                self.first_basis[name] = basis_name
        return name


def _about_others(paper: Paper) -> Paper:
    """The same paper of a system whose order or engagement is about others."""
    return replace(
        paper,
        order=None if paper.order is None else Cover.NONE,
        engagement=None if paper.engagement is None else Cover.NONE,
    )


def _name(scene_id: str, role: str) -> str:
    """A workload's name: readable, valid for the gateway, and no other scene's and role's."""
    slug = re.sub(r"[^a-z0-9]+", "-", scene_id.lower()).strip("-")
    if len(slug) > _MAX_SLUG or slug != scene_id.replace("/", "-"):
        mark = hashlib.sha256(scene_id.encode()).hexdigest()[:8]
        slug = f"{slug[: _MAX_SLUG - 9]}-{mark}"
    return f"{PARTY}/{slug}.{role}"
