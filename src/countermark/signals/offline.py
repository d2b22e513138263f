"""The classifier that runs anywhere: a logistic model over words and the letters inside them, for any text.

It needs no package, no network and a tenth of a millisecond a sentence, and it is what it is: it knows wording, from a
few hundred texts of ours in English (`docs/design/signals.md` says how well). Each feature is a bit in a table of 2^14
weights of one byte, which ships with the package and is named by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from countermark.errors import SignalError
from countermark.signals.segments import segments

OFFLINE: Final = "offline-1"
BITS: Final = 14
SHORTEST_LETTERS: Final = 3
LONGEST_LETTERS: Final = 5
"""Runs of letters inside a word, its ends marked, that are features beside the word itself."""


@lru_cache(maxsize=65536)
def word_features(word: str) -> tuple[int, ...]:
    """The features of one word: itself, and its runs of letters."""
    mask = (1 << BITS) - 1
    marked = f"<{word}>"
    runs = {
        marked[start : start + size]
        for size in range(SHORTEST_LETTERS, LONGEST_LETTERS + 1)
        for start in range(len(marked) - size + 1)
    }
    names = [f"w {word}", *(f"c {run}" for run in sorted(runs))]
    return tuple(zlib.crc32(name.encode("utf-8", "surrogatepass")) & mask for name in names)


def features(words: Iterable[str]) -> set[int]:
    """The features of a piece of text, each once."""
    found: set[int] = set()
    for word in words:
        found.update(word_features(word))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineModel:
    """The weights, and what they were made from.

    Attributes:
        digest: SHA-256 of the file, hex: what a bundle names.
        threshold: From this score on, 5 % of benign single sentences of the training texts were flagged when held out.
        weights: By feature, in units of `scale`.
        trained_on: SHA-256 of each file of texts, by name.
    """

    name: str
    digest: str
    threshold: float
    scale: float
    bias: float
    weights: bytes
    trained_on: tuple[tuple[str, str], ...]

    def logit(self, words: Sequence[str]) -> float:
        """Score of one piece, before it is squeezed into 0 to 1."""
        found = features(words)
        if not found:
            return self.bias
        weights = self.weights
        # each weight is a signed byte, kept with 128 added
        total = sum(weights[feature] for feature in found) - 128 * len(found)
        return total * self.scale / math.sqrt(len(found)) + self.bias

    def score(self, texts: Iterable[str]) -> float:
        """0 to 1: that of the worst piece of all texts; 0 where there is no word."""
        worst = max((self.logit(words) for text in texts for words in segments(text)), default=-math.inf)
        return 0.0 if worst == -math.inf else 1 / (1 + math.exp(-worst))


def parse_offline_model(data: bytes) -> OfflineModel:
    """Read a file of weights.

    Raises:
        SignalError: It is not of this form.
    """
    try:
        document = json.loads(data)
        weights = zlib.decompress(base64.b64decode(document["weights"], validate=True))
        model = OfflineModel(
            name=str(document["name"]),
            digest=hashlib.sha256(data).hexdigest(),
            threshold=float(document["threshold"]),
            scale=float(document["scale"]),
            bias=float(document["bias"]),
            weights=weights,
            trained_on=tuple(sorted((str(k), str(v)) for k, v in document["trained_on"].items())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise SignalError(f"expected a file of weights: {error!r:.100}") from error
    if len(model.weights) != 1 << BITS:
        raise SignalError(f"expected {1 << BITS} weights, got {len(model.weights)}")
    return model


@cache
def load_offline_model() -> OfflineModel:
    """The model that comes with the package."""
    return parse_offline_model((files("countermark.signals") / "data" / f"{OFFLINE}.json").read_bytes())
