"""`countermark init`: a working folder of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.trust_root import TrustRoot, draft_trust_root
from countermark.cli.charter_file import draft_root, read_charter_file
from countermark.cli.output import Command, example, json_option, show
from countermark.cli.own_bundle import APIS, Names, reviewer, write_bundle
from countermark.cli.working_folder import (
    APPROVAL_DAYS,
    Alone,
    Upstream,
    make_alone,
    whole_folder,
    write_secrets,
    write_settings,
)
from countermark.clock import format_time, system_clock
from countermark.errors import SettingsError
from countermark.policy.bundle import Bundle
from countermark.policy.shipped import shipped_bundle

_PARTY = re.compile(r"[a-z][a-z0-9-]{0,49}", re.ASCII)
_PERSON = re.compile(r"[a-z][a-z0-9._-]{0,63}", re.ASCII)
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
DRAFT = "trust-root.draft.json"


def _named(value: str | None, pattern: re.Pattern[str], option: str, like: str) -> str:
    if value is None:
        raise SettingsError(f"expected {option}, for example `{option} {like}`")
    if not pattern.fullmatch(value):
        raise SettingsError(f"expected {option} in lower case like `{like}`, got `{value[:60]}`")
    return value


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--solo", is_flag=True, help="One side alone: nothing rises above its own word, everything says so."
)
@click.option("--party", help="The organisation (with --solo).")
@click.option(
    "--person", "persons", multiple=True, help="Who makes statements; again for more (with --solo)."
)
@click.option("--upstream", help="Address of the model's server, without /v1 (with --solo).")
@click.option(
    "--model", "models", multiple=True, help="Model name that callers write; again for more (with --solo)."
)
@click.option(
    "--api",
    default=",".join(APIS),
    show_default=True,
    help="APIs that the model's server speaks (with --solo).",
)
@click.option("--name", help="Of the trust root, for ever; the party's where left out (with --solo).")
@click.option(
    "--charter",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Two sides or more: a charter that they filled in (`trust draft --charter FILE` writes one).",
)
@click.option("--gateway", default="gw-1", show_default=True, help="This gateway's name in the trust root.")
@click.option(
    "--port", default=8400, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on."
)
@click.option("--upstream-key-env", help="Environment variable that will hold the upstream's API key.")
@click.option(
    "--upstream-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that holds it, mode 0600.",
)
@json_option
@example(
    "countermark init my-gateway --solo --party northmark --person ada \\\n"
    "      --upstream http://127.0.0.1:8787 --model m-1"
)
def init(
    folder: Path,
    party: str | None,
    persons: tuple[str, ...],
    upstream: str | None,
    models: tuple[str, ...],
    api: str,
    name: str | None,
    charter: Path | None,
    gateway: str,
    port: int,
    upstream_key_env: str | None,
    upstream_key_file: Path | None,
    *,
    solo: bool,
    as_json: bool,
) -> None:
    """Make the working folder of a gateway: settings, keys, trust root, bundle. Overwrites nothing.

    It makes no evidence: what your workloads are is for you to say (`countermark evidence new`).
    """
    if solo == (charter is not None):
        raise SettingsError("expected either --solo (one side alone) or --charter FILE (two sides or more)")
    if upstream_key_env is not None and not _ENV.fullmatch(upstream_key_env):
        raise SettingsError(
            f"expected --upstream-key-env like `PROVIDER_API_KEY`, got `{upstream_key_env[:60]}`"
        )
    login = Upstream(key_env=upstream_key_env, key_file=upstream_key_file)
    if charter is not None:
        _init_with_charter(folder, charter, gateway=gateway, port=port, login=login, as_json=as_json)
        return
    user = _named(party, _PARTY, "--party", "northmark")
    if not persons:
        raise SettingsError("expected --person, for example `--person ada`: somebody has to sign")
    if upstream is None or not models:
        raise SettingsError(
            "expected --upstream and --model, for example `--upstream http://127.0.0.1:8787 --model m-1`"
        )
    alone = Alone(
        name=_named(name or user, _PERSON, "--name", "northmark"),
        party=user,
        persons=tuple(dict.fromkeys(_named(person, _PERSON, "--person", "ada") for person in persons)),
        names=Names(
            user=user,
            other=None,
            # the client's path begins with /v1, so an address that ends with it would ask for /v1/v1
            upstream=upstream.rstrip("/").removesuffix("/v1"),
            models=tuple(dict.fromkeys(models)),
            apis=_apis(api),
        ),
        gateway=gateway,
        port=port,
        upstream=login,
    )
    root, bundle = make_alone(folder, alone, now=system_clock().replace(microsecond=0))
    show(
        _document(folder, root, bundle),
        as_json=as_json,
        text=lambda: _alone_text(folder, alone, root, bundle),
    )


def _apis(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(item.strip() for item in text.split(",")))
    for item in found:
        if item not in APIS:
            raise SettingsError(f"expected --api of `{', '.join(APIS)}`, got `{item[:60]}`")
    return found


def _document(folder: Path, root: TrustRoot, bundle: Bundle) -> dict[str, Any]:
    return {
        "folder": str(folder.resolve()),
        "trust_root": {"name": root.name, "version": root.version, "digest": root.digest},
        "bundle": {"name": bundle.name, "version": bundle.version, "digest": bundle.digest},
        "one_sided": root.one_sided,
        "can_go_round": list(root.upstream_key_held_by),
        "upstream_checks_permit": root.upstream_checks_permit,
        "models": sorted(bundle.routes),
    }


def _round(root: TrustRoot) -> str:
    held = ", ".join(root.upstream_key_held_by) or "nobody that it names"
    if root.upstream_checks_permit:
        return f"Going round: the model's server checks for permits, so its key alone ({held}) is not enough."
    return (
        f"Who can go round this gateway: whoever holds the key of the model's server ({held}), until that server\n"
        "checks for permits (docs/how-to/protect-the-upstream.md)."
    )


def _alone_text(folder: Path, alone: Alone, root: TrustRoot, bundle: Bundle) -> str:
    person, party = alone.persons[0], alone.party
    return f"""\
made {folder}:
  settings.toml          every setting with its reason; they can only restrict
  keys/                  the gateway's own secrets (0600): they stay on this machine
  people/                keys of {", ".join(alone.persons)} and of the side {party}: move them to where their people are
  trust-root.json        who may say what; signed by {party}, until {format_time(root.validity.valid_until)}
  bundle/                the clauses ({bundle.name} version {bundle.version}), approved by {party} for {APPROVAL_DAYS} days
  statements/, log/      empty: no evidence was made up, nothing is permitted yet

One-sided: {party} signs alone, so no fact rises above its own word, and every decision, entry and page says so.
What the clauses leave to another party's people ({reviewer(None)}) stays HOLD or DENY until you invite one
(docs/how-to/two-sides.md).
{_round(root)}

Next, for a workload `{party}/office`:
  countermark evidence new credential --dir {folder} --workload office --api-key-out office.key --holder {person}
  countermark evidence new deployment --dir {folder} --workload office
  countermark evidence new purpose --dir {folder} --workload office
and then `countermark serve --dir {folder}`. What is wrong, says `countermark doctor --dir {folder}`."""


def _init_with_charter(
    folder: Path, charter: Path, *, gateway: str, port: int, login: Upstream, as_json: bool
) -> None:
    """The gateway of several sides: its own secrets, the bundle, and a trust root for the sides to sign."""
    now = system_clock().replace(microsecond=0)
    read = read_charter_file(charter)
    terms = read.terms
    names = Names(
        user=_named(terms.user, _PARTY, "bundle.user", "northmark"),
        other=_named(terms.other, _PARTY, "bundle.other", "halden"),
        upstream=terms.upstream.rstrip("/").removesuffix("/v1"),
        models=terms.models,
        apis=_apis(",".join(terms.apis)),
    )
    with whole_folder(folder) as made:
        runner = read.document.get("gateways", {}).get(gateway, {}).get("runner", "gateway")
        key = write_secrets(made, gateway=gateway, party=str(runner))
        statement = draft_root(read, now=now, own_gateway=(gateway, key.public))
        root = draft_trust_root(statement)
        bundle = write_bundle(shipped_bundle(terms.source), made / "bundle", names, now=now)
        missing = sorted(set(bundle.approvals) - set(root.roles))
        (made / DRAFT).write_bytes(encode_envelope(sign_envelope(statement.payload)))
        write_settings(made, gateway=gateway, port=port, upstream=login)
    document = {
        **_document(folder, root, bundle),
        "draft": str(folder / DRAFT),
        "roles_nobody_holds": missing,
    }
    show(document, as_json=as_json, text=lambda: _charter_text(folder, root, bundle, missing))


def _charter_text(folder: Path, root: TrustRoot, bundle: Bundle, missing: list[str]) -> str:
    sides = ", ".join(root.sides)
    note = (
        f"\nRoles of the clauses that nobody holds: {', '.join(missing)}: what asks for them stays HOLD or DENY.\n"
        if missing
        else ""
    )
    return f"""\
made {folder}:
  settings.toml          every setting with its reason; they can only restrict
  keys/                  the gateway's own secrets (0600): they stay on this machine
  {DRAFT}  who may say what; in force once {sides} have signed it
  bundle/                the clauses ({bundle.name} version {bundle.version}, {bundle.digest[:12]}), for every side to approve
  statements/, log/      empty: no evidence was made up, nothing is permitted yet

{_round(root)}
{note}
Next: each side, on its own machine,
  countermark trust sign {DRAFT} --key SIDE.pem
then here
  countermark trust add {DRAFT} --dir {folder}
and each side signs the bundle
  countermark policy approve {folder}/bundle --key SIDE.pem --days 90 --trust-root {folder}/trust-root.json"""
