"""What a gateway does with a folder that is not as it should be: it denies everything, or doesn't start, and says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_site import ASK, MODEL, SETTINGS, Site, site

from countermark.app import make_app
from countermark.config import read_settings
from countermark.demo.world import World, make_world
from countermark.errors import CountermarkError
from countermark.loopback.played import call_app

BODY = json.dumps({"model": MODEL, "messages": ASK}).encode()


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file in place."""
    path.write_bytes(change(path.read_bytes()))


NOT_IN_FORCE: dict[str, Callable[[World], None]] = {
    "a clause was deleted": lambda world: (world.gateway / "bundle" / "clauses" / "RL-1.md").unlink(),
    "a blank was added": lambda world: edit(
        world.gateway / "bundle" / "clauses" / "RL-1.md", lambda data: data + b"\n"
    ),
    "a limit was raised": lambda world: edit(
        world.gateway / "bundle" / "bundle.toml", lambda data: data.replace(b"= 1048576", b"= 2097152")
    ),
    "one side's approval is missing": lambda world: edit(
        world.gateway / "bundle-approval.jsonl", lambda data: data.splitlines(keepends=True)[0]
    ),
    "nobody approved it": lambda world: (world.gateway / "bundle-approval.jsonl").unlink(),
}


@pytest.mark.parametrize("name", NOT_IN_FORCE)
async def test_a_bundle_that_is_not_in_force_denies_everything(tmp_path: Path, name: str) -> None:
    """The gateway starts, is not ready, and denies with the reason; each denial has its entry."""
    world = make_world(tmp_path, upstream_url="http://127.0.0.1:9")
    NOT_IN_FORCE[name](world)
    app = make_app(read_settings(world.gateway))
    await app.gateway.start()
    try:
        headers = {"authorization": f"Bearer {world.api_keys['office']}", "content-type": "application/json"}
        status, _, data = await call_app(app, "POST", "/v1/chat/completions", headers=headers, body=BODY)
        assert status == 403
        assert "not in force" in json.loads(data)["error"]["message"]
        status, _, data = await call_app(app, "GET", "/readyz", headers={}, body=b"")
        assert status == 503
        assert b"not in force" in data
    finally:
        await app.gateway.stop()


NO_START: dict[str, tuple[Callable[[World], None], str]] = {
    "another trust root": (
        lambda world: edit(
            world.gateway / "trust-root.json", lambda data: data.replace(b'"sig":"', b'"sig":"AAAA', 1)
        ),
        "",
    ),
    "no trust root": (lambda world: (world.gateway / "trust-root.json").unlink(), "trust root"),
    "a key that others can read": (
        lambda world: (world.gateway / "keys" / "digest.key").chmod(0o644),
        "chmod 600",
    ),
    "another gateway's key": (
        lambda world: edit(
            world.gateway / "keys" / "gateway.pem",
            lambda _: (world.folder / "people" / "ada.pem").read_bytes(),
        ),
        "expected the key of gateway",
    ),
    "no digest key": (lambda world: (world.gateway / "keys" / "digest.key").unlink(), "digest.key"),
    "a setting that nobody knows": (
        lambda world: edit(world.gateway / "settings.toml", lambda data: data + b"\n[observe]\nall = true\n"),
        "observe",
    ),
}


@pytest.mark.parametrize("name", NO_START)
def test_a_folder_that_can_not_be_trusted_does_not_start(tmp_path: Path, name: str) -> None:
    """A typed error, in one line that says what to do."""
    change, says = NO_START[name]
    world = make_world(tmp_path, upstream_url="http://127.0.0.1:9")
    change(world)
    with pytest.raises(CountermarkError) as caught:
        make_app(read_settings(world.gateway))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_log_and_a_second_gateway_do_not_start(tmp_path: Path) -> None:
    """`serve` refuses with exit code 2, or 1, and names what is wrong; the first gateway goes on undisturbed."""
    with site(tmp_path, settings=SETTINGS) as made:
        assert made.post(BODY)[0] == 200
        code, said = serve(made)
        assert code != 0
        assert "being written by another process" in said
        assert made.post(BODY)[0] == 200
        made.stop()
        segment = next((made.world.gateway / "log" / "segments").iterdir())
        data = bytearray(segment.read_bytes())
        data[data.index(b"northmark/office")] ^= 1
        segment.write_bytes(data)
        code, said = serve(made)
        assert code != 0
        assert "segment" in said
        assert "Traceback" not in said


def test_a_state_that_is_lost_is_rebuilt_from_the_log(tmp_path: Path) -> None:
    """Without `state.sqlite` the gateway starts, and an approval that was used stays used."""
    with site(tmp_path, settings=SETTINGS) as made:
        _, _, data = made.post(BODY, workload="recall")
        hold = json.loads(data)["error"]["countermark"]["hold_id"]
        for person in ("ada", "ben"):
            made.approve(hold, person)
        assert made.post(BODY, workload="recall")[0] == 200
        made.stop()
        for path in made.world.gateway.glob("state.sqlite*"):
            path.unlink()
        made.start()
        assert made.post(BODY, workload="recall")[0] == 428
        assert made.check_consumed() == 2


def serve(made: Site) -> tuple[int, str]:
    """Run `countermark serve` on a folder until it ends."""
    command = [sys.executable, "-m", "countermark", "serve", "--dir", str(made.world.gateway), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ended.returncode, ended.stderr
