"""What ends within a week is named, until it is renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from countermark.pdp.expiring import Ending, ending_soon
from countermark.testing import Deployment

OVERSIGHT = {"review": "none", "decides": "operator"}
DIRECTIVE = {"name": "directive D-7", "changed_by": ["northmark"]}


def _ending(deployment: Deployment) -> tuple[Ending, ...]:
    service = deployment.gateway.service
    statements = [filed.statement for filed in service.statements.all() if filed.statement is not None]
    return ending_soon(statements, service.terms, deployment.now)


async def _oversee(deployment: Deployment, days: int) -> None:
    file = deployment.state(
        "oversight",
        "northmark/office",
        {"workload": "northmark/office"},
        OVERSIGHT,
        life=timedelta(days=days),
        instrument=DIRECTIVE,
    )
    await deployment.put(file)


async def test_a_statement_is_named_in_its_last_week_until_it_is_renewed() -> None:
    """Eight days before the end there is nothing to say; in the last week there is; a newer one ends it."""
    async with Deployment() as deployment:
        await _oversee(deployment, 8)
        assert _ending(deployment) == ()
        deployment.advance(2 * 86400)
        (found,) = _ending(deployment)
        assert found.what == "oversight northmark/office"
        assert found.renew == "countermark evidence new oversight"
        await _oversee(deployment, 20)
        assert _ending(deployment) == ()


async def test_the_terms_are_named_too() -> None:
    """The sides' approval of the bundle and the trust root end as well, and then everything is denied."""
    async with Deployment() as deployment:
        terms = deployment.gateway.service.terms
        soon = replace(terms, approved_until=deployment.now + timedelta(days=3))
        assert [each.what for each in ending_soon((), soon, deployment.now)] == [
            "the sides' approval of the bundle"
        ]
        late = terms.root.validity.valid_until - timedelta(days=1)
        assert "the trust root" in [each.what for each in ending_soon((), terms, late)]
        gone = terms.root.validity.valid_until + timedelta(days=1)
        assert ending_soon((), terms, gone) == ()
