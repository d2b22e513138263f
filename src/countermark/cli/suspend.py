"""`countermark suspend`: put a brake on, or take it off."""

from __future__ import annotations

import secrets
from base64 import b32encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from countermark.attestation.envelope import add_signature, encode_envelope, parse_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.cli.client import connect
from countermark.cli.output import FINDING, Group, dir_option, example, json_option, show, table
from countermark.cli.signing import (
    confirm,
    key_option,
    load_root,
    out_option,
    read_file,
    side_of,
    trust_root_option,
    url_option,
    write_new,
    yes_option,
)
from countermark.clock import format_time, system_clock
from countermark.config import read_settings
from countermark.errors import QuorumError, SettingsError
from countermark.pdp.suspensions import Suspensions
from countermark.policy.approval import LIFTED, TAKEN, make_suspension, parse_suspension, verify_suspension
from countermark.store.sqlite import SqliteStore


@click.group(cls=Group)
def suspend() -> None:
    """The brake: any side takes it alone and at once; lifting it needs what granting needed.

    It is no guarantee: who runs the gateway can leave it out. What must hold is that evidence lapses.
    """


@suspend.command("take")
@click.option("--workload", metavar="PARTY/NAME", help="Stop one workload.")
@click.option("--model", metavar="NAME", help="Stop one model.")
@click.option("--purpose", metavar="NAME", help="Stop one purpose, and whatever has none that is known.")
@click.option("--all", "everything", is_flag=True, help="Stop everything.")
@click.option("--days", type=click.IntRange(1, 366), required=True, help="When it lapses by itself.")
@key_option("Private key of your side.")
@out_option("Write the order to this file instead of sending it.")
@dir_option
@url_option
@trust_root_option
@yes_option
@json_option
@example("countermark suspend take --workload northmark/tracking --days 7 --key halden-side.pem")
def take(
    workload: str | None,
    model: str | None,
    purpose: str | None,
    everything: bool,
    days: int,
    key: Path,
    out: Path | None,
    folder: Path,
    url: str | None,
    trust_root: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Deny everything of a workload, a model or a purpose from now on, until it is lifted or lapses."""
    named = {"workload": workload, "model": model, "purpose": purpose}
    chosen = [(scope, target) for scope, target in named.items() if target is not None]
    if everything:
        chosen.append(("all", ""))
    if len(chosen) != 1:
        raise SettingsError("expected exactly one of --workload, --model, --purpose and --all")
    root = load_root(folder, trust_root)
    private, side = side_of(root, key)
    scope, target = chosen[0]
    now = system_clock().replace(microsecond=0)
    suspension_id = f"s_{b32encode(secrets.token_bytes(10)).decode().lower()}"
    statement = make_suspension(
        suspension_id,
        scope=scope,
        target=target,
        state=TAKEN,
        seq=1,
        valid_from=now,
        valid_until=now + timedelta(days=days),
    )
    click.echo(
        f"{side} stops {_what(scope, target)} for {days} day{'s' if days > 1 else ''} (suspension {suspension_id})",
        err=True,
    )
    confirm("Sign that, and stop it now?", yes=yes)
    data = encode_envelope(sign_envelope(statement.payload, private))
    verify_suspension(data, root, now)
    if out is not None:
        write_new(out, data + b"\n")
        show(
            {"suspension": suspension_id, "written": str(out)},
            as_json=as_json,
            text=lambda: f"signed and written to {out}; on the gateway: countermark suspend add {out}",
        )
        return
    _bring(data, folder=folder, url=url, key=private, as_json=as_json)


def _what(scope: str, target: str) -> str:
    return "everything" if scope == "all" else f"{scope} {target}"


def _bring(data: bytes, *, folder: Path, url: str | None, key: PrivateKey | None, as_json: bool) -> None:
    with connect(folder, url=url, key=key) as client:
        result = client.call("POST", "suspensions", data)
    show(
        result,
        as_json=as_json,
        text=lambda: (
            f"suspension {result['suspension']} is {result['state']}, by {', '.join(result['sides'])}"
        ),
    )


@suspend.command("lift")
@click.argument("target", metavar="ID|FILE")
@key_option("Private key of a side; may be given several times. Every side has to sign.", multiple=True)
@out_option("Write the order to this file, for the next side to sign.")
@dir_option
@url_option
@trust_root_option
@yes_option
@json_option
@example("countermark suspend lift s_gy3dqmrtgq4tknzr --key halden-side.pem --out lift.json")
def lift(
    target: str,
    keys: tuple[Path, ...],
    out: Path | None,
    folder: Path,
    url: str | None,
    trust_root: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Take a brake off, with every side's signature.

    With an ID a new order is made, from what the gateway says of the brake; with a FILE your signature is added to
    somebody's order. Without --out it is sent, which needs every side. Exit code 1 while a side is missing.
    """
    root = load_root(folder, trust_root)
    signers = [side_of(root, each) for each in keys]
    file = Path(target)
    if file.is_file():
        envelope = parse_envelope(read_file(file).strip())
    else:
        now = system_clock().replace(microsecond=0)
        standing = {each["suspension"]: each for each in _standing(folder, url, signers[0][0], trust_root)}
        if target not in standing:
            raise SettingsError(
                f"expected a suspension that stands ({', '.join(standing) or 'none does'}), got `{target[:60]}`"
            )
        known = standing[target]
        statement = make_suspension(
            target,
            scope=known["scope"],
            target=known["target"],
            state=LIFTED,
            seq=2,
            valid_from=now,
            valid_until=now + timedelta(days=7),
        )
        envelope = sign_envelope(statement.payload, signers[0][0])
    order = parse_suspension(parse_statement(envelope.payload))
    if order.state != LIFTED:
        raise SettingsError(f"expected an order that lifts a suspension in `{file}`, got one that takes it")
    sides = ", ".join(sorted({side for _, side in signers}))
    click.echo(
        f"{sides} lets {_what(order.scope, order.target)} go on (suspension {order.suspension_id})", err=True
    )
    confirm("Sign that?", yes=yes)
    for private, _ in signers:
        envelope = add_signature(envelope, private)
    data = encode_envelope(envelope)
    missing = _missing(data, root)
    if out is not None:
        if out.is_file() and out.resolve() == file.resolve():
            out.unlink()
        write_new(out, data + b"\n")
        show(
            {"suspension": order.suspension_id, "written": str(out), "missing": missing},
            as_json=as_json,
            text=lambda: (
                f"signed and written to {out}; "
                + (f"still to sign: {missing}" if missing else f"complete: countermark suspend add {out}")
            ),
        )
        return
    if missing:
        click.echo(f"not sent: still to sign: {missing}; use --out FILE and pass it on", err=True)
        raise click.exceptions.Exit(FINDING)
    _bring(data, folder=folder, url=url, key=signers[0][0], as_json=as_json)


def _missing(data: bytes, root: TrustRoot) -> str | None:
    """Which sides have not signed yet, in words; None where all have."""
    try:
        verify_suspension(data, root, system_clock())
    except QuorumError as error:
        return str(error).rpartition("missing ")[2].replace("`", "")
    return None


def _standing(
    folder: Path, url: str | None, key: PrivateKey | None, trust_root: Path | None
) -> list[dict[str, Any]]:
    """The brakes that stand, from the API, or from the folder."""
    if url is not None:
        with connect(folder, url=url, key=key) as client:
            found: list[dict[str, Any]] = client.call("GET", "suspensions")["suspensions"]
            return found
    root = load_root(folder, trust_root)
    settings = read_settings(folder)
    if not settings.state_file.is_file():
        return []
    now = system_clock()
    with SqliteStore(settings.state_file) as store:
        documents = [each.document for each in store.suspensions.standing(now)]
    return [
        {
            "suspension": each.suspension_id,
            "scope": each.scope,
            "target": each.target,
            "side": each.side,
            "taken_at": format_time(each.taken_at),
            "valid_until": format_time(each.valid_until),
        }
        for each in Suspensions.verify_all(documents, root, now).all()
    ]


@suspend.command("list")
@dir_option
@url_option
@key_option("Your key, a person's or a side's; needed with --url.", required=False)
@trust_root_option
@json_option
@example("countermark suspend list --dir my-gateway")
def list_(folder: Path, url: str | None, key: Path | None, trust_root: Path | None, *, as_json: bool) -> None:
    """List the brakes that stand."""
    private = None if key is None else PrivateKey.load(key)
    standing = _standing(folder, url, private, trust_root)

    def text() -> str:
        if not standing:
            return "no brake is on"
        rows = [
            [each["suspension"], _what(each["scope"], each["target"]), each["side"], each["valid_until"]]
            for each in standing
        ]
        return table(rows, ["suspension", "stops", "by", "until"])

    show({"suspensions": standing}, as_json=as_json, text=text)


@suspend.command("add")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@dir_option
@url_option
@key_option("Your key, a person's or a side's; needed with --url.", required=False)
@trust_root_option
@json_option
@example("countermark suspend add halt.json --dir my-gateway")
def add(
    file: Path, folder: Path, url: str | None, key: Path | None, trust_root: Path | None, *, as_json: bool
) -> None:
    """Bring an order that somebody wrote with `suspend take --out` or `suspend lift --out`."""
    root = load_root(folder, trust_root)
    data = read_file(file).strip()
    verify_suspension(data, root, system_clock())
    private = None if key is None else PrivateKey.load(key)
    _bring(data, folder=folder, url=url, key=private, as_json=as_json)
