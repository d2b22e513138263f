"""What is on file at a gateway, as people look at it: in force or not, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from countermark.attestation.envelope import parse_envelope, read_lines
from countermark.attestation.statement import Statement, parse_statement
from countermark.attestation.verify import VerifiedStatement
from countermark.cli.drafting import Place, place_of
from countermark.clock import format_time, parse_time
from countermark.errors import CountermarkError, SettingsError
from countermark.evidence.predicates.reading import CONTEXT_PARSERS, workloads_of
from countermark.evidence.standing import newest
from countermark.oversight.words import plain
from countermark.pdp.on_file import Filed, verify_file
from countermark.policy.bundle import load_bundle

SOON = timedelta(days=7)


def filed_at(place: Place, *, now: datetime) -> tuple[Filed, ...]:
    """Every file of a gateway's folder, verified as the gateway would.

    Raises:
        SettingsError: No working folder.
    """
    if place.files is None or place.lifetimes is None:
        raise SettingsError(f"expected a gateway's working folder in `{place.folder}`: name it with --dir")
    skew_s = load_bundle(place.folder / "bundle").skew_s
    return tuple(
        verify_file(data, place.root, now=now, skew_s=skew_s, lifetimes=place.lifetimes)
        for _, data in sorted(place.files.items())
    )


def unverified(filed: Filed) -> Statement | None:
    """What a file says that nobody vouches for now; None where it can't even be read."""
    try:
        return parse_statement(parse_envelope(read_lines(filed.data)[0]).payload)
    except (CountermarkError, IndexError):
        return None


def named_workloads(statement: Statement) -> tuple[str, ...]:
    """The workloads that a statement names; its subject's name where it can't be read further."""
    parse = CONTEXT_PARSERS.get(statement.predicate_type)
    if parse is None:
        return (statement.subject.name,)
    try:
        return workloads_of(parse(statement.predicate))
    except CountermarkError:
        return (statement.subject.name,)


def _row(filed: Filed, replaced: Mapping[str, str]) -> dict[str, Any]:
    said = unverified(filed)
    row: dict[str, Any] = {
        "sha256": filed.sha256 or filed.file_sha256,
        "kind": said.predicate_type if said is not None else None,
        "name": said.subject.name if said is not None else None,
        "error": filed.error or replaced.get(filed.sha256),
    }
    if said is not None:
        row |= {"seq": said.seq, "valid_until": format_time(said.validity.valid_until)}
    if filed.statement is not None:
        verified = filed.statement
        row |= {
            "level": verified.level.word,
            "valid_until": format_time(verified.validity.valid_until),
            "makers": [str(each) for each in verified.makers],
            "countersigners": [str(each) for each in verified.countersigners],
            "ignored": list(verified.ignored),
        }
    return row


def listing(folder: Path, *, workload: str | None, now: datetime) -> list[dict[str, Any]]:
    """One row a file, those in force first.

    Raises:
        SettingsError: No working folder.
        TrustError: The trust root isn't in force.
    """
    place = place_of(folder, None)
    files = filed_at(place, now=now)
    verified: list[VerifiedStatement] = [each.statement for each in files if each.statement is not None]
    replaced = {item.sha256: reason for item, reason in newest(verified)[1]}
    if workload is not None:
        files = tuple(
            each
            for each in files
            if (said := unverified(each)) is not None and workload in named_workloads(said)
        )
    rows = [_row(each, replaced) for each in files]
    return sorted(rows, key=lambda row: (row["error"] is not None, str(row["name"]), str(row["kind"])))


def listing_text(rows: Sequence[Mapping[str, Any]], *, now: datetime | None = None) -> str:
    """Rows as people read them."""
    if not rows:
        return "nothing is on file"
    lines: list[str] = []
    for row in rows:
        name = plain(str(row.get("name") or "a file that can't be read"))
        head = f"{row['sha256'][:12]}  {row.get('kind') or '?':<12} {name}"
        if row.get("error"):
            lines.append(f"{head}  IGNORED: {plain(str(row['error']))}")
            continue
        soon = ""
        if now is not None and parse_time(row["valid_until"]) - now <= SOON:
            soon = ", EXPIRES SOON"
        lines.append(f"{head}  {row['level']}, until {row['valid_until']}{soon}")
        signers = row.get("signers") or [*row.get("makers", ()), *row.get("countersigners", ())]
        lines += [f"                {plain(each)}" for each in signers]
        lines += [f"                ignored: {plain(each)}" for each in row.get("ignored", ())]
    return "\n".join(lines)
