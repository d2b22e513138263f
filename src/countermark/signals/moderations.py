"""A server that speaks OpenAI's moderations API: `POST /moderations` with `input`, answered by `results`.

The score is the highest of all categories and pieces; where the server itself says `flagged`, it is never under the
threshold. Source: OpenAI API reference, Moderations (`openai.types.ModerationCreateResponse`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from countermark.errors import SignalError
from countermark.signals.classifier import Signal
from countermark.signals.server import JsonClient, Server, in_time, pieces

MODERATIONS: Final = "moderations"
PATH: Final = "/moderations"


class Moderations:
    """Asks a moderations endpoint."""

    def __init__(self, server: Server, *, model: str, threshold: float) -> None:
        self._client = JsonClient(server)
        self._model = model
        self._threshold = threshold

    async def see(self, texts: Sequence[str]) -> Signal:
        """Ask about all texts at once.

        Raises:
            SignalError: The server gave no answer that can be read.
        """
        asked = pieces(texts)
        document = {"model": self._model, "input": asked}
        answer = await in_time(self._client.timeout_s, self._client.post(PATH, document))
        return Signal(
            name=MODERATIONS,
            digest="",
            threshold=self._threshold,
            score=read_score(answer, expected=len(asked), threshold=self._threshold),
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def read_score(answer: Any, *, expected: int, threshold: float) -> float:
    """The score in an answer.

    Args:
        expected: How many results there must be: one for each piece.

    Raises:
        SignalError: Another form.
    """
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != expected:
        raise SignalError(f"expected {expected} results of the moderations endpoint")
    worst = 0.0
    for result in results:
        if not isinstance(result, dict) or not isinstance(result.get("flagged"), bool):
            raise SignalError("expected `flagged` in each result of the moderations endpoint")
        scores = result.get("category_scores")
        if not isinstance(scores, dict) or not scores:
            raise SignalError("expected `category_scores` in each result of the moderations endpoint")
        for score in scores.values():
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
                raise SignalError("expected category scores from 0 to 1 of the moderations endpoint")
            worst = max(worst, float(score))
        if result["flagged"]:
            worst = max(worst, threshold)
    return worst
