"""`GET /v1/models`: the models that the bundle routes, in the shape of the API that the caller speaks.

Answered from the bundle, never by an upstream: a list of models is not a use of one, and tells nothing that the caller's
side has not signed.
"""

from __future__ import annotations

import json
from typing import Any

from countermark.clock import format_time
from countermark.errors import CredentialError, ReplayError, TooLargeError
from countermark.pdp.service import Service
from countermark.pep.callers import Callers
from countermark.pep.http import (
    JSON_HEADERS,
    CallerLeftError,
    Receive,
    Scope,
    Send,
    SlowCallerError,
    headers_of,
    read_body,
    send_answer,
)
from countermark.policy.bundle import Bundle

PATH = "/v1/models"


class Models:
    """Lists the models of the bundle in force."""

    def __init__(self, bundle: Bundle, callers: Callers, service: Service) -> None:
        self._bundle = bundle
        self._callers = callers
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = headers_of(scope)
        anthropic = "anthropic-version" in headers
        now = self._service.now()
        try:
            proof = await self._callers.signed(self._callers.find(headers, now), scope, headers, now)
            body = await read_body(receive, headers=headers, max_bytes=1024, timeout_s=10)
            await self._callers.prove(proof, body, self._service.now())
        except CallerLeftError:
            return
        except (CredentialError, ReplayError) as error:
            await send_answer(send, 401, _error("authentication_error", str(error), anthropic=anthropic))
            return
        except (TooLargeError, SlowCallerError) as error:
            status = 413 if isinstance(error, TooLargeError) else 504
            told = _error("invalid_request_error", str(error), anthropic=anthropic)
            await send_answer(send, status, told, (*JSON_HEADERS, (b"x-should-retry", b"false")))
            return
        if scope["method"] != "GET":
            await send_answer(
                send, 405, _error("invalid_request_error", "expected a GET", anthropic=anthropic)
            )
            return
        api = "anthropic" if anthropic else "openai"
        names = sorted(
            route.model
            for route in self._bundle.routes.values()
            if api in self._bundle.upstreams[route.upstream].api
        )
        rest = scope["path"].removeprefix(PATH).removeprefix("/")
        if rest and rest not in names:
            message = f"expected a model that the bundle routes, got `{rest[:100]}`"
            await send_answer(send, 404, _error("not_found_error", message, anthropic=anthropic))
            return
        made = {name: self._entry(name, anthropic=anthropic) for name in names}
        document: Any
        if rest:
            document = made[rest]
        elif anthropic:
            document = {
                "data": list(made.values()),
                "has_more": False,
                "first_id": names[0] if names else None,
                "last_id": names[-1] if names else None,
            }
        else:
            document = {"object": "list", "data": list(made.values())}
        await send_answer(send, 200, json.dumps(document).encode())

    def _entry(self, name: str, *, anthropic: bool) -> dict[str, Any]:
        issued = self._bundle.issued_at
        if anthropic:
            return {"type": "model", "id": name, "display_name": name, "created_at": format_time(issued)}
        return {
            "id": name,
            "object": "model",
            "created": int(issued.timestamp()),
            "owned_by": self._bundle.routes[name].upstream,
        }


def _error(kind: str, message: str, *, anthropic: bool) -> bytes:
    error = {"type": kind, "message": message}
    if anthropic:
        return json.dumps({"type": "error", "error": error}).encode()
    return json.dumps({"error": {**error, "param": None, "code": None}}).encode()
