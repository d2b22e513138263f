"""The client that speaks to upstream models: one request, one answer, or one error that says what went wrong.

What it never does is the point of it: no redirect is followed, nothing is sent twice, no cookie is kept, no proxy of
the environment is used, no server is spoken to that the terms don't name, and no connection is used again unless its
last answer was read to the end and nothing came after it. `aiohttp` does the work behind the Protocol, so that it can
be changed (docs/benchmarks.md has the costs).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from yarl import URL

from countermark.errors import (
    SettingsError,
    UpstreamConnectError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamTooLargeError,
)

KEEPALIVE_S = 4.0
"""How long an idle connection is kept. Model servers on uvicorn close theirs after 5 s; a request that is written just
then is lost, and is not sent again."""

MAX_STALE = 64
"""Pooled connections that turn out to be spoilt before one request gives up; each one is closed."""

_BUFFER_BYTES = 1 << 16
_COPIED_BELOW = 1 << 20  # aiohttp warns of larger bodies given as bytes
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "expect",
        "upgrade",
        "te",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each step may take, in seconds.

    Attributes:
        connect_s: To a new connection, TLS included.
        first_byte_s: From the call to the answer's head, connecting included.
        idle_s: Between two pieces of the body.
        total_s: From the call to the end of the body.
    """

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTls:
    """Whom to believe that he is the upstream, where its address is https.

    Attributes:
        ca_file: PEM file of the authorities to trust instead of the system's.
        certificate_sha256: SHA-256 of the server's certificate (DER), 64 hex digits.
        spki_sha256: SHA-256 of its public key (SubjectPublicKeyInfo, DER), 64 hex digits.

    A pin comes from the terms that the sides signed, so it stands in the place of the system's authorities and the
    host's name; with a `ca_file` too, both must hold.
    """

    ca_file: Path | None = None
    certificate_sha256: str | None = None
    spki_sha256: str | None = None

    @property
    def pinned(self) -> bool:
        """One exact server is expected."""
        return self.certificate_sha256 is not None or self.spki_sha256 is not None


class UpstreamAnswer(Protocol):
    """An answer whose head has come, and whose body is read as fast as its reader takes it."""

    @property
    def status(self) -> int:
        """The HTTP status; never 1xx or 3xx."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; several lines of one name are joined by commas."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces, as they come; to be read once.

        Raises:
            UpstreamTimeoutError: The upstream was silent for too long, or took too long in all.
            UpstreamTooLargeError: The body is over `max_bytes`.
            UpstreamProtocolError: The connection broke, or the body is not as long as its head said.
        """
        ...

    async def aclose(self) -> None:
        """Stop reading. Before the body's end this closes the connection, so that the upstream stops working."""
        ...


class UpstreamClient(Protocol):
    """Sends one request to one upstream."""

    async def open(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        max_bytes: int,
    ) -> UpstreamAnswer:
        """Send a request once, and wait for the head of its answer.

        Args:
            headers: As they are to be sent; those about the connection and the length are the client's own.
            max_bytes: Largest body of the answer.

        Raises:
            UpstreamConnectError: The upstream was not reached, is not the pinned one, or is none of the terms'.
            UpstreamTimeoutError: No answer in time.
            UpstreamTooLargeError: The answer says that it is over `max_bytes`.
            UpstreamProtocolError: Not HTTP, a redirect, compressed, or without a length.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class AiohttpUpstreamClient:
    """`UpstreamClient` on aiohttp.

    Args:
        upstreams: Base address of each upstream that may be spoken to (`https://models.halden.example`), and its TLS.

    Raises:
        SettingsError: Two upstreams at one host and port with unequal TLS; a pin on an address without TLS.
    """

    def __init__(self, upstreams: Mapping[str, UpstreamTls]) -> None:
        self._tls: dict[URL, UpstreamTls] = {}
        self._contexts: dict[URL, ssl.SSLContext | bool] = {}
        self._session: aiohttp.ClientSession | None = None
        for address, tls in upstreams.items():
            origin = URL(address).origin()
            if self._tls.setdefault(origin, tls) != tls:
                raise SettingsError(f"expected one pin and authority for `{origin}`, got two that differ")
            if origin.scheme != "https" and (tls.pinned or tls.ca_file is not None):
                raise SettingsError(f"expected an https address for a pinned upstream, got `{address}`")
            self._contexts[origin] = tls_context(tls) if origin.scheme == "https" else True

    async def open(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: Timeouts,
        max_bytes: int,
    ) -> AiohttpUpstreamAnswer:
        """See `UpstreamClient.open`."""
        if not _OWN_HEADERS.isdisjoint(name.lower() for name in headers):
            raise ValueError("expected no header about the connection or the length")
        address, origin = _parse_url(url)
        context = self._contexts.get(origin)
        if context is None:
            raise UpstreamConnectError(f"expected an upstream of the bundle, got `{origin}`")
        loop = asyncio.get_running_loop()
        started = loop.time()
        total_at = started + timeouts.total_s
        try:
            async with asyncio.timeout_at(min(started + timeouts.first_byte_s, total_at)):
                response = await self._send(
                    address,
                    method=method,
                    headers={**headers, "accept-encoding": "identity"},
                    body=body,
                    connect_s=timeouts.connect_s,
                    context=context,
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamConnectError(
                f"expected a connection to `{origin}` within {timeouts.connect_s:g} s"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise UpstreamConnectError(f"expected to reach `{origin}`: {_line(error)}") from error
        except TimeoutError as error:
            limit_s = min(timeouts.first_byte_s, timeouts.total_s)
            raise UpstreamTimeoutError(f"expected the upstream to answer within {limit_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamProtocolError(f"expected an answer over HTTP: {_line(error)}") from error
        try:
            check_head(response.status, response.raw_headers, max_bytes=max_bytes)
        except BaseException:
            response.close()
            raise
        return AiohttpUpstreamAnswer(
            response, idle_s=timeouts.idle_s, total_at=total_at, total_s=timeouts.total_s, max_bytes=max_bytes
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self,
        address: URL,
        *,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        connect_s: float,
        context: ssl.SSLContext | bool,
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = _session()  # here, since a session belongs to the running loop
        for _ in range(MAX_STALE):
            try:
                return await self._session.request(
                    method,
                    address,
                    headers=headers,
                    data=body if len(body) < _COPIED_BELOW else io.BytesIO(body),
                    allow_redirects=False,
                    ssl=context,
                    timeout=_connect_timeout(connect_s),
                )
            except _StaleConnectionError:
                continue  # nothing was sent: this is another choice of connection, not another try of the request
        raise aiohttp.ServerDisconnectedError("the upstream speaks before it is asked")


class AiohttpUpstreamAnswer:
    """`UpstreamAnswer` on aiohttp."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        idle_s: float,
        total_at: float,
        total_s: float,
        max_bytes: int,
    ) -> None:
        self._response = response
        self._idle_s = idle_s
        self._total_at = total_at
        self._total_s = total_s
        self._max_bytes = max_bytes
        self.status: int = response.status
        self.headers: Mapping[str, str] = _joined(response.raw_headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `UpstreamAnswer.chunks`."""
        content = self._response.content
        left = self._max_bytes
        try:
            while chunk := await self._next(content):
                left -= len(chunk)
                if left < 0:
                    raise UpstreamTooLargeError(f"expected an answer of at most {self._max_bytes} bytes")
                yield chunk
        finally:
            # before the end of the body this closes the connection; after it, the connection is back in the pool
            self._response.close()

    async def aclose(self) -> None:
        """See `UpstreamAnswer.aclose`."""
        self._response.close()

    async def _next(self, content: aiohttp.StreamReader) -> bytes:
        if content.is_eof() and content.exception() is None:
            return content.read_nowait()  # all of it is here: no clock is needed
        idle_at = asyncio.get_running_loop().time() + self._idle_s
        try:
            async with asyncio.timeout_at(min(idle_at, self._total_at)):
                return await content.readany()
        except TimeoutError as error:
            if idle_at < self._total_at:
                raise UpstreamTimeoutError(
                    f"expected the upstream to go on within {self._idle_s:g} s"
                ) from error
            raise UpstreamTimeoutError(f"expected the whole answer within {self._total_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamProtocolError(f"the upstream broke off its answer: {_line(error)}") from error


def check_head(status: int, headers: tuple[tuple[bytes, bytes], ...], *, max_bytes: int) -> None:
    """Check that an answer's body can be read, and its end be told from a broken connection.

    Raises:
        UpstreamProtocolError: A redirect, compressed, two lengths, or none.
        UpstreamTooLargeError: The length that it says is over `max_bytes`.

    Source: RFC 9112, sections 6.1 and 6.3 (both lengths: smuggling; none: until the connection closes).
    """
    if 300 <= status < 400 or status < 200:
        raise UpstreamProtocolError(f"expected an answer, got status {status}: redirects are not followed")
    lengths: set[bytes] = set()
    encodings: list[bytes] = []
    for name, value in headers:
        match name.lower():
            case b"content-length":
                lengths.add(value.strip())
            case b"transfer-encoding":
                encodings.append(value.strip().lower())
            case b"content-encoding" if value.strip().lower() not in {b"", b"identity"}:
                raise UpstreamProtocolError(
                    f"expected an answer that is not compressed, got `{value[:40].decode('latin-1')}`"
                )
    if len(lengths) + len(encodings) > 1:
        raise UpstreamProtocolError("expected one length of the answer, got several")
    if encodings and encodings != [b"chunked"]:
        raise UpstreamProtocolError(f"expected `chunked`, got `{encodings[0][:40].decode('latin-1')}`")
    if not lengths and not encodings and status != 204:
        raise UpstreamProtocolError(
            "expected content-length or chunks: the answer's end can't be told from a break"
        )
    for length in lengths:
        if not length.isdigit():
            raise UpstreamProtocolError(f"expected a length, got `{length[:40].decode('latin-1')}`")
        if int(length[:20]) > max_bytes:
            raise UpstreamTooLargeError(
                f"expected an answer of at most {max_bytes} bytes, got {int(length[:20])}"
            )


def tls_context(tls: UpstreamTls) -> ssl.SSLContext:
    """A TLS context that accepts the servers that `tls` says, and checks a pin before the first byte is sent.

    Raises:
        SettingsError: The file of authorities can't be read.
    """
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file is not None else None)
    except OSError as error:
        raise SettingsError(
            f"expected certificate authorities (PEM) in `{tls.ca_file}`: {_line(error)}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.pinned:
        return context
    if tls.ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin below is checked instead

    class PinnedSSLObject(ssl.SSLObject):
        """Ends its handshake with the check of the pin, so that no byte of a request goes to another server."""

        def do_handshake(self) -> None:
            """Shake hands, then look whom with."""
            super().do_handshake()
            check_pin(tls, self.getpeercert(binary_form=True))

    context.sslobject_class = PinnedSSLObject
    return context


def check_pin(tls: UpstreamTls, certificate: bytes | None) -> None:
    """Check the server's certificate (DER) against the pins of `tls`; all that are set must hold.

    Raises:
        ssl.SSLCertVerificationError: It is another one; raised inside of a handshake, where only this type is expected.
    """
    if certificate is None:
        raise ssl.SSLCertVerificationError("expected a certificate")
    key = load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for expected, found in ((tls.certificate_sha256, certificate), (tls.spki_sha256, spki)):
        digest = hashlib.sha256(found).hexdigest()
        if expected is not None and digest != expected:
            raise ssl.SSLCertVerificationError(f"expected the pinned server `{expected}`, got `{digest}`")


class _StaleConnectionError(Exception):
    """A pooled connection has bytes that nobody asked for; nothing was sent on it."""


class _CheckedRequest(ClientRequest):
    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        # aiohttp's pool asks only whether a connection is open: bytes that came after the last answer, while it lay
        # idle, would be read as the answer to this request, which may be another tenant's. What an upstream sends
        # after this moment is its answer to us, since HTTP/1.1 has no ids: nobody can tell it from a late one.
        if conn.protocol is None or conn.protocol.should_close:
            raise _StaleConnectionError
        return await super().send(conn)


def _session() -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_CheckedRequest,
        skip_auto_headers=("user-agent", "accept", "content-type"),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_BUFFER_BYTES,
    )
    session._retry_connection = (
        False  # aiohttp sends an idempotent request again when a pooled connection breaks
    )
    return session


@lru_cache(maxsize=16)
def _connect_timeout(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=connect_s)


@lru_cache(maxsize=256)
def _parse_url(url: str) -> tuple[URL, URL]:
    parsed = URL(url, encoded=True)
    return parsed, parsed.origin()


def _joined(raw_headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
