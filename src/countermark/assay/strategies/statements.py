"""Statements that attackers put on file: what the goal's lie would say of a system, in envelopes that they sign as they can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from countermark.assay.scenarios.model import Paper
from countermark.assay.strategies.asking import workload
from countermark.assay.strategies.strategy import goal_of
from countermark.assay.worlds.bases import Basis, bases_of, named_in
from countermark.assay.worlds.contents import (
    consent_content,
    deployment_content,
    engagement_content,
    order_content,
    purpose_content,
)
from countermark.assay.worlds.keys import derive_key, derive_secret
from countermark.assay.worlds.plan import BasisType
from countermark.assay.worlds.scene import Scene
from countermark.attestation.envelope import Envelope, Signature, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import Statement, make_countersignature, make_statement
from countermark.errors import CampaignError
from countermark.evidence.selectors import SelectorKeys

LIFE = timedelta(days=28)
PARTY = "northmark"
SELECTOR_KEY = "northmark-1"
RECORDS, POLICY = "person/dua", "person/abe"
"""Names of the keys that make and countersign Northmark's statements (`worlds/keys.py`)."""
SUBMITTER = "eva"
"""Who carries a file to the gateway: what is put on file is worth its signatures, whoever brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement in words: kind, name of its subject, descriptor, content."""

    kind: str
    name: str
    descriptor: Mapping[str, Any]
    content: Mapping[str, Any]
    instrument: Mapping[str, Any] | None = None


def lies(scene: Scene, role: str) -> tuple[Said, ...]:
    """What would have to be said of the system in `role` for the goal to look like work, where it isn't said already.

    Its purpose is among it where nothing else is: a goal whose papers are in order gains nothing by forging.
    """
    goal = goal_of(scene)
    name = workload(scene, role)
    false = {each.kind: each for each in _of_system(name, goal.lie)}
    true = {each.kind: each for each in _of_system(name, goal.paper)}
    found = [said for kind, said in false.items() if true.get(kind) != said]
    about = named_in(goal.naive, scene.rows, goal.rows.table if goal.rows else "")
    held = bases_of(goal.paper, about, scenario=goal.id, seed=scene.seed)
    for basis in bases_of(goal.lie, about, scenario=goal.id, seed=scene.seed):
        if basis not in held:
            found.append(_of_basis(name, basis, scene.seed))
    return tuple(found) or (false["purpose"],)


def outdated(scene: Scene, role: str) -> tuple[Said, ...]:
    """Of `lies`, what an older version of a paper could have said that is still on file in a newer one.

    An order that once named everybody is the same order: it keeps its number.
    """
    name = workload(scene, role)
    held = {said.kind for said in truths(scene, role)}
    found = []
    for said in lies(scene, role):
        if said.kind in held:
            found.append(said)
            continue
        kind = BasisType(next(key for key in said.descriptor if key != "party"))
        identity = f"{name.partition('/')[2]}.{kind.value}"
        if _has_basis(goal_of(scene).paper, kind):
            descriptor = {kind.value: identity, "party": PARTY}
            found.append(replace(said, name=f"{PARTY}/{identity}", descriptor=descriptor))
    return tuple(found)


def _has_basis(paper: Paper, kind: BasisType) -> bool:
    held = {
        BasisType.ORDER: paper.order,
        BasisType.CONSENT: paper.consent,
        BasisType.ENGAGEMENT: paper.engagement,
    }
    return held[kind] is not None


def truths(scene: Scene, role: str) -> tuple[Said, ...]:
    """What is truly said of the system in `role`."""
    return _of_system(workload(scene, role), goal_of(scene).paper)


def _of_system(name: str, paper: Paper) -> tuple[Said, ...]:
    about = {"workload": name}
    said = [
        Said(kind="deployment", name=name, descriptor=about, content=deployment_content(paper)),
        Said(kind="purpose", name=name, descriptor=about, content=purpose_content(paper)),
    ]
    if paper.review is not None or paper.decides is not None:
        said.append(
            Said(
                kind="oversight",
                name=name,
                descriptor=about,
                content={"review": paper.review or "none", "decides": paper.decides or "nobody"},
                instrument={"name": "standing order", "changed_by": [PARTY]},
            )
        )
    return tuple(said)


def _of_basis(workload_name: str, basis: Basis, seed: int) -> Said:
    identity = f"{workload_name.partition('/')[2]}.false-{basis.type.value}"
    kind = "engagement" if basis.type is BasisType.ENGAGEMENT else "legal-basis"
    return Said(
        kind=kind,
        name=f"{PARTY}/{identity}",
        descriptor={basis.type.value: identity, "party": PARTY},
        content=_basis_content([workload_name], basis, identity, seed),
    )


def _basis_content(workloads: Sequence[str], basis: Basis, identity: str, seed: int) -> Mapping[str, Any]:
    if basis.type is BasisType.ENGAGEMENT:
        return engagement_content(workloads, ranges=basis.ranges)
    if basis.type is BasisType.CONSENT:
        return consent_content(workloads, may_derive=basis.may_derive, data_set=identity)
    keys = SelectorKeys({SELECTOR_KEY: derive_secret(seed, f"selectors/{SELECTOR_KEY}")})
    digests = [keys.digest(selector)[SELECTOR_KEY] for selector in basis.selectors]
    selectors = {"key_id": SELECTOR_KEY, "hmac_sha256": digests}
    return order_content(workloads, selectors=selectors, may_derive=basis.may_derive)


def stated(scene: Scene, said: Said, *, seq: int, ago: timedelta = timedelta()) -> Statement:
    """The statement's payload, dated like the world's own, or so long before.

    Raises:
        CampaignError: The world isn't made yet, so nobody knows when its statements begin.
    """
    if scene.made_at is None:
        raise CampaignError(f"expected a world that is made before statements in `{scene.id}` are forged")
    return make_statement(
        said.kind,
        said.name,
        said.descriptor,
        said.content,
        seq=seq,
        valid_from=scene.made_at - ago,
        valid_until=scene.made_at - ago + LIFE,
        basis="inspected",
        interest="party",
        instrument=said.instrument,
    )


def countersigned(statement: Statement) -> Statement:
    """The countersignature that a provider's policy officer would make, for as long as the statement lives."""
    return make_countersignature(
        statement,
        seq=1,
        valid_from=statement.validity.valid_from,
        valid_until=statement.validity.valid_until,
        basis="document-seen",
        interest="none",
    )


def signed_file(statement: Statement, maker: PrivateKey, other: PrivateKey | None = None) -> bytes:
    """A statement file: signed by its maker, and countersigned where there is another key."""
    lines = [sign_envelope(statement.payload, maker)]
    if other is not None:
        lines.append(sign_envelope(countersigned(statement).payload, other))
    return encode_lines(lines)


def under_names(envelope: Envelope, names: Sequence[str], seed: int) -> Envelope:
    """The same signatures, said to be of these persons' keys: a key id is a hint, and may lie."""
    return Envelope(
        payload=envelope.payload,
        payload_type=envelope.payload_type,
        signatures=tuple(
            Signature(keyid=derive_key(seed, name).public.keyid, sig=signature.sig)
            for signature, name in zip(envelope.signatures, names, strict=True)
        ),
    )


def naming(statements: Iterable[Statement]) -> dict[str, str]:
    """The header that names them."""
    return {"countermark-statement": ", ".join(f"sha256:{each.sha256}" for each in statements)}
