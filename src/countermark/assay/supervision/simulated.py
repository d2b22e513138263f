"""Supervisors as a layer of an assay: who looks at a share of requests, and reports some of what he sees.

`Supervisors` is a pure function of the request's key and of what is true. Both draws (is it looked at, is it reported) are
keyed by the seed and the request's key, so

- two runs with one seed are equal, in any order and in parallel;
- layers are paired: with more coverage, or a higher hit rate, everything that was stopped before still is;
- the two sides of a twin, whose key is the digest of their common bytes, get the same draws.

**A nominal hit rate is that of misuse which shows.** Somebody who sees only the text can't tell apart what the text doesn't
tell apart: on twins he reports the misuse as often as the work, and that is his rate of false alarms. So the hit rate goes by
where the misuse shows *under the strategy in use*: an attacker who misdescribes moves it out of the content (`shows_under`).

    shows in   hit rate
    content    hit
    context    context_hit: what they recognise who can look up order, consent and system; else the false alarm rate
    neither    false_alarm: separation 0

The draw for a report is one number against whichever rate applies, so at "neither" misuse and work of a twin are treated
alike, not only on average: separation is exactly 0.

**Supervisors who look afterwards stop nothing.** With `before_effect` false they report, and the effect is there all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countermark.assay.supervision.reviews import VISIBLE_IN
from countermark.errors import EstimateError

CONTENT, CONTEXT, NEITHER = VISIBLE_IN
_BYTES: Final = 8
_WHOLE: Final = float(2 ** (8 * _BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one request.

    Attributes:
        looked_at: A supervisor saw it.
        reported: And took it for misuse.
        stopped: And that was before its effect.
    """

    looked_at: bool
    reported: bool
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisors:
    """A layer of people.

    Attributes:
        coverage: Share of requests that they look at; 0 at a site that keeps them out.
        hit: Share of misuse that shows in the content which they recognise when they look at it.
        false_alarm: Share of work that they report when they look at it.
        seed: Of all draws.
        context_hit: Share recognised of misuse that only the context shows; None: they see no context.
        before_effect: Whether the request waits for them. If not, they stop nothing.

    Raises:
        EstimateError: A rate out of 0 to 1, or a hit rate below the rate of false alarms: reports that say the opposite.
    """

    coverage: float
    hit: float
    false_alarm: float
    seed: int
    context_hit: float | None = None
    before_effect: bool = True

    def __post_init__(self) -> None:
        for name in ("coverage", "hit", "false_alarm", "context_hit"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= 1:
                raise EstimateError(f"expected `{name}` as a rate from 0 to 1 (0.05 for 5 %), got `{rate:g}`")
        rates = self.hit_by_visibility
        if not rates[NEITHER] <= rates[CONTEXT] <= rates[CONTENT]:
            raise EstimateError(
                f"expected false_alarm <= context_hit <= hit, got {rates[NEITHER]:g}, {rates[CONTEXT]:g}, {rates[CONTENT]:g}"
            )

    @property
    def hit_by_visibility(self) -> Mapping[str, float]:
        """The hit rate by where the misuse shows."""
        context = self.false_alarm if self.context_hit is None else self.context_hit
        return {CONTENT: self.hit, CONTEXT: context, NEITHER: self.false_alarm}

    def see(self, request: str, *, misuse: bool, visible_in: str = NEITHER) -> Seen:
        """What becomes of one request.

        Args:
            request: Its key: the digest of its bytes, with the attempt where each attempt is another request.
            misuse: The truth.
            visible_in: Where misuse shows, under the strategy in use; of no account for work.

        Raises:
            EstimateError: No such place.
        """
        if visible_in not in VISIBLE_IN:
            raise EstimateError(f"expected visible_in {', '.join(VISIBLE_IN)}, got `{visible_in:.40}`")
        rate = self.hit_by_visibility[visible_in] if misuse else self.false_alarm
        looked_at = _draw(self.seed, "coverage", request) < self.coverage
        reported = looked_at and _draw(self.seed, "report", request) < rate
        return Seen(looked_at=looked_at, reported=reported, stopped=reported and self.before_effect)

    def stopped(self, request: str, *, misuse: bool, visible_in: str = NEITHER) -> bool:
        """Whether the request was stopped: looked at, reported, and before its effect."""
        return self.see(request, misuse=misuse, visible_in=visible_in).stopped


def shows_under(visible_in: str, *, misdescribed: bool) -> str:
    """Where misuse shows when the attacker describes it as something else: no longer in the content.

    The context stays what it is, for whoever can see it.
    """
    return CONTEXT if misdescribed and visible_in == CONTENT else visible_in


def _draw(seed: int, what: str, request: str) -> float:
    """A number from 0 up to 1, the same for the same arguments: in any order, process and version of Python."""
    key = seed.to_bytes(8, "big", signed=True)
    digest = hashlib.blake2b(f"{what}\0{request}".encode(), key=key, digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big") / _WHOLE
