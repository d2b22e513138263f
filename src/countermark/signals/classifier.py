"""A classifier's word about content: a score, a threshold, and whether it is flagged. Pure; for a gateway and the assay.

classify("Summarise this pump manual.").value == "no"
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from countermark.errors import SignalError
from countermark.facts import UNKNOWN
from countermark.signals.offline import load_offline_model

FLAGGED: Final = "yes"
QUIET: Final = "no"
TENTHS: Final = 10


class Scorer(Protocol):
    """A classifier that runs here."""

    @property
    def name(self) -> str:
        """Its name, as bundles write it."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of what it was made from, hex."""
        ...

    def score(self, texts: Iterable[str]) -> float:
        """0 to 1, the higher the worse.

        Raises:
            SignalError: It can't say.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one classifier said of one content.

    Attributes:
        name: The classifier.
        digest: SHA-256 of its weights or template, hex; empty where a server keeps them to itself.
        threshold: Flagged from this score on.
        score: 0 to 1, the higher the worse; None where it said nothing.
        why: Why it said nothing, in words without content; empty where it did.

    Raises:
        SignalError: A score that is no number from 0 to 1, or silence without a reason.
    """

    name: str
    digest: str
    threshold: float
    score: float | None
    why: str = ""

    def __post_init__(self) -> None:
        if self.score is None:
            if not self.why:
                raise SignalError("expected a reason where there is no score")
        elif not (math.isfinite(self.score) and 0 <= self.score <= 1):
            raise SignalError(f"expected a score from 0 to 1, got `{self.score}`")

    @property
    def value(self) -> str:
        """The fact that it makes: `yes`, `no`, or `unknown` where it said nothing."""
        if self.score is None:
            return UNKNOWN
        return FLAGGED if self.score >= self.threshold else QUIET

    @property
    def flagged(self) -> bool:
        """Whether the content was flagged.

        Raises:
            SignalError: The classifier said nothing, which is neither.
        """
        if self.score is None:
            raise SignalError(f"expected a score of `{self.name}`, got none: {self.why}")
        return self.score >= self.threshold

    @property
    def tenth(self) -> int | None:
        """The score as the log holds it: its tenth, 0 to 9. A finer one would say more of the content."""
        return None if self.score is None else min(int(self.score * TENTHS), TENTHS - 1)


def classify(
    content: str | Iterable[str], *, scorer: Scorer | None = None, threshold: float | None = None
) -> Signal:
    """Classify one text, or all texts of one request.

    Args:
        scorer: The offline model where it is left out.
        threshold: The offline model's own where both are left out.

    Raises:
        SignalError: Another scorer without a threshold.
    """
    model = load_offline_model()
    chosen: Scorer = model if scorer is None else scorer
    if threshold is None:
        if chosen is not model:
            raise SignalError(f"expected a threshold for `{chosen.name}`")
        threshold = model.threshold
    texts = (content,) if isinstance(content, str) else tuple(content)
    try:
        score, why = chosen.score(texts), ""
    except SignalError as error:
        score, why = None, str(error)
    return Signal(name=chosen.name, digest=chosen.digest, threshold=threshold, score=score, why=why)
