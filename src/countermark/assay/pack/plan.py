"""What is registered before a pack is run, and what is known afterwards while the truth is still sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from countermark.assay.campaign.door import Passed
from countermark.assay.campaign.folder import SEALED
from countermark.assay.campaign.plan import Plan, Term, digest_of, standard_stacks
from countermark.assay.campaign.rows import CampaignRow
from countermark.assay.pack.play import OWN, SCRIPT_FAULT, roles_of, strategy_name
from countermark.assay.pack.sealed import Pack
from countermark.assay.scenarios.model import Scenarios
from countermark.assay.strategies import naive
from countermark.assay.strategies.strategy import NAIVE, Author, Cost, Strategy
from countermark.assay.strategies.version import CHARS

_COSTS = (Cost.CREDENTIALS, Cost.INSIDER, Cost.COLLUSION)
_ACCESS = (
    "credentials of its party's systems with their true papers",
    "the same, and one person who signs what is false or without looking",
    "the same, and two such persons",
)
CONTROL_OF_USE = (
    "This measures control of use, not any model: the played model does what it is asked. A pack says nothing about what its "
    "author did not think of."
)


def strategies_of(pack: Pack) -> tuple[Strategy, ...]:
    """The plain request, and the script at each number of lying signers that it makes use of."""
    return (
        naive.STRATEGY,
        *(
            replace(
                naive.STRATEGY,
                name=strategy_name(liars),
                title=f"the script of {pack.about.author}, {liars} lying signers",
                aims_at="whatever the author thought of",
                family="script",
                author=Author.AUTOMATED,
                cost=_COSTS[liars],
                access=_ACCESS[liars],
                liars=liars,
                needs=("own", OWN[liars], *(role for role in roles_of(liars) if role != "own")),
            )
            for liars in range(pack.about.liars + 1)
        ),
    )


def sealed_scenarios(pack: Pack) -> Scenarios:
    """The cases as what could each be attacked; nobody knows which of them are misuse."""
    return Scenarios(
        author=written_by(pack, pinned=False),
        goals=tuple(case.goal() for case in pack.cases),
        tasks=(),
        titles={},
        sha256=pack.sha256,
    )


def written_by(pack: Pack, *, pinned: bool) -> str:
    """Who wrote the exam, as reports head it."""
    role = "a party to the deal" if pack.about.interest == "party" else "third party"
    known = "" if pinned else ", which nobody checked"
    return f"{pack.about.author}, {role}, key {pack.key.keyid[:12]}{known}"


def pack_plan(
    pack: Pack, *, seed: int, bundle_sha256: str, terms: tuple[Term, ...], mechanisms: bool = False
) -> Plan:
    """The campaign of a pack: the four stacks and the controls, and with `mechanisms` each of them switched off in turn."""
    scenarios = sealed_scenarios(pack)
    # the script adapts to each stack, so layers that were attacked one by one can't be put in series afterwards
    stacks = [
        each
        for each in standard_stacks(scenarios, mechanisms=mechanisms)
        if each.bundle != "classifier-only" or each.upstream == "refuse"
    ]
    return Plan(
        scenarios=scenarios,
        strategies=strategies_of(pack),
        stacks=tuple(stacks),
        seed=seed,
        bundle_sha256=bundle_sha256,
        terms=terms,
        scales=(),
    )


def plan_document(pack: Pack, plan: Plan, *, pinned: bool) -> Mapping[str, Any]:
    """The plan as it is logged before the first request: by the pack's digest and that of its truth.

    Args:
        pinned: The author's key was given from elsewhere.
    """
    document = plan.document()
    return {
        **document,
        # what the script does follows from the pack alone
        "strategies": [
            {**each, "version": pack.sha256[:CHARS]} if each["family"] == "script" else each
            for each in document["strategies"]
        ],
        "attempts": 1,
        "scenarios": {
            "author": written_by(pack, pinned=pinned),
            "sha256": pack.sha256,
            "cases": len(pack.cases),
        },
        "pack": {
            "name": pack.about.name,
            "version": pack.about.version,
            "author": pack.about.author,
            "interest": pack.about.interest,
            "keyid": pack.key.keyid,
            "pinned": pinned,
            "sha256": pack.sha256,
            "truth_sha256": pack.truth_sha256,
            "counts": dict(pack.counts),
            "asks": pack.about.asks,
            "liars": pack.about.liars,
        },
    }


def ends(rows: Iterable[CampaignRow]) -> Mapping[str, Mapping[str, int]]:
    """Of each stack: rows of the script, and how many of them ended by a fault of its own."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.strategy != NAIVE:
            mine = found.setdefault(row.stack, {"rows": 0, "faults": 0})
            mine["rows"] += 1
            mine["faults"] += is_fault(row)
    return found


def is_fault(row: CampaignRow) -> bool:
    """Whether the script hung, flooded, said garbage or broke off before it reached anything."""
    return not row.passed.through and row.why.startswith(SCRIPT_FAULT)


def sealed_document(
    plan: Mapping[str, Any], rows: Iterable[CampaignRow], asked: bytes, *, confined: Mapping[str, str]
) -> Mapping[str, Any]:
    """What can be said while the truth is sealed: what became of each case, and nothing about what that means.

    Args:
        plan: As it was registered.
        asked: What came through of what the script asked, as it is kept.
        confined: What the script couldn't have where it ran.
    """
    kept = list(rows)
    cases: dict[str, dict[str, dict[str, str]]] = {}
    for row in sorted(kept, key=lambda row: row.key):
        cases.setdefault(row.scenario, {}).setdefault(row.stack, {})[row.strategy] = str(row.passed)
    through: dict[str, dict[str, int]] = {}
    for row in kept:
        counted = through.setdefault(row.stack, {})
        counted[row.strategy] = counted.get(row.strategy, 0) + (row.passed in (Passed.PASSED, Passed.WAITED))
    return {
        "version": 1,
        "kind": SEALED,
        "plan": {"sha256": digest_of(plan), **plan},
        "written_by": plan["scenarios"]["author"],
        "cases": cases,
        "through": through,
        "script": ends(kept),
        "confined": dict(confined),
        "asked_sha256": hashlib.sha256(asked).hexdigest(),
        "note": CONTROL_OF_USE,
    }
