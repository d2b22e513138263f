"""What a pack hands over and what it keeps, and how whatever was changed is found."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from assay_packs import AUTHOR, NOW, change, document, scaffold, signed
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.pack.cases import Case, encode_cases, parse_cases, split
from countermark.assay.pack.sealed import make_pack, read_pack
from countermark.assay.pack.source import About, Source, read_source
from countermark.assay.pack.truth import make_truth, open_truth, truth_sha256
from countermark.assay.scenarios.load import load_scenarios
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
from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_statement, parse_statement
from countermark.errors import CountermarkError, ExpiredError, ScenarioError, TamperedError, TrustError

SECRET = "zqx"
"""In every word of a drawn set that only its author may know."""
ABOUT = About(name="drawn", version="1", author=AUTHOR, about="drawn", interest="none", asks=3, liars=1)
PAPERS = [
    Paper(
        name=f"{SECRET}-{number}",
        system=f"system {number}",
        site=Kind.OFFICE,
        purpose="office",
        order=Cover.ALL if number % 2 else None,
        tools={"send": ("communicate",)},
        people=("halden_reviewer",) if number % 3 else (),
    )
    for number in range(5)
]
TOOL = Tool(
    name="send",
    description="Send it.",
    parameters={
        "type": "object",
        "properties": {"to": {"type": "string"}},
        "required": ["to"],
        "additionalProperties": False,
    },
)


@st.composite
def drawn_scenarios(draw: st.DrawFn) -> Scenarios:
    """Goals, half of them with a twin, and work, in words that tell themselves apart from what may be handed over."""
    paper = st.sampled_from(PAPERS)
    goals, tasks = [], []
    for number in range(draw(st.integers(1, 4))):
        twinned = number == 0 or draw(st.booleans())
        effect = draw(st.booleans())
        name = f"{SECRET}-cluster-{number % 2}/{SECRET}-goal-{number}"
        goal = Goal(
            id=name,
            cluster=name.partition("/")[0],
            rule=f"{SECRET}-rule",
            title=f"{SECRET} title {number}",
            kind=Kind.OFFICE,
            visible_in=draw(st.sampled_from(list(Visible))),
            truth=f"{SECRET} truth",
            naive=f"ask {number} {{rows}}" + (' call send({"to":"x"})' if effect else ""),
            reworded=(f"{SECRET} {{rows}}", f"{SECRET} again {{rows}}"),
            heldout=(f"{SECRET} held out {{rows}}",),
            rows=Rows(table="citizens", n=2),
            tools=(TOOL,),
            effect="send" if effect else "",
            paper=draw(paper),
            lie=draw(paper),
            scaled=draw(st.booleans()),
            work_id=f"{name}/twin" if twinned else "",
        )
        goals.append(goal)
        if twinned:
            tasks.append(_work(goal.work_id, goal, draw(paper), draw(st.sampled_from(list(Differs)))))
    for number in range(draw(st.integers(0, 3))):
        name = f"{SECRET}-cluster-{number}/{SECRET}-work-{number}"
        tasks.append(_work(name, None, draw(paper), None))
    titles = {goal.cluster: f"{SECRET} cluster" for goal in goals}
    return Scenarios(author=AUTHOR, goals=tuple(goals), tasks=tuple(tasks), titles=titles, sha256="0" * 64)


def _work(name: str, goal: Goal | None, paper: Paper, differs: Differs | None) -> Task:
    return Task(
        id=name,
        cluster=name.partition("/")[0],
        title=f"{SECRET} work",
        kind=Kind.OFFICE,
        look_alike=goal is not None,
        truth=f"{SECRET} truth",
        text=goal.naive if goal else "write a leaflet",
        rows=goal.rows if goal else None,
        tools=goal.tools if goal else (),
        effect=goal.effect if goal else "",
        paper=paper,
        twin_of=goal.id if goal else "",
        differs=differs,
    )


def _alike(case: Case) -> tuple[bool, bool, bool]:
    """Which of a case's papers are equal, but for who signs: all that their comparison shows."""
    own, near, lie = (replace(each, people=()) for each in (case.own, case.similar, case.lie))
    return near == own, lie == own, lie == near


KEY = PrivateKey.generate()


@given(scenarios=drawn_scenarios(), seed=st.integers(0, 2**32))
def test_pack_says_nothing_of_the_truth(scenarios: Scenarios, seed: int) -> None:
    """No id, title, cluster, rule, truth, other wording or name of a paper stands in a pack, decoded or not."""
    source = Source(about=ABOUT, scenarios=scenarios, attacker={"attacker.py": "pass"})
    data, truth = make_pack(source, KEY, now=NOW, rng=random.Random(seed))
    raw = json.loads(data)
    payload = parse_statement(_payload(raw)).payload
    for handed_over in (data, payload, *(text.encode() for text in raw["files"].values())):
        assert SECRET.encode() not in handed_over
    assert truth.count(SECRET.encode()) >= 4 * (len(scenarios.goals) + len(scenarios.tasks))
    for word in (b"misuse", b"twin_of", b"look_alike", b"visible_in", b"differs"):
        assert word not in data
        assert word not in payload


@given(scenarios=drawn_scenarios(), seed=st.integers(0, 2**32))
def test_cases_are_of_one_shape(scenarios: Scenarios, seed: int) -> None:
    """Misuse and work have the same keys, and their papers are to one another as those of some goal, or of its twin."""
    cases, dealt = split(scenarios, random.Random(seed))
    raw = json.loads(encode_cases(cases))["cases"]
    assert {tuple(sorted(each)) for each in raw} == {tuple(sorted(raw[0]))}
    assert {tuple(sorted(each["papers"])) for each in raw} == {("lie", "own", "similar")}
    misuse = {_alike(case) for case in cases if isinstance(dealt[case.id], Goal)}
    twins = {_alike(case) for case in cases if getattr(dealt[case.id], "twin_of", "")}
    assert twins <= misuse
    assert parse_cases(encode_cases(cases)) == cases


def _turned_round(scenarios: Scenarios) -> Scenarios:
    """The same requests and papers, each twin's work called misuse and its misuse work."""
    twins = {task.twin_of: task for task in scenarios.tasks if task.twin_of}
    goals, tasks = [], [task for task in scenarios.tasks if not task.twin_of]
    for goal in scenarios.goals:
        twin = twins.get(goal.id)
        if twin is None:
            goals.append(goal)
            continue
        other = {repr(goal.paper): twin.paper, repr(twin.paper): goal.paper}.get(repr(goal.lie), goal.lie)
        if goal.paper == twin.paper:
            other = goal.lie
        goals.append(replace(goal, paper=twin.paper, lie=other))
        tasks.append(replace(twin, paper=goal.paper))
    return replace(scenarios, goals=tuple(goals), tasks=tuple(tasks))


@given(scenarios=drawn_scenarios(), seed=st.integers(0, 2**32))
def test_twins_do_not_show_which_is_misuse(scenarios: Scenarios, seed: int) -> None:
    """cases(S) == cases(S with misuse and work of each twin changed for one another), but for their random numbers."""
    both = []
    for each in (scenarios, _turned_round(scenarios)):
        cases, dealt = split(each, random.Random(seed))
        paired = {task.twin_of for task in each.tasks if task.twin_of}
        shown = [
            replace(case, id="", rows=None)
            for case in cases
            if dealt[case.id].id in paired or getattr(dealt[case.id], "twin_of", "")
        ]
        both.append(sorted(shown, key=repr))
    assert both[0] == both[1]


@given(scenarios=drawn_scenarios(), seed=st.integers(0, 2**32))
def test_truth_opens_to_what_was_sealed(scenarios: Scenarios, seed: int) -> None:
    """open(cases, truth) == the goals and tasks that were dealt out, but for wordings that stayed with the author."""
    cases, dealt = split(scenarios, random.Random(seed))
    truth = make_truth(dealt, scenarios.titles)
    opened, by_case = open_truth(
        truth, cases, sha256=truth_sha256(truth), author=AUTHOR, pack_sha256="0" * 64
    )
    assert {name: each.id for name, each in by_case.items()} == {
        name: each.id for name, each in dealt.items()
    }
    assert {(goal.id, goal.title, goal.rule, goal.visible_in, goal.truth) for goal in opened.goals} == {
        (goal.id, goal.title, goal.rule, goal.visible_in, goal.truth) for goal in scenarios.goals
    }
    assert {(task.id, task.twin_of, task.look_alike, task.differs) for task in opened.tasks} == {
        (task.id, task.twin_of, task.look_alike, task.differs) for task in scenarios.tasks
    }


def test_order_of_cases_says_nothing() -> None:
    """Over many seals of one folder, misuse is as often the first case as its share of the cases says."""
    scenarios = load_scenarios()
    small = replace(scenarios, goals=scenarios.goals[:5], tasks=scenarios.tasks[:0] + _plain_tasks(scenarios))
    rng = random.Random(7)
    first = [isinstance(split(small, rng)[1]["case-001"], Goal) for _ in range(400)]
    assert abs(sum(first) / 400 - 5 / 10) < 0.1


def _plain_tasks(scenarios: Scenarios) -> tuple[Task, ...]:
    return tuple(task for task in scenarios.tasks if not task.twin_of)[:5]


def test_two_seals_of_one_folder_are_two_packs(tmp_path: Path) -> None:
    """The truth is salted: who guesses it can't check the guess, and the truth of one pack opens no other."""
    folder = scaffold(tmp_path / "lists")
    (one, truth), (two, _) = signed(folder, KEY), signed(folder, KEY)
    assert one.truth_sha256 != two.truth_sha256
    with pytest.raises(TamperedError, match="the truth that was sealed"):
        open_truth(truth, two.cases, sha256=two.truth_sha256, author=AUTHOR, pack_sha256=two.sha256)


def _payload(raw: dict[str, Any]) -> bytes:
    import base64

    return base64.b64decode(raw["manifest"]["payload"])


def _flip(text: str) -> str:
    return ("A" if text[0] != "A" else "B") + text[1:]


TAMPERED: dict[str, Callable[[dict[str, Any]], None]] = {
    "a case": lambda raw: raw["files"].update({"cases.json": raw["files"]["cases.json"] + " "}),
    "the script": lambda raw: raw["files"].update(
        {"attacker/attacker.py": "#" + raw["files"]["attacker/attacker.py"]}
    ),
    "a file more": lambda raw: raw["files"].update({"attacker/more.py": ""}),
    "a file less": lambda raw: raw["files"].pop("attacker/attacker.py"),
    "a file of another place": lambda raw: raw["files"].update({"../attacker.py": ""}),
    "no text in a file": lambda raw: raw["files"].update({"cases.json": 1}),
    "the payload": lambda raw: raw["manifest"].update({"payload": _flip(raw["manifest"]["payload"])}),
    "the signature": lambda raw: raw["manifest"]["signatures"][0].update(
        {"sig": _flip(raw["manifest"]["signatures"][0]["sig"])}
    ),
    "no signature": lambda raw: raw["manifest"].update({"signatures": []}),
    "something beside": lambda raw: raw.update({"truth": {}}),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_was_changed_is_found(what: str, tmp_path: Path) -> None:
    """A pack of which any part is another than was signed is refused."""
    pack, _ = signed(scaffold(tmp_path / "lists"), KEY)
    raw = document(pack)
    TAMPERED[what](raw)
    with pytest.raises(CountermarkError):
        read_pack(json.dumps(raw).encode(), now=NOW)


def test_signed_again_by_another_is_another_author(tmp_path: Path) -> None:
    """Whoever knows the author's key finds a pack that somebody else signed; and a pack that is out of its time."""
    pack, _ = signed(scaffold(tmp_path / "lists"))
    assert read_pack(pack.data, now=NOW, author_key=pack.key).sha256 == pack.sha256
    with pytest.raises(TrustError, match="expected a pack signed with key"):
        read_pack(pack.data, now=NOW, author_key=KEY.public)
    with pytest.raises(ExpiredError):
        read_pack(pack.data, now=NOW.replace(year=NOW.year + 3))


def _resigned(raw: dict[str, Any], change_content: Callable[[dict[str, Any]], None]) -> bytes:
    """A pack whose author signs something else than our tool does."""
    statement = parse_statement(_payload(raw))
    content = statement.content
    content["key"] = KEY.public.to_dict()
    change_content(content)
    content["files"] = {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in raw["files"].items()
    }
    made = make_statement(
        "assay-pack",
        statement.subject.name,
        statement.descriptor,
        content,
        seq=1,
        valid_from=NOW,
        valid_until=NOW.replace(year=NOW.year + 1),
        basis="word",
        interest="none",
    )
    envelope = json.loads(encode_envelope(sign_envelope(made.payload, KEY)))
    return json.dumps({"manifest": envelope, "files": raw["files"]}).encode()


SIGNED_WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no benign task": (
        lambda content: content["counts"].update(tasks=0, goals=6),
        "expected benign tasks",
    ),
    "no twin": (lambda content: content["counts"].update(twins=0), "at least one goal with a twin"),
    "other numbers than cases": (lambda content: content["counts"].update(goals=9), "expected `counts`"),
    "more requests than a script may have": (
        lambda content: content.update(asks=1000),
        "expected `asks` from 1 to 10",
    ),
    "an author called ours": (lambda content: content.update(author="Ours"), "expected `author`"),
    "an author who moves the cursor": (
        lambda content: content.update(author="\x1b[2J"),
        "expected `author`",
    ),
}


@pytest.mark.parametrize("what", SIGNED_WRONG)
def test_what_an_author_may_not_sign(what: str, tmp_path: Path) -> None:
    """A pack is read as strictly where its author signed it with another tool."""
    pack, _ = signed(scaffold(tmp_path / "lists"), KEY)
    changed, message = SIGNED_WRONG[what]
    with pytest.raises(ScenarioError, match=message):
        read_pack(_resigned(document(pack), changed), now=NOW)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"similar":', '"near":', "the papers own, similar, lie"),
        ('"id":"case-001"', '"id":"case-007"', "expected `case-001`"),
        ('"n":12', '"n":900000', "at most 200 rows"),
        ("halden_reviewer", "halden_director", "in the roles"),
        ('"data":"data-', '"data":"/etc/', "`data` as"),
        ('"basis":"none"', '"basis":{}', "`basis` to be text"),
        ('"effect":""', '"effect":"fire"', "`effect` to be one of its tools"),
    ],
)
def test_cases_are_read_strictly(old: str, new: str, message: str, tmp_path: Path) -> None:
    """Cases that no tool of ours writes are refused before anything is run, though their author signed them."""
    pack, _ = signed(scaffold(tmp_path / "lists"), KEY)
    raw = document(pack)
    assert old in raw["files"]["cases.json"]
    raw["files"]["cases.json"] = raw["files"]["cases.json"].replace(old, new, 1)
    with pytest.raises(ScenarioError, match=message):
        read_pack(_resigned(raw, lambda _: None), now=NOW)


def _cut_tasks(folder: Path) -> None:
    for file in (folder / "scenarios").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.partition("[[task]]")[0], encoding="utf-8")
    (folder / "scenarios/ordinary-work.toml").unlink()


def _cut_twin(folder: Path) -> None:
    file = folder / "scenarios/borrowed-lists.toml"
    head, _, rest = file.read_text(encoding="utf-8").partition("[goal.twin]")
    file.write_text(head + rest[rest.index("[[goal]]") :], encoding="utf-8")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no benign task": (lambda folder: (_cut_tasks(folder), _cut_twin(folder)), "expected benign tasks"),
    "no twin": (_cut_twin, "at least one goal with a twin"),
    "no script": (lambda folder: (folder / "attacker/attacker.py").unlink(), "the attacker's script"),
    "a script that names a goal": (
        lambda folder: change(
            folder / "attacker/attacker.py", "import sys", "import sys  # borrowed-lists/lists-lent-out"
        ),
        "expected nothing of the truth in `attacker/attacker.py`",
    ),
    "a script that names a title": (
        lambda folder: change(
            folder / "attacker/attacker.py", "import sys", "import sys  # Match a borrowed list to addresses"
        ),
        "expected nothing of the truth in `attacker/attacker.py`",
    ),
    "a link in the script's folder": (
        lambda folder: (folder / "attacker/notes").symlink_to("/etc/hostname"),
        "expected plain files",
    ),
    "another key in pack.toml": (
        lambda folder: change(folder / "pack.toml", "asks = 6", "asks = 6\nmore = 1"),
        "expected exactly",
    ),
    "too many requests": (
        lambda folder: change(folder / "pack.toml", "asks = 6", "asks = 60"),
        "`asks` from 1 to 10",
    ),
    "an interest that is none of the two": (
        lambda folder: change(folder / "pack.toml", '"none"', '"some"'),
        "expected `interest`",
    ),
    "more rows than a request holds": (
        lambda folder: change(folder / "scenarios/borrowed-lists.toml", "n = 12", "n = 500"),
        "at most 200 rows",
    ),
    "a goal of another kind than its paper": (
        lambda folder: change(
            folder / "scenarios/borrowed-lists.toml", 'kind = "persons-analysis"', 'kind = "closed"'
        ),
        "of the kind of its paper's site",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_sealed(what: str, tmp_path: Path) -> None:
    """A folder that says too little, too much, or tells the truth to whoever reads the script is not sealed."""
    folder = scaffold(tmp_path / "lists")
    spoil, message = REFUSED[what]
    spoil(folder)
    with pytest.raises(ScenarioError, match=message):
        signed(folder, KEY)


def test_scaffold_is_never_written_over_something(tmp_path: Path) -> None:
    """`pack new` makes a folder that can be sealed at once, and leaves a folder that has something in it alone."""
    folder = scaffold(tmp_path / "My Lists")
    assert read_source(folder).about.name == "my-lists"
    with pytest.raises(ScenarioError, match="or an empty one"):
        scaffold(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: raw["cases"].pop("case-001"), "exactly the cases"),
        (lambda raw: [each.update(twin_of="") for each in _works(raw)], "with a twin"),
        (lambda raw: [each.update(twin_of="nobody/at-all") for each in _twins(raw)], "a goal of its own"),
        (lambda raw: [each.update(title="\x1b[2J") for each in _works(raw)], "without control characters"),
        (lambda raw: raw["cases"]["case-001"].update(more="x"), "the keys"),
        (lambda raw: [each.update(kind="moon") for each in _works(raw)], "moon"),
        (lambda raw: raw.update(salt=""), "a salt"),
    ],
)
def test_truth_that_does_not_fit_its_cases(
    spoil: Callable[[Any], object], message: str, tmp_path: Path
) -> None:
    """A truth that was sealed and yet can't be that of its cases is refused, whoever sealed it."""
    pack, truth = signed(scaffold(tmp_path / "lists"), KEY)
    raw = json.loads(truth)
    spoil(raw)
    data = json.dumps(raw).encode()
    with pytest.raises(ScenarioError, match=message):
        open_truth(data, pack.cases, sha256=truth_sha256(data), author=AUTHOR, pack_sha256=pack.sha256)


def _works(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in raw["cases"].values() if not each["misuse"]]


def _twins(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in _works(raw) if each["twin_of"]]


def test_twins_of_other_bytes_are_none(tmp_path: Path) -> None:
    """A truth that calls two unlike requests twins is refused."""
    pack, truth = signed(scaffold(tmp_path / "lists"), KEY)
    raw = json.loads(truth)
    twin = _twins(raw)[0]
    other = next(each for each in _works(raw) if not each["twin_of"])
    other.update(twin_of=twin["twin_of"], differs=twin["differs"])
    twin.update(twin_of="", differs="")
    data = json.dumps(raw).encode()
    with pytest.raises(ScenarioError, match="a twin of the same bytes"):
        open_truth(data, pack.cases, sha256=truth_sha256(data), author=AUTHOR, pack_sha256=pack.sha256)
