"""`countermark evidence`: state, ask for a countersignature, countersign, put on file, list, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import COUNTERSIGNATURE, Statement, make_countersignature
from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.cli.client import connect
from countermark.cli.drafting import (
    Place,
    file_at,
    lacks,
    level_words,
    lifetime,
    place_of,
    signatories,
)
from countermark.cli.evidence_list import listing, listing_text
from countermark.cli.evidence_missing import missing
from countermark.cli.evidence_new import ask_basis_and_interest, new
from countermark.cli.output import Group, dir_option, example, json_option, show
from countermark.cli.signing import (
    BASES,
    INTERESTS,
    Signatory,
    confirm,
    key_option,
    out_option,
    read_file,
    trust_root_option,
    url_option,
    write_new,
    yes_option,
)
from countermark.cli.statement_files import (
    envelopes_of,
    fenced,
    find_file,
    statement_of,
    with_envelopes,
)
from countermark.cli.statement_words import BASIS_WORDS, INTEREST_WORDS, misnamed, words
from countermark.clock import format_time, system_clock
from countermark.errors import MalformedError, SettingsError, TrustError
from countermark.oversight.words import plain
from countermark.policy.read import listed
from countermark.store.statement_folder import write_durably

_file = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def evidence() -> None:
    """Statements about the context of use: who says what, who vouches for it, and what is missing.

    \b
    new          state something, sign it, put it on file
    request      ask somebody to vouch for a statement: one file, in words
    countersign  vouch for a statement of another party
    add          put on file what somebody sent
    list         what is on file, at which level, until when
    missing      which statements, by whom, would turn what is denied green
    """


evidence.add_command(new)
evidence.add_command(missing)


@evidence.command("request")
@click.argument("who")
@click.argument("target", metavar="STATEMENT")
@dir_option
@trust_root_option
@click.option(
    "--out", type=_file, required=True, help="File to send: `.md` in words, `.jsonl` the envelope alone."
)
@json_option
@example("countermark evidence request halden purpose:northmark/office --dir my-gateway --out for-halden.md")
def request(
    who: str, target: str, folder: Path, trust_root: Path | None, out: Path, *, as_json: bool
) -> None:
    """Write one file that says in words what WHO (a party or a person) is asked to vouch for, statement inside.

    STATEMENT is a file, the beginning of a digest, or like `purpose:northmark/office`.
    """
    place = place_of(folder, trust_root)
    party = _party_of(place.root, who)
    lines, _ = find_file(target, place.files)
    statement = statement_of(lines)
    verified = verify_statement(
        lines, place.root, now=max(system_clock(), statement.validity.valid_from), skew_s=0
    )
    counts = party in lacks(place.root, verified)
    data = (
        b"".join(line + b"\n" for line in lines)
        if out.suffix == ".jsonl"
        else _request_text(who, party, statement, verified, place.root, lines, counts=counts).encode()
    )
    write_new(out, data)
    note = "" if counts else f"\nNOTE: {_no_effect(place.root, verified, party)}"
    show(
        {"written": str(out), "sha256": statement.sha256, "party": party, "would_count": counts},
        as_json=as_json,
        text=lambda: (
            f"written to {out}: send it to {who}; nothing in it is secret to those who may read the statement{note}"
        ),
    )


def _party_of(root: TrustRoot, who: str) -> str:
    if who in root.parties:
        return who
    if who in root.persons:
        return root.persons[who].party
    known = ", ".join([*root.parties, *root.persons])
    raise SettingsError(f"expected a party or person of the trust root ({known}), got `{who[:60]}`")


def _no_effect(root: TrustRoot, verified: VerifiedStatement, party: str) -> str:
    if root.one_sided:
        return "the trust root is one-sided: no countersignature counts until another side has signed it"
    if any(each.party == party for each in verified.countersigners):
        return f"{party} has countersigned it already"
    return f"the charter does not name {party} as a counterpart for `{verified.kind}` about {verified.subject.name}"


def _request_text(
    who: str,
    party: str,
    statement: Statement,
    verified: VerifiedStatement,
    root: TrustRoot,
    lines: Sequence[bytes],
    *,
    counts: bool,
) -> str:
    made = listed([str(each) for each in verified.makers], "and")
    effect = (
        "With it the statement counts as `countersigned`: clauses that ask for two opposed parties' word accept it."
        if counts
        else f"As things stand it would change nothing: {_no_effect(root, verified, party)}."
    )
    return f"""\
# For {who}: will you vouch for this?

This was stated and signed by {plain(made)}:

```text
{words(statement)}
```

You are asked for a countersignature in {party}'s name: that it is true, how **you** know it, and whether {party} has an
interest in the deal. Sign only what you would say yourself: your name, your basis and the day stand beside it for as
long as the log is kept.

{effect}

    countermark evidence countersign {Path("THIS-FILE.md")} --key YOUR-KEY.pem --trust-root trust-root.json

reads the statement below (not the words above, which anybody could have changed), shows it, asks, and signs into this
file. Send the file back; `countermark evidence add` puts it on file.

{fenced(lines)}
"""


@evidence.command("countersign")
@click.argument("target", metavar="STATEMENT")
@key_option(
    "Private key of who vouches; again where a role needs several people.", required=False, multiple=True
)
@click.option("--basis", type=click.Choice(BASES), help="How YOU know.")
@click.option("--interest", type=click.Choice(INTERESTS), help="Are YOU party to the deal?")
@click.option(
    "--days", type=click.IntRange(1, 3660), help="How long you vouch; never longer than the statement holds."
)
@dir_option
@url_option
@trust_root_option
@out_option("Write to this new file instead of into the one that was read.")
@yes_option
@json_option
@example(
    "countermark evidence countersign for-halden.md --key abe.pem --trust-root trust-root.json \\\n"
    "      --basis document-seen --interest none"
)
def countersign(
    target: str,
    keys: tuple[Path, ...],
    basis: str | None,
    interest: str | None,
    days: int | None,
    folder: Path,
    url: str | None,
    trust_root: Path | None,
    out: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Vouch for a statement of another party: shows it in words, asks, signs, and verifies before it goes anywhere.

    STATEMENT is a request or another file, or on file: the beginning of a digest, or like `purpose:northmark/office`.
    """
    place = place_of(folder, trust_root)
    lines, path = find_file(target, place.files)
    statement = statement_of(lines)
    now = system_clock().replace(microsecond=0)
    at = max(now, statement.validity.valid_from)
    before = verify_statement(lines, place.root, now=at)
    why = misnamed(statement)
    if why is not None:
        raise MalformedError(f"expected a statement that a gateway would read: {why}")
    signers = signatories(place, keys)
    click.echo(_what_is_vouched(statement, before, signers), err=True)
    basis, interest = ask_basis_and_interest(basis, interest, asks=sys.stdin.isatty() and not yes)
    click.echo(
        f"you say: {BASIS_WORDS[basis]} ({basis}); {signers[0].party} {INTEREST_WORDS[interest]}", err=True
    )
    confirm("Vouch for this?", yes=yes)
    start, end = lifetime(place, COUNTERSIGNATURE, now=now, begins=None, until=None, days=days)
    made = make_countersignature(
        statement,
        seq=int(now.timestamp()),
        valid_from=start,
        valid_until=min(end, statement.validity.valid_until),
        basis=basis,
        interest=interest,
    )
    line = encode_envelope(sign_envelope(made.payload, *(signer.key for signer in signers)))
    after = _counted(lines, line, before, place, signers)
    data = [*lines, line]
    where = _hand_over(place, data, path, out, url=url, key=signers[0].key)
    show(
        {
            "sha256": statement.sha256,
            "level": after.level.word,
            "countersigners": [str(each) for each in after.countersigners],
            "valid_until": format_time(after.validity.valid_until),
            "where": where,
        },
        as_json=as_json,
        text=lambda: f"{where}\n{level_words(place.root, after)}",
    )


def _what_is_vouched(statement: Statement, before: VerifiedStatement, signers: Sequence[Signatory]) -> str:
    lines = ["", words(statement), "stated by", *(f"  {plain(str(each))}" for each in before.makers)]
    if before.countersigners:
        lines += ["vouched for by", *(f"  {plain(str(each))}" for each in before.countersigners)]
    return "\n".join([*lines, "to be countersigned by", *(f"  {signer}" for signer in signers), ""])


def _counted(
    lines: Sequence[bytes], line: bytes, before: VerifiedStatement, place: Place, signers: Sequence[Signatory]
) -> VerifiedStatement:
    """The statement with the new countersignature, which must count.

    Raises:
        TrustError: It doesn't; nothing is written.
    """
    now = max(system_clock().replace(microsecond=0), before.validity.valid_from)
    after = verify_statement([*lines, line], place.root, now=now)
    persons = {signer.person for signer in signers}
    if not any(each.person in persons for each in after.countersigners):
        reason = next((each for each in reversed(after.ignored)), "it does not count")
        raise TrustError(f"expected a countersignature that counts: {reason}")
    return after


def _hand_over(
    place: Place,
    lines: Sequence[bytes],
    path: Path | None,
    out: Path | None,
    *,
    url: str | None,
    key: PrivateKey,
) -> str:
    if path is None and out is None:
        _, where = file_at(place, b"".join(line + b"\n" for line in lines), url=url, key=key)
        return f"countersigned, on file at {where}"
    body = with_envelopes(read_file(path) if path is not None else b"{", lines)
    if out is not None:
        write_new(out, body)
    elif path is not None:
        write_durably(path, body)
    return f"countersigned, in {out or path}: send it back; `countermark evidence add` puts it on file"


@evidence.command("add")
@click.argument("files", type=_file, nargs=-1, required=True)
@key_option("Your key; needed with --url.", required=False)
@dir_option
@url_option
@json_option
@example("countermark evidence add for-halden.md --dir my-gateway")
def add(files: tuple[Path, ...], key: Path | None, folder: Path, url: str | None, *, as_json: bool) -> None:
    """Put on file what somebody sent: a statement, or one with further countersignatures (`.jsonl` or a request)."""
    answers: list[Mapping[str, Any]] = []
    loaded = PrivateKey.load(key) if key is not None else None
    batches = [b"".join(line + b"\n" for line in envelopes_of(read_file(file))) for file in files]
    with connect(folder, url=url, key=loaded) as client:
        answers = [client.call("POST", "statements", data) for data in batches]
        where = client.where

    def text() -> str:
        lines = []
        for answer in answers:
            what = f"{answer.get('kind', 'statement')} {answer.get('name', '')} ({answer['sha256'][:16]})"
            lines.append(f"{what} is on file at {where}: {answer.get('level') or 'not in force yet'}")
            lines += [f"  ignored: {plain(str(each))}" for each in answer.get("ignored", ())]
        return "\n".join(lines)

    show({"added": answers, "where": where}, as_json=as_json, text=text)


@evidence.command("list")
@dir_option
@url_option
@key_option("Your key; needed with --url.", required=False)
@click.option("--workload", help="Only what bears on this workload.")
@json_option
@example("countermark evidence list --dir my-gateway")
def list_(folder: Path, url: str | None, key: Path | None, workload: str | None, *, as_json: bool) -> None:
    """List what is on file: level, expiry, who signed and how they know; and what is ignored, and why."""
    if url is not None:
        with connect(folder, url=url, key=PrivateKey.load(key) if key is not None else None) as client:
            rows = client.call("GET", "statements")["statements"]
        if workload is not None:
            rows = [row for row in rows if row.get("name") == workload]
    else:
        rows = listing(folder, workload=workload, now=system_clock().replace(microsecond=0))
    show({"statements": rows}, as_json=as_json, text=lambda: listing_text(rows))
