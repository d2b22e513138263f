"""HTTP itself, on a real process: where a request ends, what is a header, and which path it has."""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterator

import pytest
from e2e_site import SETTINGS, Site, site

from countermark.client_auth import sign_request

OTHERS = "HEAD OPTIONS PUT DELETE PATCH TRACE QUERY"


@pytest.fixture(scope="module", name="gateway")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("wire"), limits={}, settings=SETTINGS) as made:
        yield made
        made.check_forwarded()
        assert made.stop() in (0, -15)
        made.verify()
        assert "Traceback" not in made.errors()


def body(text: str) -> bytes:
    """A request's body."""
    return json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}]}).encode()


def head(
    gateway: Site, line: str = "POST /v1/chat/completions HTTP/1.1", *more: str, key: str | None = None
) -> bytes:
    """A request's head, by the office unless another key is given; an empty key is left out."""
    presented = gateway.world.api_keys["office"] if key is None else key
    lines = [line, "host: gateway", "content-type: application/json", *more]
    lines += [f"authorization: Bearer {presented}"] if presented else []
    return "\r\n".join([*lines, "", ""]).encode()


def whole(
    gateway: Site, text: str, line: str = "POST /v1/chat/completions HTTP/1.1", key: str | None = None
) -> bytes:
    """A whole request."""
    data = body(text)
    return head(gateway, line, f"content-length: {len(data)}", key=key) + data


def send(gateway: Site, *pieces: bytes) -> list[int]:
    """Send pieces on one connection; the statuses of all that is answered until nothing more comes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


def chunks(data: bytes, *trailers: str) -> bytes:
    """A chunked body with trailers."""
    return (
        b"%x\r\n%b\r\n0\r\n" % (len(data), data)
        + "".join(f"{each}\r\n" for each in trailers).encode()
        + b"\r\n"
    )


def test_a_trailer_is_no_header(gateway: Site) -> None:
    """A credential after the body presents nobody, and takes nobody's place: what comes late was not decided on."""
    key = gateway.world.api_keys["office"]
    coded = "transfer-encoding: chunked"
    reached = len(gateway.upstream.received())
    late = head(gateway, "POST /v1/chat/completions HTTP/1.1", coded, key="")
    assert send(gateway, late + chunks(body("late credential"), f"authorization: Bearer {key}")) == [401]
    assert len(gateway.upstream.received()) == reached
    own = head(gateway, "POST /v1/chat/completions HTTP/1.1", coded)
    asked = chunks(
        body("a claim that comes late"), "x-api-key: another", "countermark-claims: bulk_persons=yes"
    )
    assert send(gateway, own + asked) == [200]


SPELLED = {
    "an escaped slash": ("/v1/chat%2Fcompletions", 200),
    "escaped letters": ("/%76%31/chat/completions", 200),
    "a query": ("/v1/chat/completions?beta=true&api-version=1", 200),
    "a whole address": ("http://other.example/v1/chat/completions", 200),
    "two slashes": ("//v1/chat/completions", 404),
    "a slash at the end": ("/v1/chat/completions/", 403),
    "dots": ("/v1/messages/../chat/completions", 403),
    "escaped dots": ("/v1/messages/%2e%2e/chat/completions", 403),
    "capitals": ("/V1/chat/completions", 404),
    "a NUL": ("/v1/chat/completions%00", 403),
    "an escaped question mark": ("/v1/chat/completions%3Fx", 403),
    "a star": ("*", 404),
    "another endpoint of the upstream": ("/v1/completions", 403),
    "the upstream's own": ("/metrics/../v1/files", 404),
}


@pytest.mark.parametrize(("path", "status"), SPELLED.values(), ids=SPELLED.keys())
def test_every_spelling_of_a_path_is_decided_or_refused(gateway: Site, path: str, status: int) -> None:
    """What is answered by a model has its own entry, and was sent to the path that was decided; so has a denial."""
    before, reached = len(gateway.entries("decision")), len(gateway.upstream.received())
    assert send(gateway, whole(gateway, f"spelled {path}", f"POST {path} HTTP/1.1")) == [status]
    assert len(gateway.entries("decision")) - before == (status in (200, 403))
    forwarded = gateway.upstream.received()[reached:]
    assert len(forwarded) == (status == 200)
    assert all(each["path"] == "/v1/chat/completions" for each in forwarded)


@pytest.mark.parametrize("method", OTHERS.split())
def test_other_methods_ask_nothing(gateway: Site, method: str) -> None:
    """Only a POST is a question; the connection goes on being read in the right place."""
    reached = len(gateway.upstream.received())
    asked = whole(gateway, f"by {method}", f"{method} /v1/chat/completions HTTP/1.1")
    assert send(gateway, asked + whole(gateway, f"after {method}")) in ([405, 200], [400])
    assert len(gateway.upstream.received()) - reached <= 1


def test_what_is_refused_early_is_not_read_as_the_next_request(gateway: Site) -> None:
    """A body that nobody wanted is passed by, also where it looks like a request with a genuine credential."""
    inner = whole(gateway, "smuggled")
    stranger = head(
        gateway, "POST /v1/chat/completions HTTP/1.1", f"content-length: {len(inner)}", key="nobody"
    )
    too_long = head(gateway, "POST /v1/chat/completions HTTP/1.1", "content-length: 999999999")
    reached = len(gateway.upstream.received())
    assert send(gateway, stranger + inner) == [401]
    assert send(gateway, stranger, inner) == [401]
    assert send(gateway, too_long + inner) == [413]
    assert len(gateway.upstream.received()) == reached
    assert send(gateway, stranger + inner + whole(gateway, "the next one")) == [401, 200]
    assert len(gateway.upstream.received()) == reached + 1


def test_pipelined_requests_are_answered_one_by_one(gateway: Site) -> None:
    """Each with its own credential: the first's isn't the second's."""
    mixed = [whole(gateway, "first"), whole(gateway, "second", key="nobody"), whole(gateway, "third")]
    assert send(gateway, b"".join(mixed)) == [200, 401, 200]
    assert send(gateway, whole(gateway, "old", "POST /v1/chat/completions HTTP/1.0")) == [200]


UPGRADES = {
    "HTTP/2": ("upgrade: h2c", "connection: upgrade, http2-settings", "http2-settings: AAMAAABkAAQAAP__"),
    "a socket": (
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: AAAA",
    ),
}


@pytest.mark.parametrize("lines", UPGRADES.values(), ids=UPGRADES.keys())
def test_no_connection_becomes_another_protocol(gateway: Site, lines: tuple[str, ...]) -> None:
    """An upgrade is not agreed to, and nothing reaches the model by it."""
    reached = len(gateway.upstream.received())
    data = body("upgraded")
    asked = head(gateway, "POST /v1/chat/completions HTTP/1.1", f"content-length: {len(data)}", *lines) + data
    assert 101 not in send(gateway, asked)
    assert len(gateway.upstream.received()) - reached <= 1


@pytest.mark.parametrize(
    "header", ["x-forwarded-proto: https", "x-forwarded-for: 10.0.0.1", "forwarded: proto=https"]
)
def test_a_callers_word_about_where_it_stands_changes_nothing(gateway: Site, header: str) -> None:
    """Behind what a proxy would say, a proof is still for the address that the connection came to."""
    data, key = body(f"forwarded {header}"), gateway.world.client_keys["field"]
    host = f"127.0.0.1:{gateway.port}"
    for scheme, status in (("https", 401), ("http", 200)):
        signed = sign_request(
            method="POST",
            target_uri=f"{scheme}://{host}/v1/chat/completions",
            credential_header="authorization",
            credential="Bearer field-1",
            body=data,
            private_key=key,
            keyid=key.public.keyid,
            created=int(time.time()),
            nonce=secrets.token_urlsafe(24),
        )
        lines = [
            "POST /v1/chat/completions HTTP/1.1",
            f"host: {host}",
            "authorization: Bearer field-1",
            header,
        ]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        lines += ["content-type: application/json", f"content-length: {len(data)}", "", ""]
        assert send(gateway, "\r\n".join(lines).encode() + data) == [status]
