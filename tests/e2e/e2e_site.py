"""A gateway and a played upstream as real processes, and what their tests ask of them."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai

from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.client_auth import SignatureAuth, sign_request
from countermark.demo.world import WORKLOADS, World, make_world
from countermark.loopback.misbehaviour import MISBEHAVIOURS
from countermark.loopback.process import LoopbackProcess, loopback_process
from countermark.oversight.approval import Verdict, make_approval
from countermark.oversight.hold import parse_hold_file
from countermark.policy.shipped import shipped_bundle
from countermark.tlog.entry import keyed_digest, parse_entry
from countermark.tlog.note import NoteKey
from countermark.tlog.reader import LogReader
from countermark.tlog.verify import LogReport, verify_log
from countermark.upstream import PERMIT_HEADER, parse_permit

MODEL = "m-1"
MODELS = (MODEL, *(f"{MODEL}:{name}" for name in MISBEHAVIOURS))
ROLES = {"ada": "halden_reviewer", "ben": "northmark_duty_officer", "cem": "northmark_commander"}
ASK = [{"role": "user", "content": "summarise this pump manual"}]

SETTINGS = """
[gateway]
name = "gw-1"
[limits]
body_timeout_s = 2.0
[log]
segment_mib = 4
"""


def bundle_with(folder: Path, **limits: int) -> Path:
    """The red lines with a route for every misbehaviour, and other limits."""
    target = folder / "bundle-source"
    shutil.copytree(shipped_bundle("red-lines"), target)
    text = (target / "bundle.toml").read_text()
    routes = "".join(f'[[routes]]\nmodel = "{model}"\nupstream = "loopback"\n\n' for model in MODELS[1:])
    text = text.replace("[limits]", routes + "[limits]", 1)
    for name, value in limits.items():
        lines = [f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    (target / "bundle.toml").write_text(text)
    return target


def allow_models(world: World, workload: str, models: tuple[str, ...] = MODELS) -> None:
    """A newer purpose of one workload, by the same two people, that names more models."""
    about = next(each for each in WORKLOADS if each.name == workload)
    begins = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    ends = begins + timedelta(days=20)
    made = make_statement(
        "purpose",
        f"northmark/{workload}",
        {"workload": f"northmark/{workload}"},
        {
            "purpose": about.purpose,
            "models": list(models),
            "operations": list(about.operations),
            "data_classes": list(about.data_classes),
            "persons_at_most": about.persons_at_most,
            "basis_required": about.basis,
        },
        seq=2,
        valid_from=begins,
        valid_until=ends,
        basis="inspected",
        interest="party",
    )
    counter = make_countersignature(
        made, seq=2, valid_from=begins, valid_until=ends, basis="document-seen", interest="none"
    )
    lines = [
        sign_envelope(made.payload, world.people["dua"]),
        sign_envelope(counter.payload, world.people["abe"]),
    ]
    (world.gateway / "statements" / f"{made.sha256}.jsonl").write_bytes(encode_lines(lines))


@dataclass(slots=True)
class Site:
    """One gateway process before one played upstream."""

    world: World
    upstream: LoopbackProcess
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the gateway, on the port that it had before if it had one."""
        port_file = self.world.folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "countermark", "serve", "--dir", str(self.world.gateway)]
        command += ["--port", str(self.port), "--port-file", str(port_file)]
        with (self.world.folder / "gateway.err").open("ab") as errors:
            self.process = subprocess.Popen(command, stderr=errors)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.errors()
            with contextlib.suppress(FileNotFoundError, ValueError, OSError):
                self.port = int(port_file.read_text())
                if self.get("/readyz")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.errors())

    def stop(self) -> int:
        """Stop in good order; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        """Kill the gateway as a crash does."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def errors(self) -> str:
        """What the gateway wrote on standard error."""
        return (self.world.folder / "gateway.err").read_text()

    # callers

    def key_bound(self, client: Any, workload: str = "field", **options: Any) -> Any:
        """An official client (its class) whose every request is signed with the workload's key."""
        package = openai if client.__module__.startswith("openai") else anthropic
        made = "Async" if client.__name__.startswith("Async") else ""
        http_client = getattr(package, f"Default{made}HttpxClient")(
            auth=SignatureAuth(self.world.client_keys[workload])
        )
        base = f"{self.url}/v1" if package is openai else self.url
        return client(base_url=base, api_key=f"{workload}-1", http_client=http_client, **options)

    def openai(self, workload: str = "office", **options: Any) -> openai.OpenAI:
        """The official client, as it comes, with this workload's credential."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.world.api_keys[workload], **options)

    def anthropic(self, workload: str = "office", **options: Any) -> anthropic.Anthropic:
        """The official client, as it comes, with this workload's credential."""
        return anthropic.Anthropic(base_url=self.url, api_key=self.world.api_keys[workload], **options)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """One GET."""
        return exchange(self.url, "GET", path, headers=headers or {})

    def post(
        self,
        body: bytes | Mapping[str, Any],
        *,
        workload: str = "office",
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One POST, byte for byte as given."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.world.api_keys[workload]}", **(headers or {})}
        return exchange(self.url, "POST", path, body=data, headers=sent)

    # people

    def call(self, method: str, path: str, body: bytes = b"", *, person: str) -> tuple[int, Any]:
        """One call of the gateway's own API by a person, signed with the person's key."""
        target = f"/countermark/v1/{path}"
        key = self.world.people[person]
        headers = sign_request(
            method=method,
            target_uri=f"{self.url}{target}",
            credential_header="authorization",
            credential=f"Bearer {person}",
            body=body,
            private_key=key,
            keyid=key.public.keyid,
            created=int(time.time()),
            nonce=secrets.token_urlsafe(24),
        )
        sent = {"authorization": f"Bearer {person}", **headers}
        status, _, answer = exchange(self.url, method, target, body=body, headers=sent)
        return status, json.loads(answer)

    def approval(
        self, hold: str, person: str, *, verdict: Verdict = Verdict.APPROVE, role: str | None = None
    ) -> bytes:
        """What a person signs after having fetched a hold."""
        status, shown = self.call("GET", f"holds/{hold}", person=person)
        assert status == 200, shown
        held, content = parse_hold_file(json.dumps(shown["file"]).encode())
        statement = make_approval(
            held,
            content,
            role=role or ROLES[person],
            person=person,
            verdict=verdict,
            now=datetime.now(UTC).replace(microsecond=0),
            basis="document-seen",
            interest="none",
        )
        return encode_envelope(sign_envelope(statement.payload, self.world.people[person]))

    def approve(self, hold: str, person: str, *, verdict: Verdict = Verdict.APPROVE) -> Any:
        """A person signs a hold; returns what the gateway says of it."""
        signed = self.approval(hold, person, verdict=verdict)
        status, said = self.call("POST", f"holds/{hold}/approvals", signed, person=person)
        assert status == 201, said
        return said

    # what happened

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Durable entries of the log, read from its files."""
        reader = LogReader(self.world.gateway / "log")
        found = [parse_entry(data) for _, data in reader.entries(unpublished=True)]
        return [entry for entry in found if kind in (None, entry["kind"])]

    def digest(self, sha256: str) -> str:
        """A body's digest as the log holds it."""
        key = bytes.fromhex((self.world.gateway / "keys" / "digest.key").read_text().strip())
        return keyed_digest(key, sha256)

    def check_forwarded(self) -> int:
        """Nothing reached the upstream without its entry: each request names one PERMIT, of this body, used once.

        What a test sent to the upstream directly carries the header `x-direct`.

        Returns:
            How many requests were forwarded.
        """
        entries = self.entries()
        seen: set[str] = set()
        for each in self.upstream.received():
            if "x-direct" in each["headers"]:
                continue
            permit = parse_permit(each["headers"][PERMIT_HEADER])
            entry = entries[permit.entry]
            assert entry["id"] == permit.decision
            assert entry["action"] == "prompt"
            assert entry["outcome"] == "PERMIT"
            assert entry["seen"]["hmac_sha256"] == self.digest(each["sha256"])
            assert permit.decision not in seen, "forwarded twice on one decision"
            seen.add(permit.decision)
        return len(seen)

    def verify(self) -> LogReport:
        """Verify the whole log offline, with the key that the trust root names."""
        public = PrivateKey.load(self.world.gateway / "keys" / "gateway.pem").public
        key = NoteKey(name="countermark/story/gw-1", public=public.public)
        return verify_log(self.world.gateway / "log", vkeys=[key.vkey])

    def check_consumed(self) -> int:
        """No approval stands in two entries. Returns how many were consumed."""
        used = [each for entry in self.entries("decision") for each in entry.get("approvals", ())]
        assert len(used) == len(set(used))
        return len(used)


def exchange(
    url: str, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str], timeout_s: float = 30
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP exchange with nothing added: status, headers in lower case, body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    try:
        sent = {"content-type": "application/json", **headers} if method == "POST" else dict(headers)
        connection.request(method, path, body=body if method == "POST" else None, headers=sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def site(
    folder: Path,
    *,
    limits: Mapping[str, int] | None = None,
    settings: str = "",
    loopback: tuple[str, ...] = (),
) -> Iterator[Site]:
    """A gateway in `folder` before a played upstream, both running until the block ends."""
    with loopback_process("--model", MODEL, *loopback) as upstream:
        made = new_site(folder, upstream, upstream.url, limits=limits, settings=settings)
        made.start()
        try:
            yield made
        finally:
            if made.process is not None and made.process.poll() is None:
                made.process.kill()
                made.process.wait()


def new_site(
    folder: Path,
    upstream: LoopbackProcess,
    upstream_url: str,
    *,
    limits: Mapping[str, int] | None = None,
    settings: str = "",
) -> Site:
    """The folder of a gateway that is not started yet."""
    world = make_world(folder, upstream_url=upstream_url, bundle=bundle_with(folder, **(limits or {})))
    allow_models(world, "office")
    if settings:
        path = world.gateway / "settings.toml"
        path.write_text(settings)
    return Site(world=world, upstream=upstream)


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
