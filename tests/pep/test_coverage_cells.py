"""The coverage matrix: no cell is empty, and each does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage_cells import CELLS, DIRECTIONS, ENDPOINTS, MODES, render
from vendor_types import CANARY

from countermark.errors import MalformedError
from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.openai import OpenAIChat
from countermark.pep.reading import Calls, Finished, Pass

WIRES = {wire.path: wire for wire in (OpenAIChat(), AnthropicMessages())}


def test_the_matrix_has_no_empty_cell() -> None:
    """Endpoint x mode x direction, all of them."""
    expected = {(mode, way) for mode in MODES for way in DIRECTIONS}
    assert {endpoint: set(cells) for endpoint, cells in CELLS.items()} == dict.fromkeys(ENDPOINTS, expected)
    assert set(ENDPOINTS) == set(WIRES)


@pytest.mark.parametrize("way", DIRECTIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_cell_does_what_it_says(endpoint: str, mode: str, way: str) -> None:
    """Read, counted or refused: the message of the cell shows it."""
    wire, cell = WIRES[endpoint], CELLS[endpoint][mode, way]
    try:
        if cell.form == "stream":
            reader = wire.stream_reader()
            pieces = [*reader.feed(cell.data), *reader.close()]
            texts = [text for piece in pieces if isinstance(piece, Pass | Calls) for text in piece.texts]
            unread: tuple[str, ...] = ()
            assert isinstance(pieces[-1], Finished)
        else:
            reading = wire.read_request(cell.data) if way == "request" else wire.read_answer(cell.data)
            texts, unread = list(reading.texts), reading.unread
    except MalformedError:
        outcome = "refused"
    else:
        outcome = "read" if any(CANARY in text for text in texts) else "counted" if unread else "unseen"
    assert outcome == cell.outcome


def test_the_spec_of_coverage_is_current() -> None:
    """Generate it anew with the command that stands in it."""
    assert (Path(__file__).parents[2] / "spec" / "coverage.md").read_text() == render()
