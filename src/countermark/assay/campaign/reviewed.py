"""The supervisors of a plan, as a layer that no stack runs: simulated on each row."""

from __future__ import annotations

from collections.abc import Iterable

from countermark.assay.campaign.matrix import Stops
from countermark.assay.campaign.plan import Plan
from countermark.assay.campaign.rows import CampaignRow
from countermark.assay.strategies.strategy import NAIVE
from countermark.assay.supervision.simulated import Supervisors, shows_under


def reviewers(plan: Plan, rows: Iterable[CampaignRow]) -> Stops:
    """Whether the plan's supervisors stop what a row was about, before its effect.

    The draw is keyed by the request's bytes, so twins are treated alike. Who sends other bytes than the plain request hides
    from them what its wording would have shown; who sends the same ones, from wherever, doesn't. A try of several requests
    gets one look: that errs on the low side, where the pieces show anything.

    Args:
        rows: Of the campaign: the plain request of each goal is known from them.
    """
    plainly = {(row.scenario, row.sha256) for row in rows if row.strategy == NAIVE}
    supervisors = Supervisors(
        coverage=plan.reviewing.coverage,
        hit=plan.reviewing.hit,
        false_alarm=plan.reviewing.false_alarm,
        seed=plan.seed,
    )
    visible = {goal.id: goal.visible_in.value for goal in plan.scenarios.goals}

    def stops(row: CampaignRow) -> bool:
        goal = row.scenario.partition("@")[0]
        if not row.strategy:
            return supervisors.stopped(row.sha256, misuse=False)
        shown = shows_under(visible[goal], misdescribed=(row.scenario, row.sha256) not in plainly)
        return supervisors.stopped(row.sha256, misuse=True, visible_in=shown)

    return stops
