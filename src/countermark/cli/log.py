"""`countermark log`: verify, replay and read a gateway's log, offline, from files alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from countermark.app import KEY_DIGEST, log_origin
from countermark.attestation.envelope import parse_envelope
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import parse_trust_root
from countermark.cli.output import FINDING, Group, dir_option, example, json_option, progress, show
from countermark.cli.signing import TRUST_ROOT, read_file, trust_root_option, write_new
from countermark.clock import system_clock
from countermark.config import read_secret
from countermark.errors import (
    CheckpointError,
    CountermarkError,
    ExpiredError,
    LogError,
    ProofError,
    SettingsError,
    TamperedError,
)
from countermark.oversight.words import plain
from countermark.pdp.archive import Archive
from countermark.pdp.replay import replay as replay_log
from countermark.tlog.entry import parse_entry
from countermark.tlog.note import NoteKey, parse_vkey
from countermark.tlog.publish import CHECKPOINT
from countermark.tlog.reader import LogReader
from countermark.tlog.receipt import verify_receipt
from countermark.tlog.verify import LogReport, verify_log

ONE_SIDED = (
    "one-sided: nobody else has kept a checkpoint, so this proves nothing against who runs the gateway"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a log lies, and which keys may sign it.

    Attributes:
        keys: From `--vkey`, else from the trust root, which names each gateway's key.
        said: Where the keys come from, in words.
    """

    log: Path
    archive: Path
    keys: tuple[NoteKey, ...]
    said: str


def vkey_option(function: Any) -> Any:
    """Add `--vkey`."""
    return click.option(
        "--vkey",
        "vkeys",
        multiple=True,
        metavar="VKEY",
        show_default="the gateways' keys in the trust root",
        help="Key of the log, from a source that is not the log; may be given several times.",
    )(function)


def _place(folder: Path, logfolder: Path | None, vkeys: Sequence[str], trust_root: Path | None) -> _Place:
    log = logfolder or folder / "log"
    archive = (logfolder.parent if logfolder is not None else folder) / "archive"
    if not log.is_dir():
        raise SettingsError(f"expected a log's folder in `{log}`: name the gateway's folder with --dir")
    if vkeys:
        return _Place(
            log=log, archive=archive, keys=tuple(parse_vkey(each) for each in vkeys), said="the keys given"
        )
    file = trust_root or (logfolder.parent if logfolder is not None else folder) / TRUST_ROOT
    keys, expired = _gateway_keys(file)
    said = f"the gateways' keys in {file}" + (" (which has expired)" if expired else "")
    return _Place(log=log, archive=archive, keys=keys, said=said)


def _gateway_keys(file: Path) -> tuple[tuple[NoteKey, ...], bool]:
    """Keys of the gateways' logs by a trust root, and whether it has expired: its logs can still be verified."""
    data, expired = read_file(file), False
    try:
        root = parse_trust_root(data, now=system_clock())
    except ExpiredError:
        began = parse_statement(parse_envelope(data).payload).validity.valid_from
        root, expired = parse_trust_root(data, now=began), True
    keys = tuple(
        NoteKey(name=log_origin(root, name), public=gateway.key.public)
        for name, gateway in root.gateways.items()
    )
    return keys, expired


def _found(error: CountermarkError, *, as_json: bool) -> None:
    """Say a finding and end with exit code 1."""
    if as_json:
        click.echo(json.dumps({"finding": {"type": type(error).__name__, "message": str(error)}}))
    else:
        click.echo(f"FOUND: {error}")
    raise click.exceptions.Exit(FINDING)


@click.group(cls=Group)
def log() -> None:
    """The transparency log: verify, replay, show, and hand out checkpoints and proofs.

    All of it works offline, from the log's files, also while a gateway writes them.
    """


@log.command("verify")
@click.argument("logfolder", required=False, type=click.Path(path_type=Path, file_okay=False))
@dir_option
@vkey_option
@trust_root_option
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A checkpoint that you kept earlier: shows that nothing before it was changed.",
)
@json_option
@example("countermark log verify --dir my-gateway --against kept.checkpoint")
def verify(
    logfolder: Path | None,
    folder: Path,
    vkeys: tuple[str, ...],
    trust_root: Path | None,
    against: Path | None,
    *,
    as_json: bool,
) -> None:
    """Recompute the whole log from its files and compare everything that is stored twice.

    Exit code 1 names what was changed. Without --against this is one-sided: who runs the gateway could have
    rewritten all of it.
    """
    place = _place(folder, logfolder, vkeys, trust_root)
    kept = read_file(against) if against is not None else None
    try:
        report = _verify(place, kept, quiet=as_json)
    except (TamperedError, CheckpointError, ProofError) as error:
        _found(error, as_json=as_json)
        return
    show(_report_document(report), as_json=as_json, text=lambda: _report_text(report, place.said))


def _verify(place: _Place, against: bytes | None = None, *, quiet: bool) -> LogReport:
    with progress("verifying", quiet=quiet) as tell:
        return verify_log(place.log, vkeys=[key.vkey for key in place.keys], against=against, progress=tell)


def _report_document(report: LogReport) -> dict[str, Any]:
    return {
        "origin": report.origin,
        "entries": report.size,
        "root": report.root.hex(),
        "unpublished": report.unpublished,
        "torn_bytes": report.torn_bytes,
        "segments": report.segments,
        "tiles": report.tiles,
        "against": report.against_size,
        "one_sided": report.one_sided,
    }


def _report_text(report: LogReport, said: str) -> str:
    lines = [
        f"{report.origin}: {report.size} entries verify, root {report.root.hex()[:16]}, signed by {said}",
        f"  {report.segments} segment{'s' * (report.segments != 1)}, {report.tiles} tiles compared",
    ]
    if report.unpublished:
        lines.append(f"  {report.unpublished} entries behind the checkpoint, which nobody has signed yet")
    if report.torn_bytes:
        lines.append(
            f"  {report.torn_bytes} bytes behind them are not whole: being written, or cut by a crash"
        )
    if report.one_sided:
        lines.append(f"  {ONE_SIDED}")
    else:
        lines.append(f"  the first {report.against_size} entries are those of the checkpoint that you kept")
    return "\n".join(lines)


@log.command("checkpoint")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write it to."
)
@dir_option
@vkey_option
@trust_root_option
@json_option
@example("countermark log checkpoint --dir my-gateway --out kept.checkpoint")
def checkpoint(
    out: Path, folder: Path, vkeys: tuple[str, ...], trust_root: Path | None, *, as_json: bool
) -> None:
    """Write the newest signed checkpoint to a file, for the other party to keep."""
    place = _place(folder, None, vkeys, trust_root)
    reader = LogReader(place.log, keys=place.keys)
    write_new(out, reader.signed_checkpoint)
    found = reader.checkpoint
    show(
        {"origin": found.origin, "size": found.size, "root": found.root.hex(), "written": str(out)},
        as_json=as_json,
        text=lambda: (
            f"{out}: {found.size} entries of {found.origin}\n"
            f"give it to the other party; later: countermark log verify --dir {folder} --against {out}"
        ),
    )


@log.command("show")
@click.argument("which", required=False, metavar="[ID|INDEX]")
@click.option(
    "--last",
    type=click.IntRange(1, 10_000),
    default=10,
    help="How many entries, newest last.",
    show_default=True,
)
@dir_option
@json_option
@example("countermark log show d_sa4gkilu3qsvkmaeborqtu7unm --dir my-gateway")
def show_(which: str | None, last: int, folder: Path, *, as_json: bool) -> None:
    """Show one entry, by number or decision id, or the newest ones. Nothing is verified here."""
    reader = _reader(folder)
    if which is None:
        entries = [
            {"index": index, **parse_entry(data)}
            for index, data in reader.entries(max(0, reader.size - last))
        ]
        show(
            {"entries": entries},
            as_json=as_json,
            text=lambda: "\n".join(_line(each) for each in entries) or "the log is empty",
        )
        return
    index, data = find_entry(reader, which)
    entry = {"index": index, **parse_entry(data)}
    show(entry, as_json=as_json, text=lambda: json.dumps(entry, indent=1))


def _reader(folder: Path) -> LogReader:
    if not (folder / "log" / CHECKPOINT).is_file():
        raise SettingsError(f"expected a log in `{folder / 'log'}`: name the gateway's folder with --dir")
    return LogReader(folder / "log")


def find_entry(reader: LogReader, which: str) -> tuple[int, bytes]:
    """An entry by its number, or a decision's by its id.

    Raises:
        LogError: There is none.
    """
    if which.isascii() and which.isdigit():
        return int(which), reader.entry(int(which))
    wanted = which.encode()
    for index, data in reader.entries():
        if wanted in data and parse_entry(data).get("id") == which:
            return index, data
    raise LogError(f"expected an entry's number or a decision of this log, got `{which[:60]}`")


def _line(entry: dict[str, Any]) -> str:
    """An entry in one line."""
    kind = entry["kind"]
    about = {
        "decision": lambda: (
            f"{entry['outcome']} {', '.join(entry['clauses']) or 'no clause'}: {entry['workload']} "
            f"{entry['action']} {entry['resource']} ({entry['id']})"
        ),
        "start": lambda: f"bundle {entry['bundle'][:12]}, version {entry['version']}",
        "filed": lambda: f"statement {entry['statement'][:16]}",
        "removed": lambda: f"statement {entry['statement'][:16]}",
        "suspension": lambda: f"{entry['suspension']} {entry['state']} by {', '.join(entry['sides'])}",
        "hold": lambda: f"{entry['hold']} {entry['state']}",
        "answer": lambda: f"to {entry['decision']}",
    }.get(kind, lambda: "")()
    return f"{entry['index']:>7}  {entry['at']}  {kind:<10}  {plain(about)}".rstrip()


@log.command("replay")
@dir_option
@vkey_option
@trust_root_option
@click.option(
    "--against", type=click.Path(path_type=Path, dir_okay=False), help="A checkpoint that you kept earlier."
)
@json_option
@example("countermark log replay --dir my-gateway")
def replay(
    folder: Path, vkeys: tuple[str, ...], trust_root: Path | None, against: Path | None, *, as_json: bool
) -> None:
    """Verify the log, then take every decision again from the statements that were on file.

    Exit code 1 names each entry that says something else than the statements, the approvals and the clauses.
    """
    place = _place(folder, None, vkeys, trust_root)
    kept = read_file(against) if against is not None else None
    digest_file = folder / "keys" / KEY_DIGEST
    try:
        verified = _verify(place, kept, quiet=as_json)
        reader = LogReader(place.log, keys=place.keys)
        with progress("replaying", quiet=as_json) as tell:
            report = replay_log(
                reader.entries(),
                Archive(place.archive),
                whole=reader.size,
                digest_key=read_secret(digest_file) if digest_file.is_file() else None,
                progress=tell,
            )
    except (TamperedError, CheckpointError, ProofError) as error:
        _found(error, as_json=as_json)
        return
    document = {
        "entries": report.entries,
        "decisions": report.decisions,
        "reproduced": report.reproduced,
        "on_error": report.on_error,
        "outcomes": dict(report.outcomes),
        "one_sided": verified.one_sided,
        "mismatches": [
            {
                "index": m.index,
                "decision": m.decision,
                "what": m.what,
                "log": m.recorded,
                "replayed": m.replayed,
            }
            for m in report.mismatches
        ],
    }

    def text() -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(report.outcomes.items())) or "none"
        lines = [f"FOUND: {mismatch}" for mismatch in report.mismatches]
        lines.append(
            f"{report.reproduced} of {report.decisions} decisions reproduced ({outcomes}), of {report.entries} entries"
        )
        if report.on_error:
            lines.append(
                f"  {report.on_error} denials rest on what only the gateway saw; checked to be denials"
            )
        if verified.one_sided:
            lines.append(f"  {ONE_SIDED}")
        return "\n".join(lines)

    show(document, as_json=as_json, text=text)
    if report.mismatches:
        raise click.exceptions.Exit(FINDING)


@log.command("proof")
@click.argument("which", metavar="ID|INDEX")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File for the proof; the entry is written beside it, as FILE.entry.",
)
@dir_option
@vkey_option
@trust_root_option
@json_option
@example("countermark log proof d_sa4gkilu3qsvkmaeborqtu7unm --dir my-gateway --out mine.proof")
def proof(
    which: str, out: Path, folder: Path, vkeys: tuple[str, ...], trust_root: Path | None, *, as_json: bool
) -> None:
    """Write a proof that one entry is in the log (C2SP tlog-proof), to be checked by anybody, offline."""
    place = _place(folder, None, vkeys, trust_root)
    reader = LogReader(place.log, keys=place.keys)
    index, entry = find_entry(reader, which)
    receipt = reader.tlog_proof(index)
    verify_receipt(receipt, entry, keys=place.keys)
    beside = out.with_name(f"{out.name}.entry")
    write_new(out, receipt)
    write_new(beside, entry)
    show(
        {"index": index, "size": reader.size, "written": [str(out), str(beside)]},
        as_json=as_json,
        text=lambda: (
            f"{out}: entry {index} of {reader.size}; the entry itself is in {beside}\n"
            f"to check it: countermark log check {out} {beside} --trust-root {TRUST_ROOT}"
        ),
    )


@log.command("check")
@click.argument("proof_file", metavar="PROOF", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("entry_file", metavar="ENTRY", type=click.Path(path_type=Path, dir_okay=False))
@dir_option
@vkey_option
@trust_root_option
@json_option
@example("countermark log check mine.proof mine.proof.entry --trust-root trust-root.json")
def check(
    proof_file: Path,
    entry_file: Path,
    folder: Path,
    vkeys: tuple[str, ...],
    trust_root: Path | None,
    *,
    as_json: bool,
) -> None:
    """Check a proof that somebody gave you, with nothing but the log's key."""
    keys = tuple(parse_vkey(each) for each in vkeys)
    if not keys:
        keys, _ = _gateway_keys(trust_root or folder / TRUST_ROOT)
    entry = read_file(entry_file)
    try:
        index, found = verify_receipt(read_file(proof_file), entry, keys=keys)
    except (CheckpointError, ProofError) as error:
        _found(error, as_json=as_json)
        return
    document = {"index": index, "origin": found.origin, "size": found.size, "entry": parse_entry(entry)}
    show(
        document,
        as_json=as_json,
        text=lambda: (
            f"entry {index} of {found.origin} ({found.size} entries) is\n{json.dumps(parse_entry(entry), indent=1)}"
        ),
    )
