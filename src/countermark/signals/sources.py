"""The classifier that a bundle names, put to work in a gateway: here, or at a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from countermark.errors import SignalError
from countermark.signals.chat_guard import CHAT_GUARD, ChatGuard, read_template
from countermark.signals.classifier import Scorer, Signal
from countermark.signals.minilm import LOCAL, load_minilm
from countermark.signals.moderations import MODERATIONS, Moderations
from countermark.signals.offline import OFFLINE, load_offline_model
from countermark.signals.server import Server

MAX_CHARS: Final = 1 << 20
"""Content over this is not classified, and so unknown: scoring it takes seconds."""
LONG_CHARS: Final = 4096
"""From so much text on, scoring runs beside the event loop."""


class Source(Protocol):
    """A classifier, ready to be asked."""

    async def see(self, texts: Sequence[str]) -> Signal:
        """What it says of all texts of one action.

        Raises:
            SignalError: It can't say.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


class LocalSource:
    """A classifier that runs in this process."""

    def __init__(self, scorer: Scorer, *, threshold: float, timeout_s: float) -> None:
        self._scorer = scorer
        self._threshold = threshold
        self._timeout_s = timeout_s
        self._working = asyncio.Semaphore(1)

    async def see(self, texts: Sequence[str]) -> Signal:
        """Score the texts; long ones in a thread, one request at a time.

        Raises:
            SignalError: Too long, not in time, or the scorer can't say.
        """
        chars = sum(map(len, texts))
        if chars > MAX_CHARS:
            raise SignalError(f"expected at most {MAX_CHARS} characters, got {chars}")
        if chars <= LONG_CHARS:
            score = self._scorer.score(texts)
        else:
            try:
                async with asyncio.timeout(self._timeout_s), self._working:
                    score = await asyncio.to_thread(self._scorer.score, texts)
            except TimeoutError as error:
                raise SignalError(f"expected an answer in {self._timeout_s} s, got none") from error
        return Signal(
            name=self._scorer.name, digest=self._scorer.digest, threshold=self._threshold, score=score
        )

    async def close(self) -> None:
        """Nothing is open."""


class SilentSource:
    """Stands where a classifier can't be set up: it says why, whenever it is asked."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def see(self, texts: Sequence[str]) -> Signal:
        """Say nothing.

        Raises:
            SignalError: Always.
        """
        raise SignalError(self.why)

    async def close(self) -> None:
        """Nothing is open."""


def open_classifier(
    classifier: str,
    *,
    threshold: float,
    sha256: str,
    model: str = "",
    server: Server | None = None,
    template_file: Path | None = None,
    timeout_s: float = 5.0,
) -> Source:
    """Set up a classifier by its name; one that can't be is there all the same, and says why it is silent.

    Args:
        sha256: What its weights or template must be.
        model: Which model a server is asked for.
        server: How to reach it; None where nobody has said.
    """
    try:
        return _open(
            classifier,
            threshold=threshold,
            sha256=sha256,
            model=model,
            server=server,
            template_file=template_file,
            timeout_s=timeout_s,
        )
    except SignalError as error:
        return SilentSource(str(error))


def _open(
    classifier: str,
    *,
    threshold: float,
    sha256: str,
    model: str,
    server: Server | None,
    template_file: Path | None,
    timeout_s: float,
) -> Source:
    if classifier in (OFFLINE, LOCAL):
        scorer: Scorer = load_offline_model() if classifier == OFFLINE else load_minilm()
        _need(scorer.digest, sha256, f"weights of `{classifier}`")
        return LocalSource(scorer, threshold=threshold, timeout_s=timeout_s)
    if server is None:
        raise SignalError(
            f"expected `[signals.content]` with a `url` in settings.toml: `{classifier}` is a server"
        )
    if classifier == MODERATIONS:
        return Moderations(server, model=model, threshold=threshold)
    if classifier == CHAT_GUARD:
        template = read_template(template_file)
        _need(template.sha256, sha256, "template of the guard")
        return ChatGuard(server, model=model, threshold=threshold, template=template)
    raise SignalError(f"expected a classifier that this version has, got `{classifier:.60}`")


def _need(found: str, wanted: str, what: str) -> None:
    if found != wanted:
        raise SignalError(f"expected {what} with digest {wanted[:16]}, got {found[:16]}")
