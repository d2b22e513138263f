"""Forwarding and relaying: the bytes that were decided go to the upstream that was decided, and the answer comes back.

A whole answer is read before its first byte is released; a stream is released piece by piece, and its tool calls wait
until every one of them is permitted. The caller's leaving cancels the upstream; a slow caller slows it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from countermark.attestation.keys import PrivateKey
from countermark.errors import LogError, MalformedError, StoreError, UpstreamError
from countermark.pdp.asked import Answered, Asked
from countermark.pdp.service import Service
from countermark.pep.answer_log import AnswerLog, SeenAnswer
from countermark.pep.calls import CallDecider
from countermark.pep.headers import released_answer_headers
from countermark.pep.http import CallerLeftError, Message, Receive, Send, caller_left, send_answer
from countermark.pep.metrics import Metrics
from countermark.pep.reading import Calls, ErrorKind, Finished, Limits, PromptReading, WireFormat
from countermark.pep.refusal import Refusal
from countermark.pep.upstream_client import Timeouts, UpstreamAnswer, UpstreamClient
from countermark.policy.bundle import Bundle
from countermark.strictjson import parse_object
from countermark.upstream import PERMIT_HEADER, encode_permit

MAX_ERROR_BYTES = 1 << 20
_ERROR_FIELDS = frozenset({"error", "type", "request_id", "object", "message", "code", "param", "status"})
"""What stands in an error's body, of both APIs and of self-hosted servers; with anything else it isn't one."""


class _CallerWatch:
    """Cancels the task that made it when the caller leaves before its answer is whole."""

    def __init__(self, receive: Receive) -> None:
        work = asyncio.current_task()
        if work is None:
            raise RuntimeError("expected a running task")
        self.work: asyncio.Task[Any] = work
        self.left = False
        self._whole = False
        self._watching = asyncio.create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        await caller_left(receive)
        if not self._whole:  # the server also says `disconnect` once an answer is whole
            self.left = True
            self.work.cancel()

    def sends(self, send: Send) -> Send:
        """`send`, watched: with the last byte of the answer the caller's leaving ceases to matter."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._whole = True
            await send(message)

        return watched

    def stop(self) -> None:
        """Look no more."""
        self._watching.cancel()


class Forwarder:
    """Forwards for all wire formats; holds what is the same for every request."""

    def __init__(
        self,
        *,
        service: Service,
        client: UpstreamClient,
        metrics: Metrics,
        permit_key: PrivateKey,
        upstream_keys: Mapping[str, str | None],
    ) -> None:
        self._service = service
        self._client = client
        self._metrics = metrics
        self._permit_key = permit_key
        self._upstream_keys = upstream_keys
        self._answers = AnswerLog(service)

    @property
    def _bundle(self) -> Bundle:
        return self._service.terms.bundle

    async def relay(
        self,
        wire: WireFormat,
        calls: CallDecider,
        *,
        asked: Asked,
        reading: PromptReading,
        answered: Answered,
        body: bytes,
        receive: Receive,
        send: Send,
    ) -> Refusal | None:
        """Forward a permitted request and release its answer; cancelled when the caller leaves.

        Raises:
            UpstreamError: The upstream failed before anything was released.
            CallerLeftError: The caller left; the upstream was cancelled.
        """
        watch = _CallerWatch(receive)
        seen = SeenAnswer()
        try:
            return await self._exchange(
                wire,
                calls,
                asked=asked,
                reading=reading,
                answered=answered,
                body=body,
                send=watch.sends(send),
                seen=seen,
            )
        except asyncio.CancelledError as error:
            # with what was released until then: leaving before the last byte takes nothing out of the log
            why = "the caller left" if watch.left else "the gateway is stopping"
            self._answers.record(answered, seen, complete=False, error=why)
            if not watch.left:
                raise
            watch.work.uncancel()
            raise CallerLeftError("the caller left before its answer was whole") from error
        finally:
            watch.stop()

    def _headers(self, wire: WireFormat, asked: Asked, answered: Answered, path: str) -> dict[str, str]:
        headers = dict(asked.forwarded)
        headers["content-type"] = "application/json"
        key = self._upstream_keys.get(asked.upstream)
        if key is not None:
            if wire.name == "anthropic":
                headers["x-api-key"] = key
            else:
                headers["authorization"] = f"Bearer {key}"
        headers[PERMIT_HEADER] = encode_permit(
            self._permit_key,
            audience=asked.upstream,
            method="POST",
            path=path,
            decision=answered.id,
            entry=answered.index,
            body_sha256=asked.sha256,
            created=self._service.now(),
        )
        return headers

    async def _exchange(
        self,
        wire: WireFormat,
        calls: CallDecider,
        *,
        asked: Asked,
        reading: PromptReading,
        answered: Answered,
        body: bytes,
        send: Send,
        seen: SeenAnswer,
    ) -> Refusal | None:
        upstream = self._bundle.upstreams[asked.upstream]
        limits = self._bundle.limits
        url = f"{upstream.url}{wire.path}"
        answer = await self._client.open(
            url,
            method="POST",
            headers=self._headers(wire, asked, answered, urlsplit(url).path),
            body=body,
            timeouts=Timeouts(
                connect_s=limits.connect_s,
                first_byte_s=limits.first_byte_s,
                idle_s=limits.idle_s,
                total_s=limits.total_s,
            ),
            max_bytes=limits.max_answer_bytes,
        )
        try:
            if answer.status != 200:
                return await self._error(answer, answered, send)
            if reading.stream:
                return await self._stream(wire, calls, answer, asked, answered, send, seen)
            return await self._whole(wire, calls, answer, asked, answered, send)
        finally:
            await answer.aclose()

    async def _error(self, answer: UpstreamAnswer, answered: Answered, send: Send) -> Refusal | None:
        """Pass on an upstream's error, so that the client's own handling of 429 and 5xx works."""
        body = await _read_all(answer, MAX_ERROR_BYTES)
        tally = SeenAnswer(parts=1, size=len(body), digest=hashlib.sha256(body))
        if not 400 <= answer.status <= 599 or not _is_error(body):
            raise UpstreamError(f"expected an answer of the upstream's API, got status {answer.status}")
        self._metrics.upstream.labels("error").inc()
        self._answers.record(answered, tally, complete=True, status=answer.status)
        await send_answer(send, answer.status, body, self._answer_headers(answer, answered))
        return None

    async def _whole(
        self,
        wire: WireFormat,
        calls: CallDecider,
        answer: UpstreamAnswer,
        asked: Asked,
        answered: Answered,
        send: Send,
    ) -> Refusal | None:
        """Read the whole answer, decide its calls, release it byte for byte."""
        body = await _read_all(answer, self._bundle.limits.max_answer_bytes)
        try:
            read = wire.read_answer(body, limits=self._answer_limits())
        except MalformedError as error:
            raise UpstreamError(f"the upstream's answer can't be read: {error}") from error
        tally = SeenAnswer(
            parts=read.seen.parts,
            size=len(body),
            calls=len(read.calls),
            finish=read.finish,
            digest=hashlib.sha256(body),
        )
        if read.calls:
            try:
                refusal = await calls.decide(asked, answered, read.calls)
            except (LogError, StoreError) as error:
                raise UpstreamError(f"no decision on a tool call can be recorded: {error}") from error
            if refusal is not None:
                self._answers.record(answered, tally, complete=True, status=200, released=False)
                return refusal
        self._metrics.upstream.labels("answer").inc()
        self._answers.record(answered, tally, complete=True, status=200)
        await send_answer(send, 200, body, self._answer_headers(answer, answered))
        return None

    async def _stream(
        self,
        wire: WireFormat,
        calls: CallDecider,
        answer: UpstreamAnswer,
        asked: Asked,
        answered: Answered,
        send: Send,
        tally: SeenAnswer,
    ) -> Refusal | None:
        """Release a stream piece by piece; calls wait for their decisions, and the first refusal ends it."""
        reader = wire.stream_reader(limits=self._answer_limits())
        started = False
        ending: tuple[ErrorKind, str, Mapping[str, Any] | None] | None = None
        complete = False

        async def release(raw: bytes) -> None:
            nonlocal started
            if not started:
                await send(
                    {
                        "type": "http.response.start",
                        "status": 200,
                        "headers": self._answer_headers(answer, answered),
                    }
                )
                started = True
            tally.size += len(raw)
            tally.digest.update(raw)
            await send({"type": "http.response.body", "body": raw, "more_body": True})

        try:
            async for pieces in _pieces(reader, answer):
                for piece in pieces:
                    if isinstance(piece, Finished):
                        complete, tally.finish = piece.complete, piece.finish
                        if not piece.complete:
                            ending = (
                                ErrorKind.UPSTREAM,
                                "the upstream's stream ended before it was whole",
                                None,
                            )
                        continue
                    tally.parts += len(piece.texts)
                    if isinstance(piece, Calls):
                        tally.calls += len(piece.calls)
                        refusal = await calls.decide(asked, answered, piece.calls)
                        if refusal is not None:
                            ending = (refusal.kind, refusal.message, refusal.countermark)
                            break
                    await release(piece.raw)
                if ending is not None:
                    break
        except MalformedError as error:
            ending = (ErrorKind.UPSTREAM, f"the upstream's stream can't be read: {error}", None)
        except UpstreamError as error:
            kind = ErrorKind.TIMEOUT if error.kind == "timeout" else ErrorKind.UPSTREAM
            ending = (kind, str(error), None)
        except (LogError, StoreError) as error:
            ending = (ErrorKind.UNAVAILABLE, f"no decision on a tool call can be recorded: {error}", None)
        self._metrics.upstream.labels("stream" if ending is None else "failed").inc()
        self._answers.record(
            answered,
            tally,
            complete=complete and ending is None,
            status=200,
            error=ending[1] if ending is not None else None,
        )
        if ending is not None:
            kind, message, document = ending
            document = document or {"decision_id": answered.id}
            if not started:
                return Refusal(kind=kind, message=message, countermark=document)
            await release(wire.stream_error(kind, message, document))
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return None

    def _answer_limits(self) -> Limits:
        limits = self._bundle.limits
        return Limits(max_bytes=limits.max_answer_bytes, max_depth=limits.max_depth)

    @staticmethod
    def _answer_headers(answer: UpstreamAnswer, answered: Answered) -> list[tuple[bytes, bytes]]:
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in released_answer_headers(answer.headers).items()
        ]
        headers.append((b"countermark-decision", answered.id.encode()))
        return headers


async def _pieces(reader: Any, answer: UpstreamAnswer) -> Any:
    async for chunk in answer.chunks():
        yield reader.feed(chunk)
    yield reader.close()


async def _read_all(answer: UpstreamAnswer, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.chunks():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise UpstreamError(f"expected an answer of at most {max_bytes} bytes")
    return b"".join(chunks)


def _is_error(body: bytes) -> bool:
    try:
        document = parse_object(body, max_bytes=MAX_ERROR_BYTES)
    except MalformedError:
        return False
    return isinstance(document.get("error"), dict) and document.keys() <= _ERROR_FIELDS
