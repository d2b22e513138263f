"""The refusal layer that the demo compares with: a model that looks at wording, and at nothing else.

It stands for every safeguard inside a model: it sees the text, and neither the system that the model sits in nor where
the data came from. So it stops a request that says openly what it is for, stops authorised testing as readily as an
intrusion, and passes the same rows under another description. The list is short and public on purpose: nothing that
is measured against it rests on what it contains.
"""

from __future__ import annotations

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


def refused_phrase(text: str) -> str | None:
    """The first phrase of the list that `text` contains, or None.

    Source: docs/design (STORY.md), column R.
    """
    folded = " ".join(text.lower().split())
    return next((phrase for phrase in PHRASES if phrase in folded), None)
