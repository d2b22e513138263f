"""Extending a bundle: its clauses as they are, with purposes and classes of data of one's own beside them.

The dialect names good values only, so a clause that lists all purposes but one has to list a new one too, and its examples
have to show it. What joins which clause stands in one file; everything else is taken over, byte for byte.

    python -m countermark.policy.extend policies/everyday.toml policies/red-lines policies/everyday

Clauses that the extension writes itself lie in the target's folder already, and are not touched.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countermark.errors import BundleError
from countermark.policy.bundle import Bundle, load_bundle, read_files
from countermark.policy.clause import Clause

_CEDAR = re.compile(r"^```cedar\n.*?^```$", re.MULTILINE | re.DOTALL)
_LAST_COLUMN = re.compile(r"\| [^|]* \|$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What joins one clause.

    Attributes:
        values: Type to the values that join each of its lists in the Cedar text.
        rows: Rows that join its examples, as they stand in the table.
        decided: Case to the clauses that decide it in the extended bundle, where these are others.
    """

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: str = ""
    decided: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What is added to a bundle.

    Attributes:
        enums: Open type to the values that are added to the bundle's own.
        examples: What examples assume of facts that only the added clauses read.
        clauses: Id to what joins it.
    """

    name: str
    enums: Mapping[str, Sequence[str]]
    examples: Mapping[str, str | int]
    clauses: Mapping[str, Joined]


def read_extension(path: Path) -> Extension:
    """Read the file that says what is added.

    Raises:
        BundleError: It isn't TOML, or has other keys.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Extension(
            name=raw.pop("name"),
            enums=raw.pop("enums", {}),
            examples=raw.pop("examples", {}),
            clauses={clause: Joined(**joined) for clause, joined in raw.pop("clauses", {}).items()},
            **raw,
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise _wrong(
            path.name, f"expected an extension's `name`, `enums`, `examples`, `clauses`: {error}"
        ) from error


def _wrong(file: str, message: str) -> BundleError:
    return BundleError(
        file=file, line=1, message=message, fix="see `policies/everyday.toml`, which extends `red-lines`"
    )


def extended_files(folder: Path, extension: Extension) -> dict[str, bytes]:
    """The files that are generated, by path inside the bundle: all of `folder` but its README.

    Raises:
        BundleError: The bundle can't be read, or what should be extended is not in it.
    """
    texts = {path: data.decode("utf-8") for path, data in read_files(folder).items() if path != "README.md"}
    for clause, joined in extension.clauses.items():
        path = f"clauses/{clause}.md"
        if path not in texts:
            raise _wrong(path, f"expected a clause of `{folder.name}`, got `{clause:.60}`")
        texts[path] = _joined(texts[path], path, joined)
    texts["bundle.toml"] = _settings(texts["bundle.toml"], folder.name, extension)
    return {path: text.encode() for path, text in texts.items()}


def _joined(text: str, path: str, joined: Joined) -> str:
    for kind, values in joined.values.items():
        lists = re.compile(rf'\[(?:\s*{kind}::"[a-z0-9-]+",?)+\s*\]')
        more = ", ".join(f'{kind}::"{value}"' for value in values)
        cedar = _CEDAR.search(text)
        if cedar is None or not lists.search(cedar[0]):
            raise _wrong(path, f"expected a list of `{kind}` in its Cedar text")
        longer = lists.sub(lambda found: _longer(found[0], more), cedar[0])  # noqa: B023 - called here
        text = text[: cedar.start()] + longer + text[cedar.end() :]
    for case, clauses in joined.decided.items():
        row = re.compile(rf"^\| {re.escape(case)} \|.*$", re.MULTILINE)
        if len(row.findall(text)) != 1:
            raise _wrong(path, f"expected one example `{case:.80}`")
        column = f"| {', '.join(clauses)} |"
        text = row.sub(lambda found: _LAST_COLUMN.sub(lambda _: column, found[0]), text)  # noqa: B023 - called here
    # examples end where notes begin, or with the file
    head, notes, tail = text.partition("\n## Notes\n")
    rows = joined.rows.strip()
    return (f"{head.rstrip()}\n{rows}\n" if rows else head) + notes + tail


def _longer(listed: str, more: str) -> str:
    """A list with more values: on a line of their own where it has several lines."""
    last = listed.rpartition("\n")[2]
    between = " " if "\n" not in listed else "\n" + " " * (len(last) - len(last.lstrip()))
    return f"{listed[:-1].rstrip()},{between}{more}]"


def _settings(text: str, source: str, extension: Extension) -> str:
    text = re.sub(r'^name = ".*"$', f'name = "{extension.name}"', text, count=1, flags=re.MULTILINE)
    for kind, values in extension.enums.items():
        lines = "".join(f'  "{value}",\n' for value in values)
        own = re.compile(rf"^{kind} = \[\n(?:  .*\n)*(?=\]$)", re.MULTILINE)
        if own.search(text):
            text = own.sub(lambda found: found[0] + lines, text)  # noqa: B023 - called here
        else:
            text = text.replace("[enums]\n", f"[enums]\n{kind} = [\n{lines}]\n", 1)
    assumed = "".join(
        f'"{path}" = {value if isinstance(value, int) else chr(34) + value + chr(34)}\n'
        for path, value in extension.examples.items()
    )
    text = text.replace("\n[examples]\n", f"\n[examples]\n{assumed}", 1)
    return f"# Generated from {source} by countermark.policy.extend: do not edit.\n#\n{text}"


def own_clauses(before: Bundle, after: Bundle) -> tuple[Clause, ...]:
    """The clauses that the extension writes itself."""
    taken = {clause.id for clause in before.clauses}
    return tuple(clause for clause in after.clauses if clause.id not in taken)


def extend_bundle(folder: Path, extension: Extension, out: Path) -> Bundle:
    """Write what is generated to `out`, beside the clauses that lie there.

    Raises:
        BundleError: The bundle may not be put in force, before or after; or something else is in `out`.
    """
    load_bundle(folder)
    files = extended_files(folder, extension)
    if (out / "bundle.toml").exists():
        read_files(out)  # refuses a folder that holds anything but a bundle
    (out / "clauses").mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (out / path).write_bytes(data)
    return load_bundle(out)


def main() -> None:
    """Command line: extension, folder, out."""
    parser = argparse.ArgumentParser(description="Extend a bundle with values and clauses of one's own.")
    parser.add_argument("extension", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    made = extend_bundle(given.folder, read_extension(given.extension), given.out)
    for clause in own_clauses(load_bundle(given.folder), made):
        print(f"{clause.id}: {clause.title}")


if __name__ == "__main__":
    main()
