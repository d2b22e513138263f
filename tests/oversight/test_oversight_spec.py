"""The example in spec/approval.md is what the code makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from oversight_world import NOW, held, held_content

from countermark.oversight.approval import Verdict, make_approval
from countermark.oversight.words import words

SPEC = (Path(__file__).parents[2] / "spec/approval.md").read_text()


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", SPEC, re.DOTALL | re.MULTILINE)


def test_the_approval_in_the_specification_is_what_ada_signs() -> None:
    """Words and statement of the example are those of the code, digest and all."""
    hold = held(hold_id="h_" + "k3" * 13)
    statement = make_approval(
        hold,
        held_content(),
        role="halden_reviewer",
        person="ada",
        verdict=Verdict.APPROVE,
        now=NOW,
        basis="inspected",
        interest="party",
    )
    assert blocks("text") == [words(hold, held_content())]
    assert json.loads(blocks("json")[0]) == json.loads(statement.payload)
