"""A new pack to start from: complete, small, and runnable at once."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from countermark.assay.pack.source import About, read_about
from countermark.errors import ScenarioError

_SHIPPED = files("countermark.assay.pack") / "new"
_FILLED = ("pack.toml", "README.md")


def write_scaffold(folder: Path, *, author: str) -> About:
    """Write a new pack to `folder`, which must not be there or be empty.

    Raises:
        ScenarioError: Something is there, the name or author can't be used, or the disk refused.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScenarioError(f"expected no folder `{folder}`, or an empty one")
    if not author.strip() or not author.isprintable() or set(author) & set('"\\{}'):
        raise ScenarioError(f"expected --author as one line without quotes, got `{author[:60]}`")
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "pack"
    try:
        _copy(_SHIPPED, folder, name=name, author=author.strip())
    except OSError as error:
        raise ScenarioError(f"expected to write `{folder}`: {error.strerror}") from error
    return read_about(folder)


def _copy(source: Traversable, target: Path, *, name: str, author: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for each in source.iterdir():
        if each.is_dir():
            if not each.name.startswith("__"):
                _copy(each, target / each.name, name=name, author=author)
            continue
        text = each.read_text(encoding="utf-8")
        if each.name in _FILLED:
            text = text.replace("{name}", name).replace("{author}", author)
        (target / each.name).write_text(text, encoding="utf-8")
