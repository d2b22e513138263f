"""The middleware before a model server: vectors first, then a real server on loopback, then what it may not do."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import hashlib
import json
import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import errors, upstream
from countermark.attestation.keys import PublicKey
from countermark.clock import parse_time
from countermark.errors import CountermarkError, MalformedError, SettingsError, SubjectError
from countermark.upstream import (
    MAX_HEADER_BYTES,
    PERMIT_HEADER,
    Refused,
    RequirePermit,
    encode_permit,
    parse_permit,
    permit_text,
    verify_permit,
)
from make_forwarding_vectors import BODY, NOW, REQUEST, VECTORS, key_of, vectors

GATEWAY = key_of("gw-1")
PATH = "/v1/chat/completions"


def test_the_vectors_are_current() -> None:
    """What lies in spec/vectors/forwarding is what the generator writes, byte for byte."""
    there = {path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in VECTORS.glob("*/*")}
    assert there == vectors()


def _check(case: Path) -> Any:
    request = json.loads((case / "request.json").read_text())
    expect = json.loads((case / "expect.json").read_text())
    keys = [PublicKey.from_dict(each) for each in expect["keys"]]
    permit = parse_permit(request["permit"])
    verify_permit(
        permit,
        keys={key.keyid: key for key in keys},
        audience=expect["audience"],
        method=request["method"],
        path=request["path"],
        now=parse_time(expect["now"]),
        max_age_s=expect["max_age_s"],
        skew_s=expect["skew_s"],
    )
    if hashlib.sha256(b64decode(request["body_base64"])).hexdigest() != permit.body_sha256:
        raise SubjectError("another body")
    return permit


@pytest.mark.parametrize("case", sorted(VECTORS.glob("*/")), ids=lambda case: case.name)
def test_vectors(case: Path) -> None:
    """Each case does what its file says."""
    expect = json.loads((case / "expect.json").read_text())
    if case.name.endswith("_fail"):
        with pytest.raises(getattr(errors, expect["error"])):
            _check(case)
    else:
        permit = _check(case)
        assert (permit.decision, permit.entry) == (expect["decision"], expect["entry"])


@given(
    changed=st.fixed_dictionaries(
        {},
        optional={
            "audience": st.text("abc-", min_size=1, max_size=8),
            "method": st.sampled_from(["GET", "PUT"]),
            "path": st.text("/ab?=", min_size=1, max_size=12),
            "decision": st.text("abcdefgh234567", min_size=26, max_size=26).map("d_".__add__),
            "entry": st.integers(0, 10**15),
            "created": st.integers(1, 10**10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
            "body_sha256": st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest()),
        },
    )
)
@settings(max_examples=60, deadline=None)
def test_parse_after_encode_is_identity_and_every_part_is_signed(changed: dict[str, Any]) -> None:
    """What was signed is read back, and verifies only with each part as it was signed."""
    given_ = {**REQUEST, **changed}
    permit = parse_permit(encode_permit(GATEWAY, **given_))
    assert (permit.decision, permit.entry, permit.body_sha256) == (
        given_["decision"],
        given_["entry"],
        given_["body_sha256"],
    )
    signed = permit_text(**{**given_, "created": permit.created})
    GATEWAY.public.verify(permit.signature, signed)
    if changed and given_ != REQUEST:
        assert signed != permit_text(**{**REQUEST, "created": int(NOW.timestamp())})


@given(text=st.text(max_size=300) | st.text("v1;decision=d_ntrycafg:0123456789", max_size=300))
@settings(max_examples=200, deadline=None)
def test_anything_else_is_malformed(text: str) -> None:
    """The parser gives a permit or a typed error."""
    with pytest.raises(MalformedError):
        parse_permit(text)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/a\ncontent: x"},
        {"audience": "main\r"},
        {"decision": "d_1"},
        {"entry": -1},
        {"body_sha256": "A" * 64},
    ],
    ids=str,
)
def test_what_could_not_be_read_is_not_made(change: dict[str, Any]) -> None:
    """The gateway never sends a permit that the other half refuses, nor one text for two requests."""
    with pytest.raises(MalformedError):
        encode_permit(GATEWAY, **{**REQUEST, **change})


def test_a_long_header_is_refused_before_it_is_read() -> None:
    """Bounded work for a stranger."""
    with pytest.raises(MalformedError):
        parse_permit("v1;" + "a" * MAX_HEADER_BYTES)


class Model:
    """A model server that is played: echoes what reached it, or streams until the client leaves."""

    def __init__(self) -> None:
        self.served: list[tuple[str, bytes, Any]] = []
        self.started = False
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.started = True
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        message = await receive()
        assert message["more_body"] is False
        self.served.append((scope["path"], message["body"], scope.get("countermark")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if b'"stream"' in message["body"]:
            for number in range(3):
                await send(
                    {"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True}
                )
            assert (await receive())["type"] == "http.disconnect"
            self.left.set()
            return
        await send({"type": "http.response.body", "body": b"answer"})


class Served:
    """A model behind the middleware, on a real uvicorn server, and how to talk to it."""

    def __init__(self, **given_: Any) -> None:
        self.model = Model()
        self.now = NOW
        self.refused: list[Refused] = []
        self.guard = RequirePermit(
            self.model,
            [GATEWAY.public],
            "main",
            clock=lambda: self.now,
            on_refused=self.refused.append,
            **given_,
        )
        self.url = ""
        self.address = ("", 0)

    def permit(self, number: int = 0, **changed: Any) -> str:
        """A fresh decision each time that `number` differs."""
        decision = "d_" + hashlib.sha256(b"%d" % number).hexdigest()[:26].translate(
            str.maketrans("0189", "abcd")
        )
        return encode_permit(
            changed.pop("key", GATEWAY), **{**REQUEST, "decision": decision, "created": self.now, **changed}
        )

    async def post(
        self, permit: str | None, body: bytes = BODY, path: str = PATH, **given_: Any
    ) -> tuple[int, Any]:
        """Status, and the JSON or bytes of the answer."""
        headers = {} if permit is None else {PERMIT_HEADER: permit}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=body, headers=headers, **given_) as answer,
        ):
            data = await answer.read()
            return answer.status, json.loads(data) if data.startswith(b"{") else data


@contextlib.asynccontextmanager
async def serving(**given_: Any) -> AsyncIterator[Served]:
    """A real server on a free port of loopback."""
    served = Served(**given_)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    served.address = listener.getsockname()
    served.url = f"http://127.0.0.1:{served.address[1]}"
    config = uvicorn.Config(served.guard, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield served
    finally:
        server.should_exit = True
        await task


async def test_a_permitted_request_reaches_the_model_with_its_bytes() -> None:
    """The app sees the body as it was decided, and which decision that was; startup passes through."""
    async with serving() as served:
        assert served.model.started
        assert await served.post(served.permit()) == (200, b"answer")
        path, body, named = served.model.served[0]
        assert (path, body, named["entry"]) == (PATH, BODY, 17)
        assert served.guard.counters == {"served": 1}
        assert served.refused == []


@pytest.mark.parametrize(
    ("reason", "status", "ask"),
    [
        ("missing", 403, lambda s: s.post(None)),
        ("malformed", 403, lambda s: s.post("v1;yes")),
        ("unknown-key", 403, lambda s: s.post(s.permit(key=key_of("stranger")))),
        ("signature", 403, lambda s: s.post(s.permit(path="/v1/embeddings"))),
        ("signature", 403, lambda s: s.post(s.permit(), path=PATH + "?debug=1")),
        ("signature", 403, lambda s: s.post(s.permit(method="PUT"))),
        ("signature", 403, lambda s: s.post(s.permit(audience="spare"))),
        ("expired", 403, lambda s: s.post(s.permit(created=s.now - timedelta(seconds=61)))),
        ("not-yet-valid", 403, lambda s: s.post(s.permit(created=s.now + timedelta(seconds=6)))),
        ("replayed", 403, lambda s: s.post(s.permit(created=s.now - timedelta(seconds=1)))),
        ("body", 403, lambda s: s.post(s.permit(), body=BODY + b" ")),
        ("body", 403, lambda s: s.post(s.permit(), body=b"")),
        ("too-large", 413, lambda s: s.post(s.permit(), body=b"x" * 2000)),
    ],
    ids=[
        "no permit",
        "no permit by form",
        "a stranger's",
        "for another path",
        "a query added",
        "for another method",
        "for another server",
        "too old",
        "from the future",
        "from before this server started",
        "another body",
        "no body",
        "a body over the limit",
    ],
)
async def test_what_carries_no_valid_permit_is_refused_and_counted(
    reason: str, status: int, ask: Any
) -> None:
    """The model is never called; the answer is an error in the API's shape; the operator can see how often."""
    async with serving(max_body_bytes=1000) as served:
        answered, answer = await ask(served)
        assert answered == status
        assert answer["error"]["code"] == "countermark_no_permit"
        assert answer["error"]["countermark"] == {"reason": reason}
        assert served.model.served == []
        assert served.guard.counters == {reason: 1}
        assert [(each.reason, each.method) for each in served.refused] == [(reason, "POST")]


async def test_a_body_without_a_length_is_limited_too() -> None:
    """Chunked bodies are counted while they come."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    async with serving(max_body_bytes=1000) as served:
        status, answer = await served.post(served.permit(), body=chunks())  # type: ignore[arg-type]
        assert (status, answer["error"]["countermark"]["reason"]) == (413, "too-large")
        assert served.model.served == []


@pytest.mark.parametrize("length", ["1001", "9" * 17])
async def test_a_body_that_says_it_is_too_long_is_not_waited_for(length: str) -> None:
    """The refusal comes before the first byte of the body."""
    async with serving(max_body_bytes=1000) as served:
        reader, writer = await asyncio.open_connection(*served.address)
        lines = [f"POST {PATH} HTTP/1.1", "host: x", f"content-length: {length}"]
        writer.write("\r\n".join([*lines, f"{PERMIT_HEADER}: {served.permit()}", "", ""]).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 413")


async def test_two_permits_in_one_request_are_refused() -> None:
    """Which of two headers counts is no question that two servers may answer differently."""
    async with serving() as served:
        reader, writer = await asyncio.open_connection(*served.address)
        lines = [f"POST {PATH} HTTP/1.1", "host: x", f"content-length: {len(BODY)}", "connection: close"]
        lines += [f"{PERMIT_HEADER}: {served.permit(1)}", f"{PERMIT_HEADER}: {served.permit(2)}", "", ""]
        writer.write("\r\n".join(lines).encode() + BODY)
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 403")
        assert served.guard.counters == {"malformed": 1}


async def test_a_decision_is_served_once_also_when_copies_race() -> None:
    """Of ten copies sent at once one reaches the model; and an hour later the old permit is merely old."""
    async with serving() as served:
        permit = served.permit()
        answers = await asyncio.gather(*(served.post(permit) for _ in range(10)))
        assert sorted(status for status, _ in answers) == [200] + [403] * 9
        assert len(served.model.served) == 1
        assert served.guard.counters == {"served": 1, "replayed": 9}
        served.now += timedelta(hours=1)
        assert (await served.post(permit))[0] == 403
        assert served.guard.counters["expired"] == 1
        assert (await served.post(served.permit(1)))[0] == 200


async def test_a_wrong_body_does_not_use_up_the_decision() -> None:
    """Who copies the header alone can't keep the request that it belongs to from being served."""
    async with serving() as served:
        permit = served.permit()
        assert (await served.post(permit, body=b"{}"))[0] == 403
        assert (await served.post(permit))[0] == 200


async def test_a_full_memory_refuses_instead_of_forgetting() -> None:
    """No flood makes a used decision unused; when time has passed there is room again."""
    async with serving(max_remembered=2) as served:
        assert [(await served.post(served.permit(number)))[0] for number in range(3)] == [200, 200, 503]
        assert served.guard.counters == {"served": 2, "busy": 1}
        served.now += timedelta(seconds=62)
        assert (await served.post(served.permit(4)))[0] == 200


async def test_answers_stream_and_the_clients_leaving_reaches_the_model() -> None:
    """Chunks arrive while the app still runs, and `http.disconnect` comes after the buffered body."""
    body = b'{"model":"m-1","stream":true}'
    async with serving() as served:
        headers = {PERMIT_HEADER: served.permit(body_sha256=hashlib.sha256(body).hexdigest())}
        async with (
            aiohttp.ClientSession() as session,
            session.post(served.url + PATH, data=body, headers=headers) as answer,
        ):
            assert await answer.content.readexactly(9 * 3) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
            assert not served.model.left.is_set()
        await asyncio.wait_for(served.model.left.wait(), 10)


async def test_a_client_that_leaves_before_its_body_is_whole_reaches_nothing() -> None:
    """Half a body is no request; the decision stays unused."""
    async with serving() as served:
        _, writer = await asyncio.open_connection(*served.address)
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n{PERMIT_HEADER}: {served.permit()}"
        writer.write(head.encode() + b"\r\n\r\n" + BODY[:10])
        await writer.drain()
        writer.close()
        while not served.guard.counters:
            await asyncio.sleep(0.005)
        assert served.guard.counters == {"left": 1}
        assert (await served.post(served.permit()))[0] == 200


async def test_only_open_paths_are_open_and_only_for_looking() -> None:
    """A health check needs no permit where the operator says so: exactly that path, GET and HEAD alone."""
    async with serving(open_paths=["/health"]) as served, aiohttp.ClientSession() as session:
        for method, path, status in (
            ("GET", "/health", 200),
            ("HEAD", "/health", 200),
            ("POST", "/health", 403),
            ("GET", "/health/", 403),
            ("GET", "/v1/models", 403),
        ):
            async with session.request(method, served.url + path) as answer:
                assert (method, path, answer.status) == (method, path, status)
        assert served.guard.counters == {"open": 2, "missing": 3}


@pytest.mark.parametrize("kind", ["websocket", "webtransport"])
async def test_other_protocols_are_refused(kind: str) -> None:
    """What can't carry a permit isn't served."""
    served = Served()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await served.guard({"type": kind, "path": "/v1/realtime", "headers": []}, receive, send)
    assert [each["type"] for each in sent] == (["websocket.close"] if kind == "websocket" else [])
    assert served.guard.counters == {"protocol": 1}
    assert served.model.served == []


async def test_a_stranger_cannot_write_lines_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Paths are logged with escapes."""
    served = Served()

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "POST", "path": "", "raw_path": b"/x\n\x1b[2Jserved", "headers": []}
    await served.guard(scope, nothing, nothing)
    (record,) = [each for each in caplog.records if each.name == "countermark.upstream"]
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert "missing" in record.getMessage()


@pytest.mark.parametrize("given_", [{"gateway_keys": []}, {"audience": ""}], ids=str)
def test_a_guard_that_could_not_tell_anybody_apart_is_refused(given_: dict[str, Any]) -> None:
    """Without a key or a name there is nothing to check, so there is no middleware."""
    with pytest.raises(SettingsError):
        RequirePermit(**{"app": Model(), "gateway_keys": [GATEWAY.public], "audience": "main", **given_})


def test_every_refusal_has_a_reason_of_its_own() -> None:
    """No typed error of these checks falls into `other`."""
    reasons = [reason for _, reason, _ in upstream._REASONS]
    assert len(set(reasons)) == len(reasons)
    assert upstream._reason(CountermarkError("x")) == ("other", 403)


def test_it_is_importable_without_web_framework_database_or_cedar() -> None:
    """Who serves a model installs this module with the trust layer alone."""
    code = (
        "import sys, countermark.upstream;"
        "print([name for name in ('aiohttp','uvicorn','cedarpy','sqlite3','click') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_it_imports_the_trust_layer_and_vocabulary_only() -> None:
    """The border of the package map."""
    tree = ast.parse(Path(upstream.__file__).read_text())
    ours = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    allowed = {"countermark.clock", "countermark.errors"}
    assert all(
        name in allowed or name.startswith("countermark.attestation.")
        for name in ours
        if name.startswith("countermark")
    )
