"""Asking a server: one JSON document there, one back, in time and within a size, or an error that says nothing of either.

Redirects are not followed, proxies of the environment not used, and neither the key nor the content is ever in a message.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from countermark.content.request_json import parse_json_value
from countermark.errors import MalformedError, SignalError

MAX_ANSWER_BYTES: Final = 1 << 20
PIECE_CHARS: Final = 8000
"""Content goes in pieces of this length, since guards read a few thousand tokens."""
OVERLAP_CHARS: Final = 400
"""What two pieces share, so that a sentence on their border stands whole in one of them."""
MAX_PIECES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to reach a server.

    Attributes:
        url: Up to where the API's own paths begin (`https://guard.example/v1`).
        key: Its API key, for `authorization: Bearer`; None where it needs none.
        ca_file: Certificate authorities to trust instead of the system's.
        timeout_s: For the whole of one request's classification.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout_s: float = 5.0


class JsonClient:
    """Posts JSON to one server; the connection is opened with the first question."""

    def __init__(self, server: Server) -> None:
        """Set up.

        Raises:
            SignalError: The file of authorities can't be read.
        """
        self._server = server
        self._session: aiohttp.ClientSession | None = None
        try:
            self._tls = ssl.create_default_context(cafile=server.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SignalError(f"expected certificate authorities in `{server.ca_file}`") from error

    @property
    def timeout_s(self) -> float:
        """For the whole of one request's classification."""
        return self._server.timeout_s

    async def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """Post a document and read the answer's.

        Raises:
            SignalError: Not reached, not in time, another status than 200, too long, or no JSON.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, auto_decompress=False)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._server.key is not None:
            headers["authorization"] = f"Bearer {self._server.key}"
        body = json.dumps(document, ensure_ascii=True).encode()
        try:
            async with self._session.post(
                f"{self._server.url}{path}",
                data=body,
                headers=headers,
                ssl=self._tls,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._server.timeout_s),
            ) as answer:
                if answer.status != 200:
                    raise SignalError(f"expected status 200 of the classifier, got {answer.status}")
                data = await self._read(answer)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SignalError(f"expected an answer of the classifier, got {type(error).__name__}") from error
        try:
            return parse_json_value(data, max_bytes=MAX_ANSWER_BYTES)
        except MalformedError as error:
            raise SignalError("expected JSON of the classifier, got something else") from error

    @staticmethod
    async def _read(answer: aiohttp.ClientResponse) -> bytes:
        data = b""
        async for chunk in answer.content.iter_chunked(1 << 16):
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                raise SignalError(f"expected an answer of at most {MAX_ANSWER_BYTES} bytes")
        return data

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def pieces(texts: Sequence[str]) -> list[str]:
    """All texts of an action, joined, in pieces that a guard can read.

    Raises:
        SignalError: They would be too many.
    """
    whole = "\n\n".join(text for text in texts if text.strip())
    step = PIECE_CHARS - OVERLAP_CHARS
    made = [
        whole[start : start + PIECE_CHARS] for start in range(0, max(len(whole) - OVERLAP_CHARS, 1), step)
    ]
    if len(made) > MAX_PIECES:
        raise SignalError(f"expected content in at most {MAX_PIECES} pieces of {PIECE_CHARS} characters")
    return made


async def in_time(timeout_s: float, asking: Any) -> Any:
    """Wait for a whole classification.

    Raises:
        SignalError: It took too long.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await asking
    except TimeoutError as error:
        raise SignalError(f"expected an answer in {timeout_s} s, got none") from error
