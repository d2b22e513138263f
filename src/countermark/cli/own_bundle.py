"""A shipped bundle with one's own names put in: who the parties are, where the model is.

The bundles that ship are written for Northmark, who uses the model, and Halden, whose people look on. Roles and names
are theirs throughout, so whoever starts from one of these bundles puts others in their place before anybody signs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from countermark.clock import format_time
from countermark.errors import SettingsError
from countermark.policy.bundle import Bundle, load_bundle, read_files

COUNTERPART: Final = "counterpart"
"""Takes the place of the other side's name where there is no other side yet."""
UPSTREAM: Final = "main"
APIS: Final = ("openai", "anthropic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is put in.

    Attributes:
        user: The party whose workloads use the model.
        other: The party whose people look on; None where there is none yet.
        upstream: Address of the model's server.
        models: Names that callers write.
        apis: Of `APIS`.
    """

    user: str
    other: str | None
    upstream: str
    models: Sequence[str]
    apis: Sequence[str]


def role_stem(party: str) -> str:
    """How a party's roles begin: clauses read `context.approvals.<role>`, which has no dots or dashes."""
    return re.sub(r"[^a-z0-9]", "_", party)


def duty_officer(party: str) -> str:
    """The role of the party that uses the model whose people decide in single cases."""
    return f"{role_stem(party)}_duty_officer"


def commander(party: str) -> str:
    """The role of the party that uses the model whose people answer for physical effects."""
    return f"{role_stem(party)}_commander"


def reviewer(party: str | None) -> str:
    """The role of the other side whose people look at what is held."""
    return f"{role_stem(party or COUNTERPART)}_reviewer"


_NAMED: Final = re.compile(r"\b(northmark|halden|Northmark|Halden)(_|\b)")


def _spell(names: Names, text: str) -> str:
    other = names.other or COUNTERPART
    put = {
        "northmark_": f"{role_stem(names.user)}_",
        "halden_": f"{role_stem(other)}_",
        "northmark": names.user,
        "halden": other,
        "Northmark": names.user.capitalize(),
        "Halden": names.other.capitalize() if names.other else "the counterpart",
    }
    # in one pass: what was put in is not replaced again
    return _NAMED.sub(lambda found: put.get(found[0], found[0]), text)


def _routes(names: Names) -> str:
    apis = ", ".join(f'"{api}"' for api in names.apis)
    routes = "\n\n".join(f'[[routes]]\nmodel = "{model}"\nupstream = "{UPSTREAM}"' for model in names.models)
    return f'[upstreams.{UPSTREAM}]\nurl = "{names.upstream}"\napi = [{apis}]\n\n{routes}\n\n'


_ROUTING: Final = re.compile(r"^\[upstreams\.[^\n]*\n.*?(?=^\[limits\])", re.MULTILINE | re.DOTALL)
_ISSUED: Final = re.compile(r'^issued_at = ".*?"', re.MULTILINE)
_FIRST_LINE: Final = re.compile(r"\A# Generated from [^\n]*\n")


def _settings(names: Names, text: str, source: str, now: datetime) -> str:
    if len(_ROUTING.findall(text)) != 1 or len(_ISSUED.findall(text)) != 1:
        raise SettingsError(f"expected `{source}` with upstreams and routes before its limits")
    text = _ROUTING.sub(lambda _: _routes(names), text)
    text = _ISSUED.sub(f'issued_at = "{format_time(now)}"', text)
    head = (
        f"# From the bundle `{source}` that comes with countermark, with your names put in. It is yours: whoever changes\n"
        "# it checks it (`countermark policy check`), and every side signs it anew (`countermark policy approve`).\n"
    )
    return head + _FIRST_LINE.sub("", text)


def write_bundle(source: Path, target: Path, names: Names, *, now: datetime) -> Bundle:
    """Write a shipped bundle to the new folder `target`, with `names` put in.

    Raises:
        SettingsError: The folder exists, or both parties would have roles of one name.
        BundleError: A name that a bundle can't hold; the message says which.
    """
    if names.other is not None and role_stem(names.other) == role_stem(names.user):
        raise SettingsError(f"expected two parties, got `{names.user}` and `{names.other}`")
    if names.other is None and role_stem(names.user) == COUNTERPART:
        raise SettingsError(f"expected another name than `{COUNTERPART}` for a party that stands alone")
    if target.exists():
        raise SettingsError(f"expected no folder `{target}`: a bundle is never overwritten")
    (target / "clauses").mkdir(parents=True)
    for path, data in read_files(source).items():
        text = _spell(names, data.decode("utf-8"))
        if path == "bundle.toml":
            text = _settings(names, text, source.name, now)
        (target / path).write_text(text, encoding="utf-8")
    return load_bundle(target)
