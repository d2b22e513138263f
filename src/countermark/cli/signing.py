"""What every command that signs does: says who signs with which key, asks, and checks what was signed.

A signer trusts this command and their own copy of the trust root, and nothing that a gateway says of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import click

from countermark.app import read_trust_root
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import Basis, Interest
from countermark.attestation.trust_root import TrustRoot
from countermark.clock import system_clock
from countermark.errors import SettingsError, TrustError

P = ParamSpec("P")
R = TypeVar("R")

TRUST_ROOT: Final = "trust-root.json"


def trust_root_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--trust-root`."""
    return click.option(
        "--trust-root",
        "trust_root",
        type=click.Path(path_type=Path, dir_okay=False),
        show_default="trust-root.json in --dir",
        envvar="COUNTERMARK_TRUST_ROOT",
        help="Your own copy of the trust root: it says who you are and what counts.",
    )(function)


def url_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--url`."""
    return click.option(
        "--url",
        show_default="the gateway of --dir, or the folder itself where none runs",
        envvar="COUNTERMARK_URL",
        help="Address of the gateway.",
    )(function)


def key_option(help_text: str, *, required: bool = True, multiple: bool = False) -> Callable[..., Any]:
    """Add `--key`."""
    return click.option(
        "--key",
        "keys" if multiple else "key",
        type=click.Path(path_type=Path, dir_okay=False),
        required=required,
        multiple=multiple,
        help=help_text,
    )


def yes_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--yes`."""
    return click.option("--yes", is_flag=True, help="Sign without asking once more.")(function)


def out_option(what: str) -> Callable[..., Any]:
    """Add `--out`."""
    return click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=what)


BASES: Final = tuple(str(each) for each in Basis)
INTERESTS: Final = tuple(str(each) for each in Interest)


def load_root(folder: Path, file: Path | None) -> TrustRoot:
    """The trust root that this signer or auditor goes by.

    Raises:
        SettingsError: There is none.
        TrustError: It is not in force.
    """
    return read_trust_root(file or folder / TRUST_ROOT, now=system_clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Who signs: a person of the trust root, with one of their keys."""

    key: PrivateKey
    file: Path
    person: str
    party: str
    title: str

    def __str__(self) -> str:
        return f"{self.person} of {self.party} ({self.title}), with the key in {self.file} ({self.key.public.keyid[:12]})"


def signatory(root: TrustRoot, file: Path) -> Signatory:
    """The person whose key lies in `file`.

    Raises:
        SettingsError: The file can't be read, or is readable by others.
        TrustError: The trust root knows no person with that key.
    """
    key = PrivateKey.load(file)
    person = root.person_of_key(key.public)
    if person is None:
        raise TrustError(
            f"expected the key of a person of trust root `{root.name}` in `{file}`, got an unknown one "
            f"({key.public.keyid[:12]})"
        )
    known = root.persons[person]
    return Signatory(key=key, file=file, person=person, party=known.party, title=known.title)


def side_of(root: TrustRoot, file: Path) -> tuple[PrivateKey, str]:
    """The side whose key lies in `file`, with that key.

    Raises:
        SettingsError: The file can't be read, or is readable by others.
        TrustError: It is no side's key.
    """
    key = PrivateKey.load(file)
    for side in root.sides.values():
        if key.public in side.keys:
            return key, side.party
    raise TrustError(
        f"expected a key of a side of trust root `{root.name}` ({', '.join(sorted(root.sides))}) in `{file}`, "
        f"got another one ({key.public.keyid[:12]})"
    )


def confirm(question: str, *, yes: bool) -> None:
    """Ask before signing; a no ends the command with exit code 1 and nothing signed."""
    if yes:
        return
    if not click.confirm(question, default=False, err=True):
        click.echo("nothing was signed", err=True)
        raise click.exceptions.Exit(1)


def write_new(file: Path, data: bytes) -> None:
    """Write a file that must not be there yet.

    Raises:
        SettingsError: It is there, or can't be written.
    """
    try:
        with file.open("xb") as target:
            target.write(data)
    except FileExistsError as error:
        raise SettingsError(f"expected no file `{file}`: name another with --out") from error
    except OSError as error:
        raise SettingsError(f"expected to write `{file}`: {error.strerror}") from error


def read_file(file: Path) -> bytes:
    """Read a file that was named on the command line.

    Raises:
        SettingsError: It can't be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"expected to read `{file}`: {error.strerror}") from error
