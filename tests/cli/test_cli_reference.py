"""The reference of the command line is the command line."""

from __future__ import annotations

import click
import pytest
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


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name.split()[1] in ("policy", "hold", "suspend", "explain", "log")]
)
def test_every_command_speaks_json(name: str) -> None:
    """Programs read one document."""
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)
