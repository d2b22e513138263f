"""Content that nobody reads, and fields that the sides add to an API's table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from countermark.policy.shipped import shipped_bundle
from countermark.testing import Deployment

IMAGE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
INSIDE = "Rank these scan results.\n10.4.0.7 open: 443"


def _body(text: str, *, image: bool = False) -> dict[str, object]:
    content: list[dict[str, object]] = [{"type": "text", "text": text}]
    if image:
        content.append({"type": "image_url", "image_url": {"url": IMAGE}})
    return {"model": "m-1", "messages": [{"role": "user", "content": content}]}


async def _redteam(deployment: Deployment) -> None:
    await deployment.add_workload("redteam", purpose="security-testing", basis="engagement", site="closed")
    await deployment.put(
        deployment.state(
            "engagement",
            "northmark/E-9",
            {"engagement": "E-9", "party": "northmark"},
            {"workloads": ["northmark/redteam"], "ranges": ["10.4.0.0/16"], "names": []},
        )
    )


async def test_an_image_beside_addresses_inside_leaves_the_engagement_unknown() -> None:
    """Nobody reads an image, so nothing is known of the addresses in it: what needs them all inside is denied."""
    async with Deployment() as deployment:
        await _redteam(deployment)
        assert (await deployment.ask("redteam", _body(INSIDE))).outcome == "PERMIT"
        with_image = await deployment.ask("redteam", _body(INSIDE, image=True))
        assert with_image.outcome == "DENY"
        assert with_image.clauses == ("RL-3",)
        entry = deployment.entries("decision")[-1]
        assert entry["observation"]["unread"] == 1
        assert entry["facts"]["countersigned.engagement"] == "unknown"


async def test_an_image_alone_does_not_stop_office_work() -> None:
    """A purpose that needs no relation is not stopped by content that nobody reads; the entry says that it was there."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        assert (
            await deployment.ask("office", _body("What is on this picture?", image=True))
        ).outcome == "PERMIT"
        assert deployment.entries("decision")[-1]["observation"]["unread"] == 1


@pytest.fixture
def bundle_with_a_field(tmp_path: Path) -> Path:
    """The red lines, with a field that both sides add to the OpenAI table."""
    target = tmp_path / "bundle"
    shutil.copytree(shipped_bundle("red-lines"), target)
    with (target / "bundle.toml").open("a") as file:
        file.write('\n[fields.openai]\nx_briefing = "content"\nx_speed = "inert"\n')
    return target


async def test_fields_that_the_sides_added_are_read_and_others_stay_refused(
    bundle_with_a_field: Path,
) -> None:
    """An added `content` field is searched like any other content; an unknown one is denied by name."""
    async with Deployment(bundle=bundle_with_a_field) as deployment:
        await _redteam(deployment)
        assert (await deployment.ask("redteam", {**_body(INSIDE), "x_speed": 3})).outcome == "PERMIT"
        outside = await deployment.ask("redteam", {**_body(INSIDE), "x_briefing": "and 10.9.0.1"})
        assert outside.outcome == "DENY"
        assert outside.clauses == ("RL-3",)
        smuggled = await deployment.ask("redteam", {**_body(INSIDE), "x_speed": "and 10.9.0.1"})
        assert smuggled.status in (400, 403)
        unknown = await deployment.ask("redteam", {**_body(INSIDE), "x_other": 3})
        assert unknown.outcome == "DENY"
        assert "x_other" in unknown.json()["error"]["message"]
        assert len(deployment.upstream.received) == 1
