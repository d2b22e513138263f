"""The pages that new users type from are true: every command on them runs, and says what stands below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_pages import Terminal

TUTORIAL = "docs/tutorial/first-permit.md"
HOW_TOS = ("docs/how-to/two-sides.md", "docs/how-to/renew-evidence.md", "docs/how-to/rotate-keys.md")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.close()


def test_the_tutorial_leads_to_a_permit(terminal: Terminal) -> None:
    """From nothing to a PERMIT of one's own, typing what the tutorial says and nothing else."""
    commands = terminal.run_page(TUTORIAL)
    assert commands.count("python ask.py") == 2


def test_the_commands_of_the_readme_lead_to_a_permit(terminal: Terminal) -> None:
    """The first commands that anybody sees are exactly those that work."""
    terminal.run("python -m countermark.loopback --port 8787")
    commands = terminal.run_page("README.md", section="A gateway of your own")
    assert [command.split()[1] for command in commands] == [
        "init",
        "evidence",
        "evidence",
        "evidence",
        "serve",
    ]
    assert terminal.run("python ask.py").startswith("done: ")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_how_tos_go_on_from_there(terminal: Terminal) -> None:
    """Inviting the other side, renewing evidence and rotating keys work in the tutorial's folder, one after the other."""
    for page in (TUTORIAL, *HOW_TOS):
        terminal.run_page(page)
