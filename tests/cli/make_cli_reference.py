"""Writes `docs/reference/cli.md` from the commands themselves: `python tests/cli/make_cli_reference.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from countermark.cli.main import main

TARGET = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

HEAD = """\
# The command line

Every command of `countermark`, with its help and an example. This page is generated from the commands
(`python tests/cli/make_cli_reference.py`); a test compares.

- Exit codes: 0 yes; 1 denied, or a finding; 2 bad input, said in one line on standard error.
- `--json` prints one JSON document on standard output and nothing else; errors are `{"error": {"type", "message"}}`.
- `--dir` is the working folder of a gateway (or `COUNTERMARK_DIR`), `--url` the address of one that runs
  (`COUNTERMARK_URL`), `--trust-root` your own copy of the trust root (`COUNTERMARK_TRUST_ROOT`).
- What takes longer than a second says how far it is, on standard error, where somebody looks.
"""


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands, groups before their members."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from walk(found, (*path, name))


def split_help(command: click.Command) -> tuple[str, str]:
    """A command's help without its example, and the example."""
    text = inspect.cleandoc(command.help or "")
    words, _, example = text.partition("\b\nExample:")
    return words.strip(), inspect.cleandoc(example).strip()


def prose(text: str) -> str:
    """Help as Markdown: click's `\\b` marks a block that keeps its lines."""
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("\b"):
            lines = block.removeprefix("\b").strip("\n").splitlines()
            blocks.append("\n".join(["```text", *lines, "```"]))
        else:
            blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks)


def option_row(option: click.Option) -> str:
    """One row of the table of options."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" {option.metavar or kind(option.type)}"
    said = [option.help or ""]
    if option.required:
        said.append("Required.")
    if isinstance(option.show_default, str):
        said.append(f"Default: {option.show_default}.")
    elif option.show_default and option.default is not None:
        said.append(f"Default: `{option.default}`.")
    if option.multiple and "several times" not in said[0]:
        said.append("May be given several times.")
    cell = " ".join(each for each in said if each).replace("|", "\\|")
    return f"| {names}{value.replace('|', chr(92) + '|')} | {cell} |"


def kind(of: click.ParamType) -> str:
    """What an option takes."""
    if isinstance(of, click.Choice):
        return " | ".join(str(each) for each in of.choices)
    if isinstance(of, click.Path):
        return "FOLDER" if not of.file_okay else "FILE"
    return {"integer range": "N", "integer": "N", "float": "N", "float range": "N"}.get(of.name, "TEXT")


def section(path: tuple[str, ...], command: click.Command) -> str:
    """One command."""
    name = " ".join(path)
    words, example = split_help(command)
    if isinstance(command, click.Group):
        return f"## `{name}`\n\n{prose(words)}\n"
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    level = "###" if len(path) > 2 else "##"
    parts = [f"{level} `{name}`", "", prose(words), "", "```text", f"{name} {usage}", "```", ""]
    options = [
        p for p in command.get_params(context) if isinstance(p, click.Option) and "--help" not in p.opts
    ]
    if options:
        parts += ["| option | meaning |", "| --- | --- |", *map(option_row, options), ""]
    if example:
        parts += ["```sh", example, "```", ""]
    return "\n".join(parts)


def reference() -> str:
    """The whole page."""
    made = [section(path, command) for path, command in walk(main, ("countermark",)) if len(path) > 1]
    return f"{HEAD}\n" + "\n".join(made)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference(), encoding="utf-8")
    print(f"wrote {TARGET}")
