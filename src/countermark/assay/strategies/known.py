"""The strategies that ship, in the order in which they appeared: the discovery curve adds them in this order."""

from __future__ import annotations

from countermark.assay.strategies import (
    borrow_basis,
    borrow_deployment,
    claim,
    collude,
    collude_reviewers,
    contradict,
    forge,
    go_round,
    go_round_with_key,
    launder,
    lazy_reviewer,
    misdescribe,
    naive,
    replay,
    replay_statement,
    same_paper,
    split_requests,
    split_sessions,
    split_workloads,
    stolen_key,
    tamper,
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
    split_sessions.STRATEGY,
    split_workloads.STRATEGY,
    replay.STRATEGY,
    forge.STRATEGY,
    replay_statement.STRATEGY,
    borrow_deployment.STRATEGY,
    borrow_basis.STRATEGY,
    same_paper.STRATEGY,
    go_round.STRATEGY,
    lazy_reviewer.STRATEGY,
    stolen_key.STRATEGY,
    contradict.STRATEGY,
    collude_reviewers.STRATEGY,
    collude.STRATEGY,
    go_round_with_key.STRATEGY,
    tamper.STRATEGY,
)
