"""What keeps a campaign from fooling itself: strategies chosen on half of the goals, families left out, unseen wordings.

And what one more safeguard would buy at the most: a perfect one for each cluster, or against each family of strategies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countermark.assay.campaign.columns import Column
from countermark.assay.campaign.matrix import Bools, Matrices, afforded
from countermark.assay.one_more import Oracle, oracles_against, oracles_for
from countermark.assay.statistics.confirm import confirm, hold_out, memorised
from countermark.assay.strategies.misdescribe import STRATEGY as MISDESCRIBE
from countermark.assay.strategies.strategy import Strategy, held_out

CHOSEN = 3
"""Strategies that are chosen on one half of the clusters and counted on the other."""
UNSEEN: Strategy = held_out(MISDESCRIBE)
"""Run with every campaign beside its strategies: wordings that nothing was developed on."""


def holdout_document(
    columns: Sequence[Column], matrices: Matrices, unseen: Matrices, kept: Bools
) -> Mapping[str, Any]:
    """For each column: the best strategies confirmed, each family left out, and what unseen wordings change.

    Args:
        unseen: The same rows, read with `UNSEEN` among the strategies.
        kept: Goals that are attainable; shape (goals,).
    """
    families = {each.name: each.family for each in matrices.strategies}
    made = {}
    for column in columns:
        found = matrices.outcomes(column.layers, strategies=afforded(matrices.strategies, 0)).only(kept)
        best = confirm(found, k=min(CHOSEN, len(found.strategies)))
        known, others = (
            unseen.outcomes(column.layers, strategies={name}).only(kept)
            for name in (MISDESCRIBE.name, UNSEEN.name)
        )
        made[column.name] = {
            "confirmed": {
                "chosen": list(best.chosen),
                "dev": best.dev.to_document(),
                "test": best.test.to_document(),
                "optimism": dict(best.optimism.to_document()),
            },
            "families": [
                {
                    "family": each.family,
                    "strategies": list(each.strategies),
                    "without": each.without.to_document(),
                    "overclaimed": each.overclaimed.to_document(),
                }
                for each in hold_out(found, families)
            ],
            "unseen_wordings": memorised(known, others).to_document(),
        }
    return made


def would_buy(layers: Sequence[str], matrices: Matrices, kept: Bools) -> Mapping[str, Any]:
    """What a perfect further safeguard would add: for each cluster, and against each family of strategies."""
    found = matrices.outcomes(tuple(layers), strategies=afforded(matrices.strategies, 0)).only(kept)
    clusters = [each[0] for each in found.clusters]
    families = {each.name: each.family for each in matrices.strategies}
    return {
        "for_clusters": [_oracle(each) for each in oracles_for(found, clusters)],
        "against_families": [_oracle(each) for each in oracles_against(found, families)],
    }


def _oracle(oracle: Oracle) -> Mapping[str, Any]:
    return {
        "what": oracle.what,
        "adds": oracle.adds.to_document(),
        "real": oracle.real.to_document(),
    }
