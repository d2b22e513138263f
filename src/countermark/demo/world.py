"""The world of the story: parties, people, keys, statements. Everything in it is genuine for something.

Halden provides the model, Brightwater integrates it and runs the gateway, Northmark is the agency that uses it. Halden
and Northmark are the sides. `make_world` writes the gateway's working folder, the people's keys and the workloads'
credentials, each as somebody would have made them on their own.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.attestation.trust_root import make_trust_root
from countermark.config import SETTINGS_TEMPLATE
from countermark.evidence.selectors import SelectorKeys
from countermark.oversight.sealing import HoldKey
from countermark.policy.approval import make_bundle_approval
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle

MODEL = "m-1"
LIFE = timedelta(days=28)
SELECTOR_KEY_ID = "northmark-1"

PEOPLE: Mapping[str, tuple[str, str]] = {
    "ada": ("halden", "reviewer of held requests"),
    "abe": ("halden", "policy officer, countersigns"),
    "ben": ("northmark", "duty officer"),
    "cem": ("northmark", "commander"),
    "dua": ("northmark", "keeps the records"),
    "eva": ("brightwater", "runs the gateway"),
}
"""Person: party and what they do."""

ASKERS = ("oda", "pia")
"""People of Northmark who hold the workloads' credentials: they ask, and never approve what they asked."""

PREDICATES = ("deployment", "purpose", "legal-basis", "engagement", "oversight")

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
    begins = now - timedelta(minutes=1)
    gateway = folder / "gateway"
    for each in ("keys/selectors", "statements", "log"):
        (gateway / each).mkdir(parents=True, exist_ok=True)
    (gateway / "keys").chmod(0o700)
    maker = _Maker(folder=folder, gateway=gateway, begins=begins, ends=begins + LIFE)
    maker.make_keys()
    maker.make_root(now)
    maker.make_bundle(bundle or shipped_bundle("red-lines"), upstream_url)
    for workload in WORKLOADS:
        maker.make_workload(workload)
    maker.make_bases()
    (gateway / "settings.toml").write_text(SETTINGS_TEMPLATE.format(gateway="gw-1", port=port))
    return World(
        folder=folder,
        gateway=gateway,
        people=maker.people,
        sides=maker.sides,
        api_keys=maker.api_keys,
        client_keys=maker.client_keys,
        recall_consent=maker.consents["recall-2026"],
    )


class _Maker:
    """Makes the world step by step; each step is what one party would do on its own machine."""

    def __init__(self, *, folder: Path, gateway: Path, begins: datetime, ends: datetime) -> None:
        self.folder = folder
        self.gateway = gateway
        self.begins = begins
        self.ends = ends
        self.people: dict[str, PrivateKey] = {}
        self.sides: dict[str, PrivateKey] = {}
        self.api_keys: dict[str, str] = {}
        self.client_keys: dict[str, PrivateKey] = {}
        self.consents: dict[str, str] = {}

    def _new_key(self, path: Path) -> PrivateKey:
        path.parent.mkdir(parents=True, exist_ok=True)
        key = PrivateKey.generate()
        key.save(path)
        return key

    def make_keys(self) -> None:
        for person in PEOPLE:
            self.people[person] = self._new_key(self.folder / "people" / f"{person}.pem")
        for side in ("halden", "northmark"):
            self.sides[side] = self._new_key(self.folder / "people" / f"{side}-side.pem")
        self.gateway_key = self._new_key(self.gateway / "keys" / "gateway.pem")
        HoldKey.generate().save(self.gateway / "keys" / "hold.key")
        self.selector_key = secrets.token_bytes(32)
        for name, secret in (
            ("digest.key", secrets.token_bytes(32)),
            (f"selectors/{SELECTOR_KEY_ID}", self.selector_key),
        ):
            path = self.gateway / "keys" / name
            path.touch(mode=0o600)
            path.write_text(secret.hex() + "\n")

    def make_root(self, now: datetime) -> None:
        named = {**self.people, **{f"{side} side": key for side, key in self.sides.items()}}
        keys = [*named.values(), self.gateway_key]
        made_by_records = [
            {"predicate": predicate, "subjects": ["northmark/*"]}
            for predicate in (*PREDICATES, "credential", "status")
        ]
        approves = [{"predicate": "approval", "subjects": ["northmark/*"]}]
        content: dict[str, Any] = {
            "version": 1,
            "parties": {
                "halden": {"title": "Halden, provider of the model"},
                "brightwater": {"title": "Brightwater, integrator"},
                "northmark": {"title": "Northmark, agency"},
            },
            "keys": {key.public.keyid: key.public.to_dict() for key in keys},
            "persons": {
                person: {"party": party, "title": title, "keys": [self.people[person].public.keyid]}
                for person, (party, title) in PEOPLE.items()
            },
            "sides": {side: {"threshold": 1, "keys": [key.public.keyid]} for side, key in self.sides.items()},
            "roles": {
                "halden_reviewer": _role("halden", "ada", approves),
                "halden_policy": _role(
                    "halden", "abe", [{"predicate": "countersignature", "subjects": ["northmark/*"]}]
                ),
                "northmark_duty_officer": _role("northmark", "ben", approves),
                "northmark_commander": _role("northmark", "cem", approves),
                "northmark_records": _role("northmark", "dua", made_by_records),
            },
            "counterparts": [
                {
                    "party": "northmark",
                    "predicate": predicate,
                    "subjects": ["northmark/*"],
                    "counterparts": ["halden"],
                }
                for predicate in PREDICATES
            ],
            "gateways": {"gw-1": {"runner": "brightwater", "key": self.gateway_key.public.keyid}},
            "observers": ["brightwater"],
            "upstream_key_held_by": ["brightwater"],
            "upstream_checks_permit": False,
        }
        root = make_trust_root(
            "story", content, valid_from=self.begins, valid_until=now + timedelta(days=365)
        )
        signed = sign_envelope(root.payload, *self.sides.values())
        (self.gateway / "trust-root.json").write_bytes(encode_envelope(signed))

    def make_bundle(self, source: Path, upstream_url: str) -> None:
        target = self.gateway / "bundle"
        shutil.copytree(source, target, dirs_exist_ok=True)
        text = (target / "bundle.toml").read_text()
        text = re.sub(r'^url = ".*"$', f'url = "{upstream_url}"', text, count=1, flags=re.MULTILINE)
        (target / "bundle.toml").write_text(text)
        approval = make_bundle_approval(
            load_bundle(target), seq=1, valid_from=self.begins, valid_until=self.ends
        )
        signed = [sign_envelope(approval.payload, key) for key in self.sides.values()]
        (self.gateway / "bundle-approval.jsonl").write_bytes(encode_lines(signed))

    def put(
        self,
        kind: str,
        name: str,
        descriptor: Mapping[str, Any],
        content: Mapping[str, Any],
        *,
        countersigned: str | None = "document-seen",
        instrument: Mapping[str, Any] | None = None,
    ) -> str:
        """Dua makes a statement; Abe countersigns it, saying how he knows. Returns the payload's digest."""
        statement = make_statement(
            kind,
            name,
            descriptor,
            content,
            seq=1,
            valid_from=self.begins,
            valid_until=self.ends,
            basis="inspected",
            interest="party",
            instrument=instrument,
        )
        lines = [sign_envelope(statement.payload, self.people["dua"])]
        if countersigned is not None:
            counter = make_countersignature(
                statement,
                seq=1,
                valid_from=self.begins,
                valid_until=self.ends,
                basis=countersigned,
                interest="none",
            )
            lines.append(sign_envelope(counter.payload, self.people["abe"]))
        (self.gateway / "statements" / f"{statement.sha256}.jsonl").write_bytes(encode_lines(lines))
        return statement.sha256

    def make_workload(self, workload: Workload) -> None:
        name = f"northmark/{workload.name}"
        about = {"workload": name}
        self.put(
            "deployment",
            name,
            about,
            {
                "system": workload.system,
                "operator": "brightwater",
                "environment": "production",
                "site": workload.site,
                "tools": {tool: {"effects": list(effects)} for tool, effects in workload.tools.items()},
                "answer_effects": [],
            },
            countersigned="inspected",
        )
        self.put(
            "purpose",
            name,
            about,
            {
                "purpose": workload.purpose,
                "models": [MODEL],
                "operations": list(workload.operations),
                "data_classes": list(workload.data_classes),
                "persons_at_most": workload.persons_at_most,
                "basis_required": workload.basis,
            },
        )
        content: dict[str, Any] = {"workload": name, "holders": list(ASKERS), "may_explain": True}
        credentials = self.folder / "workloads"
        if workload.key_bound:
            key = self._new_key(credentials / f"{workload.name}.pem")
            self.client_keys[workload.name] = key
            content |= {"kind": "key", "public": key.public.to_dict()}
        else:
            api_key = f"cm-{workload.name}-{secrets.token_hex(16)}"
            credentials.mkdir(parents=True, exist_ok=True)
            path = credentials / f"{workload.name}.key"
            path.touch(mode=0o600)
            path.write_text(api_key + "\n")
            self.api_keys[workload.name] = api_key
            content |= {"kind": "api-key", "sha256": hashlib.sha256(api_key.encode()).hexdigest()}
        self.put("credential", name, {"credential": f"{workload.name}-1"}, content, countersigned=None)

    def make_bases(self) -> None:
        """The order, the consents, the engagement, and the directive that says how an operator stands in the loop."""
        keys = SelectorKeys({SELECTOR_KEY_ID: self.selector_key})
        self.put(
            "legal-basis",
            "northmark/17/3",
            {"order": "17/3", "party": "northmark"},
            {
                "type": "order",
                "workloads": ["northmark/orders"],
                "selectors": {
                    "key_id": SELECTOR_KEY_ID,
                    "hmac_sha256": [keys.digest(ORDERED_SELECTOR)[SELECTOR_KEY_ID]],
                },
                "may_derive": ["locate"],
            },
        )
        for identity, workload, may_derive, data_set in (
            ("recall-2026", "northmark/recall", ["notify", "link"], "recall-customers"),
            ("volunteers", "northmark/survey", ["profile"], "survey-volunteers"),
        ):
            self.consents[identity] = self.put(
                "legal-basis",
                f"northmark/{identity}",
                {"consent": identity, "party": "northmark"},
                {
                    "type": "consent",
                    "workloads": [workload],
                    "may_derive": may_derive,
                    "data_set": data_set,
                },
            )
        self.put(
            "engagement",
            "northmark/E-9",
            {"engagement": "E-9", "party": "northmark"},
            {"workloads": ["northmark/redteam"], "ranges": [ENGAGEMENT_RANGE], "names": []},
        )
        self.put(
            "oversight",
            "northmark/field",
            {"workload": "northmark/field"},
            {"review": "none", "decides": "operator"},
            countersigned=None,
            instrument={"name": "directive D-7", "changed_by": ["northmark"]},
        )


def _role(party: str, person: str, makes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"party": party, "persons": [person], "threshold": 1, "makes": list(makes)}
