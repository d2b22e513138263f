"""Tells the story: starts the played models and the gateway as real processes, asks with the official client packages,
lets the reviewers sign, and prints what happened. Nothing is printed that did not happen in this run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countermark.app import log_origin, read_trust_root
from countermark.demo.beside import Beside, classified, refused, supervised
from countermark.demo.clients import clients, workload_client
from countermark.demo.goals import measure_goals
from countermark.demo.lawful import lawful_outcomes
from countermark.demo.story import STORY, Asking, sweep
from countermark.demo.told import Happened, Told
from countermark.demo.world import MODEL, World, make_world
from countermark.errors import CountermarkError
from countermark.loopback.process import LoopbackProcess, loopback_process
from countermark.stacks.process import gateway_process
from countermark.tlog.note import NoteKey
from countermark.tlog.verify import verify_log

Say = Callable[[str], None]


class DemoError(CountermarkError):
    """The story could not be told; what it says is what went wrong."""


class Teller:
    """Asks the story's requests of one gateway."""

    def __init__(self, world: World, address: str) -> None:
        self._world = world
        self._address = address
        self._openai, self._anthropic = clients()
        self._sent: list[bytes] = []
        self._clients: dict[str, Any] = {}

    def client(self, workload: str) -> Any:
        """The official client of a workload, unchanged but for address and credential."""
        if workload not in self._clients:
            self._clients[workload] = workload_client(
                self._world, self._address, workload, sent=lambda request: self._sent.append(request.content)
            )
        return self._clients[workload]

    def ask(self, workload: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Any, str]:
        """Send one request; returns status, error document (None where it went through) and decision id."""
        try:
            raw = self.client(workload).chat.completions.with_raw_response.create(
                **body, extra_headers=dict(headers)
            )
        except self._openai.APIStatusError as error:
            return error.status_code, error.body, error.response.headers.get("countermark-decision", "")
        raw.parse()
        return 200, None, raw.headers["countermark-decision"]

    def entry(self, workload: str, decision: str) -> Mapping[str, Any]:
        """The entry of a decision, as the workload may see it."""
        answer = (
            self.client(workload)
            .with_options(base_url=f"{self._address}/countermark/v1")
            .get(f"/decisions/{decision}", cast_to=object)
        )
        found: Mapping[str, Any] = answer["entry"]
        return found

    def tell(self, asking: Asking) -> Happened:
        """Ask one of the story's requests, with people where it is held."""
        headers = {}
        if asking.claims:
            headers["countermark-claims"] = ", ".join(
                f"{name}={value}" for name, value in asking.claims.items()
            )
        if asking.names_consent:
            headers["countermark-statement"] = f"sha256:{self._world.recall_consent}"
        self._sent.clear()
        status, error, decision = self.ask(asking.workload, asking.body, headers)
        sent = hashlib.sha256(self._sent[0]).hexdigest()
        first = {200: "PERMIT", 428: "HOLD", 403: "DENY"}.get(status, f"status {status}")
        clauses = tuple(error["countermark"]["clauses"]) if error else ()
        final, signed = first, ""
        if first == "HOLD" and asking.reviewers:
            for person in asking.reviewers:
                self._sign(error["countermark"]["hold_id"], person)
            status, error, decision = self.ask(asking.workload, asking.body, headers)
            final = "PERMIT" if status == 200 else first
            again, _, _ = self.ask(asking.workload, asking.body, headers)
            signed = ", once" if again == 428 else f", and then status {again}"
        reason = self._reason(asking, error, decision, first, final) + signed
        return Happened(
            asking=asking,
            first=first,
            final=final,
            clauses=clauses,
            reason=reason,
            decision=decision,
            body_sha256=sent,
        )

    def tell_sweep(self, asking: Asking) -> Happened:
        """Ask all of request 11; it is stopped where one of them is."""
        first_stop: tuple[int, Any, str] | None = None
        decision = ""
        questions = sweep()
        for number, (workload, text) in enumerate(questions, 1):
            body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
            status, error, decision = self.ask(workload, body, {})
            if status != 200:
                first_stop = (number, error, decision)
                break
        if first_stop is None:
            reason = (
                f"{len(questions)} of {len(questions)} permitted: nothing counts persons over requests yet"
            )
            return _happened(asking, "PERMIT", reason, decision)
        number, error, decision = first_stop
        return _happened(asking, "DENY", f"stopped at request {number}", decision)

    def _sign(self, hold: str, person: str) -> None:
        """One reviewer looks and signs, with the command that a person would use."""
        folder = self._world.folder
        done = subprocess.run(  # noqa: S603 - our own command
            [
                sys.executable,
                "-m",
                "countermark",
                "hold",
                "approve",
                hold,
                "--url",
                self._address,
                "--dir",
                str(self._world.gateway),
                "--key",
                str(folder / "people" / f"{person}.pem"),
                "--basis",
                "document-seen",
                "--yes",
                "--json",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"{person} could not sign {hold}: {done.stderr or done.stdout}")

    def _reason(
        self, asking: Asking, error: Mapping[str, Any] | None, decision: str, first: str, final: str
    ) -> str:
        """Why, from the entry of the decision."""
        parts: list[str] = []
        if error is not None:
            document = error["countermark"]
            parts.extend(
                each for each in document.get("relations", ()) if "outside" in each or first == "DENY"
            )
            said = len(asking.claims)
            if document.get("facts", {}).get("claimed.bulk_persons") == "yes":
                parts.append("the caller says so itself; what it says against itself is believed")
            elif said:
                parts.append(f"{said} claims, none of weight")
            facts = document.get("facts", {})
            if (
                facts.get("countersigned.basis_required") == "consent"
                and asking.names_consent
                and first == "DENY"
            ):
                parts.append("the statement named isn't this workload's; no approval lifts RL-1")
            if first == "HOLD" and final == "HOLD":
                parts.append(
                    "unsigned, expires; directive D-7 can be changed by Northmark alone, and permits nothing"
                )
            return "; ".join(parts) or "no clause permits it"
        entry = self.entry(asking.workload, decision)
        relations = entry.get("observation", {}).get("relations", ())
        for each in relations:
            inside = each["seen"] - each["outside"]
            parts.append(f"{each['kind']} {each['identity']} covers {inside} of {each['seen']}")
        if entry.get("approvals"):
            approved = ", ".join(sorted(entry["approved"]))
            parts.append(f"approved by {approved}")
        if asking.claims:
            parts.append(f"{len(asking.claims)} claims, none of weight")
        if asking.missed and not entry.get("approvals"):
            parts.append("its countersigned purpose says `no persons`: a lie in it isn't seen")
        return "; ".join(parts) or "attested deployment and purpose"

    def other_api(self) -> str:
        """The same gateway with the other official client, streamed."""
        client = self._anthropic.Anthropic(api_key=self._world.api_keys["office"], base_url=self._address)
        with client.messages.stream(
            model=MODEL, max_tokens=64, messages=[{"role": "user", "content": STORY[0].text}]
        ) as stream:
            return "".join(stream.text_stream)


def _happened(asking: Asking, outcome: str, reason: str, decision: str) -> Happened:
    return Happened(
        asking=asking,
        first=outcome,
        final=outcome,
        clauses=(),
        reason=reason,
        decision=decision,
        body_sha256="",
    )


def tell_story(folder: Path, *, say: Say = lambda _: None, with_goals: bool = True) -> Told:
    """Tell the whole story in `folder`, which is left for looking around.

    Args:
        with_goals: Also run the assay on its own goals, for the line below the table and the page.

    Raises:
        DemoError: A reviewer could not sign.
        StackError: The gateway did not start.
        SettingsError: The official client packages are missing.
    """
    started = time.monotonic()
    clients()
    folder.mkdir(parents=True, exist_ok=True)
    with (
        loopback_process("--model", MODEL, "--mode", "obey") as model,
        loopback_process("--model", MODEL, "--mode", "refuse") as refusing,
    ):
        say("keys of three parties, trust root of two sides, the red lines signed by both, 41 statements")
        world = make_world(folder, upstream_url=model.url)
        with gateway_process(world.gateway) as address:
            say(f"the gateway is up at {address}, the played model at {model.url}")
            teller = Teller(world, address)
            happened: list[Happened] = []
            for asking in STORY:
                say(f"request {asking.number} of {len(STORY)}: {asking.says}")
                happened.append(teller.tell_sweep(asking) if asking.number == 11 else teller.tell(asking))
            other = teller.other_api()
        forwarded = _forwarded(model)
        say("the same twelve, straight to a model that refuses by wording; then with a classifier before it")
        stopped = refused(refusing.url)
        classifier = classified(folder / "classifier", refusing.url)
    beside = Beside(refusal=stopped, classifier=classifier, supervisors=supervised(classifier))
    say("what `all-lawful-uses` would have decided, and the log, verified offline")
    entries, one_sided = verify_told(world)
    goals = measure_goals(folder / "assay", say=say) if with_goals else None
    return Told(
        folder=folder,
        beside=beside,
        happened=happened,
        lawful=lawful_outcomes(world, now=datetime.now(UTC).replace(microsecond=0)),
        anthropic_too=other,
        forwarded=forwarded,
        entries=entries,
        one_sided=one_sided,
        goals=goals,
        seconds=time.monotonic() - started,
    )


def _forwarded(model: LoopbackProcess) -> int:
    return sum(1 for each in model.received() if each["path"].startswith("/v1/"))


def verify_told(world: World) -> tuple[int, bool]:
    """Verify the log offline, from files and the trust root alone; entries and whether nobody else keeps a checkpoint."""
    now = datetime.now(UTC)
    root = read_trust_root(world.gateway / "trust-root.json", now=now)
    key = NoteKey(name=log_origin(root, "gw-1"), public=root.gateway_key("gw-1").public)
    report = verify_log(world.gateway / "log", vkeys=[key.vkey])
    return report.size, report.one_sided


def default_folder() -> Path:
    """A fresh folder for one telling."""
    return Path(tempfile.mkdtemp(prefix="countermark-demo-"))
