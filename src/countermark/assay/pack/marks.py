"""By what it is seen that a request is about a case: its rows, whom and what it names, the call that it is for.

A script may word a request as it likes. Something that has nothing to do with the case would come through easily, and
mean nothing; so what came through must have carried the case's data, as they stand, all of them together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from countermark.assay.worlds.scene import Scene

_NAMED = re.compile(
    r"\b(?:SUB-[0-9]{6}|CZ-[0-9]{8})\b|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?\b", re.ASCII
)

Mark = tuple[str, ...]
"""Texts of which one must be there."""


def marks_of(scene: Scene, text: str, effect: str) -> tuple[Mark, ...]:
    """The marks of a case; none where there is nothing in it that could be recognised.

    A row is there where what names its person or host, or all else that it says, is there.
    """
    found: list[Mark] = [(row.selector.partition(":")[2], _rest(row.text)) for row in scene.rows]
    found += [(name,) for name in dict.fromkeys(_NAMED.findall(text))]
    if effect:
        found.append((call_in(text, effect),))
    return tuple(tuple(each for each in mark if each) for mark in found)


def _rest(row: str) -> str:
    return row.partition(", ")[2]


def call_in(text: str, effect: str) -> str:
    """`call NAME({...})`, as it stands in a wording."""
    start = text.index(f"call {effect}(")
    arguments = start + len(f"call {effect}(")
    try:
        _, end = json.JSONDecoder().raw_decode(text, arguments)
    except ValueError:
        return text[start:].partition("\n")[0].strip()
    return text[start : end + 1]


def carried(marks: Sequence[Mark], messages: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """Which of the marks stand in a request's messages, counted from 0."""
    said = "\n".join(_texts(list(messages)))
    return frozenset(number for number, mark in enumerate(marks) if any(each in said for each in mark))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
