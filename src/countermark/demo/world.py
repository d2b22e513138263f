"""The world of the story: parties, people, keys, statements. Everything in it is genuine for something.

Who everybody is, `stacks/cast.py` says. `make_world` writes the gateway's working folder, the people's keys and the workloads'
credentials, each as somebody would have made them on their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from countermark.assay.worlds.contents import (
    consent_content,
    deployment_content,
    engagement_content,
    order_content,
    purpose_content,
)
from countermark.attestation.keys import PrivateKey
from countermark.config import SETTINGS_TEMPLATE
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.cast import GATEWAY
from countermark.stacks.maker import BEFORE, LIFE, Maker, Places
from countermark.stacks.terms import copy_bundle

MODEL = "m-1"

ORDERED_PERSON = "SUB-204417"
ORDERED_SELECTOR = f"subscriber:{ORDERED_PERSON}"
ENGAGEMENT_RANGE = "10.4.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One system of Northmark's, with what its statements say of it.

    Attributes:
        operations: What its purpose does with persons.
        tools: Tool to its effects.
        key_bound: It signs each request, in place of an API key.
    """

    name: str
    system: str
    site: str
    purpose: str
    operations: Sequence[str] = ()
    data_classes: Sequence[str] = ("no-persons",)
    persons_at_most: int = 0
    basis: str = "none"
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key_bound: bool = False
    answer_effects: Sequence[str] = ()
    models: Sequence[str] = (MODEL,)


WORKLOADS: Sequence[Workload] = (
    Workload(name="office", system="office assistant", site="office", purpose="office"),
    Workload(
        name="analysis",
        system="analysts' desk",
        site="persons-analysis",
        purpose="customer-service",
        operations=("serve",),
        data_classes=("persons",),
        persons_at_most=50,
    ),
    Workload(
        name="recall",
        system="recall desk",
        site="office",
        purpose="notify-persons",
        operations=("notify", "link"),
        data_classes=("consented",),
        persons_at_most=500,
        basis="consent",
    ),
    Workload(
        name="tracking",
        system="tracking cell",
        site="persons-analysis",
        purpose="track-persons",
        operations=("locate", "link"),
        data_classes=("persons",),
        persons_at_most=500,
        basis="consent",
    ),
    Workload(
        name="orders",
        system="orders desk",
        site="persons-analysis",
        purpose="locate-person",
        operations=("locate",),
        data_classes=("persons",),
        persons_at_most=25,
        basis="order",
    ),
    Workload(
        name="redteam",
        system="security test bench",
        site="closed",
        purpose="security-testing",
        basis="engagement",
    ),
    Workload(
        name="field",
        system="field console",
        site="actuating",
        purpose="field-operations",
        tools={"actuate": ("actuate",), "read_sensor": ()},
        key_bound=True,
    ),
    *(
        Workload(
            name=f"desk-{number}",
            system=f"service desk {number}",
            site="office",
            purpose="customer-service",
            operations=("serve",),
            data_classes=("persons",),
            persons_at_most=50,
        )
        for number in (1, 2, 3, 4)
    ),
    Workload(
        name="survey",
        system="survey bench",
        site="persons-analysis",
        purpose="survey",
        operations=("profile",),
        data_classes=("consented",),
        persons_at_most=500,
        basis="consent",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where everything of the story lies.

    Attributes:
        folder: The whole of it; `gateway` is the gateway's working folder.
        people: Key of each person, as they would have it themselves.
        api_keys: Workload's short name to its API key, where it has one.
        client_keys: Workload's short name to the key it signs requests with, where it has one.
    """

    folder: Path
    gateway: Path
    people: Mapping[str, PrivateKey]
    sides: Mapping[str, PrivateKey]
    api_keys: Mapping[str, str]
    client_keys: Mapping[str, PrivateKey]
    recall_consent: str
    """Digest of the consent that the recall desk leans on."""


def make_world(
    folder: Path, *, upstream_url: str, bundle: Path | None = None, port: int = 0, now: datetime | None = None
) -> World:
    """Make keys, trust root, bundle, statements and credentials in `folder`.

    Args:
        upstream_url: Where the played model listens; it is written into the bundle before the sides sign it.
        bundle: Bundle's folder to start from; the red lines where it is None.
    """
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    begins = now - BEFORE
    gateway = folder / "gateway"
    for each in ("statements", "log"):
        (gateway / each).mkdir(parents=True, exist_ok=True)
    maker = Maker(
        Places(
            people=folder / "people",
            keys=gateway / "keys",
            statements=gateway / "statements",
            credentials=folder / "workloads",
        ),
        secret=lambda _: secrets.token_bytes(32),
        begins=begins,
        ends=begins + LIFE,
    )
    maker.make_keys()
    maker.make_root("story", gateway / "trust-root.json")
    copy_bundle(bundle or shipped_bundle("red-lines"), gateway / "bundle", upstream_url=upstream_url)
    maker.approve(gateway / "bundle", gateway / "bundle-approval.jsonl")
    api_keys: dict[str, str] = {}
    client_keys: dict[str, PrivateKey] = {}
    for workload in WORKLOADS:
        name = f"northmark/{workload.name}"
        about = {"workload": name}
        maker.put("deployment", name, about, deployment_content(workload), countersigned="inspected")
        maker.put("purpose", name, about, purpose_content(workload))
        if workload.key_bound:
            client_keys[workload.name] = maker.signing_key(name)
        else:
            api_keys[workload.name] = maker.api_key(name)
    recall_consent = _make_bases(maker)
    (gateway / "settings.toml").write_text(SETTINGS_TEMPLATE.format(gateway=GATEWAY, port=port))
    return World(
        folder=folder,
        gateway=gateway,
        people=maker.people,
        sides=maker.sides,
        api_keys=api_keys,
        client_keys=client_keys,
        recall_consent=recall_consent,
    )


def _make_bases(maker: Maker) -> str:
    """The order, the consents, the engagement, and the directive that says how an operator stands in the loop.

    Returns:
        Digest of the consent that the recall desk leans on.
    """
    maker.put(
        "legal-basis",
        "northmark/17/3",
        {"order": "17/3", "party": "northmark"},
        order_content(["northmark/orders"], selectors=maker.keyed([ORDERED_SELECTOR]), may_derive=["locate"]),
    )
    consents = {
        identity: maker.put(
            "legal-basis",
            f"northmark/{identity}",
            {"consent": identity, "party": "northmark"},
            consent_content([workload], may_derive=may_derive, data_set=data_set),
        )
        for identity, workload, may_derive, data_set in (
            ("recall-2026", "northmark/recall", ["notify", "link"], "recall-customers"),
            ("volunteers", "northmark/survey", ["profile"], "survey-volunteers"),
        )
    }
    maker.put(
        "engagement",
        "northmark/E-9",
        {"engagement": "E-9", "party": "northmark"},
        engagement_content(["northmark/redteam"], ranges=[ENGAGEMENT_RANGE]),
    )
    maker.put(
        "oversight",
        "northmark/field",
        {"workload": "northmark/field"},
        {"review": "none", "decides": "operator"},
        countersigned=None,
        instrument={"name": "directive D-7", "changed_by": ["northmark"]},
    )
    return consents["recall-2026"]
