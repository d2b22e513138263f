"""How commands speak: text for people, one JSON document for programs, errors in one line with an exit code."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from countermark.errors import CountermarkError, SettingsError

P = ParamSpec("P")
R = TypeVar("R")

OK, FINDING, BAD_INPUT = 0, 1, 2


class Command(click.Command):
    """A command whose errors are one line on standard error, with what to do, and exit code 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; a program that asked for JSON gets what is wrong with them as JSON."""
        wants_json = "--json" in args and any(option.name == "as_json" for option in self.params)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not wants_json:
                raise
            click.echo(json.dumps({"error": {"type": "UsageError", "message": error.format_message()}}))
            ctx.exit(BAD_INPUT)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CountermarkError as error:
            if ctx.params.get("as_json"):
                click.echo(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
            else:
                click.echo(f"countermark: {error}", err=True)
            ctx.exit(BAD_INPUT)


class Group(click.Group):
    """A group whose commands are `Command`s."""

    command_class = Command


def json_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")(
        function
    )


def page_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--html`, a file to write the sheet to."""
    return click.option(
        "--html",
        "page",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write one sheet as HTML, for reading and printing; a file that is there is replaced.",
    )(function)


def write_page(page: Path, html: str) -> None:
    """Write the sheet of `--html`.

    Raises:
        SettingsError: The disk refused.
    """
    try:
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"expected to write the page to `{page}`: {error.strerror}") from error


def dir_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--dir`, the working folder of a gateway."""
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        show_default="the current folder",
        envvar="COUNTERMARK_DIR",
        help="Working folder of the gateway.",
    )(function)


def example(text: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add an example to a command's help, as it would be typed."""

    def add(function: Callable[P, R]) -> Callable[P, R]:
        # the docstring's own indent goes first: beside the example's lines click would take it for content
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExample:\n  {text}\n"
        return function

    return add


def show(document: Any, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result in the form that was asked for."""
    click.echo(json.dumps(document, indent=1, default=str) if as_json else text())


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Say how far long work is, on standard error, from its second second on; silent where nobody looks."""
    started = time.monotonic()
    shown = False
    visible = sys.stderr.isatty() and not quiet

    def tell(done: int, whole: int) -> None:
        nonlocal shown
        if visible and time.monotonic() - started > 1:
            shown = True
            click.echo(f"\r{what}: {done} of {whole} ", nl=False, err=True)

    try:
        yield tell
    finally:
        if shown:
            click.echo("\r" + " " * 60 + "\r", nl=False, err=True)


def table(rows: list[list[str]], header: list[str]) -> str:
    """Columns of text, as wide as they need."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines)
