"""The auth hook in the official clients, against a real server on loopback: every attempt is signed anew."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from evidence_world import key
from possession_world import Nonces

from countermark import client_auth
from countermark.client_auth import SignatureAuth
from countermark.errors import CredentialError, KeyTypeError, ReplayError, SettingsError
from countermark.evidence.possession import parse_signature_input, verify_possession

PRIVATE = key("workload")
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


class _Gateway(ThreadingHTTPServer):
    """Verifies every attempt as the gateway does; the first two are answered with 500, so that the clients retry."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.nonces = Nonces()
        self.seen: list[str] = []
        self.errors: list[str] = []
        self.replayed = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Gateway

    def do_POST(self) -> None:
        """Verify, then fail twice or answer."""
        body = self.rfile.read(int(self.headers["content-length"]))
        proof: dict[str, Any] = {
            "method": "POST",
            "target_uri": f"{self.server.url}{self.path}",
            "headers": self.headers.items(),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "public_key": PRIVATE.public,
            "nonces": self.server.nonces,
            "now": datetime.now(UTC),
        }
        try:
            verify_possession(**proof)
        except CredentialError as error:
            self.server.errors.append(str(error))
        try:
            verify_possession(**proof)
        except ReplayError:
            self.server.replayed += 1
        self.server.seen.append(parse_signature_input(self.headers["signature-input"]).nonce)
        failing = len(self.server.seen) < 3
        answer = json.dumps({} if failing else MESSAGE if self.path.endswith("messages") else CHAT).encode()
        self.send_response(500 if failing else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def gateway() -> Iterator[_Gateway]:
    """A server of its own for each test."""
    server = _Gateway()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def _check(gateway: _Gateway) -> None:
    assert gateway.errors == []
    assert len(gateway.seen) == len(set(gateway.seen)) == gateway.replayed == 3


def _options(gateway: _Gateway, path: str, http_client: Any) -> dict[str, Any]:
    return {
        "api_key": "office-1",
        "base_url": gateway.url + path,
        "http_client": http_client,
        "max_retries": 2,
    }


ASK: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "h\u00e9llo"}]}


def test_openai(gateway: _Gateway) -> None:
    """Three attempts of the openai client carry three proofs, each good once."""
    with openai.DefaultHttpxClient(auth=SignatureAuth(PRIVATE)) as http_client:
        client = openai.OpenAI(**_options(gateway, "/v1", http_client))
        assert client.chat.completions.create(**ASK).choices[0].message.content == "yes"
    _check(gateway)


async def test_openai_async(gateway: _Gateway) -> None:
    """So do those of its asynchronous client."""
    async with openai.DefaultAsyncHttpxClient(auth=SignatureAuth(PRIVATE)) as http_client:
        client = openai.AsyncOpenAI(**_options(gateway, "/v1", http_client))
        assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "yes"
    _check(gateway)


def test_anthropic(gateway: _Gateway) -> None:
    """Three attempts of the anthropic client carry three proofs, each good once."""
    with anthropic.DefaultHttpxClient(auth=SignatureAuth(PRIVATE)) as http_client:
        client = anthropic.Anthropic(**_options(gateway, "", http_client))
        assert client.messages.create(max_tokens=5, **ASK).content[0].text == "yes"
    _check(gateway)


async def test_anthropic_async(gateway: _Gateway) -> None:
    """So do those of its asynchronous client."""
    async with anthropic.DefaultAsyncHttpxClient(auth=SignatureAuth(PRIVATE)) as http_client:
        client = anthropic.AsyncAnthropic(**_options(gateway, "", http_client))
        assert (await client.messages.create(max_tokens=5, **ASK)).content[0].text == "yes"
    _check(gateway)


def _headers_sent(headers: dict[str, str]) -> httpx2.Request:
    request = httpx2.Request(
        "POST", "http://gateway.example/v1/messages?beta=true", headers=headers, content=b"{}"
    )
    (sent,) = SignatureAuth(PRIVATE).auth_flow(request)
    assert isinstance(sent, httpx2.Request)
    return sent


def test_either_credential_header_is_covered_and_only_one_is_sent() -> None:
    """With both headers the API key goes as `authorization`; with `x-api-key` alone that one is covered."""
    both = _headers_sent({"authorization": "Bearer a", "x-api-key": "a"})
    assert "x-api-key" not in both.headers
    assert parse_signature_input(both.headers["signature-input"]).credential_header == "authorization"
    alone = _headers_sent({"x-api-key": "a"})
    assert parse_signature_input(alone.headers["signature-input"]).credential_header == "x-api-key"


def test_what_cannot_be_signed_says_what_to_do() -> None:
    """No API key, and a key of another type, are errors in words."""
    with pytest.raises(SettingsError, match="api_key"):
        _headers_sent({})
    other = SignatureAuth(type(PRIVATE).from_seed(bytes(32), "ecdsa"))
    with pytest.raises(KeyTypeError, match="ed25519"):
        next(other.auth_flow(httpx2.Request("POST", "http://gateway.example/", headers={"x-api-key": "a"})))


def test_without_an_http_library_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SignatureAuth` needs the clients' own library; where neither is there, the error names both."""
    for library in client_auth.HTTP_LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
    client_auth._signature_auth.cache_clear()
    try:
        with pytest.raises(SettingsError, match=r"httpx2.*httpx"):
            client_auth.__getattr__("SignatureAuth")
    finally:
        client_auth._signature_auth.cache_clear()
    with pytest.raises(AttributeError, match="no attribute `other`"):
        client_auth.__getattr__("other")


def test_importing_the_module_imports_no_http_library() -> None:
    """The hook's library is imported only when the hook is asked for."""
    code = (
        "import sys, countermark.client_auth; sys.exit(any(name.startswith('httpx') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
