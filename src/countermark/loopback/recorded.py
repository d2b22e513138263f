"""Recorded bodies for the mode `replay`: a folder of answers, chosen by what is asked.

The first file that exists is the answer, with the suffix `.sse` for streams and `.json` for whole bodies:
`<sha256 of the request body>`, then `<model>`, then the API's name (`chat` or `messages`).
"""

from __future__ import annotations

import re
from pathlib import Path

from countermark.loopback.answers import Asked

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def recorded_body(folder: Path, asked: Asked) -> bytes | None:
    """The recorded answer to `asked`, or None where the folder has none."""
    suffix = ".sse" if asked.stream else ".json"
    for name in (asked.digest, asked.base_model, asked.api.value):
        # a model's name is the caller's: it must not lead out of the folder
        if _SAFE_NAME.fullmatch(name) and (path := folder / f"{name}{suffix}").is_file():
            return path.read_bytes()
    return None


def cut_events(body: bytes) -> tuple[bytes, ...]:
    """Cut a recorded stream after each blank line, so that it is sent event by event; the pieces join to `body`."""
    pieces = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body)
    return tuple(piece for piece in pieces if piece)
