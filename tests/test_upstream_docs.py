"""The examples in spec/forwarding.md and docs/how-to/protect-the-upstream.md are what the code makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from countermark.upstream import _REASONS, RequirePermit, permit_text
from make_forwarding_vectors import NOW, REQUEST, vectors

ROOT = Path(__file__).parents[1]
SPEC, HOW_TO = "spec/forwarding.md", "docs/how-to/protect-the-upstream.md"


def blocks(path: str, kind: str) -> list[str]:
    """The fenced blocks of one kind, also of those inside lists."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^\1```$", (ROOT / path).read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_the_permit_in_the_specification_is_the_plain_vector() -> None:
    """Header, body and signed text of the example are those of spec/vectors/forwarding/plain."""
    header, text = blocks(SPEC, "text")
    request = json.loads(vectors()["plain/request.json"])
    assert f"countermark-permit: {request['permit']}\n" in header
    assert text.encode() == permit_text(**{**REQUEST, "created": int(NOW.timestamp())})


@pytest.mark.parametrize("path", [SPEC, HOW_TO])
def test_every_reason_for_a_refusal_is_explained(path: str) -> None:
    """Whoever sees a count finds what it means."""
    text = (ROOT / path).read_text()
    for reason in [*(reason for _, reason, _ in _REASONS), "protocol"]:
        assert f"`{reason}`" in text


def test_the_python_of_the_how_to_uses_what_exists() -> None:
    """The examples compile, and the parameters that they name are those of the code."""
    parameters = set(RequirePermit.__init__.__annotations__)
    python = blocks(HOW_TO, "python")
    assert len(python) == 2
    for block in python:
        compile(block, "how-to", "exec")
        assert set(re.findall(r"\b(\w+)=", block)) - {"now"} <= parameters
