"""A disk that is full and a process that is killed: what was answered is in the log, and nothing else was let through."""

from __future__ import annotations

import http.client
import json
import random
import resource
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e_site import MODEL, SETTINGS, Site, sha256, site


def asked(text: str) -> bytes:
    """A request's body."""
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}]}).encode()


def test_a_full_disk_lets_nothing_through(tmp_path: Path) -> None:
    """No more can be written: 503, not retried, not forwarded, not ready; with room again a restart goes on."""
    with site(tmp_path, settings=SETTINGS) as made:
        assert made.post(asked("before"))[0] == 200
        reached = len(made.upstream.received())
        assert made.process is not None
        resource.prlimit(made.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        for _ in range(3):
            status, headers, body = made.post(asked("while it is full"))
            assert status == 503
            assert headers["x-should-retry"] == "false"
            assert json.loads(body)["error"]["code"] == "countermark_unavailable"
        assert len(made.upstream.received()) == reached
        assert made.get("/readyz")[0] == 503
        assert made.get("/healthz")[0] == 200
        made.kill()
        made.start()
        assert made.post(asked("after"))[0] == 200
        assert made.check_forwarded() == 2
        made.stop()
        assert made.verify().torn_bytes == 0


@dataclass(slots=True)
class Caller:
    """Asks without pause until the gateway is gone, and keeps what it was told."""

    site: Site
    number: int
    approved: list[bytes]
    answers: list[tuple[int, str, bytes]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask: mostly what is permitted, sometimes what is denied, held, or was approved."""
        chance = random.Random(self.number)
        connection: http.client.HTTPConnection | None = None
        turn = 0
        while not self.stopped.is_set():
            turn += 1
            workload, body = "office", asked(f"caller {self.number} turn {turn}")
            drawn = chance.random()
            if drawn < 0.1:
                workload = "tracking"
            elif drawn < 0.2:
                workload = "recall"
                body = chance.choice(self.approved)
            try:
                connection = connection or http.client.HTTPConnection(
                    urlsplit(self.site.url).netloc, timeout=10
                )
                connection.request(
                    "POST",
                    "/v1/chat/completions",
                    body=body,
                    headers={
                        "authorization": f"Bearer {self.site.world.api_keys[workload]}",
                        "content-type": "application/json",
                    },
                )
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException):
                connection = None
                if not self.stopped.is_set():
                    time.sleep(0.02)
                continue
            assert data
            self.answers.append((answer.status, answer.headers["countermark-decision"], body))


def held_and_approved(made: Site, count: int, prefix: str) -> list[bytes]:
    """Bodies that were held and that two people have approved since."""
    bodies = [asked(f"{prefix} {number}") for number in range(count)]
    for body in bodies:
        status, _, data = made.post(body, workload="recall")
        assert status == 428
        hold = json.loads(data)["error"]["countermark"]["hold_id"]
        for person in ("ada", "ben"):
            assert made.approve(hold, person)["counts"]
    return bodies


def crash_under_load(made: Site, approved: list[bytes], *, seconds: float) -> list[tuple[int, str, bytes]]:
    """Eight callers ask; the gateway is killed in the middle. Returns every answer that one of them received."""
    callers = [Caller(site=made, number=number, approved=approved) for number in range(8)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    made.kill()
    for caller in callers:
        caller.stopped.set()
    for thread in threads:
        thread.join(20)
    return [answer for caller in callers for answer in caller.answers]


def check_answers(made: Site, answers: list[tuple[int, str, bytes]]) -> None:
    """Every answer that a caller received has its entry, which says the same."""
    statuses = {"PERMIT": 200, "HOLD": 428, "DENY": 403}
    entries: dict[str, Any] = {entry["id"]: entry for entry in made.entries("decision")}
    for status, decision, body in answers:
        entry = entries[decision]
        assert statuses[entry["outcome"]] == status
        assert entry["seen"]["hmac_sha256"] == made.digest(sha256(body))


def crash_rounds(folder: Path, rounds: int) -> None:
    """Kill and restart `rounds` times, checking all that has to hold after each."""
    with site(folder, settings=SETTINGS, limits={"max_open_holds_per_workload": 1000}) as made:
        permitted: Counter[bytes] = Counter()
        bodies: list[bytes] = []
        for number in range(rounds):
            bodies += held_and_approved(made, 6, f"round {number}")
            answers = crash_under_load(made, bodies, seconds=0.6 + 0.3 * (number % 4))
            assert len(answers) > 50
            check_answers(made, answers)
            made.start()
            check_answers(made, answers)
            made.check_forwarded()
            for status, _, body in answers:
                permitted[body] += status == 200 and body in bodies
            for body in bodies:
                permitted[body] += made.post(body, workload="recall")[0] == 200
            assert max(permitted[body] for body in bodies) <= 1, "an approval was used twice"
            made.check_consumed()
        assert made.stop() in (0, -15)
        report = made.verify()
        assert report.unpublished == 0


def test_killed_under_load(tmp_path: Path) -> None:
    """After kill -9 under load the log verifies, each answer has its entry, and no approval is used twice."""
    crash_rounds(tmp_path, 1)


@pytest.mark.slow
def test_killed_under_load_again_and_again(tmp_path: Path) -> None:
    """The same over eight crashes of one deployment."""
    crash_rounds(tmp_path, 8)
