"""Real Chromium for tests, driven over its DevTools protocol: opens a page, asks it in JavaScript, prints it.

Nothing of a page is changed, and the browser has no network: a page that asks for anything is found out.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(),
    reason=f"expected `{CHROMIUM}` to open the page with; it is not installed here",
)
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--proxy-server=127.0.0.1:9",  # discard: whatever a page asks for from elsewhere fails
    "--remote-debugging-port=0",
)
_START_S = 60


@dataclass(slots=True, kw_only=True)
class Tab:
    """One page of a browser.

    Attributes:
        asked: Addresses that the page asked for, itself included.
    """

    socket: aiohttp.ClientWebSocketResponse
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    asked: list[str] = field(default_factory=list)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self.socket.receive_json()
            self._note(told)
            if told.get("id") == number:
                assert "error" not in told, f"{method}: {told['error']}"
                return dict(told["result"])

    async def open(self, page: Path) -> None:
        """Load a file, and wait until it is there."""
        await self.call("Page.enable")
        await self.call("Network.enable")
        await self.call("Page.navigate", url=page.as_uri())
        while True:
            told = await self.socket.receive_json()
            self._note(told)
            if told.get("method") == "Page.loadEventFired":
                return

    def _note(self, told: dict[str, Any]) -> None:
        if told.get("method") == "Network.requestWillBeSent":
            self.asked.append(told["params"]["request"]["url"])

    async def ask(self, script: str) -> Any:
        """The value of an expression on the page; of a promise, what it ends with."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def size(self, width: int, height: int = 900) -> None:
        """The screen, in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def paper(self, width_mm: float) -> None:
        """As if printed, with so much room between the margins."""
        await self.size(round(width_mm / 25.4 * 96))
        await self.call("Emulation.setEmulatedMedia", media="print")

    async def pdf(self) -> bytes:
        """The page as it is printed, in the size that it asks for."""
        told = await self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(told["data"])

    async def picture(self) -> bytes:
        """All of the page, as PNG: for looking at it."""
        told = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(told["data"])


@contextlib.asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Tab]:
    """A browser with one empty page; ended with the block.

    Args:
        profile: A folder that doesn't exist yet.
    """
    process = await asyncio.create_subprocess_exec(
        str(CHROMIUM),
        *_FLAGS,
        f"--user-data-dir={profile}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await asyncio.wait_for(_port(profile / "DevToolsActivePort"), _START_S)
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                address = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket=socket)
                yield tab
                # its children end first, so that nothing writes to the profile any more; an answer may not come
                await socket.send_json({"id": next(tab.numbers), "method": "Browser.close"})
        await asyncio.wait_for(process.wait(), _START_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port(path: Path) -> int:
    """The port that the browser took: it writes it down once it listens."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text(encoding="utf-8").splitlines()[0])
        await asyncio.sleep(0.05)
