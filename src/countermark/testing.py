"""A whole deployment in memory, for our tests and for those of integrators.

    async with Deployment() as deployment:
        await deployment.add_workload("desk", purpose="customer-service", operations=["serve"])
        answer = await deployment.ask("desk", {"model": "m-1", "messages": [...]})
        assert answer.outcome == "PERMIT"

Keys, signatures, statements, clauses, log and enforcement are the real ones, driven through the gateway's own ASGI app;
only the clock, the people and the model are played. Nothing listens, and nothing is written to disk before `dump`.

The parties are Halden (provides the model), Brightwater (runs the gateway) and Northmark (uses it); Halden and
Northmark are the sides. `PEOPLE` says who is who.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final

from countermark.app import App, Gateway, Parts, open_classifiers, put_together
from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.attestation.trust_root import make_trust_root, parse_trust_root
from countermark.client_auth import sign_request
from countermark.config import Settings
from countermark.errors import HoldClosedError, StoreError
from countermark.evidence.selectors import SelectorKeys
from countermark.loopback.played import PlayedUpstream, call_app
from countermark.oversight.approval import Verdict, make_approval
from countermark.oversight.hold import parse_hold_file
from countermark.oversight.sealing import HoldKey
from countermark.pdp.signalled import Classifier
from countermark.pdp.terms import make_terms
from countermark.policy.approval import bundle_in_force, make_bundle_approval
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.store.memory import MemoryStatements, MemoryStore
from countermark.tlog.entry import keyed_digest, parse_entry
from countermark.tlog.log import MemoryLog

GATEWAY: Final = "gw-1"
MODEL: Final = "m-1"
SELECTOR_KEY: Final = "northmark-1"
STARTS: Final = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LIFE: Final = timedelta(days=28)

PEOPLE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ada": ("halden", "halden_reviewer"),
        "abe": ("halden", "halden_policy"),
        "ben": ("northmark", "northmark_duty_officer"),
        "cem": ("northmark", "northmark_commander"),
        "dua": ("northmark", "northmark_records"),
    }
)
"""Person: party and role. Ada, Ben and Cem approve; Dua makes Northmark's statements; Abe countersigns for Halden."""

STATED: Final = ("deployment", "purpose", "legal-basis", "engagement", "oversight")
"""Predicates that a countersignature of Halden's raises to `countersigned`."""
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def decision(self) -> str | None:
        """The decision's id; None where no decision was reached."""
        return self.headers.get("countermark-decision")

    @property
    def outcome(self) -> str:
        """PERMIT, HOLD or DENY as its status says; `none` where no decision was reached or the upstream failed."""
        if self.decision is None:
            return "none"
        return {200: "PERMIT", 428: "HOLD", 403: "DENY"}.get(self.status, "none")

    @property
    def countermark(self) -> dict[str, Any]:
        """What the error says of the decision: clauses, hold, expiry. Empty where the answer is the model's."""
        error = self.json().get("error", {}) if self.status >= 400 else {}
        found: dict[str, Any] = error.get("countermark", {})
        return found

    @property
    def clauses(self) -> tuple[str, ...]:
        """Ids of the clauses that held or denied."""
        return tuple(self.countermark.get("clauses", ()))

    @property
    def hold(self) -> str:
        """The hold's id.

        Raises:
            KeyError: The request is not held.
        """
        return str(self.countermark["hold_id"])

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Deployment:
    """One gateway with everything around it. Use it as `async with Deployment(...) as deployment:`.

    Args:
        bundle: Folder of the bundle that both sides sign; the shipped red lines where it is left out.
        upstream: The played model.
        trust: Changes the trust root's content before the sides sign it (`spec/trust-root.md`).
        settings: Changed fields of `Settings`.
        starts: The clock's first time.
        classifiers: In place of those that the bundle names, by what they look at.
    """

    def __init__(
        self,
        *,
        bundle: Path | None = None,
        upstream: PlayedUpstream | None = None,
        trust: Callable[[dict[str, Any]], None] | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
        starts: datetime = STARTS,
        classifiers: Mapping[str, Classifier] = MappingProxyType({}),
    ) -> None:
        self.now = starts
        self._classifiers = classifiers
        self.people = {person: PrivateKey.generate() for person in PEOPLE}
        self.sides = {side: PrivateKey.generate() for side in ("halden", "northmark")}
        self.upstream = upstream or PlayedUpstream()
        self.files = MemoryStatements()
        self.api_keys: dict[str, str] = {}
        self.client_keys: dict[str, PrivateKey] = {}
        self._seq = 0
        self._settings = Settings(folder=Path("/nonexistent"), gateway=GATEWAY, **settings)
        self._gateway_key = PrivateKey.generate()
        self._hold_key = HoldKey.generate()
        self._digest_key = secrets.token_bytes(32)
        self.selector_keys = SelectorKeys({SELECTOR_KEY: secrets.token_bytes(32)})
        self._bundle = load_bundle(bundle or shipped_bundle("red-lines"))
        self._root_file = self._sign_root(trust)
        self.log = self._new_log(())
        self.store = MemoryStore(clock=self.clock)
        self.gateway: Gateway = self._open()
        self.app = App(self.gateway)

    # the world

    def clock(self) -> datetime:
        """The played time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def _sign_root(self, trust: Callable[[dict[str, Any]], None] | None) -> bytes:
        named = [*self.people.values(), *self.sides.values(), self._gateway_key]
        makes = {
            "halden_policy": ["countersignature"],
            "northmark_records": [*STATED, "credential", "status"],
        }
        content: dict[str, Any] = {
            "version": 1,
            "parties": {name: {"title": name.title()} for name in ("halden", "brightwater", "northmark")},
            "keys": {key.public.keyid: key.public.to_dict() for key in named},
            "persons": {
                person: {"party": party, "title": role, "keys": [self.people[person].public.keyid]}
                for person, (party, role) in PEOPLE.items()
            },
            "sides": {side: {"threshold": 1, "keys": [key.public.keyid]} for side, key in self.sides.items()},
            "roles": {
                role: {
                    "party": party,
                    "persons": [person],
                    "threshold": 1,
                    "makes": _about_northmark(makes.get(role, ["approval"])),
                }
                for person, (party, role) in PEOPLE.items()
            },
            "counterparts": [
                {"party": "northmark", "counterparts": ["halden"], **each}
                for each in _about_northmark(STATED)
            ],
            "gateways": {GATEWAY: {"runner": "brightwater", "key": self._gateway_key.public.keyid}},
            "observers": ["brightwater"],
            "upstream_key_held_by": ["brightwater"],
        }
        if trust is not None:
            trust(content)
        until = self.now + timedelta(days=365)
        root = make_trust_root("testing", content, valid_from=self.now, valid_until=until)
        return encode_envelope(sign_envelope(root.payload, *self.sides.values()))

    def _new_log(self, entries: Sequence[bytes]) -> MemoryLog:
        self._failing: dict[str, Callable[[dict[str, Any]], bool]] = {}

        def fails(when: str) -> Callable[[bytes], bool]:
            return lambda entry: when in self._failing and self._failing[when](parse_entry(entry))

        return MemoryLog(entries, fail_before=fails("before"), fail_after=fails("after"))

    def _open(self) -> Gateway:
        root = parse_trust_root(self._root_file, now=self.now)
        approval = make_bundle_approval(
            self._bundle, seq=1, valid_from=self.now, valid_until=self.now + timedelta(days=365)
        )
        signed = [encode_envelope(sign_envelope(approval.payload, key)) for key in self.sides.values()]
        until = bundle_in_force(self._bundle.digest, signed, root, self.now).valid_until
        log = self.log
        parts = Parts(
            terms=make_terms(root, self._bundle, gateway=GATEWAY, approved_until=until),
            log=log,
            entries=lambda: enumerate(log.entries),
            store=self.store,
            files=self.files,
            client=self.upstream,
            upstream_keys=dict.fromkeys(self._bundle.upstreams, "the-upstreams-own-key"),
            permit_key=self._gateway_key,
            hold_key=self._hold_key,
            digest_key=self._digest_key,
            selector_keys=self.selector_keys,
            classifiers=self._classifiers or open_classifiers(self._settings, self._bundle),
        )
        return put_together(self._settings, parts, clock=self.clock)

    async def __aenter__(self) -> Deployment:
        await self.gateway.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.stop()

    async def restart(self, *, keep_state: bool = True, bundle: Path | None = None) -> None:
        """Stop as a crash does and start again from log and files.

        Args:
            keep_state: Else the store is lost too: what can't be rebuilt from the log is gone.
            bundle: Another bundle that both sides have signed since.
        """
        for task in self.gateway._tasks:
            task.cancel()
        self.log = self._new_log(self.log.entries)
        if not keep_state:
            self.store = MemoryStore(clock=self.clock)
        if bundle is not None:
            self._bundle = load_bundle(bundle)
        self.gateway = self._open()
        self.app = App(self.gateway)
        await self.gateway.start()

    def fail_writes(
        self, *, after: bool = False, when: Callable[[dict[str, Any]], bool] | None = None
    ) -> None:
        """Let the next write of the log fail (of an entry that `when` accepts), and so every later one.

        Args:
            after: The entry is in the log all the same, as where the machine stops between the write and the answer.
        """
        self._failing["after" if after else "before"] = when or (lambda _: True)

    # statements

    def state(
        self,
        kind: str,
        name: str,
        descriptor: Mapping[str, Any],
        content: Mapping[str, Any],
        *,
        by: str = "dua",
        countersigned_by: str | None = "abe",
        life: timedelta = LIFE,
        instrument: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Make a statement and sign it; returns the file that `put` takes. Each one is newer than the last."""
        self._seq += 1
        made = make_statement(
            kind,
            name,
            descriptor,
            content,
            seq=self._seq,
            valid_from=self.now,
            valid_until=self.now + life,
            basis="inspected",
            interest="party",
            instrument=instrument,
        )
        lines = [sign_envelope(made.payload, self.people[by])]
        if countersigned_by is not None:
            counter = make_countersignature(
                made,
                seq=self._seq,
                valid_from=self.now,
                valid_until=self.now + life,
                basis="document-seen",
                interest="none",
            )
            lines.append(sign_envelope(counter.payload, self.people[countersigned_by]))
        return encode_lines(lines)

    async def put(self, statement: bytes, *, as_person: str = "dua") -> str:
        """Put a statement on file through the gateway's API; returns the digest of its payload.

        Raises:
            StoreError: It was refused; the message is the gateway's.
        """
        answer = await self.call("POST", "statements", statement, as_person=as_person)
        if answer.status != 201:
            raise StoreError(f"expected the statement to be put on file: {answer.json()['error']['message']}")
        return str(answer.json()["sha256"])

    async def add_workload(
        self,
        name: str,
        *,
        purpose: str = "office",
        operations: Sequence[str] = (),
        data_classes: Sequence[str] = ("no-persons",),
        persons_at_most: int = 0,
        basis: str = "none",
        models: Sequence[str] = (MODEL,),
        tools: Mapping[str, Sequence[str]] = MappingProxyType({}),
        answer_effects: Sequence[str] = (),
        site: str = "office",
        key_bound: bool = False,
        holders: Sequence[str] = ("oda",),
        may_explain: bool = False,
        countersigned_by: str | None = "abe",
    ) -> None:
        """Put the deployment, purpose and credential of `northmark/<name>` on file, and keep its credential here.

        Args:
            tools: Tool to its effects (`actuate`, `decide`, `communicate`, `spend`).
            countersigned_by: None leaves deployment and purpose at Northmark's own word.
        """
        workload = f"northmark/{name}"
        deployment = {
            "system": name,
            "operator": "brightwater",
            "environment": "production",
            "site": site,
            "tools": {tool: {"effects": list(effects)} for tool, effects in tools.items()},
            "answer_effects": list(answer_effects),
        }
        stated = {
            "purpose": purpose,
            "models": list(models),
            "operations": list(operations),
            "data_classes": list(data_classes),
            "persons_at_most": persons_at_most,
            "basis_required": basis,
        }
        shared = {"workload": workload, "holders": list(holders), "may_explain": may_explain}
        if key_bound:
            key = self.client_keys[name] = PrivateKey.generate()
            credential = {**shared, "kind": "key", "public": key.public.to_dict()}
        else:
            api_key = self.api_keys[name] = f"cm-{name}-{secrets.token_hex(16)}"
            digest = hashlib.sha256(api_key.encode()).hexdigest()
            credential = {**shared, "kind": "api-key", "sha256": digest}
        about = {"workload": workload}
        for kind, content in (("deployment", deployment), ("purpose", stated)):
            await self.put(self.state(kind, workload, about, content, countersigned_by=countersigned_by))
        about = {"credential": f"{name}-1"}
        await self.put(self.state("credential", workload, about, credential, countersigned_by=None))

    # requests

    async def ask(
        self,
        workload: str,
        body: Mapping[str, Any] | bytes,
        *,
        api: str = "openai",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        """Ask the model as a workload does, through the gateway; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **headers}
        if api == "anthropic":
            sent.setdefault("anthropic-version", "2023-06-01")
        if workload in self.api_keys:
            sent.setdefault("authorization", f"Bearer {self.api_keys[workload]}")
        elif workload in self.client_keys:
            sent |= self._signed("POST", PATHS[api], data, self.client_keys[workload], workload)
        return await self.request("POST", PATHS[api], data, headers=sent)

    async def approve(self, hold: str, person: str, *, verdict: Verdict = Verdict.APPROVE) -> Reply:
        """Fetch a hold, sign it as `person` does after having read it, and hand it in; the reply says if it counts.

        Raises:
            HoldClosedError: There is nothing to sign: the hold is closed, or not for this person to see.
        """
        shown = await self.call("GET", f"holds/{hold}", as_person=person)
        if "file" not in shown.json():
            raise HoldClosedError(f"expected an open hold that `{person}` may approve, got `{hold}`")
        held, content = parse_hold_file(json.dumps(shown.json()["file"]).encode())
        statement = make_approval(
            held,
            content,
            role=PEOPLE[person][1],
            person=person,
            verdict=verdict,
            now=self.now,
            basis="document-seen",
            interest="none",
        )
        signed = encode_envelope(sign_envelope(statement.payload, self.people[person]))
        return await self.call("POST", f"holds/{hold}/approvals", signed, as_person=person)

    async def call(self, method: str, path: str, body: bytes = b"", *, as_person: str) -> Reply:
        """Call the gateway's own API (`/countermark/v1/<path>`) as a person."""
        full = f"/countermark/v1/{path}"
        headers = self._signed(method, full, body, self.people[as_person], as_person)
        return await self.request(method, full, body, headers=headers)

    def _signed(self, method: str, path: str, body: bytes, key: PrivateKey, name: str) -> dict[str, str]:
        return {
            "authorization": f"Bearer {name}",
            **sign_request(
                method=method,
                target_uri=f"http://gateway{path}",
                credential_header="authorization",
                credential=f"Bearer {name}",
                body=body,
                private_key=key,
                keyid=key.public.keyid,
                created=int(self.now.timestamp()),
                nonce=secrets.token_urlsafe(24),
            ),
        }

    async def request(
        self, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Reply:
        """Send one request to the gateway's ASGI app, and read the whole answer."""
        sent = {"host": "gateway", **headers}
        status, answered, data = await call_app(self.app, method, path, headers=sent, body=body)
        return Reply(status=status, headers=answered, body=data)

    # what happened

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The log's entries, parsed; of one kind where it is named."""
        parsed = [parse_entry(entry) for entry in self.log.entries]
        return [entry for entry in parsed if kind in (None, entry["kind"])]

    def digest(self, body: bytes) -> str:
        """A body's digest as the log holds it."""
        return keyed_digest(self._digest_key, hashlib.sha256(body).hexdigest())

    def dump(self, folder: Path) -> None:
        """Write the state out for reading: log, statements, trust root, bundle, holds, and what reached the model."""
        (folder / "statements").mkdir(parents=True, exist_ok=True)
        (folder / "log.jsonl").write_bytes(b"".join(entry + b"\n" for entry in self.log.entries))
        for sha256, data in self.files.files.items():
            (folder / "statements" / f"{sha256}.jsonl").write_bytes(data)
        (folder / "trust-root.json").write_bytes(self._root_file)
        for path, data in self._bundle.files.items():
            target = folder / "bundle" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (folder / "holds.txt").write_text("\n".join(map(str, self.store.holds.list(state=None))))
        forwarded = b"".join(each.body + b"\n" for each in self.upstream.received)
        (folder / "forwarded.jsonl").write_bytes(forwarded)


def _about_northmark(predicates: Sequence[str]) -> list[dict[str, Any]]:
    return [{"predicate": each, "subjects": ["northmark/*"]} for each in predicates]
