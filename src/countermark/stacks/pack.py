"""Runs somebody else's pack on this machine: registered, played on every stack, sealed; counted when its author opens it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from countermark.assay.campaign.door import StackSpec
from countermark.assay.campaign.folder import OPENED, check_folder
from countermark.assay.campaign.journal import RESULT, Journal
from countermark.assay.campaign.plan import BUNDLE, Plan, digest_of
from countermark.assay.campaign.rows import read_rows
from countermark.assay.campaign.run import open_rows
from countermark.assay.pack.plan import pack_plan, plan_document, sealed_document
from countermark.assay.pack.play import AskFile, Exam, play_stack
from countermark.assay.pack.score import score
from countermark.assay.pack.script import confinement
from countermark.assay.pack.sealed import Pack, read_pack
from countermark.assay.report.campaign_page import render as render_page
from countermark.assay.worlds.plan import WorldPlan
from countermark.assay.worlds.world import plan_world
from countermark.attestation.keys import PublicKey
from countermark.clock import format_time
from countermark.errors import CampaignError, TamperedError
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.campaign import terms_of
from countermark.stacks.running import running_stack
from countermark.stacks.together import Tell, now, run_side_by_side, seal_result
from countermark.stacks.world import open_world
from countermark.tlog.note import parse_vkey
from countermark.tlog.reader import LogReader

PACK_FILE, ASKED_FILE, SEALED_FILE = "pack.json", "asked.jsonl", "sealed.json"
"""Beside what every result has: the pack, what came through of what the script asked, and the result before it was opened."""


def run_pack(
    data: bytes,
    folder: Path,
    *,
    author_key: PublicKey | None = None,
    seed: int = 1,
    mechanisms: bool = False,
    side_by_side: int = 2,
    tell: Tell = lambda _done, _whole: None,
) -> Mapping[str, Any]:
    """Check a pack, register it, play it on every stack, and seal what became of each case.

    Args:
        folder: Of the result. A run of the same pack that was stopped goes on there.
        author_key: The author's key from a source that is not the pack.
        mechanisms: Also on Countermark with each mechanism switched off.

    Raises:
        TamperedError, TrustError, ScenarioError: The pack isn't what its author signed.
        CampaignError: The folder holds another campaign.
        StackError: A stack did not start.
    """
    pack = read_pack(data, now=now(), author_key=author_key)
    folder.mkdir(parents=True, exist_ok=True)
    plan = _plan(pack, seed=seed, mechanisms=mechanisms)
    registered = plan_document(pack, plan, pinned=author_key is not None)
    journal = Journal(folder)
    journal.register(registered, now=now())
    (folder / PACK_FILE).write_bytes(pack.data)
    if any(entry["kind"] == OPENED for entry in journal.entries()):
        raise CampaignError(f"expected a run whose truth is sealed in `{folder}`: it was opened")
    _play(pack, plan, folder, side_by_side=side_by_side, tell=tell)
    document = sealed_document(
        registered,
        read_rows(folder / "rows.jsonl"),
        _bytes_of(folder / ASKED_FILE),
        confined=asyncio.run(confinement()),
    )
    seal_result(document, folder, journal)
    (folder / SEALED_FILE).write_bytes(_bytes_of(folder / "result.json"))
    return document


def score_pack(folder: Path, truth: bytes, *, vkey: str | None = None) -> Mapping[str, Any]:
    """Open the truth of a run and count it. Where the key of the run lies in the folder, the result is signed and logged.

    Args:
        vkey: The key of the run's log, from a source that is not the folder; for whoever was sent it.

    Raises:
        TamperedError: Another truth than was sealed; or pack, rows or log are not what was signed before it was opened.
        CampaignError: No sealed run in this folder.
        ScenarioError: The truth doesn't fit its cases.
    """
    journal = Journal(folder) if (folder / "keys" / "assay.pem").exists() else None
    key = vkey or (_bytes_of(folder / "log.vkey").decode("utf-8", "replace").strip())
    check_folder(folder, vkey=key)
    registered: Mapping[str, Any] = json.loads(_bytes_of(folder / "plan.json"))
    if "pack" not in registered:
        raise CampaignError(f"expected the run of a pack in `{folder}`, got a campaign of its own scenarios")
    sealed = _check_sealed(folder, key)
    pack = read_pack(_bytes_of(folder / PACK_FILE))
    mechanisms = any(each["off"] for each in registered["stacks"])
    plan = _plan(pack, seed=int(registered["seed"]), mechanisms=mechanisms)
    here = plan_document(pack, plan, pinned=bool(registered["pack"]["pinned"]))
    # counting needs the same cases, terms and stacks; on another machine other versions may count
    if digest_of({**here, "software": registered["software"]}) != digest_of(registered):
        raise TamperedError("expected the pack and the terms that were registered, got others")
    scenes = _world_plan(pack, plan).scenes
    counted = dict(
        score(pack, plan, read_rows(folder / "rows.jsonl"), truth, registered=registered, scenes=scenes)
    )
    counted["pack"] = {**counted["pack"], **{name: sealed[name] for name in ("confined", "asked_sha256")}}
    if journal is not None:
        if not any(entry["kind"] == OPENED for entry in journal.entries()):
            journal.append({"kind": OPENED, "truth_sha256": pack.truth_sha256, "at": format_time(now())})
        (folder / "report.html").write_text(render_page(counted, vkey=key), encoding="utf-8")
        seal_result(counted, folder, journal)
    return counted


def _check_sealed(folder: Path, vkey: str) -> Mapping[str, Any]:
    """The result before the truth was opened, and with it what the script asked, are those that were logged then."""
    data = _bytes_of(folder / SEALED_FILE)
    entries = [json.loads(entry) for _, entry in LogReader(folder / "log", keys=[parse_vkey(vkey)])]
    logged = {each["result_sha256"] for each in entries if each["kind"] == RESULT}
    if not data or hashlib.sha256(data).hexdigest() not in logged:
        raise TamperedError(f"expected `{SEALED_FILE}` as it was logged")
    sealed: Mapping[str, Any] = json.loads(data)
    if hashlib.sha256(_bytes_of(folder / ASKED_FILE)).hexdigest() != sealed["asked_sha256"]:
        raise TamperedError(f"expected `{ASKED_FILE}` as it was logged")
    return sealed


def _plan(pack: Pack, *, seed: int, mechanisms: bool) -> Plan:
    bundle = load_bundle(shipped_bundle(BUNDLE))
    return pack_plan(
        pack, seed=seed, bundle_sha256=bundle.digest, terms=terms_of(bundle), mechanisms=mechanisms
    )


def _world_plan(pack: Pack, plan: Plan) -> WorldPlan:
    similar = {case.id: case.similar for case in pack.cases}
    return plan_world(plan.scenarios, plan.strategies, seed=plan.seed, scales=(), similar=similar)


def _play(pack: Pack, plan: Plan, folder: Path, *, side_by_side: int, tell: Tell) -> None:
    world = open_world(_world_plan(pack, plan), folder / "world", now=now())
    exam = Exam(
        cases=pack.cases,
        scenes=world.scenes,
        attacker=pack.attacker,
        asks=pack.about.asks,
        liars=pack.about.liars,
    )
    rows, asked = open_rows(folder), AskFile(folder / ASKED_FILE)
    whole = len(plan.stacks) * len(exam.keys)

    def one(number: int, spec: StackSpec) -> None:
        if all((spec.name, *key) in rows for key in exam.keys):
            return
        with running_stack(spec, world, folder / "stacks" / f"{number:02d}") as stack:
            asyncio.run(play_stack(stack, exam, rows, asked, tell=lambda: tell(len(rows), whole)))

    try:
        run_side_by_side(
            [partial(one, number, spec) for number, spec in enumerate(plan.stacks)], side_by_side
        )
    finally:
        rows.close()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise CampaignError(f"expected to read `{path}`: {error.strerror}") from error
