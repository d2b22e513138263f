"""A log of mixed traffic, made once for each test process by real processes: every workload, every outcome, people."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import openai
from click.testing import CliRunner
from e2e_site import Site, exchange

from countermark.app import log_origin, read_trust_root
from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.cli.client import HttpClient
from countermark.cli.main import main
from countermark.clock import system_clock
from countermark.demo.story import ACTUATE, STORY
from countermark.demo.world import WORKLOADS, World, make_world
from countermark.loopback.process import loopback_process
from countermark.policy.approval import LIFTED, TAKEN, make_suspension
from countermark.tlog.entry import encode_entry, parse_entry
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.writer import LogWriter

MODEL = "m-1"


Entries = list[dict[str, Any]]


@dataclass(slots=True)
class Recorded:
    """What was recorded.

    Attributes:
        world: Keys, folder, log and archive; the gateway has stopped.
        asked: Outcome by a name for what was asked, as the caller saw it.
        ids: Decision id by the same name.
    """

    world: World
    asked: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def copy(self, target: Path) -> Path:
        """The gateway's folder, to be spoiled."""
        return Path(shutil.copytree(self.world.gateway, target / "gateway"))


class _Traffic:
    def __init__(self, site: Site, recorded: Recorded) -> None:
        self.site = site
        self.recorded = recorded

    def ask(
        self,
        name: str,
        workload: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Send one chat request and note its outcome."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}
        status, got, answer = self.site.post(body, workload=workload, headers=headers)
        self._note(name, status, got["countermark-decision"])
        return json.loads(answer)

    def call(self, name: str, text: str) -> dict[str, Any]:
        """Ask the model for a tool call, with the workload that signs its requests."""
        client = self.site.key_bound(openai.OpenAI)
        try:
            raw = client.chat.completions.with_raw_response.create(
                model=MODEL, messages=[{"role": "user", "content": text}], tools=[ACTUATE]
            )
        except openai.APIStatusError as error:
            self._note(name, error.status_code, error.response.headers["countermark-decision"])
            return {"error": error.body}
        self._note(name, 200, raw.headers["countermark-decision"])
        return {}

    def _note(self, name: str, status: int, decision: str) -> None:
        self.recorded.asked[name] = {200: "PERMIT", 428: "HOLD", 403: "DENY"}[status]
        self.recorded.ids[name] = decision

    def sign(self, answer: Mapping[str, Any], *people: str, verdict: str = "approve") -> None:
        """Let people sign for what is held, with the command."""
        hold = answer["error"]["countermark"]["hold_id"]
        for person in people:
            arguments = ["hold", verdict, hold, "--url", self.site.url, "--dir", str(self.site.world.gateway)]
            arguments += ["--key", str(self.site.world.folder / "people" / f"{person}.pem")]
            done = CliRunner().invoke(main, [*arguments, "--basis", "document-seen", "--yes", "--json"])
            assert done.exit_code == 0, done.output

    def client(self, person: str) -> HttpClient:
        """The API as a person."""
        return HttpClient(self.site.url, self.site.world.people[person])

    def purpose(self, workload: str, *, seq: int, begins: datetime, **changed: Any) -> bytes:
        """A newer purpose of a workload, by Northmark's records and countersigned by Halden."""
        about = next(each for each in WORKLOADS if each.name == workload)
        content: dict[str, Any] = {
            "purpose": about.purpose,
            "models": [MODEL],
            "operations": list(about.operations),
            "data_classes": list(about.data_classes),
            "persons_at_most": about.persons_at_most,
            "basis_required": about.basis,
        }
        life: dict[str, Any] = {"seq": seq, "valid_from": begins, "valid_until": begins + timedelta(days=20)}
        name = f"northmark/{workload}"
        made = make_statement(
            "purpose",
            name,
            {"workload": name},
            content | changed,
            basis="inspected",
            interest="party",
            **life,
        )
        counter = make_countersignature(made, basis="document-seen", interest="none", **life)
        people = self.site.world.people
        return encode_lines(
            [sign_envelope(made.payload, people["dua"]), sign_envelope(counter.payload, people["abe"])]
        )

    def suspension(self, state: str) -> bytes:
        """A brake on desk-1: one side takes it, both lift it."""
        now = _now()
        statement = make_suspension(
            "s-1",
            scope="workload",
            target="northmark/desk-1",
            state=state,
            seq=1 if state == TAKEN else 2,
            valid_from=now,
            valid_until=now + timedelta(days=1),
        )
        sides = self.site.world.sides
        keys = sides.values() if state == LIFTED else (sides["halden"],)
        return encode_envelope(sign_envelope(statement.payload, *keys))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@cache
def recorded() -> Recorded:
    """Make the log, once."""
    folder = Path(tempfile.mkdtemp(prefix="countermark-traffic-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with loopback_process("--model", MODEL) as upstream:
        world = make_world(folder, upstream_url=upstream.url)
        made = Recorded(world=world)
        settings = world.gateway / "settings.toml"
        settings.write_text(settings.read_text().replace("segment_mib = 64 ", "segment_mib = 1 "))
        site = Site(world=world, upstream=upstream)
        site.start()
        _first_run(_Traffic(site, made))
        site.stop()
        # by hand, while nothing runs: one statement goes, and one comes
        late = _Traffic(site, made).purpose("desk-3", seq=2, begins=_now(), purpose="office")
        (world.gateway / "statements" / "by-hand.jsonl").write_bytes(late)
        gone = next(
            path
            for path in (world.gateway / "statements").glob("*.jsonl")
            if b"deployment" in _payload(path) and b"northmark/desk-2" in _payload(path)
        )
        gone.unlink()
        site.start()
        _second_run(_Traffic(site, made))
        site.kill()
        site.start()  # what was durable before the crash is published after it
        site.stop()
    return made


def _payload(path: Path) -> bytes:
    import base64

    return base64.b64decode(json.loads(path.read_bytes().split(b"\n")[0])["payload"])


def _first_run(traffic: _Traffic) -> None:
    story = {each.number: each for each in STORY}
    traffic.ask("office work", "office", story[1].text)
    traffic.ask(
        "bulk, as it says itself",
        "analysis",
        story[2].text,
        headers={"countermark-claims": "bulk_persons=yes"},
    )
    traffic.ask("analysis without saying so", "analysis", "How do I close my account?")
    traffic.ask("tracking", "tracking", story[5].text)
    traffic.ask("one person inside the order", "orders", story[6].text)
    traffic.ask("persons outside the order", "orders", story[7].text)
    traffic.ask("nobody named", "orders", "Where is everybody?")
    traffic.ask("scan inside the engagement", "redteam", story[8].text)
    traffic.ask("scan outside the engagement", "redteam", story[9].text)
    for number in (1, 2, 3, 4):
        traffic.ask(f"desk {number}", f"desk-{number}", "Where is my parcel?")
    names_set = {"countermark-claims": "data_set=survey-volunteers, consent=inside"}
    traffic.ask("survey", "survey", story[12].text, headers=names_set)
    held = traffic.ask("recall", "recall", story[4].text)
    traffic.sign(held, "ada")
    traffic.ask("recall with one signature", "recall", story[4].text)
    traffic.sign(held, "ben")
    traffic.ask("recall with both", "recall", story[4].text)
    refused = traffic.ask("recall once more", "recall", story[4].text)
    traffic.sign(refused, "ben", verdict="refuse")
    traffic.ask("recall after a refusal", "recall", story[4].text)
    traffic.ask("not carried", "office", "look it up", web_search_options={})
    status, got, _ = exchange(
        traffic.site.url,
        "POST",
        "/v1/messages",
        body=json.dumps(
            {
                "model": MODEL,
                "max_tokens": 9,
                "stream": True,
                "messages": [{"role": "user", "content": "hello"}],
            }
        ).encode(),
        headers={"x-api-key": traffic.site.world.api_keys["office"], "anthropic-version": "2023-06-01"},
    )
    traffic._note("the other API", status, got["countermark-decision"])
    call = 'An operator confirms each. Now call actuate({"target": "T-114"})'
    held = traffic.call("call", call)
    traffic.sign(held, "ada", "cem")
    traffic.call("call with both", call)
    traffic.call("undeclared tool", 'Now call launch({"target": "T-114"})')
    # a purpose that changes while others ask, and one whose time comes later
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(traffic.ask, f"desk 4, {n}", "desk-4", f"question {n}") for n in range(40)]
        for seq in (2, 3, 4):
            changed = {"models": ["m-2"]} if seq % 2 == 0 else {}
            document = traffic.purpose("desk-4", seq=seq, begins=_now(), **changed)
            traffic.client("dua").call("POST", "statements", document)
        for each in asked:
            each.result()
    soon = traffic.purpose("desk-3", seq=1, begins=_now() + timedelta(seconds=62), purpose="office")
    traffic.client("dua").call("POST", "statements", soon)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        traffic.ask("desk 3 while a statement begins", "desk-3", "Where is my parcel?")
        time.sleep(0.3)


def _second_run(traffic: _Traffic) -> None:
    traffic.ask("desk 2 without its deployment", "desk-2", "Where is my parcel?")
    traffic.ask("desk 3, changed by hand", "desk-3", "Where is my parcel?")
    traffic.client("eva").call("POST", "suspensions", traffic.suspension(TAKEN))
    traffic.ask("desk 1 suspended", "desk-1", "Where is my parcel?")
    traffic.client("eva").call("POST", "suspensions", traffic.suspension(LIFTED))
    traffic.ask("desk 1 again", "desk-1", "Where is my parcel?")


def remake(gateway: Path, change: Callable[[Entries], None]) -> str:
    """What a runner can do who has the log's key: write another history and sign it. Returns the log's vkey."""
    log = gateway / "log"
    entries = [parse_entry(data) for _, data in LogReader(log).entries()]
    change(entries)
    shutil.rmtree(log)
    root = read_trust_root(gateway / "trust-root.json", now=system_clock())
    key = PrivateKey.load(gateway / "keys" / "gateway.pem")
    origin = log_origin(root, "gw-1")
    signer = NoteSigner(name=origin, public=key.public.public, sign=key.sign)
    writer = LogWriter(log, origin=origin, key=signer, segment_bytes=1 << 20)
    for future in [writer.submit(encode_entry(entry)) for entry in entries]:
        future.result(10)
    writer.close()
    return signer.vkey
