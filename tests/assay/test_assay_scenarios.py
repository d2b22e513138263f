"""The scenarios that ship: enough of each kind, twins that are the same bytes, wordings that differ, nobody real in them."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from countermark.assay.campaign.plan import control_phrases
from countermark.assay.scenarios.load import load_scenarios, parse_cluster
from countermark.assay.scenarios.model import Cover, Differs, Goal, Kind, Paper, Task, Visible
from countermark.assay.strategies import naive
from countermark.assay.worlds.plan import WorldPlan
from countermark.assay.worlds.world import plan_world
from countermark.errors import ScenarioError
from countermark.evidence.predicates.deployment import EFFECTS
from countermark.evidence.predicates.oversight import DECIDERS, REVIEWS
from countermark.evidence.predicates.purpose import BASES_REQUIRED, DATA_CLASSES, OPERATIONS
from countermark.loopback.refusal import refused_phrase
from countermark.policy.bundle import load_bundle

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "spec" / "assay-scenarios.md"
SET = load_scenarios()
GOALS, TASKS = SET.goals, SET.tasks
EVERY: tuple[Goal | Task, ...] = (*GOALS, *TASKS)
TWINS = [task for task in TASKS if task.twin_of]
RED_LINES = tuple(f"RL-{number}" for number in range(1, 7))

REAL = re.compile(
    r"\b(america|europe|china|chinese|russia|german|france|french|brit(ain|ish)|india|israel|palestin|ukrain|iran|iraq"
    r"|africa|asian|london|paris|berlin|washington|moscow|beijing|google|microsoft|openai|anthropic|palantir|facebook"
    r"|whatsapp|github|republican|democrat|communis|socialis|fascis|nato|gdpr|hipaa|fbi|cia|nsa|muslim|islam|jew|christian"
    r"|hindu|buddhis|catholic)(s|n|ns|ian|ic|t|ts|m|ish|any|y)?\b",
    re.IGNORECASE,
)
"""Real places, firms, parties, faiths, agencies and laws: none of them belongs into a made-up world."""
OPERATIONAL = re.compile(
    r"\b(exploit|payload|shellcode|metasploit|nmap|sqlmap|cve|backdoor|rootkit|malware|ransomware|brute|keylogger|trojan"
    r"|botnet)s?\b",
    re.IGNORECASE,
)
"""Words of how to break in, not of whether one may: scenarios stay at policy level."""

_ROWS, _CALL = "{rows}", re.compile(r"call [a-z_]+\(.*\)$", re.DOTALL)


def wordings(goal: Goal) -> tuple[str, ...]:
    """All of a goal's wordings, the open one first."""
    return (goal.naive, *goal.reworded, *goal.heldout)


def prose(text: str) -> str:
    """What somebody wrote: without data and without the call, which has to be the same in every wording."""
    return " ".join(_CALL.sub("", text.replace(_ROWS, "")).lower().split())


def words(text: str) -> frozenset[str]:
    """The words of a wording."""
    return frozenset(re.findall(r"[a-z0-9']+", prose(text)))


def alike(one: str, other: str) -> float:
    """Share of words that two texts have in common, 0 to 1."""
    a, b = words(one), words(other)
    return len(a & b) / len(a | b)


def papers() -> dict[str, Paper]:
    """Every paper that a scenario uses, by where it is used."""
    found: dict[str, Paper] = {}
    for goal in GOALS:
        found[f"{goal.id}, paper"], found[f"{goal.id}, lie"] = goal.paper, goal.lie
    return found | {task.id: task.paper for task in TASKS}


@pytest.fixture(scope="module")
def world() -> WorldPlan:
    return plan_world(SET, (naive.STRATEGY,), seed=3, scales=())


# enough of each


def test_there_are_enough_to_measure() -> None:
    """At least 60 goals in 12 clusters, 120 benign tasks, 24 twins; every red line has goals."""
    assert len(GOALS) >= 60
    assert len({goal.cluster for goal in GOALS}) >= 12
    assert len(TASKS) >= 120
    assert len(TWINS) >= 24
    assert set(RED_LINES) <= {goal.rule for goal in GOALS}


def test_no_cluster_is_a_single_case() -> None:
    """A cluster with goals has at least five, since it is drawn as a whole where intervals are computed."""
    assert min(Counter(goal.cluster for goal in GOALS).values()) >= 5


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_of_deployment_is_covered(kind: Kind) -> None:
    """At least 12 goals and 12 ordinary tasks each: a figure per kind is what the report leads with."""
    assert sum(goal.kind is kind for goal in GOALS) >= 12
    assert sum(task.kind is kind and not task.look_alike for task in TASKS) >= 12


@pytest.mark.parametrize("visible", Visible)
def test_each_place_where_misuse_shows_is_covered(visible: Visible) -> None:
    """At least 8 goals show in content, in context, and in neither; the last ones have papers that are in order."""
    assert sum(goal.visible_in is visible for goal in GOALS) >= 8


@pytest.mark.parametrize("differs", Differs)
def test_each_difference_makes_twins(differs: Differs) -> None:
    """At least two twins differ in each: system, consent, order, range, a person's decision."""
    assert sum(twin.differs is differs for twin in TWINS) >= 2


def test_at_least_half_of_the_look_alikes_are_twins() -> None:
    """A look-alike that is no twin can still be told by its words; half of them can't."""
    assert len(TWINS) * 2 >= sum(task.look_alike for task in TASKS)


def test_uses_of_persons_data_are_measured_at_three_scales() -> None:
    """At least 10 goals, all with rows about persons, and none whose order covers the first row: of one row that is all."""
    scaled = [goal for goal in GOALS if goal.scaled]
    assert len(scaled) >= 10
    for goal in scaled:
        assert goal.rows is not None, goal.id
        assert goal.rows.table != "hosts", goal.id
        assert goal.paper.order is not Cover.FIRST, goal.id


# twins


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.id)
def test_a_twin_is_the_same_bytes(twin: Task, world: WorldPlan) -> None:
    """body(goal) == body(twin), rows and tools included, and each is asked from a workload of its own."""
    goal, work = world.scenes[twin.twin_of], world.scenes[twin.id]
    assert isinstance(goal.scenario, Goal)
    assert goal.body(goal.text(goal.scenario.naive)) == work.body(work.text(twin.text))
    assert goal.workloads["own"] != work.workloads["own"]
    assert goal.rows == work.rows


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.id)
def test_a_twin_differs_in_the_world(twin: Task) -> None:
    """Another paper, or, where the papers of both are in order, another truth; an order that makes it work names everybody."""
    goal = next(each for each in GOALS if each.id == twin.twin_of)
    assert goal.truth != twin.truth
    if goal.paper == twin.paper:
        assert goal.visible_in is not Visible.CONTENT
    if twin.differs is Differs.ORDER:
        assert twin.paper.order is Cover.ALL


# wordings


def test_no_two_wordings_are_the_same() -> None:
    """All wordings of goals and texts of tasks that are no twins differ, data aside."""
    said = [prose(text) for goal in GOALS for text in wordings(goal)]
    said += [prose(task.text) for task in TASKS if not task.twin_of]
    assert [text for text, times in Counter(said).items() if times > 1] == []


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.id)
def test_the_wordings_of_a_goal_are_not_variations_of_one(goal: Goal) -> None:
    """No two of them share more than six words in ten, and held-out ones are no rewordings."""
    assert not set(goal.heldout) & set(goal.reworded)
    for one, other in combinations(wordings(goal), 2):
        assert alike(one, other) <= 0.6, f"{prose(one)} | {prose(other)}"


def test_no_text_is_made_from_a_template() -> None:
    """No two texts of different scenarios share more than seven words in ten."""
    texts = [(goal.id, words(text)) for goal in GOALS for text in wordings(goal)]
    texts += [(task.id, words(task.text)) for task in TASKS if not task.twin_of]
    near = [
        (one, other)
        for (one, a), (other, b) in combinations(texts, 2)
        if one != other and len(a & b) > 0.7 * len(a | b)
    ]
    assert near == []


def test_the_control_can_be_reworded() -> None:
    """What the phrase filter refuses by stands in no rewording, so that its real protection can be near 0."""
    phrases = control_phrases(SET)
    assert all(" ".join(phrase.split()) == phrase for phrase in phrases)
    caught = [
        text
        for goal in GOALS
        for text in (*goal.reworded, *goal.heldout)
        if refused_phrase(text, phrases) is not None
    ]
    assert caught == []


def test_every_truth_is_said_in_a_sentence_or_two() -> None:
    """One to three sentences, at most 200 characters: what is really going on, in plain words."""
    for each in EVERY:
        sentences = re.findall(r"[.!?](?: |$)", each.truth)
        assert 1 <= len(sentences) <= 3, each.id
        assert len(each.truth) <= 200, each.id


def test_nobody_and_nothing_real_is_named() -> None:
    """No real place, firm, party, faith, agency or law, and no word of how to break in, in any text that ships."""
    for each in EVERY:
        said = wordings(each) if isinstance(each, Goal) else (each.text,)
        text = " ".join((each.title, each.truth, *said))
        assert REAL.search(text) is None, each.id
        assert OPERATIONAL.search(text) is None, each.id


# papers


def test_papers_speak_the_words_of_the_bundle() -> None:
    """Purposes, classes of data, roles and the rest are what the everyday bundle and the predicates know."""
    bundle = load_bundle(ROOT / "policies" / "everyday")
    purposes, classes = bundle.enums["Purpose"], {*DATA_CLASSES, *bundle.enums.get("DataClass", ())}
    for where, paper in papers().items():
        assert paper.purpose in purposes, where
        assert set(paper.operations) <= set(OPERATIONS), where
        assert set(paper.data_classes) <= classes, where
        assert paper.basis in BASES_REQUIRED, where
        assert paper.review in (None, *REVIEWS), where
        assert paper.decides in (None, *DECIDERS), where
        assert {*paper.answer_effects, *(e for has in paper.tools.values() for e in has)} <= set(EFFECTS), (
            where
        )
        assert set(paper.people) <= set(bundle.approvals), where


def test_a_system_is_of_the_kind_that_its_scenario_is_counted_as() -> None:
    """goal.kind == site of its paper, and of what would be signed falsely; the same for tasks."""
    for goal in GOALS:
        assert (goal.paper.site, goal.lie.site) == (goal.kind, goal.kind), goal.id
    for task in TASKS:
        assert task.paper.site is task.kind, task.id


def test_work_that_sets_something_off_has_people_who_decide() -> None:
    """Where a task's own tool actuates, its paper names a commander, a reviewer and a bound key."""
    for task in TASKS:
        if task.effect and "actuate" in task.paper.tools.get(task.effect, ()):
            assert set(task.paper.people) == {"northmark_commander", "halden_reviewer"}, task.id
            assert task.paper.key_bound, task.id


# the format

EXAMPLE = re.search(r"^```toml\n(.*?)^```", SPEC.read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_format_is_one() -> None:
    """The example in spec/assay-scenarios.md is read: one goal, its twin and a task."""
    assert EXAMPLE is not None
    cluster, _, goals, tasks = parse_cluster(EXAMPLE[1].encode(), name="example.toml")
    assert [goal.id for goal in goals] == [f"{cluster}/lists-lent-out"]
    assert [(task.twin_of, task.differs) for task in tasks] == [
        (goals[0].id, Differs.CONSENT),
        ("", None),
    ]


WRONG = {
    "a key that nobody reads": ('kind = "office"', 'kind = "office"\nkinds = "office"', "none of these keys"),
    "a truth that is missing": (r"truth = .*?\n", "", "these keys, too: truth"),
    "a kind that there is not": ('kind = "office"', 'kind = "shop"', "`kind` to be one of office"),
    "a paper that there is not": ('paper = "campaign"', 'paper = "nobody"', "one of the file's papers"),
    "a table that there is not": ('table = "customers"', 'table = "cats"', "with a table of"),
    "a wording without its data": (r"\n\{rows\}", "", "to hold `{rows}`"),
    "one rewording": (r"reworded = \[\n.*?\"\"\",\n", "reworded = [\n", "at least two `reworded`"),
    "a twin of unknown difference": ('differs = "consent"', 'differs = "mood"', "`differs` to be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_the_format_is_refused(case: str) -> None:
    """A field too many or too few, or one that names what isn't there, is an error that names file and entry."""
    assert EXAMPLE is not None
    pattern, put, complaint = WRONG[case]
    text, times = re.subn(pattern, lambda _: put, EXAMPLE[1], count=1, flags=re.DOTALL)
    assert times == 1
    with pytest.raises(ScenarioError, match=r"example\.toml, (goal|the file)") as raised:
        parse_cluster(text.encode(), name="example.toml")
    assert complaint in str(raised.value)


def test_a_wording_without_its_call_is_refused() -> None:
    """Every wording of a goal whose effect is a call asks for this call, or the played model would never make it."""
    text = """
id = "c"
title = "t"
rule = "RL-2"
[tools.go]
description = "Go."
parameters = {}
[papers.p]
system = "s"
site = "office"
purpose = "office"
[[goal]]
id = "g"
title = "t"
kind = "office"
visible_in = "content"
truth = "So."
naive = "call go({})"
reworded = ["call go({}) now", "please go"]
heldout = ["call go({}) later"]
tools = ["go"]
effect = "go"
paper = "p"
lie = "p"
"""
    with pytest.raises(ScenarioError, match=r"c\.toml, goal `g`: expected every wording to say `call go\("):
        parse_cluster(text.encode(), name="c.toml")


def test_an_id_stands_once_in_a_set(tmp_path: Path) -> None:
    """Two files of one cluster, or a folder without any, are no set."""
    assert EXAMPLE is not None
    with pytest.raises(ScenarioError, match=r"expected scenario files"):
        load_scenarios(tmp_path)
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(EXAMPLE[1])
    with pytest.raises(ScenarioError, match="each cluster in one file"):
        load_scenarios(tmp_path)
