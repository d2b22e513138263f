"""`countermark keys`: make a key, look at one, put a new one in the place of an old one."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import click

from countermark.attestation.envelope import (
    encode_envelope,
    parse_envelope,
    read_lines,
    sign_envelope,
    signers_of,
)
from countermark.attestation.keys import SCHEMES, PublicKey
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import TrustRoot, draft_trust_root, make_trust_root
from countermark.cli.key_files import new_key, public_document, public_file, read_public
from countermark.cli.output import Group, dir_option, example, json_option, show
from countermark.cli.root_words import differences, key_words
from countermark.cli.signing import TRUST_ROOT, read_file
from countermark.cli.trust import DRAFT, pinned_root, read_draft
from countermark.clock import system_clock
from countermark.errors import CountermarkError, SettingsError, TrustError
from countermark.oversight.words import plain
from countermark.store.statement_folder import StatementFolder, write_durably

_file = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def keys() -> None:
    """Keys of people, sides and workloads: new, show, rotate."""


@keys.command("new")
@click.argument("name")
@click.option(
    "--type",
    "keytype",
    type=click.Choice(tuple(SCHEMES)),
    default="ed25519",
    show_default=True,
    help="Kind of key; calls of the API are signed with ed25519.",
)
@click.option("--out", type=_file, show_default="NAME.pem", help="File for the private key (0600).")
@json_option
@example("countermark keys new ada --out ada.pem")
def new(name: str, keytype: str, out: Path | None, *, as_json: bool) -> None:
    """Make a key for NAME: the private half stays where it is made, the public half (`.pub.json`) may go anywhere."""
    target = out or Path(f"{name}.pem")
    key = new_key(target, name, keytype=keytype)
    document = {
        "name": name,
        "private": str(target),
        "public": str(public_file(target)),
        **public_document(key.public),
    }
    show(
        document,
        as_json=as_json,
        text=lambda: (
            f"private key in {target} (0600): it stays here\npublic key in {public_file(target)}: send this one\n"
            f"id {key.public.keyid}\ntell the others how the id begins, by voice or on paper: then they know it is yours"
        ),
    )


@keys.command("show")
@click.argument("file", type=_file)
@dir_option
@json_option
@example("countermark keys show ada.pub.json --dir my-gateway")
def show_(file: Path, folder: Path, *, as_json: bool) -> None:
    """Say which key a file holds (public, or private in `.pem`), and whose it is in the trust root of --dir."""
    key = read_public(file)
    root = pinned_root(folder / TRUST_ROOT)
    whose = key_words(root, key) if root is not None and key.keyid in root.keys else None
    where = "not in the trust root" if root is not None else "no trust root at hand (--dir)"
    show(
        {**public_document(key), "holder": whose},
        as_json=as_json,
        text=lambda: f"{key.keytype} {key.keyid}\n{whose or where}",
    )


@keys.command("rotate")
@click.argument("old", metavar="OLD")
@click.argument("new_file", metavar="NEW.pub.json", type=_file)
@dir_option
@click.option("--out", type=_file, default=Path(DRAFT), show_default=True, help="File for the draft.")
@json_option
@example("countermark keys rotate ada.pub.json ada-2027.pub.json --dir my-gateway")
def rotate(old: str, new_file: Path, folder: Path, out: Path, *, as_json: bool) -> None:
    """Draft the trust root that has a new key in the place of OLD (a key's file, or the beginning of its id).

    Says what has to be signed again under it. Nothing changes before every side has signed and it is added.
    """
    root = pinned_root(folder / TRUST_ROOT)
    if root is None:
        raise SettingsError(f"expected a trust root in `{folder / TRUST_ROOT}`: name the gateway with --dir")
    former, fresh = _old_key(root, old), read_public(new_file)
    if fresh.keyid in root.keys:
        raise TrustError(f"expected a key that is new, got {key_words(root, fresh)}")
    if any(gateway.key == former for gateway in root.gateways.values()):
        raise TrustError(
            f"expected a person's or a side's key, got {key_words(root, former)}: a gateway's key is its log's name; "
            "make a gateway of another name (docs/how-to/rotate-keys.md)"
        )
    now = system_clock().replace(microsecond=0)
    statement = make_trust_root(
        root.name,
        _replaced(root, former, fresh),
        valid_from=now,
        valid_until=now + (root.validity.valid_until - root.validity.valid_from),
    )
    drafted = draft_trust_root(statement)
    if out.exists() and read_draft(out)[0].signatures:
        raise SettingsError(f"expected no signed draft in `{out}`: name another with --out, or take it away")
    again = list(_to_sign_again(root, former, folder))
    write_durably(out, encode_envelope(sign_envelope(statement.payload)))
    document = {
        "old": public_document(former),
        "new": public_document(fresh),
        "draft": str(out),
        "changes": differences(root, drafted),
        "sign_again": again,
    }
    show(document, as_json=as_json, text=lambda: _rotate_text(document, root, former, out))


def _rotate_text(document: dict[str, Any], root: TrustRoot, former: PublicKey, out: Path) -> str:
    lines = [f"drafted in {out}: version {root.version + 1}, without {key_words(root, former)}"]
    lines += [f"  {line}" for line in document["changes"]]
    lines.append("signed with the old key, so to be signed again before it is put in force:")
    lines += [f"  {line}" for line in document["sign_again"]] or ["  nothing"]
    lines.append(
        f"next: every side signs it (countermark trust sign {out}); where a side's own key changes, it signs with the old "
        "key AND with the new one"
    )
    return "\n".join(lines)


def _old_key(root: TrustRoot, named: str) -> PublicKey:
    if Path(named).is_file():
        key = read_public(Path(named))
        if key.keyid not in root.keys:
            raise TrustError(f"expected a key of trust root `{root.name}` in `{named}`, got {key.keyid[:12]}")
        return key
    found = [key for keyid, key in root.keys.items() if len(named) >= 4 and keyid.startswith(named)]
    if len(found) != 1:
        raise SettingsError(
            f"expected the file of a key, or the beginning of one key's id in `{root.name}`, got `{named[:80]}`"
        )
    return found[0]


def _replaced(root: TrustRoot, former: PublicKey, fresh: PublicKey) -> dict[str, Any]:
    content: dict[str, Any] = deepcopy(dict(root.statement.content))
    content["version"] = root.version + 1
    content["keys"] = {keyid: item for keyid, item in content["keys"].items() if keyid != former.keyid} | {
        fresh.keyid: fresh.to_dict()
    }
    for records in (content["persons"], content["sides"]):
        for record in records.values():
            record["keys"] = [fresh.keyid if keyid == former.keyid else keyid for keyid in record["keys"]]
    return content


def _to_sign_again(root: TrustRoot, key: PublicKey, folder: Path) -> Iterator[str]:
    """What rests on a signature of `key` now, in words."""
    for data in StatementFolder(folder / "statements").read_all().values():
        try:
            envelopes = [parse_envelope(line) for line in read_lines(data)]
            about = parse_statement(envelopes[0].payload)
        except (CountermarkError, IndexError):
            continue
        named = f"{about.predicate_type} {plain(about.subject.name)} ({about.sha256[:12]})"
        if signers_of(envelopes[0], [key]):
            yield f"{named}: state it again (countermark evidence new {about.predicate_type})"
        elif any(signers_of(envelope, [key]) for envelope in envelopes[1:]):
            yield f"{named}: countersign it again (countermark evidence countersign {about.sha256[:12]})"
    approval = folder / "bundle-approval.jsonl"
    if approval.is_file() and any(
        signers_of(parse_envelope(line), [key]) for line in read_lines(read_file(approval))
    ):
        yield "the bundle: approve it again (countermark policy approve)"
