"""Makes a campaign's world, once: keys from the seed, everybody's statements, credentials; and opens it again.

Every stack of the campaign lives in it. Its people are made up and its keys follow from a seed that the plan names, so
they protect nothing outside of it.

    world.json                 what is in it: credentials, digests of bases, keys of people; written last
    people/                    keys of persons and sides
    keys/                      the gateway's own secrets
    statements/                what every stack has on file
    bound/, unbound/           credentials of workloads that sign their requests, and the API keys in their place
    trust-root.json            who is who; trust-root-permit.json: the same, and the upstream checks the permit
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from countermark.assay.campaign.door import Credentials
from countermark.assay.scenarios.model import Paper
from countermark.assay.worlds.contents import (
    consent_content,
    deployment_content,
    engagement_content,
    order_content,
    purpose_content,
)
from countermark.assay.worlds.keys import derive_secret
from countermark.assay.worlds.plan import BasisType, PlannedBasis, PlannedWorkload, Signed, WorldPlan
from countermark.assay.worlds.scene import Scene
from countermark.attestation.canonical import canonical_json
from countermark.attestation.keys import PrivateKey
from countermark.clock import format_time, parse_time
from countermark.errors import CountermarkError, StackError
from countermark.stacks.cast import PEOPLE, SIDES
from countermark.stacks.maker import BEFORE, LIFE, Maker, Places

INDEX: Final = "world.json"
ROOT: Final = "trust-root.json"
ROOT_PERMIT: Final = "trust-root-permit.json"
ORDER: Final[Mapping[str, Any]] = {"name": "standing order", "changed_by": ["northmark"]}
"""What oversight statements lean on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWorld:
    """A world that is signed.

    Attributes:
        scenes: Those of the plan, with the digests of what each role holds, and dated.
        credentials: Workload's name to what it shows.
        unbound: The same, with API keys also for workloads that else sign their requests.
        people, sides: Who has which key.
        bases: Name of an order, consent or engagement to its statement's digest.
        upstream_key: What a played model demands that stands behind a gateway.
        begins, ends: When what is signed in it is in force.
    """

    folder: Path
    scenes: Mapping[str, Scene]
    credentials: Mapping[str, Credentials]
    unbound: Mapping[str, Credentials]
    people: Mapping[str, PrivateKey]
    sides: Mapping[str, PrivateKey]
    bases: Mapping[str, str]
    upstream_key: str
    begins: datetime
    ends: datetime


def make_world(plan: WorldPlan, folder: Path, *, now: datetime) -> MadeWorld:
    """Sign everything that a plan asks for. The same plan and `now` give the same bytes.

    It is made beside `folder` and moved there when it is whole: what a stop has left half made is made anew.

    Raises:
        StackError: There is a world in `folder`, or the plan says something that nobody could sign.
    """
    if (folder / INDEX).exists():
        raise StackError(f"expected no world in `{folder}`: load it, or name another folder")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for each in ("statements", "bound", "unbound"):
        (part / each).mkdir(parents=True)
    begins = now.replace(microsecond=0) - BEFORE
    maker = Maker(
        Places(
            people=part / "people",
            keys=part / "keys",
            statements=part / "statements",
            credentials=part / "workloads",
        ),
        secret=partial(derive_secret, plan.seed),
        begins=begins,
        ends=begins + LIFE,
    )
    maker.make_keys()
    maker.make_root("assay", part / ROOT)
    maker.make_root("assay", part / ROOT_PERMIT, checks_permit=True)
    try:
        workloads = {each.name: _make_workload(maker, each, part) for each in plan.workloads}
        bases = {each.name: _make_basis(maker, each) for each in plan.bases}
    except CountermarkError as error:
        raise StackError(f"expected a plan that can be signed: {error}") from error
    index = {
        "version": 1,
        "plan_sha256": _plan_sha256(plan),
        "begins": format_time(begins),
        "ends": format_time(maker.ends),
        "people": {name: f"people/{name}.pem" for name in maker.people},
        "sides": {name: f"people/{name}-side.pem" for name in maker.sides},
        "workloads": workloads,
        "bases": bases,
    }
    file = part / INDEX
    file.touch(mode=0o600)
    file.write_text(json.dumps(index, indent=1) + "\n")
    part.rename(folder)
    return load_world(folder, plan)


def open_world(plan: WorldPlan, folder: Path, *, now: datetime) -> MadeWorld:
    """The world of a campaign that goes on, or a new one.

    Raises:
        StackError: As of `load_world` and `make_world`.
    """
    if (folder / INDEX).exists():
        return load_world(folder, plan)
    return make_world(plan, folder, now=now)


def load_world(folder: Path, plan: WorldPlan) -> MadeWorld:
    """Open a world that was made, to go on with its campaign.

    Raises:
        StackError: There is none, it is of another plan, or it can't be read.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text())
        if index["plan_sha256"] != _plan_sha256(plan):
            raise StackError(f"expected the world of this plan in `{folder}`, got another plan's")
        bases: dict[str, str] = index["bases"]
        shown = {name: _credentials(folder, each) for name, each in index["workloads"].items()}
        return MadeWorld(
            folder=folder,
            scenes=MappingProxyType(_filled(plan, bases, parse_time(index["begins"]))),
            credentials=MappingProxyType({name: bound for name, (bound, _) in shown.items()}),
            unbound=MappingProxyType({name: unbound for name, (_, unbound) in shown.items()}),
            people={name: PrivateKey.load(folder / index["people"][name]) for name in PEOPLE},
            sides={name: PrivateKey.load(folder / index["sides"][name]) for name in SIDES},
            bases=MappingProxyType(bases),
            upstream_key=f"up-{derive_secret(plan.seed, 'upstream').hex()[:32]}",
            begins=parse_time(index["begins"]),
            ends=parse_time(index["ends"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(f"expected a world in `{folder}`, as `make_world` makes it: {error}") from error


def _credentials(folder: Path, entry: Mapping[str, str]) -> tuple[Credentials, Credentials]:
    unbound = Credentials(api_key=entry["api_key"])
    return (Credentials(key=PrivateKey.load(folder / entry["key"])) if "key" in entry else unbound, unbound)


def _filled(plan: WorldPlan, bases: Mapping[str, str], made_at: datetime) -> dict[str, Scene]:
    held: dict[str, dict[str, str]] = {}
    for (scene, role), basis in plan.holds.items():
        if scene not in plan.scenes or basis not in bases:
            raise StackError(f"expected a scene and a basis of the plan, got `{scene}` and `{basis}`")
        held.setdefault(scene, {})[role] = bases[basis]
    return {
        name: replace(scene, made_at=made_at, statements={**scene.statements, **held.get(name, {})})
        for name, scene in plan.scenes.items()
    }


def _plan_sha256(plan: WorldPlan) -> str:
    """What is signed in a world, and for which scenes; their rows follow from the seed."""
    said = {
        "seed": plan.seed,
        "workloads": [repr(each) for each in plan.workloads],
        "bases": [repr(each) for each in plan.bases],
        "scenes": {name: dict(scene.workloads) for name, scene in plan.scenes.items()},
        "holds": sorted([*pair, basis] for pair, basis in plan.holds.items()),
    }
    return hashlib.sha256(canonical_json(said)).hexdigest()


def _make_workload(maker: Maker, planned: PlannedWorkload, folder: Path) -> dict[str, str]:
    """Its statements and its credential; returns its entry in the index."""
    name, paper = planned.name, planned.paper
    true = planned.truth or paper
    about = {"workload": name}
    for kind, said, content in (
        ("deployment", deployment_content(paper), deployment_content(true)),
        ("purpose", purpose_content(paper), purpose_content(true)),
        ("oversight", _oversight(paper), _oversight(true)),
    ):
        if said is None:
            continue
        alone = said != content and planned.signed is Signed.ONE
        seen = None if alone else "inspected" if kind == "deployment" else "document-seen"
        instrument = ORDER if kind == "oversight" else None
        maker.put(kind, name, about, said, countersigned=seen, instrument=instrument)
    if not paper.key_bound:
        return {"api_key": maker.api_key(name)}
    key = {"key": f"workloads/{name.partition('/')[2]}.pem"}
    maker.signing_key(name, folder=folder / "bound")
    return key | {"api_key": maker.api_key(name, folder=folder / "unbound")}


def _oversight(paper: Paper) -> dict[str, Any] | None:
    if paper.review is None and paper.decides is None:
        return None
    return {"review": paper.review or "none", "decides": paper.decides or "nobody"}


def _make_basis(maker: Maker, planned: PlannedBasis) -> str:
    identity = planned.name.partition("/")[2]
    workloads = list(planned.workloads)
    match planned.type:
        case BasisType.ENGAGEMENT:
            kind, content = "engagement", engagement_content(workloads, ranges=planned.ranges)
        case BasisType.ORDER:
            kind = "legal-basis"
            content = order_content(
                workloads, selectors=maker.keyed(planned.selectors), may_derive=planned.may_derive
            )
        case BasisType.CONSENT:
            kind = "legal-basis"
            content = consent_content(
                workloads, may_derive=planned.may_derive, data_set=planned.data_set or identity
            )
    return maker.put(
        kind,
        planned.name,
        {planned.type.value: identity, "party": "northmark"},
        content,
        countersigned="document-seen" if planned.signed is Signed.TWO else None,
    )
