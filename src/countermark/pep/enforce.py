"""The one way out: what a caller asks goes to an upstream, and what comes back to the caller, only through here.

For each request: who asks; read every byte; decide; forward exactly the bytes that were decided; read the answer; decide
every tool call in it; release. Whatever fails on the way is an answer in the API's own shape, and never a pass.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Mapping
from typing import Any

from countermark.decision import Outcome
from countermark.errors import (
    CredentialError,
    LogError,
    MalformedError,
    NotCarriedError,
    ReplayError,
    StoreError,
    TooLargeError,
    UpstreamError,
)
from countermark.evidence.observation import KnownCredential
from countermark.oversight.action import describe_prompt
from countermark.pdp.asked import Answered, Asked
from countermark.pdp.service import Service
from countermark.pep.callers import Callers
from countermark.pep.calls import MAX_NAME_CHARS, CallDecider
from countermark.pep.claims import claims_of_header, merge_claims
from countermark.pep.forward import Forwarder
from countermark.pep.headers import forwarded_request_headers
from countermark.pep.http import (
    CallerLeftError,
    Receive,
    Scope,
    Send,
    SlowCallerError,
    headers_of,
    read_body,
    send_answer,
)
from countermark.pep.metrics import Metrics
from countermark.pep.reading import (
    STATUS,
    ErrorKind,
    Limits,
    PromptReading,
    WireFormat,
)
from countermark.pep.refusal import Refusal, refusal_of
from countermark.pep.refusals import Refusals
from countermark.request import Action

STATEMENT_HEADER = "countermark-statement"
CLAIMS_HEADER = "countermark-claims"


class Enforcer:
    """Enforces decisions for callers of one wire format."""

    def __init__(
        self,
        wire: WireFormat,
        *,
        service: Service,
        callers: Callers,
        forwarder: Forwarder,
        metrics: Metrics,
        refusals: Refusals,
        max_body_bytes: int,
        body_timeout_s: float,
    ) -> None:
        self.wire = wire
        self._service = service
        self._callers = callers
        self._forwarder = forwarder
        self._metrics = metrics
        self._refusals = refusals
        self._body_timeout_s = body_timeout_s
        limits = service.terms.bundle.limits
        self._limits = Limits(
            max_bytes=min(max_body_bytes, limits.max_body_bytes), max_depth=limits.max_depth
        )
        self._calls = CallDecider(
            service=service,
            callers=callers,
            limits=self._limits,
            count=self._count,
            no_decision=self._no_decision,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._metrics.under_way.inc()
        try:
            refusal = await self._answer(scope, receive, send)
        except CallerLeftError:
            self._metrics.refused.labels("caller-left").inc()
            return
        finally:
            self._metrics.under_way.dec()
        if refusal is not None:
            await self.refuse(send, refusal)

    @staticmethod
    def refusal(kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None) -> Refusal:
        """An answer that is not the model's."""
        return Refusal(kind=kind, message=message, countermark=countermark)

    async def refuse(self, send: Send, refusal: Refusal) -> None:
        """Send an error in the API's own shape, which the official clients don't retry."""
        body = self.wire.error_body(refusal.kind, refusal.message, refusal.countermark)
        headers = [(b"content-type", b"application/json"), (b"x-should-retry", b"false")]
        if refusal.countermark is not None and "decision_id" in refusal.countermark:
            headers.append((b"countermark-decision", str(refusal.countermark["decision_id"]).encode()))
        await send_answer(send, STATUS[refusal.kind], body, headers)

    async def deny_path(self, scope: Scope, receive: Receive, send: Send, message: str) -> None:
        """Answer a request to a path that this gateway does not carry: from a known caller it is a decision, DENY."""
        try:
            refusal = await self._answer(scope, receive, send, not_carried=message)
        except CallerLeftError:
            self._metrics.refused.labels("caller-left").inc()
            return
        if refusal is not None:
            await self.refuse(send, refusal)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, *, not_carried: str | None = None
    ) -> Refusal | None:
        """Walk the whole way; None once the model's answer was released.

        Args:
            not_carried: Why the path is not carried, where it isn't: the body is not read as anything then.
        """
        if scope["method"] != "POST" and not_carried is None:
            return self._no_decision(ErrorKind.NOT_ALLOWED, "method", "expected a POST")
        headers = headers_of(scope)
        now, version = self._service.now(), self._service.statements.version
        try:
            caller = self._callers.find(headers, now)
            proof = await self._callers.signed(caller, scope, headers, now)
            body = await read_body(
                receive, headers=headers, max_bytes=self._limits.max_bytes, timeout_s=self._body_timeout_s
            )
            started = time.perf_counter()
            if (self._service.now(), self._service.statements.version) != (now, version):
                now = self._service.now()
                caller = self._callers.still(caller, now)
            await self._callers.prove(proof, body, now)
        except (CredentialError, ReplayError) as error:
            return self._no_decision(ErrorKind.UNAUTHENTICATED, "credential", str(error))
        except TooLargeError as error:
            return self._no_decision(ErrorKind.TOO_LARGE, "too-large", str(error))
        except SlowCallerError as error:
            return self._no_decision(ErrorKind.TIMEOUT, "slow", str(error))
        try:
            asked, reading = (
                self.read(caller, headers, body)
                if not_carried is None
                else (_unread(caller, scope["path"], body, not_carried), None)
            )
        except TooLargeError as error:
            return self._no_decision(ErrorKind.TOO_LARGE, "too-large", str(error))
        except MalformedError as error:
            return self._no_decision(ErrorKind.MALFORMED, "malformed", str(error))
        try:
            answered = await self._service.answer(asked)
        except (LogError, StoreError) as error:
            return self._no_decision(ErrorKind.UNAVAILABLE, "log", f"no decision can be recorded: {error}")
        self._metrics.decision_seconds.observe(time.perf_counter() - started)
        self._count(answered, asked.action)
        if answered.decision.enforced is not Outcome.PERMIT or reading is None:
            return refusal_of(answered, caller)
        try:
            return await self._forwarder.relay(
                self.wire,
                self._calls,
                asked=asked,
                reading=reading,
                answered=answered,
                body=body,
                receive=receive,
                send=send,
            )
        except UpstreamError as error:
            self._metrics.upstream.labels("failed").inc()
            with contextlib.suppress(
                LogError
            ):  # the decision is durable; a failed log stops the next request
                self._service.record_later(
                    {"kind": "answer", "decision": answered.id, "complete": False, "error": str(error)[:300]}
                )
            kind = ErrorKind.TIMEOUT if error.kind == "timeout" else ErrorKind.UPSTREAM
            return Refusal(kind=kind, message=str(error), countermark={"decision_id": answered.id})

    def _no_decision(self, kind: ErrorKind, reason: str, message: str) -> Refusal:
        """No decision was reached: counted, and summed up in the log once a minute."""
        self._metrics.refused.labels(reason).inc()
        self._refusals.count(reason, self._service.now())
        return Refusal(kind=kind, message=message)

    def _count(self, answered: Answered, action: Action) -> None:
        decision = answered.decision
        self._metrics.count_decision(action.value, decision.outcome.name, decision.enforced.name)

    def read(
        self, caller: KnownCredential, headers: Mapping[str, str], body: bytes
    ) -> tuple[Asked, PromptReading | None]:
        """Read a body by its table; what is well-formed but not carried is asked all the same, and denied.

        Raises:
            MalformedError: Not of the API's form.
        """
        sha256 = hashlib.sha256(body).hexdigest()
        reading: PromptReading | None = None
        not_carried: str | None = None
        forwarded: Mapping[str, str] = {}
        try:
            forwarded = forwarded_request_headers(headers, self.wire.name)
            reading = self.wire.read_request(body, limits=self._limits)
            model = reading.model
        except NotCarriedError as error:
            not_carried, model = str(error), ""
        bundle = self._service.terms.bundle
        route = bundle.routes.get(model)
        if not_carried is None:
            if route is None:
                not_carried = f"expected a model that the bundle routes, got `{model[:120]}`"
            elif self.wire.name not in bundle.upstreams[route.upstream].api:
                not_carried = (
                    f"expected an API that upstream `{route.upstream}` speaks, got `{self.wire.name}`"
                )
        upstream = route.upstream if route is not None else ""
        descriptor, digest = describe_prompt(
            workload=caller.workload,
            resource=model,
            upstream=upstream,
            body_sha256=sha256,
            headers=forwarded,
        )
        claims = merge_claims(
            [
                claims_of_header(headers[CLAIMS_HEADER]) if CLAIMS_HEADER in headers else {},
                reading.claims if reading is not None else {},
            ]
        )
        asked = Asked(
            caller=caller,
            action=Action.PROMPT,
            resource=model[:MAX_NAME_CHARS],
            model=model[:MAX_NAME_CHARS],
            upstream=upstream,
            forwarded=forwarded,
            descriptor=descriptor,
            digest=digest,
            texts=reading.texts if reading is not None else (),
            claims=claims,
            named=named_statements(headers),
            parts=reading.seen.parts if reading is not None else 0,
            size=len(body),
            sha256=sha256,
            content=body,
            tools=reading.tools if reading is not None else (),
            unread=reading.unread if reading is not None else (),
            not_carried=not_carried,
        )
        return asked, reading if not_carried is None else None


def _unread(caller: KnownCredential, path: str, body: bytes, not_carried: str) -> Asked:
    """What is asked on a path that is not carried: its name stands for the model, and nothing of it is read."""
    sha256 = hashlib.sha256(body).hexdigest()
    name = path[:MAX_NAME_CHARS]
    descriptor, digest = describe_prompt(
        workload=caller.workload, resource=name, upstream="", body_sha256=sha256, headers={}
    )
    return Asked(
        caller=caller,
        action=Action.PROMPT,
        resource=name,
        model="",
        upstream="",
        descriptor=descriptor,
        digest=digest,
        texts=(),
        claims={},
        named=(),
        parts=0,
        size=len(body),
        sha256=sha256,
        content=body,
        not_carried=not_carried,
    )


def named_statements(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Digests of the statements that a caller names (`countermark-statement: sha256:...`): claims, no more."""
    text = headers.get(STATEMENT_HEADER, "")
    found = (part.strip().removeprefix("sha256:") for part in text.split(","))
    return tuple(each for each in found if len(each) == 64 and all(c in "0123456789abcdef" for c in each))
