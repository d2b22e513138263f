"""`countermark hold`: look at what waits for people, and sign yes or no."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from countermark.app import KEY_HOLD
from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import verify_statement
from countermark.cli.client import connect
from countermark.cli.output import Group, dir_option, example, json_option, show, table
from countermark.cli.signing import (
    BASES,
    INTERESTS,
    Signatory,
    confirm,
    key_option,
    load_root,
    out_option,
    read_file,
    signatory,
    trust_root_option,
    url_option,
    write_new,
    yes_option,
)
from countermark.clock import format_time, system_clock
from countermark.config import read_settings
from countermark.errors import HoldClosedError, MalformedError, RoleError, SettingsError
from countermark.oversight.approval import APPROVAL, Verdict, counting_roles, make_approval, parse_approval
from countermark.oversight.hold import (
    HeldContent,
    Hold,
    encode_hold_file,
    hold_from_dict,
    hold_to_dict,
    parse_hold_file,
    unseal_content,
)
from countermark.oversight.sealing import HoldKey
from countermark.oversight.words import body_text, plain, words
from countermark.policy.bundle import load_bundle
from countermark.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A hold as a command got it.

    Attributes:
        content: What was asked; None where the hold is closed, or the caller may not see it.
        approved: Role and person of each approval that counts; None where that isn't known here.
        titles: Titles of clauses, as the gateway gives them.
    """

    hold: Hold
    content: HeldContent | None
    approved: tuple[tuple[str, str], ...] | None = None
    titles: Mapping[str, str] | None = None


@click.group(cls=Group)
def hold() -> None:
    """Requests that wait for people: list, show, approve, refuse.

    Everything can be carried as a file: `hold show ID --out FILE` on the gateway, `hold approve FILE --out SIGNED`
    where the signer is, `hold add SIGNED` on the gateway.
    """


@hold.command("list")
@dir_option
@url_option
@key_option("Your key; needed with --url.", required=False)
@json_option
@example("countermark hold list --dir my-gateway")
def list_(folder: Path, url: str | None, key: Path | None, *, as_json: bool) -> None:
    """List the holds that are open, oldest first."""
    if url is None:
        with _store(folder) as store:
            holds = list(store.holds.list())
        now = system_clock()
        holds = [each for each in holds if now < each.expires_at]
    else:
        with connect(folder, url=url, key=_load(key)) as client:
            holds = [hold_from_dict(each) for each in client.call("GET", "holds")["holds"]]
    show(
        {"holds": [hold_to_dict(each) for each in holds]},
        as_json=as_json,
        text=lambda: _table(holds) if holds else "nothing waits for people",
    )


def _table(holds: list[Hold]) -> str:
    rows = [
        [
            each.hold_id,
            plain(each.workload),
            f"{each.action} {plain(each.resource)}",
            ", ".join(plain(clause) for clause in each.clauses),
            ", ".join(f"{count} x {plain(role)}" for role, count in each.quorum.items()),
            format_time(each.expires_at),
        ]
        for each in holds
    ]
    return table(rows, ["hold", "workload", "asks", "held by", "needs", "expires"])


@hold.command("show")
@click.argument("target", metavar="ID|FILE")
@dir_option
@url_option
@key_option("Your key; needed with --url.", required=False)
@out_option("Write the hold to this file, to be carried to somebody who signs.")
@json_option
@example("countermark hold show h_p3dkkyiylfhqvfe5rvcgynvmy4 --out recall.hold")
def show_(
    target: str, folder: Path, url: str | None, key: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Show what is asked, on which clauses and facts it is held, and what a signature would mean."""
    shown = _fetch(target, folder=folder, url=url, key=_load(key))
    document: dict[str, Any] = {"hold": hold_to_dict(shown.hold)}
    if shown.approved is not None:
        document["approved"] = [{"role": role, "person": person} for role, person in shown.approved]
    if shown.content is not None:
        document["descriptor"] = dict(shown.content.descriptor)
        document["body"] = shown.content.body.decode("utf-8", errors="backslashreplace")
    if out is not None:
        if shown.content is None:
            raise HoldClosedError(f"expected an open hold whose content you may see, got `{target[:40]}`")
        write_new(out, encode_hold_file(shown.hold, shown.content))
        document["written"] = str(out)
    show(document, as_json=as_json, text=lambda: _text(shown, folder) + (f"written to {out}" if out else ""))


def _text(shown: Shown, folder: Path) -> str:
    lines = [f"hold {shown.hold.hold_id}", ""]
    if shown.content is None:
        made = _table([shown.hold])
        state = shown.hold.state
        why = "its content is gone" if state != "open" else "your role doesn't show you its content"
        lines += [made, "", f"state {state}; {why}"]
    else:
        lines.append(words(shown.hold, shown.content, titles=_titles(shown, folder)))
        lines += ["The request as it was sent:", "", body_text(shown.content)]
    if shown.approved:
        lines += ["", *(f"approved by {plain(person)} as {plain(role)}" for role, person in shown.approved)]
    return "\n".join(lines) + "\n"


def _titles(shown: Shown, folder: Path) -> Mapping[str, str]:
    """Titles of clauses: from the signer's own copy of the bundle, else as the gateway says, and said so."""
    copy = folder / "bundle"
    if copy.is_dir():
        bundle = load_bundle(copy)
        if bundle.digest == shown.hold.bundle:
            return {clause.id: clause.title for clause in bundle.clauses}
    return {clause: f"{title}, as the gateway says" for clause, title in (shown.titles or {}).items()}


def _fetch(target: str, *, folder: Path, url: str | None, key: PrivateKey | None) -> Shown:
    """A hold by file, from the API, or from the folder. Its description and body are those of its digests."""
    if not target.startswith("h_"):
        held, content = parse_hold_file(read_file(Path(target)))
        return Shown(hold=held, content=content)
    if url is None:
        return _fetch_here(target, folder)
    with connect(folder, url=url, key=key) as client:
        document = client.call("GET", f"holds/{target}")
    approved = tuple((each["role"], each["person"]) for each in document.get("approved", ()))
    if "file" not in document:
        return Shown(hold=hold_from_dict(document["hold"]), content=None, approved=approved)
    held, content = parse_hold_file(json.dumps(document["file"]).encode())
    if held.hold_id != target:
        raise MalformedError(f"expected hold `{target}`, the gateway sent `{held.hold_id}`")
    return Shown(hold=held, content=content, approved=approved, titles=document.get("titles"))


def _fetch_here(hold_id: str, folder: Path) -> Shown:
    settings = read_settings(folder)
    with _store(folder) as store:
        held = store.holds.get(hold_id)
        if held.state != "open" or system_clock() >= held.expires_at:
            return Shown(hold=held, content=None)
        key = HoldKey.load(settings.keys_folder / KEY_HOLD)
        content = unseal_content(store.holds.sealed_content(hold_id), held, key)
    # the same checks as for what came from elsewhere
    held, content = parse_hold_file(encode_hold_file(held, content))
    return Shown(hold=held, content=content)


def _store(folder: Path) -> SqliteStore:
    settings = read_settings(folder)
    if not settings.state_file.is_file():
        raise SettingsError(
            f"expected the state of a gateway in `{settings.state_file}`: no gateway ran here yet"
        )
    return SqliteStore(settings.state_file)


def _load(key: Path | None) -> PrivateKey | None:
    return None if key is None else PrivateKey.load(key)


def _signing_options(function: Any) -> Any:
    for option in (
        json_option,
        yes_option,
        out_option("Write the signed answer to this file instead of sending it."),
        click.option(
            "--interest",
            type=click.Choice(INTERESTS),
            show_default="party where your party is a side or asks",
            help="Whether your party is party to the deal.",
        ),
        click.option(
            "--basis",
            type=click.Choice(BASES),
            help="How you know that this is right; asked for if not given.",
        ),
        click.option(
            "--as", "role", metavar="ROLE", help="The role that you sign in, where you have several."
        ),
        trust_root_option,
        key_option("Your private key."),
        url_option,
        dir_option,
        click.argument("target", metavar="ID|FILE"),
    ):
        function = option(function)
    return function


@hold.command("approve")
@_signing_options
@example("countermark hold approve h_p3dkkyiylfhqvfe5rvcgynvmy4 --key ada.pem --basis document-seen")
def approve(**options: Any) -> None:
    """Sign that exactly this may happen, once. Shows what is asked before it asks you.

    Exit code 0: signed, and it counts. 1: not signed, or it does not count; the reason is said.
    """
    _sign(Verdict.APPROVE, **options)


@hold.command("refuse")
@_signing_options
@example("countermark hold refuse h_p3dkkyiylfhqvfe5rvcgynvmy4 --key ada.pem --basis document-seen")
def refuse(**options: Any) -> None:
    """Sign that this must not happen. One refusal closes the hold; nobody is asked the same until it expires."""
    _sign(Verdict.REFUSE, **options)


def _sign(
    verdict: Verdict,
    *,
    target: str,
    folder: Path,
    url: str | None,
    key: Path,
    trust_root: Path | None,
    role: str | None,
    basis: str | None,
    interest: str | None,
    out: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    root = load_root(folder, trust_root)
    who = signatory(root, key)
    shown = _fetch(target, folder=folder, url=url, key=who.key)
    if shown.content is None:
        raise HoldClosedError(
            f"expected an open hold whose content you may see, got `{target[:40]}`, which is {shown.hold.state}"
        )
    chosen = role or _role_of(root, who, shown.hold)
    if not as_json:
        click.echo(_text(shown, folder))
    if basis is None:
        if yes:
            raise SettingsError(f"expected how you know, with --basis: one of {', '.join(BASES)}")
        basis = click.prompt("How do you know that this is right", type=click.Choice(BASES), err=True)
    interest = interest or (
        "party" if who.party in {*root.sides, shown.hold.workload.partition("/")[0]} else "none"
    )
    click.echo(
        f"You sign as {who}\n  in the role {chosen}; how you know: {basis}; interest: {interest}", err=True
    )
    verb = "may happen once" if verdict is Verdict.APPROVE else "must not happen"
    confirm(f"Sign that exactly this {verb}?", yes=yes)
    now = system_clock().replace(microsecond=0)
    statement = make_approval(
        shown.hold,
        shown.content,
        role=chosen,
        person=who.person,
        verdict=verdict,
        now=now,
        basis=basis,
        interest=interest,
    )
    data = encode_envelope(sign_envelope(statement.payload, who.key))
    # what was signed is checked as the gateway will check it, before anybody is sent anything
    verify_statement([data], root, now=now)
    if out is not None:
        write_new(out, data + b"\n")
        show(
            {"hold": shown.hold.hold_id, "approval": statement.sha256, "written": str(out)},
            as_json=as_json,
            text=lambda: f"signed and written to {out}; on the gateway: countermark hold add {out}",
        )
        return
    _bring(data, shown.hold.hold_id, root, verdict, folder=folder, url=url, key=who.key, as_json=as_json)


def _role_of(root: TrustRoot, who: Signatory, held: Hold) -> str:
    """The role in which this person's signature counts, among those that the hold needs."""
    own = root.roles_of_key(who.key.public)
    counting = counting_roles(
        root,
        workload=held.workload,
        roles=tuple(held.quorum),
        requesters=held.requesters,
        now=system_clock(),
    )
    if who.person in counting:
        return counting[who.person]
    if who.person in held.requesters:
        raise RoleError(f"expected somebody else than those who asked, got `{who.person}`")
    may = sorted(name for name in own if root.may_make(name, APPROVAL, held.workload, system_clock()))
    raise RoleError(
        f"expected a role that this hold needs ({', '.join(held.quorum)}), got `{', '.join(may or sorted(own)) or 'none'}`"
    )


def _bring(
    data: bytes,
    hold_id: str,
    root: TrustRoot,
    verdict: Verdict,
    *,
    folder: Path,
    url: str | None,
    key: PrivateKey | None,
    as_json: bool,
) -> None:
    """Hand a signed answer to the gateway, and say what it came to."""
    with connect(folder, url=url, key=key) as client:
        result = client.call("POST", f"holds/{hold_id}/approvals", data)
    approved, needs = result["approved"], result["needs"]
    missing = {role: n - approved.get(role, 0) for role, n in needs.items() if n > approved.get(role, 0)}

    def text() -> str:
        if not result["counts"]:
            return f"signed, but it does NOT count: {result['why_not'] or 'the hold is closed'}"
        if verdict is Verdict.REFUSE:
            return f"refused: {hold_id} is closed, and nobody is asked the same again until it expires"
        lines = [f"signed, and it counts for {hold_id}"]
        lines += [f"  {role}: {min(n, approved.get(role, 0))} of {n}" for role, n in needs.items()]
        if missing:
            names = [
                f"{n} x {role}" + (f" ({', '.join(root.role(role).persons)})" if role in root.roles else "")
                for role, n in missing.items()
            ]
            lines.append(f"still needed: {', '.join(names)}")
        else:
            lines.append("complete: the same request, sent again, goes through once")
        return "\n".join(lines)

    document = {"hold": hold_id, "verdict": str(verdict), **result, "missing": missing}
    show(document, as_json=as_json, text=text)
    if not result["counts"]:
        raise click.exceptions.Exit(1)


@hold.command("add")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@dir_option
@url_option
@key_option("Your key; needed with --url. It need not be the signer's.", required=False)
@trust_root_option
@json_option
@example("countermark hold add recall.approval --dir my-gateway")
def add(
    file: Path, folder: Path, url: str | None, key: Path | None, trust_root: Path | None, *, as_json: bool
) -> None:
    """Bring a signed answer that somebody wrote with `hold approve --out`."""
    root = load_root(folder, trust_root)
    data = read_file(file).strip()
    verified = verify_statement([data], root, now=system_clock())
    approval = parse_approval(verified)
    _bring(
        data, approval.hold, root, approval.verdict, folder=folder, url=url, key=_load(key), as_json=as_json
    )
