"""`countermark evidence new KIND`: state something about a workload, sign it, put it on file.

(1) what is said: options, then a file that people have, then questions; nothing is filled in
(2) shown in words, with who signs; asked
(3) signed, and verified before it goes anywhere
(4) put on file, or written to a file to be carried; with the level it has and what it still lacks
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from countermark.attestation.charter import Person
from countermark.attestation.verify import verify_statement
from countermark.cli.cards import card_words, read_card
from countermark.cli.drafting import (
    Place,
    draft,
    file_at,
    full_workload,
    level_words,
    lifetime,
    place_of,
    same_subject,
    sign,
    signatories,
)
from countermark.cli.forms import FORMS, MANY_WORKLOADS, Field, fill, read_tools
from countermark.cli.key_files import read_public, write_private
from countermark.cli.output import Command, Group, dir_option, json_option, show
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
from countermark.cli.statement_files import find_file, find_statement
from countermark.cli.statement_words import BASIS_WORDS, words
from countermark.clock import format_time, system_clock
from countermark.config import read_secret
from countermark.errors import CountermarkError, MalformedError, SettingsError
from countermark.evidence.selectors import SelectorKeys
from countermark.facts import Level

_ABOUT: Final[Mapping[str, str]] = {
    "credential": "Which workload an API key or a public key stands for, and who holds it.",
    "deployment": "Which system the model sits in, and what its tools and answers can set off.",
    "purpose": "What a workload is for: models, what is done to persons, data, and the legal basis that it needs.",
    "legal-basis": "An order about persons, or a consent about a data set.",
    "engagement": "Authorised security testing: which addresses, for which workloads, until when.",
    "oversight": "How people stand in the loop of a workload, and which instrument says so.",
    "status": "That a statement of yours still holds, where the trust root asks for a fresh word.",
}
_EXAMPLES: Final[Mapping[str, str]] = {
    "credential": "--workload office --api-key-out office.key --holder ada --basis inspected --interest party",
    "deployment": "--workload office --system 'office assistant' --operator northmark --environment test \\\n"
    "      --site office --tool none --answer-effect none --basis inspected --interest party",
    "purpose": "--workload office --purpose office --model m-1 --operation none --data-class no-persons \\\n"
    "      --persons-at-most 0 --basis-required none --basis inspected --interest party",
    "legal-basis": "--workload orders --type order --number 17/3 --may-derive locate --selectors persons.txt \\\n"
    "      --until 2027-03-01T00:00:00Z --basis document-seen --interest party",
    "engagement": "--workload redteam --number E-9 --range 10.4.0.0/16 --host none --days 14 --basis document-seen \\\n"
    "      --interest party",
    "oversight": "--workload desk --review before-effect --decides reviewer --instrument 'directive D-7' \\\n"
    "      --changed-by northmark --basis document-seen --interest party",
    "status": "--statement 3f2a --basis system-queried --interest party",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a statement is about, after step (1)."""

    name: str
    descriptor: Mapping[str, Any]
    content: Mapping[str, Any]
    api_key: str | None = None


def _ask(field: Field) -> str:
    parts = [f"one of {', '.join(field.words)}"] if field.words else []
    parts += ["separated by commas"] if field.many else []
    parts += ["or none"] if field.may_be_empty else []
    hint = f" ({', '.join(parts)})" if parts else ""
    while True:
        answer: str = click.prompt(f"{field.question}{hint}", prompt_suffix=" ", err=True)
        try:
            field.read(answer)
        except MalformedError as error:
            click.echo(f"  {error}", err=True)
        else:
            return answer


def _ask_one_of(question: str, options: tuple[str, ...]) -> str:
    answer: str = click.prompt(question, type=click.Choice(options), prompt_suffix=" ", err=True)
    return answer


def ask_basis_and_interest(basis: str | None, interest: str | None, *, asks: bool) -> tuple[str, str]:
    """How the signer knows, and whether they are party to the deal: only they can say it.

    Raises:
        MalformedError: Nobody said it, and nobody can be asked.
    """
    if basis is None and asks:
        hint = "; ".join(f"{name}: {meaning}" for name, meaning in BASIS_WORDS.items())
        basis = _ask_one_of(f"How do you know ({hint})?", BASES)
    if interest is None and asks:
        interest = _ask_one_of("Are you party to the deal that it is about?", INTERESTS)
    if basis is None or interest is None:
        raise MalformedError(
            f"expected --basis (how you know: {', '.join(BASES)}) and --interest ({', '.join(INTERESTS)}): "
            "nobody can say that for you"
        )
    return basis, interest


def _instrument(given: Mapping[str, Any]) -> dict[str, Any] | None:
    name, parties = given["instrument"], list(given["changed_by"])
    if name is None and not parties:
        return None
    if name is None or not parties:
        raise MalformedError(
            "expected --instrument and --changed-by together: the rule, and who can change it alone"
        )
    return {"name": name, "changed_by": parties}


def _workloads(kind: str, given: Mapping[str, Any], person: Person, *, asks: bool) -> list[str]:
    named = [item for item in given["workload"] if item]
    if not named and asks:
        named = [
            item.strip()
            for item in click.prompt("About which workload?", prompt_suffix=" ", err=True).split(",")
        ]
    if not named:
        raise MalformedError("expected --workload, for example `--workload office`")
    if len(named) > 1 and kind not in MANY_WORKLOADS:
        raise MalformedError(f"expected one --workload for a `{kind}`, got {len(named)}")
    return [full_workload(item, person) for item in named]


def _credential(given: Mapping[str, Any], filled: Mapping[str, Any], workload: str) -> _Said:
    sources = [name for name in ("api_key_out", "api_key_file", "public") if given[name] is not None]
    if len(sources) != 1:
        raise MalformedError(
            "expected one of --api-key-out FILE (makes a random key), --api-key-file FILE (one that you have) and "
            "--public FILE (a key that signs each request)"
        )
    name = given["name"] or f"{workload.partition('/')[2]}-1"
    content: dict[str, Any] = {
        "workload": workload,
        "holders": filled["holders"],
        "may_explain": bool(given["may_explain"]),
    }
    api_key = None
    if given["public"] is not None:
        content |= {"kind": "key", "public": read_public(given["public"]).to_dict()}
    else:
        if given["api_key_out"] is not None:
            api_key = f"cm-{name}-{secrets.token_hex(16)}"
            text = api_key
        else:
            text = read_file(given["api_key_file"]).decode("utf-8", "replace").strip()
            if len(text) < 22 or not text.isprintable() or " " in text:
                raise MalformedError(
                    f"expected one random key of 22 characters or more in `{given['api_key_file']}`: its digest goes "
                    "on file, and a key that can be guessed can be found from it"
                )
        content |= {"kind": "api-key", "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return _Said(name=workload, descriptor={"credential": name}, content=content, api_key=api_key)


def _selectors(given: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Persons of an order as digests: the file names them, the statement doesn't."""
    if given["selectors"] is None:
        raise MalformedError(
            "expected --selectors FILE, one person or account a line (`phone:+15550100`, `email:a@b.example`, or a kind "
            "of the bundle's like `subscriber:SUB-204417`)"
        )
    folder = place.folder / "keys" / "selectors"
    key_file = given["selector_key"]
    if key_file is None:
        found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        if len(found) != 1:
            raise SettingsError(f"expected --selector-key FILE: `{folder}` holds {len(found)} keys")
        key_file = found[0]
    lines = [line.strip() for line in read_file(given["selectors"]).decode("utf-8", "replace").splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    for line in named:
        if not line.partition(":")[2].strip():
            raise MalformedError(f"expected `KIND:VALUE` in `{given['selectors']}`, got `{line[:60]}`")
    if not named:
        raise MalformedError(f"expected at least one person or account in `{given['selectors']}`")
    keys = SelectorKeys({key_file.name: read_secret(key_file)})
    digests = dict.fromkeys(keys.digest(line)[key_file.name] for line in named)
    return {"key_id": key_file.name, "hmac_sha256": list(digests)}


def _numbered(
    kind: str, given: Mapping[str, Any], filled: dict[str, Any], workloads: list[str], place: Place
) -> _Said:
    """An order, a consent or an engagement: about a number in a party's register."""
    party = workloads[0].partition("/")[0]
    number = filled.pop("number")
    content: dict[str, Any] = {**filled, "workloads": workloads}
    key = kind if kind == "engagement" else filled["type"]
    if key == "order":
        content["selectors"] = _selectors(given, place)
    if key == "consent" and "data_set" not in content:
        raise MalformedError("expected --data-set: which data set is the consent about?")
    return _Said(name=f"{party}/{number}", descriptor={key: number, "party": party}, content=content)


def _said(
    kind: str, given: Mapping[str, Any], filled: dict[str, Any], place: Place, workloads: list[str]
) -> _Said:
    if kind == "status":
        if given["statement"] is None:
            raise MalformedError(
                "expected --statement, the digest of the statement that still holds, or its file"
            )
        about = find_statement(given["statement"], place.files)
        return _Said(
            name=about.subject.name, descriptor={"statement": about.sha256}, content={"status": "good"}
        )
    if kind in MANY_WORKLOADS:
        return _numbered(kind, given, filled, workloads, place)
    if kind == "credential":
        return _credential(given, filled, workloads[0])
    if kind == "deployment":
        filled["tools"] = read_tools(filled["tools"])
    return _Said(name=workloads[0], descriptor={"workload": workloads[0]}, content=filled)


def _run(kind: str, given: dict[str, Any]) -> None:
    as_json: bool = given["as_json"]
    asks = sys.stdin.isatty() and not given["yes"]
    now = system_clock().replace(microsecond=0)
    place = place_of(given["folder"], given["trust_root"])
    if given["out"] is None and given["url"] is None and not place.is_gateway:
        raise SettingsError(
            f"expected a working folder in `{place.folder}` (--dir), a gateway (--url), or --out FILE to carry it"
        )
    signers = signatories(place, given["keys"])
    # (1) what is said
    card = read_card(given["from_file"], kind) if given["from_file"] is not None else None
    if card is not None:
        click.echo(card_words(card, given["from_file"]), err=True)
    person = place.root.persons[signers[0].person]
    workloads = [] if kind == "status" else _workloads(kind, given, person, asks=asks)
    filled = fill(kind, given, card.values if card else {}, _ask if asks else None)
    said = _said(kind, given, filled, place, workloads)
    basis, interest = ask_basis_and_interest(given["basis"], given["interest"], asks=asks)
    statement = draft(
        place,
        kind,
        name=said.name,
        descriptor=said.descriptor,
        content=said.content,
        basis=basis,
        interest=interest,
        holds=lifetime(
            place, kind, now=now, begins=given["begins"], until=given["until"], days=given["days"]
        ),
        instrument=_instrument(given),
        now=now,
    )
    # (2) shown and asked
    click.echo(_shown(words(statement, now=now), signers, _notes(kind, said, given["out"], place)), err=True)
    confirm("Sign this?", yes=given["yes"])
    # (3) signed and verified
    data = sign(place, statement, signers)
    # (4) on file
    where = _deliver(given, said, place, data, signers[0])
    verified = verify_statement(data, place.root, now=max(now, statement.validity.valid_from))
    level = level_words(place.root, verified)
    document = {
        "sha256": statement.sha256,
        "kind": kind,
        "name": said.name,
        "seq": statement.seq,
        "valid_until": format_time(statement.validity.valid_until),
        "level": verified.level.word,
        "lacks": level,
        "where": where,
        "api_key_file": str(given["api_key_out"]) if said.api_key is not None else None,
    }
    show(
        document, as_json=as_json, text=lambda: _done_text(kind, statement.sha256, where, level, given, said)
    )


def _notes(kind: str, said: _Said, out: Path | None, place: Place) -> list[str]:
    """What this statement takes the place of, where that costs something."""
    before = same_subject((place.files or {}).values(), kind, said.descriptor)
    if not before or out is not None:
        return []
    if kind == "credential":
        return ["NOTE: a credential of this name is on file; what it stands for now will stop working"]
    try:
        lines, _ = find_file(before[-1].sha256, place.files)
        former = verify_statement(lines, place.root, now=system_clock())
    except CountermarkError:
        return []
    if former.level < Level.COUNTERSIGNED:
        return []
    return [
        "NOTE: the one on file is countersigned, and this one takes its place without. To keep what it permits, write this",
        "one to a file (--out), have it countersigned, and put it on file then",
    ]


def _shown(text: str, signers: tuple[Signatory, ...], notes: list[str]) -> str:
    return "\n".join(["", text, "to be signed by", *(f"  {signer}" for signer in signers), *notes, ""])


def _done_text(kind: str, sha256: str, where: str, level: str, given: Mapping[str, Any], said: _Said) -> str:
    lines = [f"{kind} {sha256[:16]} is {where}", level]
    if said.api_key is not None:
        lines.append(f"the API key of {said.name} is in {given['api_key_out']} (0600), and nowhere else")
    return "\n".join(lines)


def _deliver(given: Mapping[str, Any], said: _Said, place: Place, data: bytes, signer: Signatory) -> str:
    """Write the API key, then put the statement on file or in a file; neither is left without the other."""
    key_file: Path | None = given["api_key_out"] if said.api_key is not None else None
    if key_file is not None:
        write_private(key_file, f"{said.api_key}\n")
    try:
        if given["out"] is not None:
            write_new(given["out"], data)
            return f"written to {given['out']}: put it on file with `countermark evidence add`"
        _, where = file_at(place, data, url=given["url"], key=signer.key)
    except BaseException:
        if key_file is not None:
            key_file.unlink(missing_ok=True)
        raise
    return f"on file at {where}"


def _field_option(field: Field) -> click.Option:
    # read as text and checked with the form, so that answers, files and options are held to the same rule
    return click.Option([field.option], multiple=field.many, help=field.help)


def _kind_options(kind: str) -> list[click.Option]:
    path = click.Path(path_type=Path, dir_okay=False)
    options = [_field_option(field) for field in FORMS[kind]]
    if kind != "status":
        help_text = "PARTY/NAME, or NAME of your own party."
        if kind in MANY_WORKLOADS:
            help_text += " Who may lean on it; again for more."
        options.insert(0, click.Option(["--workload"], multiple=True, help=help_text))
    if kind == "credential":
        options += [
            click.Option(
                ["--api-key-out"], type=path, help="Make a random API key, into this new file (0600)."
            ),
            click.Option(
                ["--api-key-file"],
                type=path,
                help="Use the API key in this file; only its digest goes on file.",
            ),
            click.Option(["--public"], type=path, help="Public key of a workload that signs each request."),
            click.Option(
                ["--name"],
                help="Name of the credential; a newer one of a name takes its place. [default: NAME-1]",
            ),
            click.Option(
                ["--may-explain"], is_flag=True, help="Its holders may see which evidence is missing."
            ),
        ]
    if kind == "legal-basis":
        options += [
            click.Option(
                ["--selectors"],
                type=path,
                help="Of an order: file of persons or accounts, one KIND:VALUE a line.",
            ),
            click.Option(
                ["--selector-key"],
                type=path,
                help="Key that they are digested with. [default: the one in keys/selectors/]",
            ),
        ]
    if kind == "status":
        options.append(
            click.Option(["--statement"], help="Digest (or its beginning) of the statement, or its file.")
        )
    return options


def _new_command(kind: str) -> click.Command:
    def callback(**given: Any) -> None:
        _run(kind, {**dict.fromkeys(("workload", "changed_by"), ()), **given})

    callback.__doc__ = (
        f"{_ABOUT[kind]}\n\n\b\nExample:\n  countermark evidence new {kind} {_EXAMPLES[kind]}\n"
    )
    path = click.Path(path_type=Path, dir_okay=False)
    decorated: Any = callback
    for decorate in reversed(
        (
            click.option(
                "--from", "from_file", type=path, help="A file that you have: only fields that map are taken."
            ),
            click.option("--basis", type=click.Choice(BASES), help="How you know."),
            click.option("--interest", type=click.Choice(INTERESTS), help="Are you party to the deal?"),
            click.option("--days", type=click.IntRange(1, 3660), help="How long it holds."),
            click.option("--until", help="Until when it holds, like 2027-03-01T00:00:00Z."),
            click.option("--begins", help="From when it holds. [default: now]"),
            click.option("--instrument", help="The rule that it leans on."),
            click.option(
                "--changed-by", multiple=True, help="A party that can change that rule alone; again for more."
            ),
            key_option(
                "Private key of who signs; again where a role needs several people.",
                required=False,
                multiple=True,
            ),
            dir_option,
            url_option,
            trust_root_option,
            out_option("Write it to this new file instead, to be carried."),
            yes_option,
            json_option,
        )
    ):
        decorated = decorate(decorated)
    command = click.command(kind, cls=Command)(decorated)
    command.params[:0] = _kind_options(kind)
    return command


@click.group(cls=Group)
def new() -> None:
    """State something about a workload, sign it and put it on file.

    Whatever isn't said is asked, where somebody can be asked; nothing is filled in. With `--from FILE` fields are taken
    from what you have: a TOML or JSON file, a build's provenance, a model card or a data card.
    """


for _kind in FORMS:
    new.add_command(_new_command(_kind))
