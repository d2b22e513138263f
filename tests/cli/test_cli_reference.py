"""The reference of the command line is the command line."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from make_cli_reference import TARGET, reference, split_help, walk

from countermark.cli.main import main

COMMANDS = {
    " ".join(path): command
    for path, command in walk(main, ("countermark",))
    if not isinstance(command, click.Group)
}


def test_the_page_is_current() -> None:
    """Every command, option and example on the page is as the command says it."""
    assert TARGET.read_text(encoding="utf-8") == reference(), "run python tests/cli/make_cli_reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    """Help says what it does; the example is the command as it would be typed."""
    words, example = split_help(COMMANDS[name])
    assert words
    assert example.startswith(f"{name} ") or example == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is(name: str) -> None:
    """No option without help."""
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_speaks_json(name: str) -> None:
    """Programs read one document."""
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_runs_on_without_gaps(name: str) -> None:
    """No line of a docstring's indentation is left in the help that people read."""
    words, _ = split_help(COMMANDS[name])
    for block in words.split("\n\n"):
        assert block.startswith("\b") or not any(line.startswith(" ") for line in block.splitlines())


def test_wrong_arguments_are_json_for_who_asked_for_it() -> None:
    """A program that says `--json` reads what is wrong with its arguments on standard output, with exit code 2."""
    found = CliRunner().invoke(main, ["suspend", "take", "--json"])
    assert found.exit_code == 2
    assert json.loads(found.stdout) == {
        "error": {"type": "UsageError", "message": "Missing option '--days'."}
    }
    assert "Usage:" in CliRunner().invoke(main, ["suspend", "take"]).output
