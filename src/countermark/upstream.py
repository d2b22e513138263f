"""Before a model server: serve what carries a PERMIT of the gateway, refuse and count the rest.

The holder of the upstream's key can go round any gateway. So the gateway signs each request that it forwards, and
`RequirePermit`, ASGI middleware in front of the model server, serves nothing else. It is installed alone: no web
framework, no database, no Cedar. The header and what it signs:

    countermark-permit: v1;decision=d_...;entry=17;created=1777802400;content=sha-256:<hex>;keyid=<hex>;sig=<base64>

Source: spec/forwarding.md.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from base64 import b64encode
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from countermark.attestation.envelope import decode_base64
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.clock import Clock, system_clock
from countermark.errors import (
    CountermarkError,
    ExpiredError,
    MalformedError,
    NotYetValidError,
    ReplayError,
    RoleError,
    SettingsError,
    SignatureError,
    SubjectError,
    TooLargeError,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

PERMIT_HEADER: Final = "countermark-permit"
MAX_HEADER_BYTES: Final = 1024
DEFAULT_MAX_AGE_S: Final = 60
DEFAULT_SKEW_S: Final = 5
DEFAULT_MAX_BODY_BYTES: Final = 16 << 20
DEFAULT_MAX_REMEMBERED: Final = 200_000
"""Decision ids kept against reuse, for `max_age_s`: about 3 000 requests a second, 40 MB."""

_PERMIT = re.compile(
    r"v1;decision=(d_[a-z2-7]{26});entry=(0|[1-9][0-9]{0,15});created=([1-9][0-9]{0,11})"
    r";content=sha-256:([0-9a-f]{64});keyid=([0-9a-f]{64});sig=([A-Za-z0-9+/]{4,200}={0,2})",
    re.ASCII,
)
_LOGGER = logging.getLogger("countermark.upstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What the header of a forwarded request says; trusted only after `verify_permit`.

    Attributes:
        decision: Id of the decision that permitted it; good for one request.
        entry: Index of its entry in the gateway's log.
        created: Seconds since 1970, by the gateway's clock.
        body_sha256: Of the exact bytes of the body, 64 hex digits.
        keyid: Which of the known gateway keys it is said to be signed with.
    """

    decision: str
    entry: int
    created: int
    body_sha256: str
    keyid: str
    signature: bytes


def permit_text(
    *, audience: str, method: str, path: str, decision: str, entry: int, created: int, body_sha256: str
) -> bytes:
    """The bytes that the gateway signs.

    Args:
        audience: Name of the upstream in the bundle: a permit for one model server is none for another.
        path: The request target as it stands in the request line: path, and query if there is one.

    Raises:
        MalformedError: A line break in one of the values, which would make two texts one.
    """
    lines = (
        "countermark-permit v1",
        f"audience: {audience}",
        f"method: {method}",
        f"path: {path}",
        f"decision: {decision}",
        f"entry: {entry}",
        f"created: {created}",
        f"content: sha-256:{body_sha256}",
    )
    if any("\n" in line or "\r" in line for line in lines):
        raise MalformedError("expected no line break in what a permit signs")
    return "\n".join(lines).encode() + b"\n"


def encode_permit(
    key: PrivateKey,
    *,
    audience: str,
    method: str,
    path: str,
    decision: str,
    entry: int,
    body_sha256: str,
    created: datetime,
) -> str:
    """Sign one forwarded request; returns the value of its `countermark-permit` header.

    Raises:
        MalformedError: A value that `parse_permit` would refuse.
    """
    seconds = int(created.timestamp())
    text = permit_text(
        audience=audience,
        method=method,
        path=path,
        decision=decision,
        entry=entry,
        created=seconds,
        body_sha256=body_sha256,
    )
    value = (
        f"v1;decision={decision};entry={entry};created={seconds};content=sha-256:{body_sha256}"
        f";keyid={key.public.keyid};sig={b64encode(key.sign(text)).decode('ascii')}"
    )
    if _PERMIT.fullmatch(value) is None:
        raise MalformedError(f"expected a decision and a digest that make a permit, got `{value[:80]}`")
    return value


def parse_permit(value: str) -> Permit:
    """Read the header's value; one permit has one spelling.

    Raises:
        MalformedError: Another version, order, number format or base64.
    """
    found = _PERMIT.fullmatch(value) if len(value) <= MAX_HEADER_BYTES else None
    if found is None:
        raise MalformedError(f"expected a permit like `v1;decision=...;sig=...`, got `{value[:40]}`")
    return Permit(
        decision=found[1],
        entry=int(found[2]),
        created=int(found[3]),
        body_sha256=found[4],
        keyid=found[5],
        signature=decode_base64(found[6]),
    )


def verify_permit(
    permit: Permit,
    *,
    keys: Mapping[str, PublicKey],
    audience: str,
    method: str,
    path: str,
    now: datetime,
    max_age_s: int = DEFAULT_MAX_AGE_S,
    skew_s: int = DEFAULT_SKEW_S,
) -> None:
    """Check that a known gateway signed this permit for this request, a moment ago. The body is compared elsewhere.

    Args:
        keys: Key id to key, of the gateways that may forward here.
        skew_s: How far ahead of ours the gateway's clock may run, in seconds.

    Raises:
        RoleError: No known gateway's key.
        SignatureError: Not its signature over this audience, method, path and content.
        ExpiredError: Older than `max_age_s`.
        NotYetValidError: From a time that is over `skew_s` ahead.
    """
    key = keys.get(permit.keyid)
    if key is None:
        raise RoleError(f"expected a permit of a known gateway, got key `{permit.keyid[:16]}`")
    key.verify(
        permit.signature,
        permit_text(
            audience=audience,
            method=method,
            path=path,
            decision=permit.decision,
            entry=permit.entry,
            created=permit.created,
            body_sha256=permit.body_sha256,
        ),
    )
    age_s = now.timestamp() - permit.created
    if age_s > max_age_s:
        raise ExpiredError(f"expected a permit of at most {max_age_s} s, got one of {age_s:.0f} s")
    if age_s < -skew_s:
        raise NotYetValidError(f"expected a permit of the past, got one from {-age_s:.0f} s ahead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request that was not served, as counters and callback see it. Its body is not kept."""

    reason: str
    method: str
    path: str
    client: str
    at: datetime


class RequirePermit:
    """ASGI middleware: calls the app for requests that carry a valid permit, and for nothing else that has content.

    In this order, so that strangers cost little:

        (1) is there exactly one permit, of the right form
        (2) did a known gateway sign it, for this server, method and path, within `max_age_s`
        (3) is the body, buffered up to a limit, the one that was decided
        (4) was the decision never used here before

    Used decisions are remembered in this process. A permit from before it started is refused, since it may have been
    used then; several worker processes each remember their own (docs/how-to/protect-the-upstream.md).

    Attributes:
        counters: `served`, `open` (open paths) and each reason for a refusal, since the process started.
    """

    def __init__(
        self,
        app: AsgiApp,
        gateway_keys: Iterable[PublicKey],
        audience: str,
        *,
        clock: Clock = system_clock,
        max_age_s: int = DEFAULT_MAX_AGE_S,
        skew_s: int = DEFAULT_SKEW_S,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        max_remembered: int = DEFAULT_MAX_REMEMBERED,
        open_paths: Collection[str] = (),
        on_refused: Callable[[Refused], None] | None = None,
    ) -> None:
        """Put the middleware before `app`; it has to be the outermost.

        Args:
            gateway_keys: Public keys of the gateways, as the trust root names them.
            audience: Name of this upstream in the bundle.
            open_paths: Exact paths that `GET` and `HEAD` reach without a permit, for example `/health`.
            on_refused: Told of every refusal, before it is answered.

        Raises:
            SettingsError: No key, or no audience.
        """
        self._app = app
        self._keys = {key.keyid: key for key in gateway_keys}
        if not self._keys or not audience:
            raise SettingsError("expected at least one gateway key and the upstream's name in the bundle")
        self._audience = audience
        self._clock = clock
        self._max_age_s = max_age_s
        self._skew_s = skew_s
        self._max_body_bytes = max_body_bytes
        self._max_remembered = max_remembered
        self._open_paths = frozenset(open_paths)
        self._on_refused = on_refused
        self._used: OrderedDict[str, float] = (
            OrderedDict()
        )  # decision id -> until when it has to be remembered
        self._started = int(clock().timestamp())
        self.counters: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one connection's scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            self._count_refusal("protocol", scope)
            if scope["type"] == "websocket":
                await receive()  # websocket.connect; closing before accepting is answered 403
                await send({"type": "websocket.close", "code": 1008, "reason": "no permit"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD") and scope["path"] in self._open_paths:
            self.counters["open"] += 1
            await self._app(scope, receive, send)
            return
        try:
            permit = self._check_header(scope)
            body = await self._read_body(scope, receive)
            if body is None:
                self.counters["left"] += 1
                return
            if hashlib.sha256(body).hexdigest() != permit.body_sha256:
                raise SubjectError("expected the body that was decided, got another")
            # INVARIANT: nothing is awaited between this and the call, so two copies can't both pass
            self._use(permit)
        except CountermarkError as error:
            await self._refuse(error, scope, send)
            return
        self.counters["served"] += 1
        scope["countermark"] = {"decision": permit.decision, "entry": permit.entry}
        await self._app(scope, _replay(body, receive), send)

    def _check_header(self, scope: Scope) -> Permit:
        values = [value for name, value in scope["headers"] if name.lower() == PERMIT_HEADER.encode()]
        if not values:
            raise _MissingError("expected a request with a permit of the gateway")
        if len(values) > 1:
            raise MalformedError("expected one permit, got several")
        permit = parse_permit(values[0].decode("latin-1"))
        verify_permit(
            permit,
            keys=self._keys,
            audience=self._audience,
            method=scope["method"],
            path=_target(scope),
            now=self._clock(),
            max_age_s=self._max_age_s,
            skew_s=self._skew_s,
        )
        if permit.created < self._started:
            raise ReplayError(
                "expected a permit made since this server started: an older one may have been used"
            )
        return permit

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where the client left before it was whole."""
        for name, value in scope["headers"]:
            # 18 digits: more is no size, and int() refuses a text of thousands
            if name.lower() == b"content-length" and (
                len(value) > 18 or (value.isdigit() and int(value) > self._max_body_bytes)
            ):
                raise TooLargeError(f"expected a body of at most {self._max_body_bytes} bytes")
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._max_body_bytes:
                raise TooLargeError(f"expected a body of at most {self._max_body_bytes} bytes")
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _use(self, permit: Permit) -> None:
        now_s = self._clock().timestamp()
        while self._used and next(iter(self._used.values())) < now_s:
            self._used.popitem(last=False)
        if permit.decision in self._used:
            raise ReplayError(f"expected decision `{permit.decision}` to be used once")
        if len(self._used) >= self._max_remembered:
            raise _BusyError("expected fewer requests: no more decisions can be remembered")
        self._used[permit.decision] = permit.created + self._max_age_s + 1

    async def _refuse(self, error: CountermarkError, scope: Scope, send: Send) -> None:
        reason, status = _reason(error)
        self._count_refusal(reason, scope)
        body = json.dumps(
            {
                "error": {
                    "message": "this model is served through its gateway only: no valid permit",
                    "type": "permission_error",
                    "param": None,
                    "code": "countermark_no_permit",
                    "countermark": {"reason": reason},
                }
            }
        ).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-should-retry", b"false"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _count_refusal(self, reason: str, scope: Scope) -> None:
        client = scope.get("client")
        refused = Refused(
            reason=reason,
            method=str(scope.get("method", scope["type"])),
            path=_target(scope),
            client=f"{client[0]}:{client[1]}" if client else "unknown",
            at=self._clock().astimezone(UTC),
        )
        self.counters[reason] += 1
        # %a: what a stranger writes can't begin a line of the log
        _LOGGER.warning("refused %a %.200a of %a: %s", refused.method, refused.path, refused.client, reason)
        if self._on_refused is not None:
            self._on_refused(refused)


class _MissingError(SignatureError):
    """No permit at all: what somebody who goes round the gateway sends."""


class _BusyError(ReplayError):
    """No room to remember one more decision."""


_REASONS: Final[tuple[tuple[type[CountermarkError], str, int], ...]] = (
    # the more special first
    (_MissingError, "missing", 403),
    (_BusyError, "busy", 503),
    (TooLargeError, "too-large", 413),
    (MalformedError, "malformed", 403),
    (RoleError, "unknown-key", 403),
    (SignatureError, "signature", 403),
    (ExpiredError, "expired", 403),
    (NotYetValidError, "not-yet-valid", 403),
    (SubjectError, "body", 403),
    (ReplayError, "replayed", 403),
)


def _reason(error: CountermarkError) -> tuple[str, int]:
    return next(
        ((reason, status) for kind, reason, status in _REASONS if isinstance(error, kind)), ("other", 403)
    )


def _target(scope: Scope) -> str:
    """The request target: the path as the client wrote it, and the query."""
    raw = scope.get("raw_path") or scope.get("path", "").encode()
    query = scope.get("query_string", b"")
    return bytes(raw + b"?" + query if query else raw).decode("latin-1")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the buffered body once, and then what still comes (the client's leaving)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
