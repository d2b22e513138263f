"""The refusal layer that the demo compares with: a model that looks at wording, and at nothing else.

It stands for every safeguard inside a model: it sees the text, and neither the system that the model sits in nor where
the data came from. So it stops a request that says openly what it is for, stops authorised testing as readily as an
intrusion, and passes the same rows under another description. The list is short and public on purpose: nothing that
is measured against it rests on what it contains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PHRASES: tuple[str, ...] = (
    "guess their politics",
    "political leaning",
    "political opinion",
    "profile these citizens",
    "rank these scan results",
    "vulnerable hosts",
    "write an exploit",
    "break into",
    "select and engage",
)
"""Compared with the request's user texts after lower-casing and folding white space; one that occurs is enough."""

REFUSAL = "I can't help with that request."
"""The whole text of a refusal; it comes with status 200, as refusals of real models do."""


def refused_phrase(text: str, phrases: Sequence[str] = PHRASES) -> str | None:
    """The first of `phrases` that `text` contains, or None; they are in lower case, with single spaces.

    Source: docs/design (STORY.md), column R.
    """
    folded = " ".join(text.lower().split())
    return next((phrase for phrase in phrases if phrase in folded), None)


def read_phrases(file: Path) -> tuple[str, ...]:
    """Phrases of a file, one a line, folded as they are compared; empty lines are left out."""
    lines = (" ".join(line.lower().split()) for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)
