"""Starts one stack in a made world: a played model, and before it a gateway with its own bundle, both as processes.

A stack's folder keeps its log, holds and what was put on file, so that a campaign that was stopped goes on where it was.
Only the addresses are new, and with them the bundle's digest, which the sides sign again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from countermark.assay.campaign.door import Stack, StackSpec
from countermark.assay.worlds.scene import MODEL
from countermark.errors import CountermarkError, StackError
from countermark.loopback.process import loopback_process
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.cast import GATEWAY
from countermark.stacks.maker import approve_bundle
from countermark.stacks.people import PlayedPeople
from countermark.stacks.process import STOP_S, GatewayProcess
from countermark.stacks.tampering import TamperingRunner, put_back
from countermark.stacks.terms import derive_bundle
from countermark.stacks.world import ROOT, ROOT_PERMIT, MadeWorld

SETTINGS: Final = """\
[gateway]
name = "{gateway}"
port = 0

[log]
segment_mib = 16
"""
UPSTREAM_KEY: Final = """\

[upstreams.{upstream}]
key_file = "keys/upstream.key"
"""
_OPENER = build_opener(ProxyHandler({}))


@contextmanager
def running_stack(spec: StackSpec, world: MadeWorld, folder: Path) -> Iterator[Stack]:
    """Run a stack until the block ends, or until this process dies.

    Args:
        folder: The stack's own; a gateway's working folder is made in it, or gone on with.

    Raises:
        StackError: It can't be made, or did not start; the message names the file with its own words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not spec.bundle:
        if spec.without or spec.off or spec.checks_permit:
            raise StackError(
                f"expected a bundle for `{spec.name}`, which leaves something out or checks permits"
            )
        with _model(spec, folder, "--model", MODEL) as url:
            yield Stack(name=spec.name, url=url, upstream_url=url)
        return
    source = shipped_bundle(spec.bundle)
    terms = load_bundle(source)
    key = world.upstream_key
    with _model(spec, folder, *_model_arguments(spec, terms, world), "--key", key) as upstream:
        gateway = folder / "gateway"
        _make_folder(gateway, spec, terms, world, upstream)
        _wait_until_free(gateway / "log" / "lock")
        process = GatewayProcess(gateway)
        process.start()
        try:
            _check_ready(process)
            yield Stack(
                name=spec.name,
                url=process.url,
                upstream_url=upstream,
                upstream_key=key,
                credentials=world.unbound if spec.off == "binding" else world.credentials,
                people=PlayedPeople(url=process.url, people=world.people),
                runner=TamperingRunner(process=process),
            )
        finally:
            process.stop()


@contextmanager
def _model(spec: StackSpec, folder: Path, *arguments: str) -> Iterator[str]:
    more: list[str] = []
    if spec.phrases:
        phrases = folder / "phrases.txt"
        phrases.write_text("\n".join(spec.phrases) + "\n", encoding="utf-8")
        more = ["--phrases", str(phrases)]
    try:
        started = loopback_process("--mode", spec.upstream, *more, *arguments, log=folder / "upstream.log")
        with started as model:
            yield model.url
    except RuntimeError as error:
        raise StackError(f"expected the played model of `{spec.name}` to start: {error}") from error


def _model_arguments(spec: StackSpec, terms: Bundle, world: MadeWorld) -> list[str]:
    arguments = [part for model in terms.routes for part in ("--model", model)]
    if spec.checks_permit:
        if len(terms.upstreams) != 1:
            raise StackError(
                f"expected one upstream in bundle `{terms.name}`, which checks permits, got {len(terms.upstreams)}"
            )
        arguments += [
            "--permits-of",
            str(world.folder / ROOT_PERMIT),
            "--audience",
            next(iter(terms.upstreams)),
        ]
    return arguments


def _make_folder(gateway: Path, spec: StackSpec, terms: Bundle, world: MadeWorld, upstream_url: str) -> None:
    """Write what is new at every start; copy the rest once."""
    if not (gateway / "settings.toml").exists():
        shutil.rmtree(gateway, ignore_errors=True)
        shutil.copytree(world.folder / "keys", gateway / "keys")
        key_file = gateway / "keys" / "upstream.key"
        key_file.touch(mode=0o600)
        key_file.write_text(world.upstream_key + "\n")
        statements = gateway / "statements"
        # the gateway replaces a file and never changes one, so that what the world holds stays as it is
        shutil.copytree(world.folder / "statements", statements, copy_function=_link)
        shown = "unbound" if spec.off == "binding" else "bound"
        shutil.copytree(world.folder / shown, statements, copy_function=_link, dirs_exist_ok=True)
        # a gateway keeps a copy by digest of what it found on file, each synced to disk; that the world has synced nothing
        # is no loss, and 1,500 of them take many seconds
        kept = gateway / "archive" / "statements"
        kept.mkdir(parents=True)
        for file in statements.iterdir():
            _link(file, kept / f"{hashlib.sha256(file.read_bytes()).hexdigest()}.jsonl")
        root = ROOT_PERMIT if spec.checks_permit else ROOT
        shutil.copyfile(world.folder / root, gateway / ROOT)
        keys = "".join(UPSTREAM_KEY.format(upstream=upstream) for upstream in terms.upstreams)
        (gateway / "settings.toml").write_text(SETTINGS.format(gateway=GATEWAY) + keys)
    put_back(gateway)
    bundle = gateway / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    derive_bundle(
        shipped_bundle(spec.bundle),
        bundle,
        upstream_url=upstream_url,
        without=spec.without,
        off=spec.off,
        flag_from=spec.flag_from,
    )
    try:
        approve_bundle(
            bundle,
            gateway / "bundle-approval.jsonl",
            world.sides,
            begins=world.begins,
            ends=world.ends,
        )
    except CountermarkError as error:
        raise StackError(f"expected terms of `{spec.name}` that can be put in force: {error}") from error


def _link(source: Path | str, target: Path | str) -> None:
    """The same file under another name; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _wait_until_free(lock: Path) -> None:
    """A gateway whose campaign was killed a moment ago may still be stopping."""
    deadline = time.monotonic() + STOP_S
    while lock.exists():
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise StackError(f"expected `{lock}` free, another gateway runs on it") from error
        time.sleep(0.05)


def _check_ready(process: GatewayProcess) -> None:
    try:
        with _OPENER.open(f"{process.url}/readyz", timeout=30):
            return
    except HTTPError as error:
        with error:
            said = error.read(300).decode("utf-8", "replace")
        raise StackError(
            f"expected a gateway that is ready: {said} (see {process.folder / 'serve.log'})"
        ) from error
