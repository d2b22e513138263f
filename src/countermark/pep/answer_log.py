"""What was seen of an answer, as an entry that nobody waits for."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import Any

from countermark.errors import LogError
from countermark.pdp.asked import Answered
from countermark.pdp.service import Service
from countermark.tlog.entry import EntryTemplate, encode_entry

MAX_TEMPLATES = 64
MAX_ERROR_CHARS = 300
_HOLES = (("at",), ("decision",), ("seen", "parts"), ("seen", "bytes"), ("seen", "hmac_sha256"))


@dataclass(slots=True)
class SeenAnswer:
    """What was seen of an answer so far.

    Attributes:
        parts: Pieces of content.
        size: Bytes that were released, or read where nothing was.
        calls: Tool calls that were decided.
        finish: Why each choice ended, as the upstream says.
        digest: SHA-256 over the bytes, still open.
    """

    parts: int = 0
    size: int = 0
    calls: int = 0
    finish: tuple[str, ...] = ()
    digest: Any = field(default_factory=hashlib.sha256)


class AnswerLog:
    """Enters what was seen of answers. Most differ in a few values only, so the rest is encoded once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._templates: dict[tuple[str, ...], EntryTemplate] = {}

    def record(
        self,
        answered: Answered,
        seen: SeenAnswer,
        *,
        complete: bool,
        status: int | None = None,
        released: bool = True,
        error: str | None = None,
    ) -> None:
        """Enter one answer.

        Args:
            complete: The upstream's answer was whole.
            status: The upstream's status; None where there was no answer to speak of.
            released: Whether the caller got it.
            error: Why it ended early.
        """
        at = self._service.entry_time()
        digest = self._service.digest(seen.digest.hexdigest())
        usual = complete and released and status == 200 and not seen.calls and error is None
        template = self._templates.get(seen.finish) if usual else None
        if template is not None:
            data = template.fill((at, answered.id, seen.parts, seen.size, digest))
        else:
            entry: dict[str, Any] = {
                "kind": "answer",
                "at": at,
                "gateway": self._service.terms.gateway,
                "decision": answered.id,
                "complete": complete,
                "seen": {"parts": seen.parts, "bytes": seen.size, "hmac_sha256": digest},
            }
            optional = {
                "status": status,
                "calls": seen.calls,
                "finish": list(seen.finish),
                "withheld": not released,
                "error": error[:MAX_ERROR_CHARS] if error else None,
            }
            entry.update({key: value for key, value in optional.items() if value})
            if usual and len(self._templates) < MAX_TEMPLATES:
                self._templates[seen.finish] = EntryTemplate(entry, _HOLES)
            data = encode_entry(entry)
        with contextlib.suppress(
            LogError
        ):  # the decision is durable; a log that has failed stops the next request
            self._service.log.post(data)
