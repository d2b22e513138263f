"""The attacker's script as a process: it is told a case, says what to ask, and is told what became of it; JSON, line by line.

It is other people's code. It gets no environment but PATH, no file of ours, no secret and, where the kernel allows it, no
network; it is stopped when it hangs, floods, or says something else. spec/assay-pack.md has its protocol.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from countermark.assay.pack.source import SCRIPT
from countermark.errors import CampaignError, MalformedError
from countermark.strictjson import parse_object

CONFINE = Path(__file__).with_name("confine.py")
LINE_S = 20.0
"""How long it may take for its next line."""
_START_S = 60.0
MAX_LINE_BYTES = 256 << 10
MAX_MESSAGES, MAX_HEADERS, MAX_VALUE = 64, 16, 1024
_HEADER = re.compile(r"(?:countermark|x)-[a-z0-9-]{1,60}", re.ASCII)
_ASK = {"role", "text", "messages", "headers", "metadata", "signs"}
_ERRORS = "errors.txt"


class Ended(StrEnum):
    """How a script ended."""

    DONE = "done"
    """It said so, or closed its output in good order."""
    HUNG = "hung"
    """No line in time, or it didn't read."""
    FLOODED = "flooded"
    """A line over the limit."""
    GARBAGE = "garbage"
    """A line that is no ask."""
    BROKE = "broke off"
    """It ended with an error."""
    TOO_MANY = "asked too often"
    """It asked for more than it had: nothing more was sent."""
    REACHED = "reached"
    """What came out was what the case is about: nothing more was needed."""

    @property
    def fault(self) -> bool:
        """Whether it is the script's, so that nobody knows what it would have reached."""
        return self in (Ended.HUNG, Ended.FLOODED, Ended.GARBAGE, Ended.BROKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One ask of a script.

    Attributes:
        messages: Of the request's body; `{rows}` in a text stands for the case's rows.
        signs: Roles of people who are to approve it without looking, where it is held.
    """

    role: str
    messages: tuple[Mapping[str, Any], ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    signs: tuple[str, ...] = ()


class Script:
    """A running script."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, line_s: float) -> None:
        self._process = process
        self._folder = folder
        self._line_s = line_s
        self.confined: Mapping[str, str] = {}

    async def tell(self, document: Mapping[str, Any]) -> bool:
        """Write it one line; False where it hangs and doesn't read. One that has gone may have said all that it wanted."""
        assert self._process.stdin is not None  # noqa: S101 - asked for
        try:
            self._process.stdin.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
            await asyncio.wait_for(self._process.stdin.drain(), self._line_s)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def next(self) -> Said | Ended:
        """What it says next: an ask, or how it ended."""
        line = await self.line()
        if isinstance(line, Ended):
            return line
        try:
            raw = parse_object(line, max_bytes=MAX_LINE_BYTES)
        except MalformedError:
            return Ended.GARBAGE
        if raw == {"done": True}:
            return Ended.DONE
        return _said(raw.get("ask")) if set(raw) == {"ask"} else Ended.GARBAGE

    async def line(self, *, within_s: float | None = None) -> bytes | Ended:
        """Its next line, or how it ended."""
        within_s = within_s or self._line_s
        assert self._process.stdout is not None  # noqa: S101 - asked for
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        except TimeoutError:
            return Ended.HUNG
        except ValueError:  # over the stream's limit
            return Ended.FLOODED
        if line.endswith(b"\n"):
            return line
        try:
            status = await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            return Ended.HUNG
        return Ended.BROKE if status else Ended.DONE if not line else Ended.GARBAGE

    @property
    def last_words(self) -> str:
        """The last line that it wrote to standard error, shortened: for its author."""
        try:
            with (self._folder / _ERRORS).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 400))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return "".join(char for char in lines[-1] if char.isprintable())[:120] if lines else ""


@asynccontextmanager
async def running_script(attacker: Mapping[str, str], *, line_s: float = LINE_S) -> AsyncIterator[Script]:
    """Run a script in a folder of its own until the block ends; then nothing of it is left.

    Args:
        attacker: File name to text.
        line_s: How long it may take for its next line.

    Raises:
        CampaignError: It can't be started here at all.
    """
    folder = Path(tempfile.mkdtemp(prefix="countermark-script-"))
    try:
        for name, text in attacker.items():
            (folder / name).write_text(text, encoding="utf-8")
        with (folder / _ERRORS).open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-B", str(CONFINE), SCRIPT),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
                limit=MAX_LINE_BYTES,
            )
        try:
            script = Script(process, folder, line_s)
            first = await script.line(within_s=_START_S)
            if isinstance(first, Ended):
                raise CampaignError(f"expected to start the attacker's script: {script.last_words or first}")
            script.confined = json.loads(first)  # written by confine.py, before the script was there
            yield script
        finally:
            await _end(process)
    except OSError as error:
        raise CampaignError(f"expected to start the attacker's script: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def confinement() -> Mapping[str, str]:
    """What a script can't have on this machine: `network` and `files`, in words.

    Raises:
        CampaignError: No script can be started here.
    """
    async with running_script({SCRIPT: ""}) as script:
        return script.confined


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it with its group, and close what it may have left full."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    transport = getattr(process, "_transport", None)  # asyncio keeps a pipe that is full open otherwise
    await process.wait()
    if transport is not None:
        transport.close()


def _said(raw: object) -> Said | Ended:
    """Read an ask: whatever isn't one is garbage."""
    if not isinstance(raw, dict) or set(raw) - _ASK or not isinstance(raw.get("role"), str):
        return Ended.GARBAGE
    text, messages = raw.get("text"), raw.get("messages")
    if isinstance(text, str) and messages is None:
        messages = [{"role": "user", "content": text}]
    headers, metadata, signs = raw.get("headers", {}), raw.get("metadata", {}), raw.get("signs", [])
    if (
        not isinstance(messages, list)
        or not 0 < len(messages) <= MAX_MESSAGES
        or not all(isinstance(each, dict) for each in messages)
        or (text is not None and "messages" in raw)
        or not _is_short(headers)
        or not all(_HEADER.fullmatch(name) and _sendable(value) for name, value in headers.items())
        or not _is_short(metadata)
        or not isinstance(signs, list)
        or not all(isinstance(each, str) for each in signs)
    ):
        return Ended.GARBAGE
    return Said(
        role=raw["role"],
        messages=tuple(messages),
        headers=headers,
        metadata=metadata,
        signs=tuple(signs),
    )


def _is_short(table: object) -> bool:
    return (
        isinstance(table, dict)
        and len(table) <= MAX_HEADERS
        and all(isinstance(value, str) and len(value) <= MAX_VALUE for value in table.values())
    )


def _sendable(value: str) -> bool:
    """As a header's value: nothing that would end the line."""
    return value.isascii() and value.isprintable()
