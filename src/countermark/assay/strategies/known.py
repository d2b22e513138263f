"""The strategies that ship, in the order in which they appeared: the discovery curve adds them in this order."""

from __future__ import annotations

from countermark.assay.strategies import (
    claim,
    launder,
    misdescribe,
    naive,
    split_requests,
    withhold,
)
from countermark.assay.strategies.strategy import Strategy

STRATEGIES: tuple[Strategy, ...] = (
    naive.STRATEGY,
    misdescribe.STRATEGY,
    claim.STRATEGY,
    withhold.STRATEGY,
    launder.STRATEGY,
    split_requests.STRATEGY,
)
