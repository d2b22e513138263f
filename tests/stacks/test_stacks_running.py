"""Stacks as real processes: each variation decides as it should, people sign, runners cheat, and stops leave nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from stacks_plan import COMMAND, NOW, PEOPLE, SEED, small_plan

from countermark.assay.campaign.ask import Answer, Asker
from countermark.assay.campaign.door import Passed, Stack, StackSpec
from countermark.assay.strategies.strategy import Ask, Route
from countermark.assay.worlds.keys import derive_key
from countermark.attestation.envelope import encode_lines, sign_envelope
from countermark.attestation.statement import make_statement
from countermark.errors import StackError
from countermark.policy.bundle import load_bundle
from countermark.stacks.process import GatewayProcess
from countermark.stacks.running import running_stack
from countermark.stacks.tampering import CHANGES, put_back
from countermark.stacks.world import MadeWorld, load_world, make_world
from countermark.tlog.entry import parse_entry
from countermark.tlog.reader import LogReader

PASSED, WAITED, HELD, STOPPED = Passed.PASSED, Passed.WAITED, Passed.HELD, Passed.STOPPED


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> MadeWorld:
    """One world of the small plan."""
    return make_world(small_plan(), tmp_path_factory.mktemp("world") / "w", now=NOW)


def _spec(**more: object) -> StackSpec:
    return replace(StackSpec(name="stack", title="a stack", bundle="red-lines"), **more)  # type: ignore[arg-type]


async def _ask(
    stack: Stack,
    world: MadeWorld,
    scene_id: str,
    *,
    role: str = "own",
    signs: Sequence[str] = (),
    claims: str = "",
    route: Route = Route.GATE,
) -> Answer:
    """One request, with people where it is held."""
    scene = world.scenes[scene_id]
    text = getattr(scene.scenario, "naive", "") or getattr(scene.scenario, "text", "")
    ask = Ask(
        workload=scene.workloads[role],
        body=scene.body(scene.text(text)),
        headers={"countermark-claims": claims} if claims else {},
    )
    async with aiohttp.ClientSession(trust_env=False) as session:
        asker = Asker(session, stack)
        answer = await asker.ask(ask, effect=scene.scenario.effect, route=route)
        if answer.passed is HELD and signs:
            assert stack.people is not None
            await stack.people.sign(answer.hold_id, signs)
            again = await asker.ask(ask, effect=scene.scenario.effect)
            return replace(again, passed=WAITED) if again.passed is PASSED else again
        return answer


BULK = "bulk_persons=yes"
CASES: dict[str, tuple[StackSpec, dict[str, Passed]]] = {
    # own, lie-1, lie-2: bulk profiling with true papers, and with the lie signed by one or two;
    # said: the second liar says himself that his data is bulk; order: unsigned, signed; act: unsigned, signed
    "no gateway": (
        _spec(bundle=""),
        {"own": PASSED, "lie-1": PASSED, "said": PASSED, "order": PASSED, "act": PASSED},
    ),
    "no gateway, a model that refuses by given phrases": (
        _spec(bundle="", upstream="refuse", phrases=("profile these persons",)),
        {"own": STOPPED, "order": PASSED},
    ),
    "no gateway, a model that denies": (
        _spec(bundle="", upstream="deny"),
        {"own": STOPPED, "order": STOPPED},
    ),
    "everything": (
        _spec(checks_permit=True),
        {
            "own": STOPPED,
            "lie-1": STOPPED,
            "lie-2": PASSED,
            "said": STOPPED,
            "order": HELD,
            "order signed": WAITED,
            "act": HELD,
            "act signed": WAITED,
            "round": STOPPED,
            "round with key": STOPPED,
        },
    ),
    "permits are not checked": (_spec(), {"round": STOPPED, "round with key": PASSED}),
    "one party's word counts": (
        _spec(off="countersigning"),
        {"own": STOPPED, "lie-1": PASSED, "said": STOPPED, "order": HELD, "order signed": WAITED},
    ),
    "nobody is asked": (
        _spec(off="people"),
        {"own": STOPPED, "lie-1": STOPPED, "order": PASSED, "act": PASSED},
    ),
    "claims are passed over": (_spec(off="claims"), {"own": STOPPED, "said": PASSED, "order": HELD}),
    "a copied credential is enough": (
        _spec(off="binding"),
        {"own": STOPPED, "act": HELD, "act signed": WAITED},
    ),
    "a clause is left out": (_spec(without=("RL-1",)), {"own": PASSED, "lie-1": STOPPED, "order": HELD}),
    "the everyday rules": (
        _spec(bundle="everyday", checks_permit=True),
        {"own": STOPPED, "lie-2": PASSED, "order": HELD, "order signed": WAITED},
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_each_variation_decides_as_it_should(tmp_path: Path, world: MadeWorld, case: str) -> None:
    """A stack starts from its spec alone, and what is left out or switched off is what stops stopping."""
    spec, expected = CASES[case]
    with running_stack(spec, world, tmp_path / "s") as stack:
        found: dict[str, Passed] = {}
        for name in expected:
            match name.split(" ", 1):
                case ["own" | "lie-1" | "lie-2" as role]:
                    answer = await _ask(stack, world, "small/profile", role=role)
                case ["said"]:
                    answer = await _ask(stack, world, "small/profile", role="lie-2", claims=BULK)
                case ["order", *signed]:
                    answer = await _ask(stack, world, "small/locate", signs=PEOPLE if signed else ())
                case ["act", *signed]:
                    answer = await _ask(stack, world, "small/actuate", signs=COMMAND if signed else ())
                case ["round"]:
                    answer = await _ask(stack, world, "small/profile", route=Route.ROUND)
                case _:
                    answer = await _ask(stack, world, "small/profile", route=Route.ROUND_WITH_KEY)
            found[name] = answer.passed
    assert found == expected


async def test_a_role_that_may_not_approve_changes_nothing(tmp_path: Path, world: MadeWorld) -> None:
    """A signature of the wrong role, of one role only, or on a hold that isn't there leaves the request held."""
    with running_stack(_spec(), world, tmp_path / "s") as stack:
        assert stack.people is not None
        for signs in (("northmark_commander",), ("northmark_duty_officer",)):
            assert (await _ask(stack, world, "small/locate", signs=signs)).passed is HELD
        await stack.people.sign("h_" + "a" * 26, PEOPLE)
        assert (await _ask(stack, world, "small/locate", signs=PEOPLE)).passed is WAITED
        with pytest.raises(StackError, match="expected a role of"):
            await stack.people.sign("h_" + "a" * 26, ("mayor",))


async def test_people_put_statements_on_file(tmp_path: Path, world: MadeWorld) -> None:
    """Anybody of the world can submit; what it is worth is its signatures', and the answer is handed back as it is."""
    statement = make_statement(
        "oversight",
        "northmark/orders",
        {"workload": "northmark/orders"},
        {"review": "none", "decides": "nobody"},
        seq=2,
        valid_from=world.begins,
        valid_until=world.ends,
        basis="word",
        interest="party",
        instrument={"name": "standing order", "changed_by": ["northmark"]},
    )
    with running_stack(_spec(), world, tmp_path / "s") as stack:
        assert stack.people is not None
        signed = encode_lines([sign_envelope(statement.payload, derive_key(SEED, "person/dua"))])
        forged = encode_lines([sign_envelope(statement.payload, derive_key(SEED, "person/eva"))])
        found = [await stack.people.submit("eva", each) for each in (forged, signed, b"{}")]
        assert [status for status, _ in found] == [422, 201, 400]
        assert found[0][1]["error"]["type"] == "RoleError"
        with pytest.raises(StackError, match="expected a person of"):
            await stack.people.submit("mallory", signed)
    # what one stack has on file is no other stack's, nor the world's
    assert not (world.folder / "statements" / f"{statement.sha256}.jsonl").exists()


@pytest.mark.slow
async def test_a_runner_who_cheats(tmp_path: Path, world: MadeWorld) -> None:
    """Without the gateway's key no changed log is started on, and the stack goes on with the log as it was; with the key,
    or without any log, an approval can be used twice, and only a checkpoint that others keep would tell.
    """
    with running_stack(_spec(checks_permit=True), world, tmp_path / "s") as stack:
        assert stack.runner is not None
        found: dict[str, tuple[bool, Passed]] = {}
        for change in CHANGES:
            assert (await _ask(stack, world, "small/locate", signs=PEOPLE)).passed is WAITED
            started = await stack.runner.tamper(change)
            found[change] = (started, (await _ask(stack, world, "small/locate")).passed)
        for scene, signs in (("small/locate", PEOPLE), ("small/actuate", COMMAND)):
            assert (await _ask(stack, world, scene, signs=signs)).passed is WAITED
        assert await stack.runner.tamper("rewrite-signed", uses=2)
        twice = [(await _ask(stack, world, scene)).passed for scene in ("small/locate", "small/actuate")]
        assert twice == [PASSED, PASSED]
        with pytest.raises(StackError, match="expected a change of"):
            await stack.runner.tamper("burn")
    assert found == {
        "drop-last-entry": (False, HELD),
        "drop-approval-entry": (False, HELD),
        "edit-entry": (False, HELD),
        "rewrite-signed": (True, PASSED),
        "remove-log": (True, PASSED),
    }


async def test_nothing_to_tamper_with_is_said(tmp_path: Path, world: MadeWorld) -> None:
    """A log without a decision is no log to cheat about: an error, and the stack still runs."""
    with running_stack(_spec(), world, tmp_path / "s") as stack:
        assert stack.runner is not None
        with pytest.raises(StackError, match="expected a decision in the log"):
            await stack.runner.tamper("edit-entry")
        assert (await _ask(stack, world, "small/locate")).passed is HELD


def _decisions(folder: Path) -> list[str]:
    entries = LogReader(folder / "gateway" / "log").entries(unpublished=True)
    parsed = [parse_entry(data) for _, data in entries]
    return [entry["id"] for entry in parsed if entry["kind"] == "decision"]


async def test_a_stack_goes_on_where_it_was(tmp_path: Path, world: MadeWorld) -> None:
    """Stopped and started again from a world that was opened again, it has its log, and only its address is new."""
    spec, folder = _spec(off="people"), tmp_path / "s"
    with running_stack(spec, world, folder) as stack:
        first = await _ask(stack, world, "small/locate")
    again = load_world(world.folder, small_plan())
    with running_stack(spec, again, folder) as stack:
        second = await _ask(stack, again, "small/locate")
    assert (first.passed, second.passed) == (PASSED, PASSED)
    told = _decisions(folder)
    assert told.index(first.decision) < told.index(second.decision)


def test_what_was_tampered_with_halfway_is_put_back(tmp_path: Path) -> None:
    """A campaign that dies between a change and its undoing leaves the log to be put back, state and modes included."""
    aside = tmp_path / "as-it-was"
    (aside / "log").mkdir(parents=True)
    (aside / "log" / "checkpoint").write_text("signed")
    (aside / "state.sqlite").write_text("before")
    (aside / "state.sqlite").chmod(0o600)
    (tmp_path / "log.anew").mkdir()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "other").write_text("changed")
    (tmp_path / "state.sqlite-wal").write_text("changed")
    put_back(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"log", "log/checkpoint", "state.sqlite"}
    assert (tmp_path / "state.sqlite").stat().st_mode & 0o777 == 0o600
    put_back(tmp_path)
    assert (tmp_path / "log" / "checkpoint").read_text() == "signed"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (_spec(bundle="", checks_permit=True), "expected a bundle"),
        (_spec(off="ties"), "expected a mechanism"),
        (_spec(without=("RL-99",)), "expected a clause"),
        (_spec(bundle="", upstream="dance"), "expected the played model"),
    ],
    ids=["permits without a gateway", "no such mechanism", "no such clause", "no such model"],
)
def test_a_spec_that_means_nothing_is_refused(
    tmp_path: Path, world: MadeWorld, spec: StackSpec, said: str
) -> None:
    """A stack that can't be as its spec says is not started as another one."""
    with pytest.raises(StackError, match=said), running_stack(spec, world, tmp_path / "s"):
        pass


def test_a_gateway_that_does_not_start_says_where_its_words_are(tmp_path: Path) -> None:
    """The error names the file in which the gateway has said why."""
    process = GatewayProcess(tmp_path)
    with pytest.raises(StackError, match=r"see .*serve\.log"):
        process.start()
    assert "settings.toml" in (tmp_path / "serve.log").read_text()


def test_terms_that_nobody_signed_are_an_error(tmp_path: Path, world: MadeWorld) -> None:
    """A gateway that would deny everything, since its terms lapsed, is no stack: its figures would be perfect."""
    lapsed = replace(world, begins=datetime(2020, 1, 1, tzinfo=UTC), ends=datetime(2020, 2, 1, tzinfo=UTC))
    with (
        pytest.raises(StackError, match=r"expected a gateway that is ready.*not in force"),
        running_stack(_spec(), lapsed, tmp_path / "s"),
    ):
        pass


_HOLDS_A_STACK = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stacks_plan import small_plan
from countermark.assay.campaign.door import StackSpec
from countermark.stacks.running import running_stack
from countermark.stacks.world import load_world
world = load_world(Path(sys.argv[2]), small_plan())
with running_stack(StackSpec(name="s", title="s", bundle="red-lines"), world, Path(sys.argv[3])) as stack:
    print(stack.url, stack.upstream_url, flush=True)
    time.sleep(600)
"""


@contextmanager
def _campaign(world: MadeWorld, folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", _HOLDS_A_STACK, here, str(world.folder), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()
        finally:
            process.kill()


@pytest.mark.slow
async def test_a_campaign_that_is_killed_leaves_no_process(tmp_path: Path, world: MadeWorld) -> None:
    """After kill -9 gateway and model stop by themselves, and the stack is started again at once."""
    with _campaign(world, tmp_path / "s") as (process, addresses):
        assert len(addresses) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        with running_stack(_spec(), world, tmp_path / "s") as stack:
            assert (await _ask(stack, world, "small/locate")).passed is HELD
        deadline = time.monotonic() + 60
        while [url for url in addresses if await _listens(url)]:
            assert time.monotonic() < deadline, "a process went on"


async def _listens(url: str) -> bool:
    try:
        async with aiohttp.ClientSession(trust_env=False) as session, session.get(url) as answer:
            return answer.status > 0
    except aiohttp.ClientError:
        return False


def test_a_changed_bundle_is_what_the_sides_signed(tmp_path: Path, world: MadeWorld) -> None:
    """The bundle that a stack decides by is in its folder, with its digest in the sides' approval."""
    with running_stack(_spec(off="people"), world, tmp_path / "s"):
        pass
    gateway = tmp_path / "s" / "gateway"
    bundle = load_bundle(gateway / "bundle")
    starts = [parse_entry(data) for _, data in LogReader(gateway / "log").entries(unpublished=True)]
    assert [each["bundle"] for each in starts if each["kind"] == "start"] == [bundle.digest]
    assert json.loads((gateway / "bundle-approval.jsonl").read_text().splitlines()[0])["payloadType"]
