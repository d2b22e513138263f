"""A chat model that is asked whether content is safe: `safe`, or `unsafe` and on the next line the categories.

That is how Llama Guard and its kin answer, behind any server that speaks OpenAI Chat Completions. The template that they
are asked with decides what counts as unsafe, so its digest stands in the bundle. `{content_json}` puts the content in as
a JSON string, which can't close its own quotes; `{content}` as it is, for models whose server wraps it itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from countermark.errors import SignalError
from countermark.signals.classifier import Signal
from countermark.signals.server import JsonClient, Server, in_time, pieces

CHAT_GUARD: Final = "chat-guard"
PATH: Final = "/chat/completions"
MAX_TEMPLATE_BYTES: Final = 64 << 10
MAX_TOKENS: Final = 32
"""`unsafe` and a list of categories; who writes more has not understood the question."""
_PLAIN: Final = "{content}"
_JSON: Final = "{content_json}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What the model is asked. `sha256` is the digest of the file."""

    text: str
    sha256: str

    def ask(self, content: str) -> str:
        """The question about one piece of content."""
        if _JSON in self.text:
            return self.text.replace(_JSON, json.dumps(content, ensure_ascii=False))
        return self.text.replace(_PLAIN, content)


def read_template(path: Path | None = None) -> Template:
    """Read a template; the one that comes with the package where no path is given.

    Raises:
        SignalError: It can't be read, or has no place for the content.
    """
    try:
        data = (
            (files("countermark.signals") / "data" / "chat-guard.txt").read_bytes()
            if path is None
            else path.read_bytes()
        )
        text = data[: MAX_TEMPLATE_BYTES + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SignalError(f"expected a template in UTF-8 in `{path}`") from error
    if len(data) > MAX_TEMPLATE_BYTES or text.count(_PLAIN) + text.count(_JSON) != 1:
        raise SignalError(
            f"expected a template with `{_PLAIN}` or `{_JSON}` once, of at most {MAX_TEMPLATE_BYTES} bytes"
        )
    return Template(text=text, sha256=hashlib.sha256(data).hexdigest())


class ChatGuard:
    """Asks a chat model."""

    def __init__(self, server: Server, *, model: str, threshold: float, template: Template) -> None:
        self._client = JsonClient(server)
        self._model = model
        self._threshold = threshold
        self._template = template

    async def see(self, texts: Sequence[str]) -> Signal:
        """Ask about each piece, one after the other; the first `unsafe` decides.

        Raises:
            SignalError: The server gave no answer that can be read.
        """
        return Signal(
            name=CHAT_GUARD,
            digest=self._template.sha256,
            threshold=self._threshold,
            score=await in_time(self._client.timeout_s, self._score(pieces(texts))),
        )

    async def _score(self, asked: Sequence[str]) -> float:
        for piece in asked:
            document = {
                "model": self._model,
                "messages": [{"role": "user", "content": self._template.ask(piece)}],
                "temperature": 0,
                "max_tokens": MAX_TOKENS,
            }
            if read_verdict(await self._client.post(PATH, document)):
                return 1.0
        return 0.0

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def read_verdict(answer: Any) -> bool:
    """Whether an answer says `unsafe`.

    Raises:
        SignalError: It says neither `safe` nor `unsafe` in its first line, or isn't a chat completion.
    """
    try:
        content = answer["choices"][0]["message"]["content"]
        first = content.strip().splitlines()[0].strip().rstrip(".").lower()
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise SignalError("expected a chat completion of the guard, got another form") from error
    if first not in ("safe", "unsafe"):
        raise SignalError("expected `safe` or `unsafe` in the guard's first line, got something else")
    return bool(first == "unsafe")
