"""The upstream client against real servers that misbehave, each as a process or socket of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from countermark.errors import (
    SettingsError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamTooLargeError,
)
from countermark.loopback.process import LoopbackProcess, loopback_process
from countermark.pep.upstream_client import (
    AiohttpUpstreamAnswer,
    AiohttpUpstreamClient,
    Timeouts,
    UpstreamTls,
)

PATIENT = Timeouts(connect_s=5, first_byte_s=20, idle_s=20, total_s=40)
BRIEF = Timeouts(connect_s=5, first_byte_s=0.3, idle_s=0.3, total_s=10)
MAX = 4 << 20


@pytest.fixture(scope="module")
def upstream() -> Iterator[LoopbackProcess]:
    with loopback_process("--slow-s", "0.05", "--huge-bytes", str(16 << 20)) as process:
        yield process


@pytest.fixture
async def client(upstream: LoopbackProcess) -> AsyncIterator[AiohttpUpstreamClient]:
    made = AiohttpUpstreamClient({upstream.url: UpstreamTls()})
    yield made
    await made.close()


def chat(model: str, text: str = "hello", *, stream: bool = False) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "messages": messages, "stream": stream}).encode()


async def ask(
    client: AiohttpUpstreamClient,
    url: str,
    body: bytes,
    *,
    timeouts: Timeouts = PATIENT,
    max_bytes: int = MAX,
    headers: dict[str, str] | None = None,
) -> AiohttpUpstreamAnswer:
    return await client.open(
        f"{url}/v1/chat/completions",
        method="POST",
        headers={"content-type": "application/json", **(headers or {})},
        body=body,
        timeouts=timeouts,
        max_bytes=max_bytes,
    )


async def read(answer: AiohttpUpstreamAnswer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


async def ask_and_read(
    client: AiohttpUpstreamClient,
    url: str,
    body: bytes,
    *,
    timeouts: Timeouts = PATIENT,
    max_bytes: int = MAX,
) -> bytes:
    return await read(await ask(client, url, body, timeouts=timeouts, max_bytes=max_bytes))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield f"{'https' if context else 'http'}://127.0.0.1:{port}"
    server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


async def test_upstream_answer_is_relayed_byte_for_byte(client, upstream):
    """What the client yields is what the upstream sent: status, headers, body, whole and streamed."""
    for stream in (False, True):
        answer = await ask(client, upstream.url, chat("m-1", stream=stream), headers={"x-request-id": "r-7"})
        body = await read(answer)
        assert answer.status == 200
        assert answer.headers["x-request-id"] == "r-7"
        again = await ask_and_read(client, upstream.url, chat("m-1", stream=stream))
        assert body == again
        assert body.endswith(b"data: [DONE]\n\n") if stream else json.loads(body)["choices"]


async def test_upstream_sees_only_the_headers_it_is_meant_to(client, upstream):
    """No header is added but host, length and the wish for identity: no agent, no cookie, no accept."""
    await ask_and_read(client, upstream.url, chat("m-1", "headers"))
    digest = hashlib.sha256(chat("m-1", "headers")).hexdigest()
    seen = next(entry for entry in upstream.received() if entry["sha256"] == digest)
    assert set(seen["headers"]) == {"host", "content-length", "content-type", "accept-encoding"}
    assert seen["headers"]["accept-encoding"] == "identity"


REFUSED_BEFORE_THE_BODY = {
    "an upstream that hangs is a timeout": ("m-1!hang", UpstreamTimeoutError, "within 0.3 s"),
    "an upstream that closes without a byte": ("m-1!die", UpstreamProtocolError, "answer over HTTP"),
    "a redirect is not followed": ("m-1!redirect", UpstreamProtocolError, "status 307"),
    "a compressed answer": ("m-1!gzip", UpstreamProtocolError, "not compressed"),
}


@pytest.mark.parametrize("case", REFUSED_BEFORE_THE_BODY)
@pytest.mark.parametrize("stream", [False, True])
async def test_upstream_misbehaviour_before_the_body(client, upstream, case, stream):
    """Each way to fail before the body is an error of its own kind, and nothing is sent a second time."""
    model, kind, words = REFUSED_BEFORE_THE_BODY[case]
    body = chat(model, case, stream=stream)
    with pytest.raises(kind, match=words):
        await ask(client, upstream.url, body, timeouts=BRIEF)
    received = await asyncio.to_thread(upstream.received)
    assert [entry["path"] for entry in received if entry["sha256"] == hashlib.sha256(body).hexdigest()] == [
        "/v1/chat/completions"
    ]
    assert not any(entry["path"] == "/loopback/redirected" for entry in received)


REFUSED_IN_THE_BODY = {
    "an upstream that stops in the middle": (
        "m-1!hang-mid-stream",
        UpstreamTimeoutError,
        "go on within 0.3 s",
    ),
    "an upstream that dies in the middle": ("m-1!die-mid-stream", UpstreamProtocolError, "broke off"),
    "a length larger than the body": ("m-1!lie-length", UpstreamProtocolError, "broke off"),
    "a body over the limit": ("m-1!huge", UpstreamTooLargeError, "at most"),
}


@pytest.mark.parametrize("case", REFUSED_IN_THE_BODY)
@pytest.mark.parametrize("stream", [False, True])
async def test_upstream_misbehaviour_in_the_body(client, upstream, case, stream):
    """Each way to fail within the body is an error of its own kind, never a short answer that looks whole."""
    model, kind, words = REFUSED_IN_THE_BODY[case]
    with pytest.raises(kind, match=words):
        await ask_and_read(client, upstream.url, chat(model, stream=stream), timeouts=BRIEF)


@pytest.mark.parametrize("model", ["m-1!lie-length-under", "m-1!smuggle"])
async def test_upstream_excess_is_no_answer_to_anybody(client, upstream, model):
    """Bytes after an answer's end (a lying length, a second answer) never become part of the next caller's answer."""
    for number in range(4):
        try:
            body = await ask_and_read(client, upstream.url, chat(model))
        except UpstreamProtocolError:
            pass  # the excess came in the same piece
        else:
            assert b"smuggled" not in body
        await asyncio.sleep(0.05)  # so that a second answer lies in wait on the idle connection
        text = f"next caller {number}"
        answer = json.loads(await ask_and_read(client, upstream.url, chat("m-1", text)))
        expected = hashlib.sha256(text.encode()).hexdigest()[:8]
        assert answer["choices"][0]["message"]["content"] == f"done: {expected}, 3 words"


async def test_upstream_statuses_and_bodies_that_http_allows_are_passed_on(client, upstream):
    """What is wrong only with the content is the reader's to judge: the client passes it on."""
    for name, status in {
        "status-500": 500,
        "status-429": 429,
        "garbage": 200,
        "truncate": 200,
        "slow": 200,
    }.items():
        answer = await ask(client, upstream.url, chat(f"m-1!{name}"))
        assert answer.status == status
        assert await read(answer)


async def test_upstream_total_timeout_holds_while_bytes_flow(client, upstream):
    """An upstream that never falls silent is still cut off after the total."""
    timeouts = Timeouts(connect_s=5, first_byte_s=5, idle_s=5, total_s=0.2)
    with pytest.raises(UpstreamTimeoutError, match=r"whole answer within 0\.2 s"):
        await ask_and_read(
            client, upstream.url, chat("m-1!slow", "a b c d e f g", stream=True), timeouts=timeouts
        )


async def test_upstream_that_says_it_is_too_large_is_refused_at_once(client, upstream):
    """A content-length over the limit is refused before the body is read."""
    with pytest.raises(UpstreamTooLargeError, match="at most 10 bytes"):
        await ask(client, upstream.url, chat("m-1"), max_bytes=10)


LEAVING = {
    "before the answer's head": "m-1!hang",
    "in the middle of the body": "m-1!hang-mid-stream",
    "while a large body flows": "m-1!huge",
}


@pytest.mark.parametrize("case", LEAVING)
async def test_upstream_sees_that_the_caller_left(client, upstream, case):
    """Cancelling or closing closes the connection, so that the upstream stops working."""
    body = chat(LEAVING[case], case)
    digest = hashlib.sha256(body).hexdigest()

    def left() -> bool:
        return any(entry["sha256"] == digest and entry["gone"] for entry in upstream.received())

    if case == "before the answer's head":
        task = asyncio.create_task(ask(client, upstream.url, body))
        await until(lambda: any(entry["sha256"] == digest for entry in upstream.received()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        answer = await ask(client, upstream.url, body)
        async for _ in answer.chunks():
            break
        await answer.aclose()
    await until(left)


async def test_upstream_reader_that_is_cancelled_closes(client, upstream):
    """A caller who is cancelled while he waits for the next piece leaves no open connection behind."""
    body = chat("m-1!hang-mid-stream", "cancelled")
    digest = hashlib.sha256(body).hexdigest()
    answer = await ask(client, upstream.url, body)
    task = asyncio.create_task(read(answer))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: any(entry["sha256"] == digest and entry["gone"] for entry in upstream.received()))


async def test_upstream_that_is_not_read_is_slowed():
    """A caller who doesn't read holds the upstream up: no more than the buffers fills, however much there is."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 << 20))
        with contextlib.suppress(ConnectionError):
            while sent < 64 << 20:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16
        writer.close()

    async with raw_server(serve) as url:
        client = AiohttpUpstreamClient({url: UpstreamTls()})
        answer = await ask(client, url, b"{}", max_bytes=128 << 20)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 48 << 20
        assert len(await read(answer)) == 64 << 20
        await client.close()


async def test_upstream_connections_never_swap_answers(client, upstream):
    """Under concurrency, with callers who leave and upstreams that break off, every answer is the asker's own."""

    async def one(number: int) -> None:
        text = f"caller {number}"
        model = ("m-1", "m-1", "m-1", "m-1!slow", "m-1!die-mid-stream")[number % 5]
        try:
            async with asyncio.timeout(0.03 if model == "m-1!slow" else 30):
                answer = await ask(
                    client, upstream.url, chat(model, text), headers={"x-request-id": f"r-{number}"}
                )
                assert answer.headers["x-request-id"] == f"r-{number}"
                body = await read(answer)
                assert hashlib.sha256(text.encode()).hexdigest()[:8].encode() in body
        except TimeoutError:
            assert model == "m-1!slow"
        except UpstreamError:
            assert model == "m-1!die-mid-stream"

    for wave in range(6):
        await asyncio.gather(*(one(wave * 48 + number) for number in range(48)))


async def test_upstream_drained_connections_are_used_again():
    """One connection serves requests that come after each other; a connection closed in the middle isn't used again."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await read_request(reader)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo")
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(b"dy")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with raw_server(serve) as url:
        client = AiohttpUpstreamClient({url: UpstreamTls()})
        for _ in range(3):
            assert await ask_and_read(client, url, b"{}") == b"body"
        assert connections == 1
        answer = await ask(client, url, b"{}")
        await answer.aclose()
        assert await ask_and_read(client, url, b"{}") == b"body"
        assert connections == 2
        await client.close()


HEADS = {
    "no length and no chunks": b"HTTP/1.1 200 OK\r\n\r\nbody",
    "a length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n"
    b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody",
    "a length that is no number": b"HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\nbody",
    "a coding nobody asked for": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "no HTTP at all": b"SSH-2.0-server\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 70_000,
}


@pytest.mark.parametrize("case", HEADS)
async def test_upstream_heads_whose_body_has_no_sure_end(case):
    """An answer whose end could be told in two ways, or in none, is refused."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(HEADS[case])
        writer.close()

    async with raw_server(serve) as url:
        client = AiohttpUpstreamClient({url: UpstreamTls()})
        with pytest.raises(UpstreamProtocolError):
            await ask_and_read(client, url, b"{}")
        await client.close()


async def test_upstream_that_speaks_first_is_not_kept():
    """No connection to a server that answers before it is asked is ever used for a second request."""
    requests: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody" * 2)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await read_request(reader)
                requests.append(writer)
        writer.close()

    async with raw_server(serve) as url:
        client = AiohttpUpstreamClient({url: UpstreamTls()})
        for _ in range(5):
            with contextlib.suppress(UpstreamProtocolError):
                await ask_and_read(client, url, b"{}")
        assert len(requests) == len(set(requests))
        await client.close()


async def test_upstream_large_bodies_arrive_whole():
    """A request of several megabytes arrives as it was given, with its length."""
    digest = ""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal digest
        request = await read_request(reader)
        digest = hashlib.sha256(request.partition(b"\r\n\r\n")[2]).hexdigest()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    body = bytes(range(256)) * (3 << 12)
    async with raw_server(serve) as url:
        client = AiohttpUpstreamClient({url: UpstreamTls()})
        assert await ask_and_read(client, url, body) == b""
        assert digest == hashlib.sha256(body).hexdigest()
        await client.close()


async def test_upstream_is_reached_without_the_environments_proxy(client, upstream, monkeypatch):
    """A proxy in the environment never comes between gateway and upstream."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await ask_and_read(client, upstream.url, chat("m-1"))


async def test_upstream_that_is_not_there_is_a_connect_error():
    """Nobody listening, and a server that the terms don't name, are errors before anything is sent."""
    client = AiohttpUpstreamClient({"http://127.0.0.1:9": UpstreamTls()})
    with pytest.raises(UpstreamConnectError, match="expected to reach"):
        await ask(client, "http://127.0.0.1:9", b"{}")
    with pytest.raises(UpstreamConnectError, match="an upstream of the bundle"):
        await ask(client, "http://127.0.0.1:10", b"{}")
    await client.close()


async def test_upstream_connection_headers_are_the_clients_own(client, upstream):
    """Nobody above can set a length, an encoding or a host."""
    for name in ("Content-Length", "host", "transfer-encoding", "Accept-Encoding"):
        with pytest.raises(ValueError, match="connection or the length"):
            await ask(client, upstream.url, b"{}", headers={name: "1"})


def _certificate(folder: Path, name: str) -> tuple[Path, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path, certificate


async def test_upstream_pins_and_authorities(tmp_path):
    """A pinned server is accepted by certificate or by key; another gets a handshake, and no byte of the request."""
    path, certificate = _certificate(tmp_path, "localhost")
    other_path, other = _certificate(tmp_path, "other.example")
    encoding = serialization.Encoding.DER
    spki = certificate.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    right, wrong = hashlib.sha256(spki).hexdigest(), hashlib.sha256(other.public_bytes(encoding)).hexdigest()
    whole = hashlib.sha256(certificate.public_bytes(encoding)).hexdigest()
    cases = {
        "the pinned key": (UpstreamTls(spki_sha256=right), True),
        "the pinned certificate": (UpstreamTls(certificate_sha256=whole), True),
        "both": (UpstreamTls(certificate_sha256=whole, spki_sha256=right), True),
        "its own authority": (UpstreamTls(ca_file=path), True),
        "pin and authority": (UpstreamTls(ca_file=path, spki_sha256=right), True),
        "another key": (UpstreamTls(spki_sha256=wrong), False),
        "another certificate": (UpstreamTls(certificate_sha256=wrong, spki_sha256=right), False),
        "the right pin, another authority": (UpstreamTls(ca_file=other_path, spki_sha256=right), False),
        "the system's authorities": (UpstreamTls(), False),
    }
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        try:
            await read_request(reader)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
            return
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody")

    async with raw_server(serve, context) as address:
        url = address.replace("127.0.0.1", "localhost")
        for case, (tls, accepted) in cases.items():
            client = AiohttpUpstreamClient({url: tls})
            requests = 0
            if accepted:
                assert await ask_and_read(client, url, b"{}") == b"body", case
            else:
                with pytest.raises(UpstreamConnectError, match=r"(?i)certificate|pinned"):
                    await ask(client, url, b"{}")
            assert requests == int(accepted), case
            await client.close()


def test_upstream_tls_settings_that_contradict_are_refused(tmp_path):
    """A pin without TLS protects nothing, and one address can't have two; both are said when the client is made."""
    pin = UpstreamTls(spki_sha256="0" * 64)
    with pytest.raises(SettingsError, match="https"):
        AiohttpUpstreamClient({"http://127.0.0.1:1": pin})
    with pytest.raises(SettingsError, match="two that differ"):
        AiohttpUpstreamClient({"https://127.0.0.1:1/a": pin, "https://127.0.0.1:1/b": UpstreamTls()})
    with pytest.raises(SettingsError, match="PEM"):
        AiohttpUpstreamClient({"https://127.0.0.1:1": UpstreamTls(ca_file=tmp_path / "none.pem")})
