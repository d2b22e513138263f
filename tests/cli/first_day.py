"""A new user's folder, made by the commands themselves: one side alone, or two sides."""

from __future__ import annotations

import shutil
from pathlib import Path

from cli_world import document, run

UPSTREAM = "http://127.0.0.1:9"  # nothing listens there: these commands talk to no model
OWN = ("--basis", "inspected", "--interest", "party", "--yes")
DEPLOYMENT = (
    *("--system", "office assistant", "--operator", "northmark", "--environment", "test", "--site", "office"),
    *("--tool", "none", "--answer-effect", "none"),
)
PURPOSE = (
    *("--purpose", "office", "--model", "m-1", "--operation", "none", "--data-class", "no-persons"),
    *("--persons-at-most", "0", "--basis-required", "none"),
)


def solo(folder: Path, *more: str) -> Path:
    """Northmark alone, with Ada."""
    gateway = folder / "my-gateway"
    named = ("--party", "northmark", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1")
    run("init", gateway, "--solo", *named, "--port", "0", *more)
    settings = gateway / "settings.toml"
    settings.write_text(settings.read_text().replace("segment_mib = 64", "segment_mib = 1"))
    return gateway


def state(gateway: Path, kind: str, *said: object, workload: str = "office", code: int = 0) -> dict[str, str]:
    """State something as Ada; returns what the command says of it."""
    about = ("--workload", workload) if kind != "status" else ()
    found: dict[str, str] = document(
        "evidence", "new", kind, "--dir", gateway, *about, *said, *OWN, code=code
    )
    return found


def office(gateway: Path) -> None:
    """All that an office assistant needs, as one party's word."""
    key = gateway.parent / "office.key"
    state(gateway, "credential", "--api-key-out", key, "--holder", "ada", "--may-explain")
    state(gateway, "deployment", *DEPLOYMENT)
    state(gateway, "purpose", *PURPOSE)


def invited(folder: Path, gateway: Path, *observers: str) -> Path:
    """The draft that has Halden in it, unsigned, in `folder`; Halden's keys are in `folder/halden`."""
    halden = folder / "halden"
    for name in ("halden-side", "abe"):
        run("keys", "new", name, "--out", halden / f"{name}.pem")
        shutil.copy(halden / f"{name}.pub.json", folder)
    charter, draft = folder / "charter.toml", folder / "draft.json"
    named = [item for observer in observers for item in ("--observer", observer)]
    invite = ("--invite", "halden", "--their-person", "abe", *named)
    run("trust", "draft", "--charter", charter, "--dir", gateway, *invite)
    run("trust", "draft", "--charter", charter, "--dir", gateway, "--out", draft)
    return draft


def side_key(folder: Path, gateway: Path, side: str) -> Path:
    """A side's private key."""
    return (gateway / "people" if side == "northmark" else folder / "halden") / f"{side}-side.pem"


def two_sides(folder: Path) -> Path:
    """Northmark's gateway with Halden invited: trust root and bundle of both in force."""
    gateway = solo(folder)
    office(gateway)
    draft = invited(folder, gateway, "northmark")
    approval = folder / "approval.jsonl"
    for side in ("northmark", "halden"):
        run("trust", "sign", draft, "--dir", gateway, "--key", side_key(folder, gateway, side), "--yes")
    for side in ("northmark", "halden"):
        signing = ("--key", side_key(folder, gateway, side), "--days", 90, "--trust-root", draft, "--yes")
        run("policy", "approve", folder / "bundle.draft", *signing, "--out", approval)
    run("trust", "add", draft, "--dir", gateway)
    shutil.rmtree(gateway / "bundle")
    shutil.copytree(folder / "bundle.draft", gateway / "bundle")
    run("policy", "add", approval, "--dir", gateway)
    return gateway
