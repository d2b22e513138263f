"""Which part answers a request, a limit on how many are under way, and an answer where a part fails unexpectedly."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from countermark.pep.api import PREFIX, Api
from countermark.pep.enforce import Enforcer
from countermark.pep.fields import not_yet
from countermark.pep.http import Message, Receive, Scope, Send, send_answer
from countermark.pep.metrics import Metrics
from countermark.pep.models import PATH, Models
from countermark.pep.reading import ErrorKind
from countermark.pep.refusals import Refusals

log = logging.getLogger("countermark")

_METRICS_HEADERS = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


class Router:
    """Answers every HTTP request of one gateway.

    Args:
        enforcers: By path.
        why_not_ready: Why the gateway can permit nothing now, or None.
        max_concurrent: Requests to models under way at once, and as many calls of the API beside them.
    """

    def __init__(
        self,
        *,
        enforcers: Mapping[str, Enforcer],
        api: Api,
        models: Models,
        metrics: Metrics,
        refusals: Refusals,
        now: Callable[[], datetime],
        why_not_ready: Callable[[], str | None],
        max_concurrent: int,
    ) -> None:
        self._enforcers = enforcers
        self._api = api
        self._models = models
        self._metrics = metrics
        self._refusals = refusals
        self._now = now
        self._why_not_ready = why_not_ready
        self._max_concurrent = max_concurrent
        self._under_way = 0
        self._calls_under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What fails unexpectedly is 503 in the caller's API, which no client tries again."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._route(scope, receive, watched)
        except Exception:
            log.exception("a request to `%.100s` failed", scope["path"])
            self._metrics.refused.labels("internal").inc()
            if started:
                raise  # the server breaks the connection off: a part is never taken for the whole
            enforcer = self._shape(scope)
            await enforcer.refuse(
                send, enforcer.refusal(ErrorKind.UNAVAILABLE, "the gateway failed on this request")
            )

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        enforcer = self._enforcers.get(path)
        if enforcer is not None:
            await self._in_a_slot(enforcer, send, lambda: enforcer(scope, receive, send))
        elif path.startswith(PREFIX):
            await self._call(self._api, scope, receive, send)
        elif path == PATH or path.startswith(f"{PATH}/"):
            await self._call(self._models, scope, receive, send)
        elif path == "/healthz":
            await send_answer(send, 200, b'{"status":"alive"}')
        elif path == "/readyz":
            why = self._why_not_ready()
            body = {"status": "ready"} if why is None else {"status": "not ready", "why": why}
            await send_answer(send, 200 if why is None else 503, json.dumps(body).encode())
        elif path == "/metrics":
            await send_answer(send, 200, self._metrics.exposition(), _METRICS_HEADERS)
        else:
            await self._elsewhere(scope, receive, send)

    async def _in_a_slot(self, enforcer: Enforcer, send: Send, answer: Callable[[], Awaitable[None]]) -> None:
        """Answer a request, or refuse it where as many as allowed are under way."""
        if self._under_way >= self._max_concurrent:
            self._metrics.refused.labels("busy").inc()
            message = "as many requests as allowed are under way"
            await enforcer.refuse(send, enforcer.refusal(ErrorKind.UNAVAILABLE, message))
            return
        self._under_way += 1
        try:
            await answer()
        finally:
            self._under_way -= 1

    async def _call(self, part: Api | Models, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is no request to a model: as many at once, in slots of their own, and strangers counted."""
        if self._calls_under_way >= self._max_concurrent:
            self._metrics.refused.labels("busy").inc()
            enforcer = self._shape(scope)
            message = "as many calls as allowed are under way"
            await enforcer.refuse(send, enforcer.refusal(ErrorKind.UNAVAILABLE, message))
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._metrics.refused.labels("credential").inc()
                self._refusals.count("credential", self._now())
            await send(message)

        self._calls_under_way += 1
        try:
            await part(scope, receive, watched)
        finally:
            self._calls_under_way -= 1

    def _shape(self, scope: Scope) -> Enforcer:
        """The enforcer that speaks as the caller's client does, whatever path it asked for."""
        known = self._enforcers.get(scope["path"])
        if known is not None:
            return known
        anthropic = any(name.lower() == b"anthropic-version" for name, _ in scope["headers"])
        return self._enforcers["/v1/messages" if anthropic else "/v1/chat/completions"]

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything else is refused in words, in the shape that the caller's client reads.

        A path of the APIs is asked for by somebody: from a known caller that is a decision with its entry. Others are
        counted.
        """
        path = scope["path"]
        message = not_yet(path) or f"expected a path that this gateway carries, got `{path[:100]}`"
        enforcer = self._shape(scope)
        if path.startswith("/v1/"):
            await self._in_a_slot(enforcer, send, lambda: enforcer.deny_path(scope, receive, send, message))
            return
        self._metrics.refused.labels("path").inc()
        self._refusals.count("path", self._now())
        await enforcer.refuse(send, enforcer.refusal(ErrorKind.NOT_FOUND, message))
