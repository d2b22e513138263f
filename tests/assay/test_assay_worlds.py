"""Worlds: what a seed makes of scenarios."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from assay_scenes import everything, goal_scenes, shipped, world
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.scenarios.model import Cover, Goal, Task
from countermark.assay.strategies import misdescribe, naive
from countermark.assay.strategies.asking import pieces
from countermark.assay.strategies.known import STRATEGIES
from countermark.assay.worlds.bases import bases_of, named_in
from countermark.assay.worlds.keys import derive_key, derive_secret
from countermark.assay.worlds.plan import BasisType, PlannedBasis, Signed, WorldPlan
from countermark.assay.worlds.tables import TABLES, by_reference, make_rows
from countermark.assay.worlds.world import plan_world
from countermark.evidence.predicates.fields import IDENTITY, WORKLOAD
from countermark.signals.classifier import classify

BOTH = pytest.mark.parametrize("which", ["everything", "shipped"])


def held_by(plan: WorldPlan, scene_id: str, role: str) -> PlannedBasis:
    """The basis that a scene's system holds."""
    name = plan.holds[scene_id, role]
    return next(basis for basis in plan.bases if basis.name == name)


@BOTH
def test_names_are_the_gateways_and_nobody_elses(which: str) -> None:
    """Every workload and basis has a name that a gateway reads, and that no other has."""
    plan = world(which)
    workloads = [each.name for each in plan.workloads]
    bases = [each.name for each in plan.bases]
    assert all(WORKLOAD.fullmatch(name) and name.startswith("northmark/") for name in workloads)
    assert all(IDENTITY.fullmatch(name) and len(name) <= 128 for name in bases)
    assert len(set(workloads)) == len(workloads)
    assert len(set(bases)) == len(bases)


@BOTH
def test_every_scene_is_of_the_plan(which: str) -> None:
    """Scenes name only workloads of the plan, bases too; what a scene's system holds is a basis of that system."""
    plan = world(which)
    known = {each.name for each in plan.workloads}
    assert all(set(scene.workloads.values()) <= known for scene in plan.scenes.values())
    assert all(set(scene.people) == set(scene.workloads) for scene in plan.scenes.values())
    assert all(set(basis.workloads) <= known for basis in plan.bases)
    for (scene_id, role), _ in plan.holds.items():
        assert plan.scenes[scene_id].workloads[role] in held_by(plan, scene_id, role).workloads


@BOTH
def test_a_scenario_has_a_scene_and_its_own_system(which: str) -> None:
    """Every goal and task has a scene under its id, whose own system has the scenario's true paper."""
    plan, scenarios = world(which), everything() if which == "everything" else shipped()
    by_name = {each.name: each for each in plan.workloads}
    for scenario in (*scenarios.goals, *scenarios.tasks):
        own = by_name[plan.scenes[scenario.id].workloads["own"]]
        assert (own.paper, own.truth, own.signed) == (scenario.paper, None, Signed.TWO)


@BOTH
def test_twins_send_the_same_bytes(which: str) -> None:
    """A twin's request is its goal's naive one, byte for byte; its system is another."""
    plan = world(which)
    pairs = [
        (plan.scenes[task.twin_of], plan.scenes[task.id])
        for scene in plan.scenes.values()
        if isinstance(task := scene.scenario, Task) and task.twin_of
    ]
    assert pairs
    for misuse, work in pairs:
        assert isinstance(misuse.scenario, Goal)
        assert isinstance(work.scenario, Task)
        asked = misuse.body(misuse.text(misuse.scenario.naive))
        assert asked == work.body(work.text(work.scenario.text))
        assert misuse.rows == work.rows
        assert misuse.workloads["own"] != work.workloads["own"]
        assert misuse.workloads["twin"] != work.workloads["own"]


def test_orders_name_whom_their_paper_says() -> None:
    """All persons of the request, the first one, or others; a lie's order covers what the truth's doesn't."""
    plan = world()
    scene = plan.scenes["one-of-everything/track"]
    persons = tuple(row.selector for row in scene.rows)
    assert held_by(plan, scene.id, "own").selectors == persons[:1]
    assert held_by(plan, f"{scene.id}/twin", "own").selectors == persons
    assert held_by(plan, scene.id, "twin").selectors == persons
    assert held_by(plan, scene.id, "lie-2").selectors == persons
    for role in ("similar", "ordered"):
        others = held_by(plan, scene.id, role).selectors
        assert others
        assert not set(others) & set(persons)


def test_engagements_cover_which_hosts_their_paper_says() -> None:
    """A lie's ranges cover every address of the request; the true one, and that of others, cover none."""
    plan = world()
    scene = plan.scenes["one-of-everything/scan"]
    hosts = [IPv4Address(row.selector.partition(":")[2]) for row in scene.rows]

    def covered(role: str) -> int:
        ranges = [IPv4Network(each) for each in held_by(plan, scene.id, role).ranges]
        return sum(any(host in network for network in ranges) for host in hosts)

    assert covered("lie-1") == covered("lie-2") == len(hosts)
    assert covered("own") == covered("similar") == covered("engaged") == 0


def test_only_what_is_false_is_signed_by_liars() -> None:
    """A lie's workload names truth and lie; its false basis bears the liars' signatures, and no other basis does."""
    plan = world()
    by_name = {each.name: each for each in plan.workloads}
    for _, scene in goal_scenes(plan):
        assert isinstance(scene.scenario, Goal)
        for role, signed in (("lie-1", Signed.ONE), ("lie-2", Signed.TWO)):
            lie = by_name[scene.workloads[role]]
            assert (lie.paper, lie.truth, lie.signed) == (scene.scenario.lie, scene.scenario.paper, signed)
    alone = {basis.name for basis in plan.bases if basis.signed is Signed.ONE}
    assert alone
    assert all(".lie-1." in name for name in alone)


def test_whom_a_text_names_counts_like_its_rows() -> None:
    """Persons and addresses in a wording are covered by an order or engagement as those in rows are."""
    about = named_in("Where was SUB-000001, and who is CZ-00000002 at 10.9.0.0/16 or 10.4.0.7?", ())
    paper = next(goal.paper for goal in everything().goals if goal.paper.order is Cover.FIRST)
    assert about.persons == ("subscriber:SUB-000001", "citizen:CZ-00000002")
    assert [str(each) for each in about.networks] == ["10.9.0.0/16", "10.4.0.7/32"]
    assert bases_of(paper, about, scenario="x", seed=1)[0].selectors == ("subscriber:SUB-000001",)


def test_reviewers_go_by_papers_except_where_the_effect_is_decided() -> None:
    """People sign for similar work by its paper; where each effect is decided on, no paper makes them sign."""
    plan = world()
    assert plan.scenes["one-of-everything/track"].people["similar"] == (
        "northmark_duty_officer",
        "halden_reviewer",
    )
    decided = plan.scenes["one-of-everything/decide"]
    assert decided.decided
    assert decided.people["similar"] == ()
    assert decided.people["twin"] == ("northmark_duty_officer",)


def test_scales_are_the_same_use_with_other_numbers() -> None:
    """A scaled goal is asked for at 1, 100 and a million persons, from a system of its own, and the first rows are the same."""
    plan = world()
    base = plan.scenes["one-of-everything/track"]
    for n in (1, 100, 1_000_000):
        scene = plan.scenes[f"one-of-everything/track@{n}"]
        assert scene.total == n
        assert set(scene.workloads) == {"own"}
        assert scene.rows[: len(base.rows)] == base.rows[: len(scene.rows)]
        assert len(scene.body(scene.text("{rows}"))) < 1 << 20
    assert not any("@" in scene_id for scene_id in plan.scenes if "/track" not in scene_id)


@pytest.mark.parametrize("total", [1_000, 1_000_000])
def test_naming_many_rows_is_nothing_that_a_classifier_flags(total: int) -> None:
    """More rows than a request carries are named in words that score below the threshold: no scale shows by them."""
    scene = world().scenes["one-of-everything/track"]
    words = by_reference(scene.rows, total)
    (_, piece), *_ = pieces(replace(scene, total=total), "{rows}")
    threshold = classify("").threshold
    for text in (words, piece):
        score = classify(text).score
        assert score is not None
        assert score < threshold


def test_roles_that_no_strategy_needs_are_not_made() -> None:
    """With strategies that ask from their own system alone there is nothing else in the world."""
    plan = plan_world(everything(), (naive.STRATEGY, misdescribe.STRATEGY), seed=1, scales=())
    assert all(set(scene.workloads) == {"own"} for scene in plan.scenes.values())
    assert len(plan.workloads) == len(plan.scenes)


def test_shared_systems_lean_on_nobody_of_any_scene() -> None:
    """What the party's other desks hold names no person and no host of any request."""
    for which in ("everything", "shipped"):
        plan = world(which)
        named = {row.selector for scene in plan.scenes.values() for row in scene.rows}
        shared = [basis for basis in plan.bases if "." not in basis.workloads[0].partition("/")[2]]
        assert {basis.type for basis in shared} == set(BasisType)
        for basis in shared:
            assert not set(basis.selectors) & named
            for network in map(IPv4Network, basis.ranges):
                hosts = (each.partition(":")[2] for each in named if each.startswith("address:"))
                assert not any(IPv4Address(host) in network for host in hosts)


@given(st.integers(min_value=0, max_value=2**63), st.integers(min_value=0, max_value=2**63))
def test_one_seed_makes_one_world(seed: int, other: int) -> None:
    """plan_world(x, seed) == plan_world(x, seed); seeds that differ share no row of a scene with many."""
    first = plan_world(everything(), STRATEGIES, seed=seed, scales=())
    assert first == plan_world(everything(), STRATEGIES, seed=seed, scales=())
    if seed != other:
        second = plan_world(everything(), STRATEGIES, seed=other, scales=())
        sweep = "one-of-everything/sweep"
        assert len(set(first.scenes[sweep].rows) & set(second.scenes[sweep].rows)) <= 1
        assert first.bases != second.bases


@given(
    st.sampled_from(sorted(TABLES)),
    st.integers(min_value=1, max_value=60),
    st.integers(min_value=0, max_value=60),
    st.integers(),
)
def test_more_rows_begin_with_fewer(table: str, n: int, more: int, seed: int) -> None:
    """make_rows(n + m)[:n] == make_rows(n), each about another person or host, who stands in its text."""
    rows = make_rows(table, n + more, scenario="x", seed=seed)
    assert rows[:n] == make_rows(table, n, scenario="x", seed=seed)
    assert len({row.selector for row in rows}) == n + more
    assert all(row.selector.partition(":")[2] in row.text for row in rows)


@given(st.integers(), st.text(min_size=1, max_size=40), st.integers(), st.text(min_size=1, max_size=40))
def test_keys_belong_to_a_seed_and_a_name(seed: int, name: str, other: int, another: str) -> None:
    """derive_secret(s, n) == derive_secret(t, m) <=> (s, n) == (t, m); a key is its secret's."""
    assert len(derive_secret(seed, name)) == 32
    same = (seed, name) == (other, another)
    assert (derive_secret(seed, name) == derive_secret(other, another)) is same
    assert (derive_key(seed, name).public == derive_key(other, another).public) is same
