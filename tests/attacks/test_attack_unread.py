"""Content that nobody reads: hidden from the relation that a PERMIT leans on."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from attack_world import orders, redteam, text

from countermark.testing import Deployment

INSIDE, OUTSIDE = "10.4.0.1", "10.5.0.1"


def file_of(media: str, content: str) -> list[dict[str, Any]]:
    """A message of an address inside the engagement and a file."""
    url = f"data:{media};base64,{base64.b64encode(content.encode()).decode()}"
    return [
        {"type": "text", "text": f"rank the findings on {INSIDE}"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


@pytest.mark.parametrize(
    "media", ["image/png", "application/pdf", "sealed/thinking-signature", "SEALED/x", "text/plain", "x-y/z"]
)
async def test_no_media_type_makes_a_file_count_as_read(media: str) -> None:
    """Whatever a caller calls a file, also by the gateway's own word for sealed thinking, its content isn't clean."""
    async with Deployment() as deployment:
        await redteam(deployment)
        assert (await deployment.ask("redteam", text(f"rank {INSIDE}"))).outcome == "PERMIT"
        assert (await deployment.ask("redteam", text(file_of(media, OUTSIDE)))).outcome == "DENY"


SPELLINGS = {
    "JSON's escapes": r"10\u002e5\u002e0\u002e1",
    "JSON's escapes of digits": r"\u0031\u0030.5.0.1",
    "a string's escapes": r"10\x2e5\x2e0\x2e1",
    "percent encoding": "curl 10%2e5%2E0%2e1",
    "percent encoding twice": "curl 10%252e5%252e0%252e1",
    "character references": "10&#46;5&#x2e;0&period;1",
    "an address of three parts in a URL": "http://10.5.1/",
    "an address of two parts in a URL": "http://10.327681/",
    "hexadecimal parts in a URL": "http://0xa.0x5.0.0x1/",
    "octal parts in a URL": "http://012.05.0.01/",
    "one number in a URL": "http://168099841/",
    "one octal number in a URL": "http://01201200001/",
    "hexadecimal parts": "0x0a.0x05.0.1",
    "digits of another script": "١٠.٥.٠.١",
    "characters without width": "10.5\u200b.0\u2060.1",
    "a mapped address": "::ffff:a05:1",
    "defanged": "10[.]5[.]0[.]1",
    "a network around it": "10.0.0.0/8",
    "a user's host": "root@other.example",
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS.keys())
async def test_no_usual_spelling_hides_an_address(spelled: str) -> None:
    """An address outside the engagement is outside however a program would have written it."""
    async with Deployment() as deployment:
        await redteam(deployment)
        assert (await deployment.ask("redteam", text(f"rank {INSIDE} and {spelled}"))).outcome == "DENY"


NUMBERS = {
    "a whole number": 15550199,
    "a float": 15550199.0,
    "an exponent": 1.5550199e7,
    "in a list": [15550199.0],
}


@pytest.mark.parametrize("written", NUMBERS.values(), ids=NUMBERS.keys())
async def test_no_way_to_write_a_number_hides_a_person(written: Any) -> None:
    """A second subscriber in a tool's earlier arguments is outside the order, as text, number or float."""
    async with Deployment() as deployment:
        await orders(deployment, "phone:+15550100")
        schema = {"type": "object", "properties": {"n": {"default": written}}}
        tool = {"type": "function", "function": {"name": "find", "parameters": schema}}
        ask = text("where was +1 555 0100 on 3 May?")
        assert (await deployment.ask("orders", ask)).outcome == "HOLD"
        assert (await deployment.ask("orders", {**ask, "tools": [tool]})).outcome == "DENY"
