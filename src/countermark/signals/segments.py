"""Cutting a text into the pieces that are scored one by one: sentences, joined where they are short, cut where long.

A score of a whole text sinks with everything harmless that stands beside a harmful sentence; of its sentences the worst
one counts. The price is a rate of false alarms that grows with the length (docs/design/signals.md has it measured).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from countermark.content.selectors import fold

FEWEST_WORDS: Final = 6
"""A shorter sentence is scored together with its neighbours: of two words alone nothing can be said."""
MOST_WORDS: Final = 40
"""A longer one is cut, each half over the last half, so that leaving out full stops dilutes no more than this."""
MAX_WORD_CHARS: Final = 40

_END: Final = re.compile(r"(?<=[.!?。！？])\s+|[\r\n]+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """The words of a text, folded and in lower case; digits and signs are none."""
    return tuple(word[:MAX_WORD_CHARS] for word in _WORD.findall(fold(text).casefold()))


def segments(text: str) -> Iterator[Words]:
    """The pieces of a text as words, each different piece once."""
    return (words for words, _ in _pieces(text))


def sentences(text: str) -> Iterator[str]:
    """The same pieces as they are written; of what had to be cut, the words."""
    return (written for _, written in _pieces(text))


def _pieces(text: str) -> Iterator[tuple[Words, str]]:
    parts = [(words, part) for part in _END.split(text) if (words := words_of(part))]
    seen: set[Words] = set()
    for start in range(len(parts)):
        first, end, count = start, start, 0
        while end < len(parts) and count < FEWEST_WORDS:
            count += len(parts[end][0])
            end += 1
        while first > 0 and count < FEWEST_WORDS:  # the last words, with what stands before them
            first -= 1
            count += len(parts[first][0])
        words = tuple(word for each, _ in parts[first:end] for word in each)
        written = " ".join(part for _, part in parts[first:end])
        for piece in _cut(words):
            if piece not in seen:
                seen.add(piece)
                yield piece, written if piece == words else " ".join(piece)


def _cut(words: Words) -> Iterator[Words]:
    if len(words) <= MOST_WORDS:
        yield words
        return
    step = MOST_WORDS // 2
    for start in range(0, len(words) - step, step):
        yield words[start : start + MOST_WORDS]
