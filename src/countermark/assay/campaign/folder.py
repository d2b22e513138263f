"""A result's folder as an outsider finds it: read, and checked against its log, offline.

plan.json          what was to be done; its digest is the first entry of the log
rows.jsonl         what happened, a row for each try and task
result.json        what was counted
result.dsse.json   the signed statement about it
log/               the assay's own log
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark.assay.campaign.journal import ORIGIN, PLAN, RESULT, refuse_links
from countermark.assay.campaign.plan import digest_of
from countermark.attestation.envelope import parse_envelope, verify_envelope
from countermark.attestation.keys import PublicKey
from countermark.attestation.statement import parse_statement
from countermark.errors import CampaignError, TamperedError
from countermark.strictjson import parse_object
from countermark.tlog.note import parse_vkey
from countermark.tlog.reader import LogReader
from countermark.tlog.verify import verify_log

MAX_RESULT_BYTES = 64 << 20
SEALED = "assay-sealed"
"""Kind of a pack's run before the truth is opened: what became of each case, and not what that means."""
OPENED = "assay-opened"
"""Kind of the log's entry that stands between the two."""
_ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in order.

    Attributes:
        plan, result: Digests, 64 hex digits.
        rows: How many rows were counted.
        entries: Of the log.
    """

    plan: str
    result: str
    rows: int
    entries: int


def read_result(folder: Path, *, kinds: Collection[str] = (RESULT,)) -> Mapping[str, Any]:
    """The result of a folder, as it stands there.

    Args:
        kinds: What it may be; `SEALED` for that of a pack whose author hasn't opened the truth.

    Raises:
        CampaignError: There is none, or it is no result of this version.
    """
    path = folder / "result.json"
    try:
        if path.stat().st_size > MAX_RESULT_BYTES:
            raise CampaignError(f"expected `{path}` to have at most {MAX_RESULT_BYTES:,} bytes")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CampaignError(
            f"expected the result of an assay in `{folder}`: run `countermark assay run` first"
        ) from error
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind == SEALED and SEALED not in kinds:
        raise CampaignError(
            f"expected a result that was counted, got the sealed run of a pack in `{folder}`: its author opens it with "
            "`countermark assay pack score`"
        )
    if not isinstance(document, dict) or kind not in kinds or document.get("version") != 1:
        raise CampaignError(f"expected `{path}` to be an assay's result of version 1")
    return document


def own_key(folder: Path) -> str:
    """The key that lies in the folder: enough to find damage, and not a result that was made again as a whole.

    Raises:
        CampaignError: There is none.
    """
    try:
        return (folder / "log.vkey").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"expected `log.vkey` in `{folder}`: give --vkey") from error


def check_folder(folder: Path, *, vkey: str) -> Checked:
    """Check that the plan was logged before the result, and that nothing was changed since.

    Args:
        vkey: The log's key, from a source that is not the folder.

    Raises:
        TamperedError: Plan, rows, result or log are not what was signed; the plan came after the result; or there were other
            rows before these.
        CampaignError: Something is missing, or is a link to elsewhere.
        CountermarkError: The log or the statement doesn't verify.
    """
    refuse_links(folder)
    report = verify_log(folder / "log", vkeys=[vkey], origin=ORIGIN)
    key = parse_vkey(vkey)
    entries = [parse_object(data) for _, data in LogReader(folder / "log", keys=[key])]
    if not entries or entries[0].get("kind") != PLAN:
        raise TamperedError("expected the plan as the first entry of the log")
    results = [entry for entry in entries if entry.get("kind") == RESULT]
    if not results:
        raise CampaignError("expected a result in the log: the campaign was not concluded")
    _check_opened(entries)
    if len({entry.get("rows_sha256") for entry in results}) != 1:
        raise TamperedError(
            f"expected one measurement, got {len(results)} results on different rows: which of them is shown was chosen"
        )
    found = {
        "plan": _digest(folder, "plan.json", canonical=True),
        "result": _digest(folder, "result.json"),
        "rows": _digest(folder, "rows.jsonl"),
    }
    expected = {
        "plan": entries[0].get("sha256"),
        "result": results[-1].get("result_sha256"),
        "rows": results[-1].get("rows_sha256"),
    }
    for name, digest in found.items():
        if digest != expected[name]:
            raise TamperedError(
                f"expected the {name} that was logged, {str(expected[name])[:16]}, got {digest[:16]}"
            )
    shown = read_result(folder, kinds=(RESULT, SEALED))
    if results[-1].get("plan") != found["plan"] or shown["plan"]["sha256"] != found["plan"]:
        raise TamperedError("expected a result of the plan that was logged first")
    envelope = parse_envelope(_read(folder, "result.dsse.json"))
    verify_envelope(envelope, [PublicKey(keytype=_ED25519, public=key.public)])
    signed = parse_statement(envelope.payload)
    if signed.predicate.get("result_sha256") != found["result"]:
        raise TamperedError("expected the signed statement to be about this result")
    rows = _read(folder, "rows.jsonl").count(b"\n")
    return Checked(plan=found["plan"], result=found["result"], rows=rows, entries=report.size)


def _check_opened(entries: Sequence[Mapping[str, Any]]) -> None:
    """Of a pack: what was counted after the truth was opened is what was logged before."""
    kinds = [entry.get("kind") for entry in entries]
    if OPENED not in kinds:
        return
    before = [each for each in entries[: kinds.index(OPENED)] if each.get("kind") == RESULT]
    after = [each for each in entries[kinds.index(OPENED) :] if each.get("kind") == RESULT]
    rows = {each.get("rows_sha256") for each in (*before[-1:], *after)}
    if not before or len(rows) != 1:
        raise TamperedError("expected the rows that were logged before the truth was opened, got others")


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise CampaignError(f"expected `{name}` in the result's folder") from error


def _digest(folder: Path, name: str, *, canonical: bool = False) -> str:
    data = _read(folder, name)
    if not canonical:
        return hashlib.sha256(data).hexdigest()
    try:
        return digest_of(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise TamperedError(f"expected `{name}` to be JSON, as it was logged") from error
