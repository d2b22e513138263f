"""A made world: the same from the same seed, signed by whom the plan says, opened again, and refused where it is another's."""

from __future__ import annotations

import json
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from stacks_plan import NOW, SURVEY, small_plan

from countermark.app import read_trust_root
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.plan import PlannedBasis, PlannedWorkload, Signed, WorldPlan
from countermark.attestation.envelope import read_lines
from countermark.attestation.keys import PrivateKey
from countermark.attestation.verify import verify_statement
from countermark.errors import StackError
from countermark.stacks.world import INDEX, ROOT, ROOT_PERMIT, MadeWorld, load_world, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> MadeWorld:
    """One world of the small plan."""
    return make_world(small_plan(), tmp_path_factory.mktemp("world") / "w", now=NOW)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_one_seed_one_world(tmp_path: Path, world: MadeWorld) -> None:
    """The same plan at the same time gives the same bytes in every file: keys, credentials, statements, digests."""
    again = make_world(small_plan(), tmp_path / "again", now=NOW)
    assert _files(again.folder) == _files(world.folder)
    assert again.scenes == world.scenes


def test_another_seed_shares_no_secret(tmp_path: Path, world: MadeWorld) -> None:
    """Keys and API keys of another seed are others, and so are signatures; whom an order names can't be compared."""
    other = make_world(small_plan(seed=12), tmp_path / "other", now=NOW)
    mine, theirs = _files(world.folder), _files(other.folder)
    secret = [name for name in mine if name.startswith(("people/", "keys/", "workloads/"))]
    assert not [name for name in secret if mine[name] == theirs[name]]
    same = [name for name in mine if name.startswith("statements/") and theirs.get(name) == mine[name]]
    assert same == []
    assert other.bases["northmark/17/3"] != world.bases["northmark/17/3"]


def test_keys_are_those_that_a_strategy_can_derive(world: MadeWorld) -> None:
    """An attacker of the plan who steals a key by name has the key that the person signs with."""
    for person, key in world.people.items():
        assert key.public == derive_key(small_plan().seed, f"person/{person}").public


def test_a_world_is_opened_as_it_was_made(world: MadeWorld) -> None:
    """make_world == load_world, but for the objects that hold keys."""
    again = load_world(world.folder, small_plan())
    assert again.scenes == world.scenes
    assert again.bases == world.bases
    assert again.unbound == world.unbound
    assert (again.begins, again.ends, again.upstream_key) == (world.begins, world.ends, world.upstream_key)
    for name, shown in world.credentials.items():
        other = again.credentials[name]
        assert (other.api_key, _public(other.key)) == (shown.api_key, _public(shown.key))


def _public(key: PrivateKey | None) -> object:
    return None if key is None else key.public


def test_scenes_know_what_their_systems_hold(world: MadeWorld) -> None:
    """A role's statement is that of the basis which the plan says it holds; every scene is dated as the statements are."""
    assert world.scenes["small/locate"].statements == {"own": world.bases["northmark/17/3"]}
    assert {scene.made_at for scene in world.scenes.values()} == {world.begins}
    assert (world.folder / "statements" / f"{world.bases['northmark/17/3']}.jsonl").is_file()


def test_secrets_are_their_owners(world: MadeWorld) -> None:
    """Nothing secret can be read by anybody else."""
    for name in _files(world.folder):
        if name.startswith(("people/", "keys/", "workloads/")) or name == INDEX:
            assert stat.S_IMODE((world.folder / name).stat().st_mode) == 0o600, name


def _signers(world: MadeWorld) -> dict[tuple[str, str], int]:
    """How many parties stand behind each statement: (subject, kind) to number."""
    root = read_trust_root(world.folder / ROOT, now=NOW)
    found: dict[tuple[str, str], int] = {}
    for file in (world.folder / "statements").iterdir():
        lines = read_lines(file.read_bytes())
        statement = verify_statement(lines, root, now=NOW)
        found[statement.subject.name, statement.kind] = len(lines)
    return found


def test_only_what_is_false_is_signed_by_fewer(world: MadeWorld) -> None:
    """Of a lie the false statements are signed as the plan says; what is true all the same is signed by two."""
    signers = _signers(world)
    expected = {
        ("northmark/cell", "deployment"): 2,
        ("northmark/cell", "purpose"): 2,
        ("northmark/cell-lie-1", "deployment"): 2,  # says the same either way
        ("northmark/cell-lie-1", "purpose"): 1,
        ("northmark/cell-lie-2", "purpose"): 2,
        ("northmark/field", "oversight"): 2,
        ("northmark/17/3", "legal-basis"): 2,
        ("northmark/recall-2026", "legal-basis"): 1,
        ("northmark/E-9", "engagement"): 2,
        ("northmark/cell", "credential"): 1,
    }
    assert {key: signers[key] for key in expected} == expected
    assert Counter(kind for _, kind in signers)["oversight"] == 1


def test_workloads_that_sign_have_an_api_key_in_reserve(world: MadeWorld) -> None:
    """For the stack that asks for no key there is a credential that can be copied; it is on file nowhere else."""
    assert world.credentials["northmark/field"].key is not None
    assert world.unbound["northmark/field"].api_key
    assert world.unbound["northmark/cell"] == world.credentials["northmark/cell"]
    assert (
        len(list((world.folder / "bound").iterdir())) == len(list((world.folder / "unbound").iterdir())) == 1
    )


def test_the_two_roots_differ_in_what_the_upstream_checks(world: MadeWorld) -> None:
    """Whoever reads a stack's trust root learns whether its upstream can be reached without a permit."""
    checks = [
        read_trust_root(world.folder / name, now=NOW).upstream_checks_permit for name in (ROOT, ROOT_PERMIT)
    ]
    assert checks == [False, True]


def test_what_a_stop_left_half_made_is_made_anew(tmp_path: Path) -> None:
    """A world without its index is none: it is made again, and the rest of the old one is gone."""
    part = tmp_path / "w.part"
    (part / "people").mkdir(parents=True)
    (part / "people" / "ada.pem").write_text("half")
    make_world(small_plan(), tmp_path / "w", now=NOW)
    assert not part.exists()


def _wrong_purpose(plan: WorldPlan) -> WorldPlan:
    paper = replace(SURVEY, data_classes=("no-persons",))
    return replace(plan, workloads=(PlannedWorkload(name="northmark/cell", paper=paper),))


def _wrong_range(plan: WorldPlan) -> WorldPlan:
    basis: PlannedBasis = replace(plan.bases[2], ranges=("10.0.0.0/2",))
    return replace(plan, bases=(basis,), holds={})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_wrong_purpose, "`purpose` of `northmark/cell`"),
        (_wrong_range, "`engagement` of `northmark/E-9`"),
        (lambda plan: replace(plan, holds={("small/none", "own"): "northmark/17/3"}), "`small/none`"),
    ],
    ids=[
        "a purpose that contradicts itself",
        "a range that nobody can authorise",
        "a scene that isn't there",
    ],
)
def test_a_plan_that_nobody_could_sign_is_refused(tmp_path: Path, change: object, said: str) -> None:
    """The error names the statement: a gateway would otherwise only pass it over, and the row would mean nothing."""
    with pytest.raises(StackError, match=said):
        make_world(change(small_plan()), tmp_path / "w", now=NOW)  # type: ignore[operator]


def test_another_plans_world_is_refused(world: MadeWorld) -> None:
    """A campaign never goes on in a world that is not its own."""
    plan = small_plan()
    first = replace(plan.workloads[0], signed=Signed.ONE)
    with pytest.raises(StackError, match="got another plan's"):
        load_world(world.folder, replace(plan, workloads=(first, *plan.workloads[1:])))


def test_a_world_is_made_once(world: MadeWorld) -> None:
    """An existing world is not overwritten: its keys may stand in a log."""
    with pytest.raises(StackError, match="expected no world"):
        make_world(small_plan(), world.folder, now=NOW)


@pytest.mark.parametrize("data", [None, "{", json.dumps({"version": 1})], ids=["none", "no JSON", "empty"])
def test_what_is_no_world_says_so(tmp_path: Path, data: str | None) -> None:
    """A folder without a whole index is a typed error."""
    if data is not None:
        (tmp_path / INDEX).write_text(data)
    with pytest.raises(StackError, match="expected a world in"):
        load_world(tmp_path, small_plan())
