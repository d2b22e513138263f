"""`countermark policy`: check a bundle, read it aloud, and put it in force with every side's signature."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from countermark.attestation.envelope import (
    encode_lines,
    parse_envelope,
    read_lines,
    sign_envelope,
    signers_of,
)
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.cli.output import FINDING, Group, dir_option, example, json_option, show
from countermark.cli.signing import (
    confirm,
    key_option,
    load_root,
    out_option,
    read_file,
    side_of,
    trust_root_option,
    yes_option,
)
from countermark.clock import format_time, system_clock
from countermark.errors import (
    BundleError,
    CountermarkError,
    QuorumError,
    SettingsError,
    TrustError,
)
from countermark.policy.approval import bundle_in_force, make_bundle_approval, parse_bundle_approval
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.check import check_bundle
from countermark.policy.finding import Finding, Severity
from countermark.policy.read import read_bundle, read_clause
from countermark.store.statement_folder import write_durably

APPROVAL_FILE = "bundle-approval.jsonl"
_folder_argument = click.argument(
    "bundle_folder",
    metavar="[FOLDER]",
    required=False,
    default=Path("bundle"),
    type=click.Path(path_type=Path, file_okay=False),
)


@click.group(cls=Group)
def policy() -> None:
    """Bundles of clauses: check, read, approve.

    A bundle is a folder: `bundle.toml` and one file a clause (`clauses/RL-1.md`). FOLDER is `bundle` where it is left
    out.
    """


@contextmanager
def _steps(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Progress of a check, on standard error, from its second second on."""
    started = time.monotonic()
    shown = False
    visible = sys.stderr.isatty() and not quiet

    def tell(what: str, done: int, whole: int) -> None:
        nonlocal shown
        if visible and time.monotonic() - started > 1:
            shown = True
            click.echo(f"\r{what}: {done} of {whole} ", nl=False, err=True)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r" + " " * 60 + "\r", nl=False, err=True)


@policy.command("check")
@_folder_argument
@json_option
@example("countermark policy check policies/red-lines")
def check(bundle_folder: Path, *, as_json: bool) -> None:
    """Say everything that can be said against a bundle before anybody signs it.

    Reads strictly, lints the dialect, validates against the schema, runs every example, and changes every clause in
    every small way to see whether its own examples notice. Exit code 1 where there is an error.
    """
    _existing(bundle_folder)
    with _steps(quiet=as_json) as tell:
        findings = check_bundle(bundle_folder, tell)
    errors = [each for each in findings if each.severity is Severity.ERROR]
    document = {
        "ok": not errors,
        "findings": [
            {
                "file": each.file,
                "line": each.line,
                "severity": str(each.severity),
                "message": each.message,
                "fix": each.fix,
            }
            for each in findings
        ],
    }
    show(document, as_json=as_json, text=lambda: _findings_text(bundle_folder, findings))
    if errors:
        raise click.exceptions.Exit(FINDING)


def _findings_text(folder: Path, findings: list[Finding]) -> str:
    lines = [
        f"{folder / each.file}:{each.line}: {each.severity}: {each.message}\n    -> {each.fix}"
        for each in findings
    ]
    counts = {severity: sum(1 for each in findings if each.severity is severity) for severity in Severity}
    said = ", ".join(f"{n} {severity}{'s' if n > 1 else ''}" for severity, n in counts.items() if n)
    if not counts[Severity.ERROR]:
        bundle = load_bundle(folder)
        examples = sum(len(clause.examples) for clause in bundle.clauses)
        lines.append(
            f"{bundle.name} version {bundle.version}: {len(bundle.clauses)} clauses, {examples} examples, "
            f"{said or 'nothing to say against it'}\n{bundle.digest}"
        )
    else:
        lines.append(f"{said}: it may not be put in force")
    return "\n".join(lines)


def _existing(folder: Path) -> None:
    if not (folder / "bundle.toml").is_file():
        raise SettingsError(f"expected a bundle's folder, with `bundle.toml` in it, got `{folder}`")


@policy.command("read")
@_folder_argument
@click.option("--clause", "clause_id", metavar="ID", help="One clause only.")
@json_option
@example("countermark policy read policies/red-lines --clause RL-1")
def read(bundle_folder: Path, clause_id: str | None, *, as_json: bool) -> None:
    """Turn the Cedar of each clause back into controlled English, to stand beside its sentence.

    The English is made from the Cedar alone: where it says something else than the sentence, the Cedar decides.
    """
    _existing(bundle_folder)
    bundle = load_bundle(bundle_folder)
    clauses = [bundle.clause(clause_id)] if clause_id is not None else list(bundle.clauses)
    document = {
        "bundle": bundle.digest,
        "clauses": [
            {
                "id": each.id,
                "title": each.title,
                "red_line": each.red_line,
                "sentence": each.sentence,
                "cedar_says": read_clause(bundle, each),
            }
            for each in clauses
        ],
    }

    def text() -> str:
        if clause_id is None:
            return read_bundle(bundle)
        clause = clauses[0]
        heading = f"{clause.id} ({'red line' if clause.red_line else 'clause'}): {clause.title}"
        return f"{heading}\n{'=' * len(heading)}\n\n{clause.sentence}\n\nIts Cedar says:\n\n{read_clause(bundle, clause)}"

    show(document, as_json=as_json, text=text)


@policy.command("digest")
@_folder_argument
@json_option
@example("countermark policy digest policies/red-lines")
def digest(bundle_folder: Path, *, as_json: bool) -> None:
    """Print the digest that the sides sign: SHA-256 over the sorted lines `sha256  path` of the bundle's files."""
    _existing(bundle_folder)
    bundle = load_bundle(bundle_folder)
    document = {"name": bundle.name, "version": bundle.version, "digest": bundle.digest}
    show(document, as_json=as_json, text=lambda: bundle.digest)


@policy.command("approve")
@click.argument("bundle_folder", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@key_option("Private key of a side.")
@click.option(
    "--days", type=click.IntRange(1, 366), required=True, help="How long the approval holds; then it lapses."
)
@out_option("File for the approval; a file that is there gets this signature added.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, file_okay=False),
    help="A bundle to say the difference to, for example the one in force.",
)
@dir_option
@trust_root_option
@yes_option
@json_option
@example("countermark policy approve bundle --key halden-side.pem --days 90 --out bundle-approval.jsonl")
def approve(
    bundle_folder: Path,
    key: Path,
    days: int,
    out: Path | None,
    against: Path | None,
    folder: Path,
    trust_root: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Sign, as a side, that a bundle is in force. It is in force once every side has signed.

    Checks the bundle first, shows its clauses and what has changed, then asks. Exit code 1: it has errors, or you
    said no.
    """
    _existing(bundle_folder)
    root = load_root(folder, trust_root)
    private, side = side_of(root, key)
    with _steps(quiet=as_json) as tell:
        errors = [each for each in check_bundle(bundle_folder, tell) if each.severity is Severity.ERROR]
    if errors:
        click.echo(_findings_text(bundle_folder, errors), err=True)
        raise click.exceptions.Exit(FINDING)
    bundle = load_bundle(bundle_folder)
    click.echo(_approval_words(bundle, side, days, against), err=True)
    confirm(f"Sign as {side} that this bundle is in force for {days} days?", yes=yes)
    now = system_clock().replace(microsecond=0)
    statement = make_bundle_approval(
        bundle, seq=int(now.timestamp()), valid_from=now, valid_until=now + timedelta(days=days)
    )
    target = out or Path(APPROVAL_FILE)
    data = encode_lines([sign_envelope(statement.payload, private)])
    state = _merge(target, data, bundle, root)
    show(
        {"bundle": bundle.digest, "side": side, "written": str(target), **state},
        as_json=as_json,
        text=lambda: f"signed by {side} and written to {target}\n{_state_text(state)}",
    )


def _approval_words(bundle: Bundle, side: str, days: int, against: Path | None) -> str:
    lines = [
        f"{side} puts in force, for {days} days: {bundle.name} version {bundle.version} ({bundle.digest})"
    ]
    lines += [
        f"  {clause.id:<6} {'red line' if clause.red_line else 'clause  '}  {clause.title}"
        for clause in bundle.clauses
    ]
    if bundle.observe:
        lines += [
            f"  only observed until {format_time(each.until)}: {', '.join(each.clauses)} for {each.workload}"
            for each in bundle.observe
        ]
    if against is not None:
        lines += [
            "",
            f"against {against}:",
            *(f"  {line}" for line in _difference(load_bundle(against), bundle)),
        ]
    return "\n".join(lines)


def _difference(old: Bundle, new: Bundle) -> list[str]:
    """What changes from one bundle to another, clause by clause; what no clause holds comes first."""
    before = {clause.id: clause for clause in old.clauses}
    after = {clause.id: clause for clause in new.clauses}
    kind = {True: "RED LINE", False: "clause"}
    lines = [f"{kind[before[i].red_line]} {i} IS GONE: {before[i].title}" for i in before if i not in after]
    for clause_id, clause in after.items():
        known = before.get(clause_id)
        if known is None:
            lines.append(f"{kind[clause.red_line]} {clause_id} is new: {clause.title}")
        elif old.files[known.file] != new.files[clause.file]:
            same = [p.text for p in known.policies] == [p.text for p in clause.policies]
            what = "its words changed, its Cedar did not" if same else "its Cedar changed"
            lines.append(
                f"{kind[clause.red_line]} {clause_id}: {what}; countermark policy read --clause {clause_id}"
            )
    if old.files["bundle.toml"] != new.files["bundle.toml"]:
        lines.append("bundle.toml changed: routes, limits, lifetimes, observe or roles")
    return lines or ["nothing changed"]


def _merge(target: Path, added: bytes, bundle: Bundle, root: TrustRoot) -> dict[str, Any]:
    """Add envelopes to an approval file, each once; returns who has signed now."""
    known = read_lines(read_file(target)) if target.exists() else []
    kept = [line for line in known if _is_about(line, bundle)]
    for line in read_lines(added):
        if line not in kept:
            kept.append(line)
    write_durably(target, b"".join(line + b"\n" for line in kept))
    return _state(kept, bundle, root)


def _is_about(line: bytes, bundle: Bundle) -> bool:
    """Whether an approval is of this bundle; those of others are not kept beside it."""
    try:
        return parse_bundle_approval(parse_statement(parse_envelope(line).payload)).bundle == bundle.digest
    except CountermarkError:
        return False


def _state(lines: list[bytes], bundle: Bundle, root: TrustRoot) -> dict[str, Any]:
    now = system_clock()
    keys: dict[str, set[str]] = {party: set() for party in root.sides}
    for line in lines:
        envelope = parse_envelope(line)
        if now >= parse_statement(envelope.payload).validity.valid_until:
            continue
        for party, side in root.sides.items():
            keys[party] |= {key.keyid for key in signers_of(envelope, side.keys)}
    try:
        until = format_time(bundle_in_force(bundle.digest, lines, root, now).valid_until)
    except QuorumError:
        until = None
    signed = {
        party: {"signed": len(keys[party]), "needed": side.threshold} for party, side in root.sides.items()
    }
    return {"in_force": until is not None, "valid_until": until, "sides": signed}


def _state_text(state: dict[str, Any]) -> str:
    lines = [f"  {party}: {n['signed']} of {n['needed']}" for party, n in state["sides"].items()]
    if state["in_force"]:
        lines.append(f"in force until {state['valid_until']}; a gateway reads it when it starts")
    else:
        missing = [party for party, n in state["sides"].items() if n["signed"] < n["needed"]]
        lines.append(f"not in force yet: {', '.join(missing) or 'signatures'} missing")
    return "\n".join(lines)


@policy.command("add")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@dir_option
@trust_root_option
@json_option
@example("countermark policy add from-halden.jsonl --dir my-gateway")
def add(file: Path, folder: Path, trust_root: Path | None, *, as_json: bool) -> None:
    """Put a side's approval beside the bundle of a gateway. Exit code 1 while a side's signature is missing."""
    root = load_root(folder, trust_root)
    try:
        bundle = load_bundle(folder / "bundle")
    except BundleError as error:
        raise SettingsError(f"expected the bundle in `{folder / 'bundle'}`: {error}") from error
    data = read_file(file)
    for number, line in enumerate(read_lines(data), start=1):
        envelope = parse_envelope(line)
        approval = parse_bundle_approval(parse_statement(envelope.payload))
        if approval.bundle != bundle.digest:
            raise TrustError(
                f"expected an approval of the bundle in `{folder / 'bundle'}` ({bundle.digest[:16]}), line {number} is "
                f"about {approval.bundle[:16]} ({approval.name} version {approval.version})"
            )
        if not any(signers_of(envelope, side.keys) for side in root.sides.values()):
            raise QuorumError(f"expected the signature of a side's key in line {number}, got none")
    state = _merge(folder / APPROVAL_FILE, data, bundle, root)
    show({"bundle": bundle.digest, **state}, as_json=as_json, text=lambda: _state_text(state))
    if not state["in_force"]:
        raise click.exceptions.Exit(FINDING)
