"""Write docs/reference/settings.md from the settings themselves: `python tests/cli/make_settings_reference.py`."""

from __future__ import annotations

import ast
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from countermark import config
from countermark.config import Settings, SignalSettings, UpstreamSettings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"

_HEAD = """\
# Settings

`settings.toml` in a gateway's working folder; `countermark init` writes it, with comments. Every line is optional, an
unknown one is an error, and a gateway reads it when it starts. This page is generated from `countermark.config`
(`python tests/cli/make_settings_reference.py`); a test compares.

**Settings can only restrict.** What could loosen a decision stands elsewhere: routes, limits, skew, lifetimes and observe
in the signed bundle; which credential is which workload in a statement; who may say what in the trust root. A limit here
takes effect where it is stricter than the bundle's, never where it is looser.

The environment: `COUNTERMARK_DIR`, `COUNTERMARK_URL`, `COUNTERMARK_TRUST_ROOT` and `COUNTERMARK_KEY` stand for the options
`--dir`, `--url`, `--trust-root` and (of `evidence`) `--key` of the commands. A gateway reads no other variables than those
that `key_env` names.
"""


def docstrings(name: str) -> dict[str, str]:
    """The text below each field of a class of `config`."""
    tree = ast.parse(Path(str(config.__file__)).read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, str] = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            found[ast.unparse(field.target)] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def keys() -> dict[str, str]:
    """`table.key` of the file to the field of `Settings`."""
    tables = {**config._TABLES, "limits": config._LIMITS}
    return {
        f"{table}.{key}": config._RENAMED.get(key, key) for table, names in tables.items() for key in names
    }


def _default(value: Any) -> str:
    if value is None or value is MISSING:
        return "none"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def page() -> str:
    """The whole page."""
    known = {field.name: field.default for field in fields(Settings)}
    texts = docstrings("Settings")
    parts = [_HEAD]
    table = ""
    for key, field in keys().items():
        if key.partition(".")[0] != table:
            table = key.partition(".")[0]
            parts.append(f"## `[{table}]`\n")
        parts.append(f"### `{key}`\n\n{texts[field]} Default: {_default(known[field])}.\n")
    parts.append(
        "## `[upstreams.NAME]`\n\nHow this gateway logs in to an upstream that the bundle names. Its address stands in the "
        "bundle. Files are named from the working folder.\n"
    )
    parts += [
        f"### `upstreams.NAME.{name}`\n\n{text} Default: none.\n"
        for name, text in docstrings("UpstreamSettings").items()
    ]
    parts.append(
        "## `[signals.NAME]`\n\nHow this gateway reaches the server of a classifier that the bundle names (`content`). Which "
        "classifier, model and threshold counts stands in the bundle. Files are named from the working folder.\n"
    )
    defaults = {field.name: field.default for field in fields(SignalSettings)}
    parts += [
        f"### `signals.NAME.{name}`\n\n{text} Default: {_default(defaults[name])}.\n"
        for name, text in docstrings("SignalSettings").items()
    ]
    return "\n".join(parts)


def documented() -> set[str]:
    """Every key that the page has a heading for."""
    return {
        *keys(),
        *(f"upstreams.NAME.{field.name}" for field in fields(UpstreamSettings)),
        *(f"signals.NAME.{field.name}" for field in fields(SignalSettings)),
    }


if __name__ == "__main__":
    PAGE.write_text(page())
