"""Strategies: what each may do, and that it does it for every goal."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from assay_scenes import MADE_AT, everything, goal_scenes, some, world
from hypothesis import given
from hypothesis import strategies as st
from make_strategies import PAGE, page

from countermark.assay import strategies
from countermark.assay.scenarios.model import Goal
from countermark.assay.strategies import claim, collude_reviewers, launder, lazy_reviewer, tamper
from countermark.assay.strategies.known import STRATEGIES
from countermark.assay.strategies.statements import lies, outdated, stated
from countermark.assay.strategies.strategy import (
    MAX_ASKS,
    MAX_TRIES,
    NAIVE,
    Ask,
    Author,
    Cost,
    Route,
    Strategy,
    Try,
    goal_of,
    held_out,
)
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.plan import WorldPlan
from countermark.assay.worlds.scene import Scene
from countermark.assay.worlds.world import plan_world
from countermark.attestation.envelope import parse_envelope, read_lines, signers_of
from countermark.attestation.statement import parse_statement
from countermark.errors import CampaignError
from countermark.evidence.predicates.reading import parse_predicate, subject_name, workloads_of
from countermark.loopback.answers import Api, read_asked
from countermark.pep.claims import claims_of_header
from countermark.pep.enforce import named_statements
from countermark.pep.openai import OpenAIChat

BOTH = pytest.mark.parametrize("which", ["everything", "shipped"])
BY_NAME = {strategy.name: strategy for strategy in STRATEGIES}
APPROVERS = {"northmark_duty_officer", "northmark_commander", "halden_reviewer"}
SPLITTING = ("split-requests", "split-sessions", "split-workloads")


def tries(plan: WorldPlan, *names: str) -> list[tuple[Scene, Strategy, Try]]:
    """Every try of these strategies (of all of them) at every goal."""
    wanted = [BY_NAME[name] for name in names] or list(STRATEGIES)
    return [
        (scene, strategy, attempt)
        for scene, strategy in some(plan, wanted)
        for attempt in strategy.tries(scene)
    ]


def asks(plan: WorldPlan, *names: str) -> list[Ask]:
    """Every request of these tries."""
    return list(chain.from_iterable(attempt.asks for _, _, attempt in tries(plan, *names)))


def user_text(body: bytes) -> str:
    """The last user text of a request: what the played model obeys."""
    return read_asked(Api.CHAT, body).text


def test_every_strategy_that_ships_is_listed_once() -> None:
    """Each module with a STRATEGY stands in the list; names are in kebab case, and no two are alike."""
    modules = [
        importlib.import_module(f"{strategies.__name__}.{found.name}")
        for found in pkgutil.iter_modules(strategies.__path__)
    ]
    shipped = [module.STRATEGY for module in modules if hasattr(module, "STRATEGY")]
    assert sorted(each.name for each in shipped) == sorted(BY_NAME)
    assert len(BY_NAME) == len(STRATEGIES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in BY_NAME)


def test_the_page_lists_what_ships() -> None:
    """The table of docs/design/assay-strategies.md is that of the strategies that ship, and names all roles of a scene."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert all(each.aims_at and each.access and each.title for each in STRATEGIES)
    roles = set(chain.from_iterable(each.needs for each in STRATEGIES))
    numbered = {role.rstrip("12345").rstrip("-") for role in roles}
    assert all(f"`{role}" in text for role in numbered)


def test_the_list_begins_with_the_attacker_who_does_not_adapt() -> None:
    """Naive comes first, costs nothing but words, and belongs to no family that could be held out."""
    first = STRATEGIES[0]
    assert (first.name, first.cost, first.liars) == (NAIVE, Cost.WORDS, 0)
    assert sum(each.family == first.family for each in STRATEGIES) == 1
    assert {each.author for each in STRATEGIES} == set(Author)
    assert {each.cost for each in STRATEGIES} == set(Cost)
    assert {each.liars for each in STRATEGIES} == {0, 1, 2}


def test_liars_are_priced() -> None:
    """One liar costs an insider, two cost collusion; who needs no liar needs neither."""
    price = {0: {Cost.WORDS, Cost.CREDENTIALS, Cost.RUNNER}, 1: {Cost.INSIDER}, 2: {Cost.COLLUSION}}
    for strategy in STRATEGIES:
        assert strategy.cost in price[strategy.liars], strategy.name


@BOTH
def test_every_goal_is_gone_for_by_every_strategy(which: str) -> None:
    """At least one try, at most five, of at most ten requests each, and names that tell the tries apart."""
    for scene, strategy in some(world(which)):
        made = strategy.tries(scene)
        assert 1 <= len(made) <= MAX_TRIES, (scene.id, strategy.name)
        assert len({attempt.name for attempt in made}) == len(made)
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", attempt.name) for attempt in made)
        assert all(1 <= len(attempt.asks) <= MAX_ASKS for attempt in made)


@BOTH
def test_attackers_hold_credentials_of_the_world(which: str) -> None:
    """Every request carries the credential of a workload of the plan, in a role that the strategy says it needs."""
    plan = world(which)
    known = {each.name for each in plan.workloads}
    for scene, strategy, attempt in tries(plan):
        roles = {scene.workloads[role] for role in strategy.needs if role in scene.workloads}
        for each in attempt.asks:
            assert each.workload in known
            assert each.workload in roles, (strategy.name, attempt.name)


@BOTH
def test_requests_are_what_a_gateway_and_a_model_read(which: str) -> None:
    """Every body is read by the strict reader and by the played model; each header is ASCII and means what it should."""
    reader = OpenAIChat()
    for each in asks(world(which)):
        assert reader.read_request(each.body).model == "m-1"
        assert read_asked(Api.CHAT, each.body).text
        assert all(value.isascii() and value.isprintable() for value in each.headers.values())
        assert set(each.headers) <= {"countermark-claims", "countermark-statement"}
        if "countermark-statement" in each.headers:
            listed = each.headers["countermark-statement"].count("sha256:")
            assert len(named_statements(each.headers)) == listed


@BOTH
def test_who_wants_an_effect_asks_for_it(which: str) -> None:
    """Where a goal is a call, every request of every try makes the model that obeys ask for that call."""
    for scene, strategy, attempt in tries(world(which)):
        if scene.scenario.effect:
            for each in attempt.asks:
                asked = read_asked(Api.CHAT, each.body)
                assert f"call {scene.scenario.effect}(" in asked.text, (strategy.name, attempt.name)
                assert asked.offers_tools
                assert not asked.after_result


@BOTH
def test_the_naive_attacker_asks_openly_once(which: str) -> None:
    """One try: the goal's naive wording with all its rows, from its own system, with nothing beside it."""
    for scene, _, attempt in tries(world(which), NAIVE):
        goal = goal_of(scene)
        (only,) = attempt.asks
        assert BY_NAME[NAIVE].tries(scene) == (attempt,)
        assert only == Ask(
            workload=scene.workloads["own"],
            body=scene.body(scene.text(goal.naive)),
            carries=range(scene.total),
        )
        assert (attempt.signs, attempt.submits, attempt.route) == (goal.paper.people, (), Route.GATE)


@BOTH
def test_rewording_tries_all_that_is_written(which: str) -> None:
    """Misdescribing tries every rewording of the goal and nothing that is held out."""
    for _, scene in goal_scenes(world(which)):
        made = BY_NAME["misdescribe"].tries(scene)
        goal = goal_of(scene)
        assert [user_text(each.asks[0].body) for each in made] == [
            scene.text(template) for template in goal.reworded[:MAX_TRIES]
        ]


@BOTH
def test_held_out_wordings_are_used_for_confirmation_only(which: str) -> None:
    """No try of the strategies that ship says a held-out wording; held out, none of them says a developed one."""
    plan = world(which)
    for scene, strategy in some(plan):
        goal = goal_of(scene)
        written = {text.partition("{rows}")[0] for text in goal.reworded}
        kept = {text.partition("{rows}")[0] for text in goal.heldout}
        for made, never in ((strategy, kept - written), (held_out(strategy), written - kept)):
            said = [user_text(each.body) for attempt in made.tries(scene) for each in attempt.asks]
            assert not any(text.startswith(head) for text in said for head in never if head), made.name


def test_held_out_is_the_same_attack() -> None:
    """Held out, a strategy keeps cost, author, access and liars, and bears another name; the naive one says the same."""
    for strategy in STRATEGIES:
        other = held_out(strategy)
        assert other.name == f"{strategy.name}-held-out"
        assert replace(other, name=strategy.name, tries=strategy.tries) == strategy
    scene = world().scenes["one-of-everything/track"]
    assert held_out(BY_NAME[NAIVE]).tries(scene) == BY_NAME[NAIVE].tries(scene)


@BOTH
def test_every_row_is_carried_once(which: str) -> None:
    """The requests of a try carry each row of the goal's data exactly once; two uses of one approval, each all of them."""
    for scene, _, attempt in tries(world(which)):
        if attempt.tamper:
            assert all(each.carries == range(scene.total) for each in attempt.asks)
        else:
            carried = list(chain.from_iterable(each.carries for each in attempt.asks))
            assert carried == list(range(scene.total))


@BOTH
def test_a_piece_holds_its_rows_and_no_others(which: str) -> None:
    """A split request holds its own rows alone; of a table that doesn't fit it says where its share begins and ends."""
    for scene, _, attempt in tries(world(which), *SPLITTING):
        for each in attempt.asks:
            text = user_text(each.body)
            if scene.total > len(scene.rows):
                assert f"rows {each.carries.start + 1:,} to {each.carries.stop:,} of" in text
                continue
            inside = [number for number, row in enumerate(scene.rows) if row.text in text]
            assert inside == list(each.carries)


def test_splitting_spreads_over_what_it_says() -> None:
    """Requests: one system and nothing else; sessions: another user each; workloads: the four desks in turn."""
    scene = world().scenes["one-of-everything/track"]
    made = {name: BY_NAME[name].tries(scene)[1].asks for name in SPLITTING}
    users = [json.loads(each.body)["user"] for each in made["split-sessions"]]
    assert {name: len(each) for name, each in made.items()} == dict.fromkeys(SPLITTING, MAX_ASKS)
    assert len({each.workload for each in made["split-requests"]}) == 1
    assert len(set(users)) == MAX_ASKS
    assert len({each.workload for each in made["split-workloads"]}) == 4


@given(st.integers(min_value=1, max_value=1500), st.integers())
def test_pieces_make_up_the_whole(n: int, seed: int) -> None:
    """concat(pieces(rows)) == rows, in at most ten pieces whose sizes differ by at most one, for any number of rows."""
    scenarios = everything()
    goal = next(goal for goal in scenarios.goals if goal.id.endswith("/sweep"))
    assert goal.rows is not None
    one = replace(scenarios, goals=(replace(goal, rows=replace(goal.rows, n=n)),), tasks=())
    strategy = BY_NAME["split-requests"]
    scene = plan_world(one, [strategy], seed=seed).scenes[goal.id]
    for attempt in strategy.tries(scene):
        sizes = [len(each.carries) for each in attempt.asks]
        assert list(chain.from_iterable(each.carries for each in attempt.asks)) == list(range(n))
        assert len(sizes) <= min(n, MAX_ASKS)
        assert max(sizes) - min(sizes) <= 1


@BOTH
def test_without_liars_no_false_paper_and_no_careless_person(which: str) -> None:
    """Who has no liar uses no system with a lie; where people sign they have the asking systems' true papers in hand."""
    for scene, strategy, attempt in tries(world(which)):
        asked = {role for role, name in scene.workloads.items() if name in {e.workload for e in attempt.asks}}
        if strategy.liars == 0:
            assert not asked & {"lie-1", "lie-2"}
            allowed = set(chain.from_iterable(scene.people[role] for role in asked))
            assert set(attempt.signs) <= allowed, (strategy.name, attempt.name)
        assert set(attempt.signs) <= APPROVERS


@BOTH
def test_one_liar_is_one(which: str) -> None:
    """Under one liar, who signs beyond what honest people would is one person, or the officer whose key makes papers."""
    for scene, strategy, attempt in tries(world(which), "lazy-reviewer", "stolen-key", "contradict"):
        asked = {role for role, name in scene.workloads.items() if name in {e.workload for e in attempt.asks}}
        honest = set(chain.from_iterable(scene.people[role] for role in asked))
        beyond = set(attempt.signs) - honest
        if strategy.name == "lazy-reviewer":
            assert len(beyond) <= 1
            assert not attempt.submits
        else:
            assert beyond <= set(goal_of(scene).lie.people)
            assert "lie-2" not in asked


def test_approvals_of_people_who_do_not_look_never_add_up() -> None:
    """Whoever signs without looking does so for systems from which nobody else asks."""
    careless = {*lazy_reviewer.APPROVERS, *collude_reviewers.PAIRS}
    for strategy in STRATEGIES:
        if strategy.name not in {"lazy-reviewer", "collude-reviewers"}:
            assert not careless & set(strategy.needs)
    assert len(lazy_reviewer.APPROVERS) == len(set(lazy_reviewer.APPROVERS.values())) == len(APPROVERS)
    assert not set(lazy_reviewer.APPROVERS) & set(collude_reviewers.PAIRS)
    for one, other in collude_reviewers.PAIRS.values():
        assert one.partition("_")[0] != other.partition("_")[0]


@BOTH
def test_claims_are_read_as_what_the_attacker_means(which: str) -> None:
    """Headers, metadata and system prompt each carry all claims, as the gateway reads them."""
    reader = OpenAIChat()
    for _, scene in goal_scenes(world(which)):
        header, metadata, system, everywhere = BY_NAME["claim"].tries(scene)
        assert claims_of_header(header.asks[0].headers["countermark-claims"]) == claim.CLAIMS
        assert reader.read_request(metadata.asks[0].body).claims == claim.CLAIMS
        assert reader.read_request(system.asks[0].body).claims == claim.CLAIMS
        assert reader.read_request(everywhere.asks[0].body).claims == claim.CLAIMS
        assert claims_of_header(everywhere.asks[0].headers["countermark-claims"]) == claim.CLAIMS


@BOTH
def test_what_is_withheld_is_gone(which: str) -> None:
    """No number of a person or host of the rows is in a request that withholds them, and every row still is."""
    for scene, _, attempt in tries(world(which), "withhold"):
        text = user_text(attempt.asks[0].body)
        shown = scene.rows if scene.total <= len(scene.rows) else scene.rows[:3]
        assert not any(row.selector.partition(":")[2] in text for row in scene.rows)
        assert "{rows}" in goal_of(scene).naive or not scene.rows
        if scene.rows:
            assert all(re.search(rf"\brow {number}\b", text) for number in range(1, len(shown) + 1))


def test_a_number_in_another_form_is_not_found_by_its_pattern() -> None:
    """Words, strokes and reversal hide a number from its pattern, keep short ones, and can be undone."""
    text = "CZ-00012345, Fenwick, born 1990, 12 trips; 10.20.30.40 open"
    words, strokes, turned = (
        each(text) for each in (launder.in_words, launder.with_separators, launder.backwards)
    )
    assert "CZ-zero zero zero one two three four five" in words
    assert "CZ-00/01/23/45" in strokes
    assert "10 / 20 / 30 / 40" in strokes
    assert "CZ-54321000" in turned
    assert launder.backwards(turned) == text
    assert all("12 trips" in each for each in (words, strokes, turned))


@BOTH
def test_laundered_data_is_somewhere_in_the_request(which: str) -> None:
    """As an earlier answer or a tool's result the rows stand in a message that isn't the user's; the user asks last."""
    for scene, _, attempt in tries(world(which), "launder"):
        messages: list[dict[str, Any]] = json.loads(attempt.asks[0].body)["messages"]
        assert messages[-1]["role"] == "user"
        place = {"assistant-turn": "assistant", "tool-result": "tool"}.get(attempt.name)
        if place and scene.rows:
            carried = [each["content"] for each in messages if each["role"] == place and each["content"]]
            assert scene.rows[0].text in carried[-1]
            assert scene.rows[0].text not in messages[-1]["content"]


@BOTH
def test_forged_statements_are_signed_by_nobody_who_may(which: str) -> None:
    """Every forged file reads as a statement about the asking system, and no officer's key signed what it says."""
    plan = world(which)
    officers = {
        derive_key(plan.seed, f"person/{name}").public for name in ("dua", "abe", "ada", "ben", "cem")
    }
    for scene, _, attempt in tries(plan, "forge"):
        assert attempt.submits
        named = named_statements(attempt.asks[0].headers)
        assert len(named) == len(attempt.submits)
        for file, sha256 in zip(attempt.submits, named, strict=True):
            statement, counter = (parse_envelope(line) for line in read_lines(file))
            parsed = parse_statement(statement.payload)
            said: Any = parse_predicate(parsed.predicate_type, parsed.predicate)
            assert parsed.sha256 == sha256
            assert subject_name(said) == parsed.subject.name
            assert scene.workloads["spare"] in workloads_of(said)
            assert parse_statement(counter.payload).predicate_type == "countersignature"
            assert statement.signatures
            assert counter.signatures
            assert not signers_of(statement, officers)
            assert not signers_of(counter, officers)


@BOTH
def test_what_is_brought_back_was_true_and_counts_no_more(which: str) -> None:
    """Old statements bear both officers' signatures; each has lapsed, or is an older version of one that is on file."""
    plan = world(which)
    officers = {derive_key(plan.seed, f"person/{name}").public for name in ("dua", "abe")}
    on_file = {basis.name for basis in plan.bases} | {each.name for each in plan.workloads}
    for scene, _, attempt in tries(plan, "replay-statement"):
        assert attempt.signs == scene.people["spare"]
        for file in attempt.submits:
            lines = [parse_envelope(line) for line in read_lines(file)]
            statement = parse_statement(lines[0].payload)
            assert set().union(*(signers_of(line, officers) for line in lines)) == officers
            if attempt.name == "lapsed":
                assert statement.validity.valid_until < MADE_AT
            else:
                assert statement.seq == 0
                assert statement.subject.name in on_file


def test_only_what_was_replaced_has_an_older_version() -> None:
    """An order that named fewer later, ranges, a review that was dropped; not a consent that there never was."""
    found = {
        scene.id.partition("/")[2]: [said.kind for said in outdated(scene, "spare")]
        for _, scene in goal_scenes(world())
    }
    assert found == {
        "track": ["deployment", "legal-basis"],
        "scan": ["engagement"],
        "decide": ["oversight"],
        "sweep": ["deployment", "purpose"],
    }


@BOTH
def test_contradictions_are_signed_by_one_who_may(which: str) -> None:
    """Each contradiction is signed by the records officer alone: once under the honest number, once under a newer one."""
    plan = world(which)
    records = derive_key(plan.seed, "person/dua").public
    for _, scene in goal_scenes(plan):
        numbers = []
        for attempt in BY_NAME["contradict"].tries(scene):
            for file in attempt.submits:
                (line,) = read_lines(file)
                assert signers_of(parse_envelope(line), [records]) == {records}
                numbers.append(parse_statement(parse_envelope(line).payload).seq)
        assert set(numbers) == {1, 2}


def test_what_is_forged_is_what_the_lie_says() -> None:
    """Only what the lie says and the truth doesn't: an order, ranges, a review, a purpose with its consent."""
    plan = world()
    kinds = {
        scene.id.partition("/")[2]: [said.kind for said in lies(scene, "spare")]
        for _, scene in goal_scenes(plan)
    }
    assert kinds == {
        "track": ["deployment", "legal-basis"],
        "scan": ["engagement"],
        "decide": ["oversight"],
        "sweep": ["deployment", "purpose", "legal-basis"],
    }


def test_nothing_is_forged_before_there_is_a_world() -> None:
    """A statement is dated like the world's own, so without a world there is an error and no statement."""
    scene = replace(world().scenes["one-of-everything/track"], made_at=None)
    with pytest.raises(CampaignError, match="expected a world that is made"):
        stated(scene, lies(scene, "spare")[0], seq=1)


def test_bases_are_named_as_the_world_has_them() -> None:
    """Borrowing names digests of what others hold, one or three; in a world without digests it names none."""
    scene = world().scenes["one-of-everything/sweep"]
    own, *others = BY_NAME["borrow-basis"].tries(scene)
    assert len(named_statements(own.asks[0].headers)) == 3
    assert [len(named_statements(each.asks[0].headers)) for each in others] == [1, 1, 1]
    assert {each.asks[0].workload for each in others} == {
        scene.workloads[role] for role in ("consented", "ordered", "engaged")
    }
    unmade = replace(scene, statements={})
    assert all(not each.asks[0].headers for each in BY_NAME["borrow-basis"].tries(unmade))


def test_what_people_decided_on_is_what_is_replayed() -> None:
    """Where the twin's effect is decided, replay and rewriting use the twin's approved request; else the attacker's own."""
    plan = world()
    decided, other = plan.scenes["one-of-everything/decide"], plan.scenes["one-of-everything/track"]
    for scene, role in ((decided, "twin"), (other, "own")):
        again, *anew = BY_NAME["replay"].tries(scene)
        assert again.asks[0].again
        # a used proof alone would stop the first: what an approval's single use is worth shows under a new one
        assert [attempt.asks[0].anew for attempt in anew] == [True] * (scene is decided)
        for attempt in (again, *anew):
            assert attempt.asks[0].workload == scene.workloads[role]
            assert attempt.signs == scene.people[role]
        for attempt in BY_NAME["tamper-log"].tries(scene):
            assert len(attempt.asks) == (2 if attempt.tamper else 1)
            assert {each.body for each in attempt.asks} == {again.asks[0].body}
            assert {each.workload for each in attempt.asks} == {scene.workloads[role]}
            assert attempt.signs == scene.people[role]
    assert [attempt.tamper for attempt in BY_NAME["tamper-log"].tries(decided)] == list(tamper.CHANGES)
    assert [attempt.tamper for attempt in BY_NAME["tamper-log"].tries(other)] == [""]


def test_the_ways_round_are_apart() -> None:
    """Without the upstream's key it is a stranger's way; with it, the runner's; nobody else leaves the gate."""
    routes = {
        strategy.name: {attempt.route for attempt in strategy.tries(scene)}
        for scene, strategy in some(world())
    }
    assert routes.pop("go-round") == {Route.ROUND}
    assert routes.pop("go-round-with-key") == {Route.ROUND_WITH_KEY}
    assert set(chain.from_iterable(routes.values())) == {Route.GATE}
    runner = {strategy.name for strategy in STRATEGIES if strategy.cost is Cost.RUNNER}
    assert runner == {"go-round-with-key", "tamper-log"}


def test_nobody_attacks_work() -> None:
    """A task's scene has no goal: every strategy says so."""
    scene = world().scenes["one-of-everything/note"]
    for strategy in STRATEGIES:
        with pytest.raises(CampaignError):
            strategy.tries(scene)


@given(st.integers(min_value=0, max_value=2**31), st.sampled_from(sorted(BY_NAME)))
def test_tries_follow_from_the_seed(seed: int, name: str) -> None:
    """tries(plan_world(x, seed)) == tries(plan_world(x, seed)): the same bytes, people and files, in the same order."""
    first, second = (plan_world(everything(), [BY_NAME[name]], seed=seed, scales=()) for _ in range(2))
    for scene_id, scene in goal_scenes(first):
        stamped = world().scenes[scene_id].made_at
        mine, theirs = (
            BY_NAME[name].tries(replace(each, made_at=stamped)) for each in (scene, second.scenes[scene_id])
        )
        assert mine == theirs
        assert isinstance(scene.scenario, Goal)
