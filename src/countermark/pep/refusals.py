"""Callers that could not be told who they are, and bodies that could not be parsed: counted, summed up once a minute.

A stranger must not be able to fill the log with an entry per attempt, nor to try without leaving a trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Refusals:
    """Counts by reason since the last summary."""

    def __init__(self, *, every_s: int = 60) -> None:
        self._every_s = every_s
        self._counts: Counter[str] = Counter()
        self._since: datetime | None = None

    def count(self, reason: str, now: datetime) -> None:
        """Count one refusal; `reason` is one of a fixed set of words."""
        if self._since is None:
            self._since = now
        self._counts[reason] += 1

    def due(self, now: datetime) -> bool:
        """Whether a minute has passed since the first one counted."""
        return self._since is not None and (now - self._since).total_seconds() >= self._every_s

    def summary(self) -> Mapping[str, Any] | None:
        """The entry for what was counted, which starts anew; None where there was nothing."""
        if not self._counts:
            return None
        entry = {"kind": "refused", "counts": dict(sorted(self._counts.items()))}
        self._counts.clear()
        self._since = None
        return entry
