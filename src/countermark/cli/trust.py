"""`countermark trust`: draft a trust root from a charter, read it, sign it, put it in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from countermark.attestation.envelope import (
    IN_TOTO,
    Envelope,
    Signature,
    add_signature,
    encode_envelope,
    parse_envelope,
    read_lines,
    sign_envelope,
    signers_of,
)
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import (
    TrustRoot,
    draft_trust_root,
    parse_trust_root,
    verify_successor,
)
from countermark.cli.charter_example import (
    charter_text,
    document_of_root,
    example_document,
    invite,
    routing_of,
    write_public_keys,
)
from countermark.cli.charter_file import draft_root, read_charter_file
from countermark.cli.output import FINDING, Group, dir_option, example, json_option, show
from countermark.cli.own_bundle import Names, write_bundle
from countermark.cli.root_words import SideState, differences, key_words, quorum_states, root_head, root_text
from countermark.cli.signing import (
    TRUST_ROOT,
    confirm,
    key_option,
    read_file,
    trust_root_option,
    write_new,
    yes_option,
)
from countermark.clock import format_time, system_clock
from countermark.errors import CountermarkError, MalformedError, SettingsError, TrustError
from countermark.policy.approval import bundle_in_force
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.store.statement_folder import write_durably

DRAFT: Final = "trust-root.draft.json"
BUNDLE_DRAFT: Final = "bundle.draft"
_file = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def trust() -> None:
    """The trust root: who may say what, with which keys. Every side signs it.

    \b
    draft   from a charter that the sides filled in (it writes an example)
    show    in words, and what it changes
    sign    as a side
    add     put it in force at a gateway
    status  who has signed, and who is missing
    """


def read_draft(path: Path) -> tuple[Envelope, TrustRoot]:
    """A trust root as a file, whoever has signed it so far.

    Raises:
        SettingsError: It can't be read.
        MalformedError: It is none.
    """
    envelope = parse_envelope(read_file(path))
    if envelope.payload_type != IN_TOTO:
        raise MalformedError(
            f"expected a trust root in `{path}`, got payload type `{envelope.payload_type[:60]}`"
        )
    return envelope, draft_trust_root(parse_statement(envelope.payload))


def pinned_root(path: Path) -> TrustRoot | None:
    """The trust root that was put in force, also where its time has passed; None where there is none.

    Raises:
        TrustError: The file is there and its sides have not signed it.
    """
    if not path.is_file():
        return None
    _, root = read_draft(path)
    return parse_trust_root(read_file(path), now=root.validity.valid_from)


@trust.command("draft")
@click.option(
    "--charter", type=_file, required=True, help="The charter (TOML); written where it isn't there yet."
)
@dir_option
@click.option("--out", type=_file, default=Path(DRAFT), show_default=True, help="File for the draft.")
@click.option(
    "--invite", "invited", help="With a gateway's --dir: a party to write into a new charter as another side."
)
@click.option(
    "--their-person", "persons", multiple=True, help="A person of the invited party; again for more."
)
@click.option(
    "--observer",
    "observers",
    multiple=True,
    help="With --invite: a runner whose gateway's sight shall count as observed.",
)
@json_option
@example("countermark trust draft --charter charter.toml")
def draft(
    charter: Path,
    folder: Path,
    out: Path,
    invited: str | None,
    persons: tuple[str, ...],
    observers: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Draft a trust root from a charter. Where there is no charter yet, write one to fill in.

    In a gateway's folder a new charter is that of the trust root in force, as the next version; elsewhere an example.
    A charter with a `[bundle]` also gives a bundle with the names put in, for every side to approve.
    """
    if not charter.exists():
        text = _new_charter(charter, folder, invited, persons, observers)
        show({"charter": str(charter), "draft": None}, as_json=as_json, text=lambda: text)
        return
    read = read_charter_file(charter)
    now = system_clock().replace(microsecond=0)
    statement = draft_root(read, now=now)
    root = draft_trust_root(statement)
    if out.exists() and read_draft(out)[0].signatures:
        raise SettingsError(f"expected no signed draft in `{out}`: name another with --out, or take it away")
    bundle = None
    target = out.resolve().parent / BUNDLE_DRAFT
    if "bundle" in read.document and not target.exists():
        terms = read.terms
        bundle = write_bundle(
            shipped_bundle(terms.source),
            target,
            Names(
                user=terms.user,
                other=terms.other,
                upstream=terms.upstream.rstrip("/").removesuffix("/v1"),
                models=terms.models,
                apis=terms.apis,
            ),
            now=now,
        )
    write_durably(out, encode_envelope(sign_envelope(statement.payload)))
    document = {
        "charter": str(charter),
        "draft": str(out),
        "digest": root.digest,
        "bundle": str(target) if bundle is not None else None,
    }
    show(document, as_json=as_json, text=lambda: _drafted_text(root, out, target, wrote=bundle is not None))


def _new_charter(
    charter: Path, folder: Path, invited: str | None, persons: tuple[str, ...], observers: tuple[str, ...]
) -> str:
    old = pinned_root(folder / TRUST_ROOT)
    if old is None:
        if invited is not None:
            raise SettingsError(
                f"expected a gateway's trust root in `{folder / TRUST_ROOT}` to invite another side to"
            )
        write_new(charter, charter_text(example_document(), file=charter.name).encode())
        return f"an example charter is in {charter}: fill it in, then run this again"
    document: dict[str, Any] = document_of_root(old, write_public_keys(old, charter.resolve().parent))
    if invited is not None:
        if not persons:
            raise SettingsError(
                "expected --their-person: who of them countersigns and looks at held requests"
            )
        routing = routing_of(load_bundle(folder / "bundle"))
        document = invite(document, party=invited, persons=persons, routing=routing)
        document["observers"] = list(observers)
    write_new(charter, charter_text(document, file=charter.name).encode())
    wanted = (
        f"\nit names the public keys of {invited}: {invited}-side.pub.json and "
        f"{', '.join(f'{person}.pub.json' for person in persons)}, which they make (`countermark keys new`) and send"
        if invited is not None
        else ""
    )
    return f"the charter of version {old.version + 1} is in {charter}: change it, then run this again{wanted}"


def _drafted_text(root: TrustRoot, out: Path, target: Path, *, wrote: bool) -> str:
    lines = [f"drafted {root.name} version {root.version} ({root.digest[:12]}) in {out}"]
    if wrote:
        lines.append(f"wrote the bundle with your names to {target}: read it, change it, and approve it")
    if not any(each.runner in root.observers for each in root.gateways.values()) and not root.one_sided:
        lines.append(
            "NOTE: no gateway's runner is an observer, so what a gateway sees (who asks) is one party's word, and clauses that "
            "ask for countersigned facts deny everything"
        )
    sides = ", ".join(root.sides)
    lines += [
        f"next: {sides} each read it (countermark trust show {out})",
        f"and sign it (countermark trust sign {out} --key SIDE.pem)",
    ]
    return "\n".join(lines)


def _document(root: TrustRoot, states: Sequence[SideState]) -> dict[str, Any]:
    return {
        "name": root.name,
        "version": root.version,
        "digest": root.digest,
        "valid_until": format_time(root.validity.valid_until),
        "one_sided": root.one_sided,
        "complete": all(state.complete for state in states),
        "sides": [
            {
                "party": state.party,
                "which": state.which,
                "signed": state.signed,
                "needed": state.needed,
                "missing": [] if state.complete else list(state.missing),
            }
            for state in states
        ],
    }


def _states_text(states: Sequence[SideState]) -> str:
    return "\n".join(f"  {state}" for state in states)


def _change_text(old: TrustRoot | None, new: TrustRoot, *, whole: bool) -> str:
    """What a trust root says and changes; for a signer who knows the one in force, what it changes is enough."""
    if old is None:
        return root_text(new)
    lines = differences(old, new) or ["nothing but its time"]
    return "\n".join(
        [
            root_text(new) + "\n" if whole else root_head(new),
            f"against version {old.version}, in force until {format_time(old.validity.valid_until)}:",
            *(f"  {line}" for line in lines),
        ]
    )


@trust.command("show")
@click.argument("file", type=_file)
@dir_option
@trust_root_option
@json_option
@example("countermark trust show trust-root.draft.json")
def show_(file: Path, folder: Path, trust_root: Path | None, *, as_json: bool) -> None:
    """Say a trust root in words, what it changes against the one in force, and who has signed it."""
    envelope, root = read_draft(file)
    old = _old(pinned_root(trust_root or folder / TRUST_ROOT), root)
    states = quorum_states(envelope, root, old)
    document = {
        **_document(root, states),
        "changes": differences(old, root) if old is not None else None,
    }
    show(
        document,
        as_json=as_json,
        text=lambda: f"{_change_text(old, root, whole=True)}\n\nsigned:\n{_states_text(states)}",
    )


def _old(pinned: TrustRoot | None, root: TrustRoot) -> TrustRoot | None:
    """The one in force, where it is another than the one at hand."""
    return None if pinned is None or pinned.digest == root.digest else pinned


@trust.command("sign")
@click.argument("file", type=_file)
@key_option("Private key of a side.")
@dir_option
@trust_root_option
@yes_option
@json_option
@example("countermark trust sign trust-root.draft.json --key halden-side.pem")
def sign(file: Path, key: Path, folder: Path, trust_root: Path | None, *, yes: bool, as_json: bool) -> None:
    """Sign a trust root as a side: says in words what, asks, signs, and checks the signature before it is kept."""
    envelope, root = read_draft(file)
    old = _old(pinned_root(trust_root or folder / TRUST_ROOT), root)
    private = PrivateKey.load(key)
    holder = next((each for each in (root, old) if each is not None and _is_side_key(each, private)), None)
    if holder is None:
        wanted = [key_words(root, each) for side in root.sides.values() for each in side.keys]
        raise TrustError(
            f"expected the key of a side in `{key}` ({', '.join(wanted)}), got {private.public.keyid[:12]}"
        )
    named = key_words(holder, private.public)
    click.echo(f"{_change_text(old, root, whole=False)}\n\nto be signed with {key}: {named}\n", err=True)
    confirm("Sign this trust root?", yes=yes)
    signed = add_signature(envelope, private)
    data = encode_envelope(signed)
    # a wrong key or a broken one must not leave this machine looking like a signature
    if private.public not in signers_of(parse_envelope(data), [private.public]):
        raise TrustError(f"expected a signature of {named} that verifies, nothing was written")
    write_durably(file, data)
    states = quorum_states(signed, root, old)
    show(
        {**_document(root, states), "signed_as": named, "written": str(file)},
        as_json=as_json,
        text=lambda: f"signed as {named}, into {file}\n{_states_text(states)}",
    )


def _is_side_key(root: TrustRoot, key: PrivateKey) -> bool:
    return any(key.public in side.keys for side in root.sides.values())


@trust.command("add")
@click.argument("files", type=_file, nargs=-1, required=True)
@dir_option
@json_option
@example("countermark trust add trust-root.draft.json --dir my-gateway")
def add(files: tuple[Path, ...], folder: Path, *, as_json: bool) -> None:
    """Bring a signed trust root to a gateway; copies that different sides signed are put together.

    It is in force once every side has signed, those of the one before it too. Exit code 1 while one is missing.
    """
    target, waiting = folder / TRUST_ROOT, folder / DRAFT
    old = pinned_root(target)
    envelope, root = read_draft(files[0])
    others = [read_draft(each)[0] for each in files[1:]]
    if any(other.payload != envelope.payload for other in others):
        raise MalformedError("expected copies of one trust root, got files that say different things")
    if waiting.is_file() and (kept := read_draft(waiting)[0]).payload == envelope.payload:
        others.append(kept)
    envelope = _together(envelope, others)
    before = _old(old, root)
    states = quorum_states(envelope, root, before)
    data = encode_envelope(envelope)
    document = {**_document(root, states), "in_force": False, "first": old is None}
    if not document["complete"]:
        write_durably(waiting, data)
        show(
            document,
            as_json=as_json,
            text=lambda: f"kept in {waiting}, not in force yet:\n{_states_text(states)}",
        )
        raise click.exceptions.Exit(FINDING)
    now = system_clock()
    if before is not None:
        verify_successor(before, data, now)
    else:
        parse_trust_root(data, now=now)
    write_durably(target, data)
    if waiting.is_file() and read_draft(waiting)[0].payload == envelope.payload:
        waiting.unlink()
    document["in_force"] = True
    show(document, as_json=as_json, text=lambda: _added_text(folder, root, states, first=old is None))


def _together(envelope: Envelope, others: Sequence[Envelope]) -> Envelope:
    signatures: dict[bytes, Signature] = {each.sig: each for each in envelope.signatures}
    for other in others:
        signatures.update({each.sig: each for each in other.signatures})
    return Envelope(
        payload=envelope.payload, payload_type=envelope.payload_type, signatures=tuple(signatures.values())
    )


def _added_text(folder: Path, root: TrustRoot, states: Sequence[SideState], *, first: bool) -> str:
    lines = [f"in force: {root.name} version {root.version}, until {format_time(root.validity.valid_until)}"]
    lines.append(_states_text(states))
    if first:
        lines.append(
            f"It is pinned here now. Compare its digest with the other sides by voice or on paper:\n  {root.digest}"
        )
    lines.append(_bundle_words(folder, root))
    lines.append("A gateway that runs reads it when it is started again.")
    return "\n".join(lines)


def _bundle_words(folder: Path, root: TrustRoot) -> str:
    """Whether the bundle of the folder is in force under a trust root."""
    try:
        bundle = load_bundle(folder / "bundle")
    except CountermarkError as error:
        return f"no bundle to put in force yet: {error}"
    try:
        lines = read_lines(read_file(folder / "bundle-approval.jsonl"))
        until = bundle_in_force(bundle.digest, lines, root, system_clock()).valid_until
    except CountermarkError:
        sides = ", ".join(root.sides)
        return (
            f"the bundle {bundle.name} version {bundle.version} is not in force under it: {sides} have to approve it "
            f"(countermark policy approve {folder / 'bundle'}); until then everything is denied"
        )
    return f"the bundle {bundle.name} version {bundle.version} is in force until {format_time(until)}"


@trust.command("status")
@dir_option
@json_option
@example("countermark trust status --dir my-gateway")
def status(folder: Path, *, as_json: bool) -> None:
    """Say which trust root is in force, what waits for signatures, and whether the bundle is in force.

    Exit code 1 where something is missing.
    """
    root = pinned_root(folder / TRUST_ROOT)
    lines: list[str] = []
    good = True
    document: dict[str, Any] = {"in_force": None, "waiting": None}
    if root is None:
        good = False
        lines.append(f"no trust root in {folder / TRUST_ROOT}")
    else:
        states = quorum_states(parse_envelope(read_file(folder / TRUST_ROOT)), root, None)
        lapsed = system_clock() >= root.validity.valid_until
        good = not lapsed
        document["in_force"] = {**_document(root, states), "lapsed": lapsed}
        verb = "HAS LAPSED, ended" if lapsed else "in force until"
        one = ", one-sided" if root.one_sided else ""
        lines.append(
            f"{root.name} version {root.version}{one}: {verb} {format_time(root.validity.valid_until)}"
        )
        lines += [_states_text(states), _bundle_words(folder, root)]
        good = good and "is in force until" in lines[-1]
    if (folder / DRAFT).is_file():
        good = False
        envelope, waiting = read_draft(folder / DRAFT)
        states = quorum_states(envelope, waiting, _old(root, waiting))
        document["waiting"] = _document(waiting, states)
        lines += [f"waiting: version {waiting.version} in {folder / DRAFT}", _states_text(states)]
    document["good"] = good
    show(document, as_json=as_json, text=lambda: "\n".join(lines))
    if not good:
        raise click.exceptions.Exit(FINDING)
