"""A pack as its author writes it: a folder with `pack.toml`, scenario files and the attacker's script."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark.assay.pack.truth import need_enough
from countermark.assay.scenarios.load import OURS, load_scenarios
from countermark.assay.scenarios.model import Goal, Scenarios, Task
from countermark.attestation.statement import Interest
from countermark.errors import ScenarioError

SETTINGS, SCENARIOS, ATTACKER = "pack.toml", "scenarios", "attacker"
SCRIPT = "attacker.py"
"""The file in `attacker/` that is run."""
MAX_ASKS, MAX_LIARS = 10, 2
MAX_FILES, MAX_FILE_BYTES = 32, 256 << 10
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_KEYS = {"name", "version", "author", "about", "interest", "attacker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a pack says of itself.

    Attributes:
        interest: Whether the author is a party to what is measured: `none` or `party`.
        asks: Requests that the script has for one case at one number of lying signers, fixed beforehand.
        liars: Up to how many lying signers the script makes use of.
    """

    name: str
    version: str
    author: str
    about: str
    interest: str
    asks: int
    liars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An author's folder, read.

    Attributes:
        attacker: File name to text, of the script and of what it reads.
    """

    about: About
    scenarios: Scenarios
    attacker: Mapping[str, str]


def read_source(folder: Path) -> Source:
    """Read an author's folder.

    Raises:
        ScenarioError: Something is missing or not as spec/assay-pack.md says; or what is handed over would tell the truth.
    """
    about = read_about(folder)
    scenarios = load_scenarios(folder / SCENARIOS, author=about.author)
    twins = sum(1 for task in scenarios.tasks if task.twin_of)
    need_enough(len(scenarios.goals), len(scenarios.tasks), twins)
    attacker = _read_attacker(folder / ATTACKER)
    _check_silent(attacker, scenarios)
    return Source(about=about, scenarios=scenarios, attacker=attacker)


def read_about(folder: Path) -> About:
    """Read `pack.toml`.

    Raises:
        ScenarioError: It isn't there, or not as spec/assay-pack.md says.
    """
    path = folder / SETTINGS
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(
            f"expected `{path}`: `countermark assay pack new {folder}` makes one to start from"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"expected `{path}` to be TOML: {error}") from error
    attacker = raw.get("attacker")
    if set(raw) != _KEYS or not isinstance(attacker, dict) or set(attacker) != {"asks", "liars"}:
        raise ScenarioError(
            f"{SETTINGS}: expected exactly {', '.join(sorted(_KEYS))}, and in `attacker` asks and liars"
        )
    return make_about({**{name: raw[name] for name in _KEYS - {"attacker"}}, **attacker}, where=SETTINGS)


def make_about(raw: Mapping[str, Any], *, where: str) -> About:
    """Check what a pack says of itself.

    Raises:
        ScenarioError: Names the key and what to write.
    """
    for key in ("name", "version", "author", "about", "interest"):
        value = raw[key]
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 200:
            raise ScenarioError(f"{where}: expected `{key}` as one line of text, at most 200 characters")
    if not _NAME.fullmatch(raw["name"]):
        raise ScenarioError(f"{where}: expected `name` in kebab case, got `{raw['name'][:60]}`")
    if raw["author"].strip().lower() == OURS:
        raise ScenarioError(f"{where}: expected `author` to name somebody, got `{OURS}`")
    if raw["interest"] not in {str(each) for each in Interest}:
        raise ScenarioError(
            f"{where}: expected `interest` as `none`, or `party` where the author is a party to the deal, got "
            f"`{raw['interest'][:40]}`"
        )
    for key, least, most in (("asks", 1, MAX_ASKS), ("liars", 0, MAX_LIARS)):
        value = raw[key]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ScenarioError(f"{where}: expected `{key}` from {least} to {most}")
    return About(**{name: raw[name] for name in About.__slots__})


def _read_attacker(folder: Path) -> Mapping[str, str]:
    if not (folder / SCRIPT).is_file():
        raise ScenarioError(f"expected the attacker's script as `{folder / SCRIPT}`")
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name == "__pycache__" or path.name.startswith("."):
            continue
        if not path.is_file() or path.is_symlink() or not FILE_NAME.fullmatch(path.name):
            raise ScenarioError(f"expected plain files in `{folder}`, got `{path.name}`")
        try:
            data = path.read_bytes()
            found[path.name] = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"expected `{path}` to be readable as UTF-8: {error}") from error
        if len(data) > MAX_FILE_BYTES:
            raise ScenarioError(f"expected `{path}` to have at most {MAX_FILE_BYTES} bytes, got {len(data)}")
    if len(found) > MAX_FILES:
        raise ScenarioError(f"expected at most {MAX_FILES} files in `{folder}`, got {len(found)}")
    return found


def _check_silent(attacker: Mapping[str, str], scenarios: Scenarios) -> None:
    """The script is handed over: what it says of a case, everybody reads."""
    every: list[Goal | Task] = [*scenarios.goals, *scenarios.tasks]
    told = [said for each in every for said in (each.id, each.title, each.truth)]
    for name, text in attacker.items():
        found = next((said for said in told if said in text), None)
        if found is not None:
            raise ScenarioError(
                f"expected nothing of the truth in `{ATTACKER}/{name}`, which is handed over, got `{found[:60]}`"
            )
