"""Signed forwarding: a model server behind `RequirePermit` serves the gateway's requests and no others."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from e2e_site import ASK, MODEL, SETTINGS, exchange, new_site

from countermark.attestation.keys import PrivateKey
from countermark.loopback.process import loopback_process

GUARDED = """
import sys
import uvicorn
from countermark.attestation.keys import PublicKey
from countermark.loopback.app import Loopback, LoopbackSettings
from countermark.upstream import RequirePermit
import json

guard = RequirePermit(
    Loopback(LoopbackSettings()), [PublicKey.from_dict(json.loads(sys.argv[2]))], "loopback",
    open_paths=["/loopback/received"],
)

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/counters":
        body = json.dumps(guard.counters).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return
    await guard(scope, receive, send)

uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off")
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_only_what_the_gateway_permitted_is_served(tmp_path: Path) -> None:
    """Through the gateway: served. Directly, with the upstream's own words or a copied permit: refused, and counted."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with loopback_process() as unused:  # only its type is needed here
        made = new_site(tmp_path / "site", unused, url, settings=SETTINGS)
    key = PrivateKey.load(made.world.gateway / "keys" / "gateway.pem").public
    script = tmp_path / "guarded.py"
    script.write_text(GUARDED)
    guarded = subprocess.Popen([sys.executable, str(script), str(port), json.dumps(key.to_dict())])
    try:
        wait_for(url)
        made.start()
        time.sleep(1.1)  # a permit from the second in which the server started could be an older one's
        body = json.dumps({"model": MODEL, "messages": ASK}).encode()
        assert made.post(body)[0] == 200
        assert made.post({"model": MODEL, "messages": ASK, "stream": True})[0] == 200
        assert made.openai().chat.completions.create(model=MODEL, messages=ASK).choices
        message = made.anthropic().messages.create(model=MODEL, max_tokens=9, messages=ASK)
        assert message.content
        assert made.post(body, workload="tracking")[0] == 403

        assert exchange(url, "POST", "/v1/chat/completions", body=body, headers={})[0] == 403
        received = json.loads(exchange(url, "GET", "/loopback/received", headers={})[2])["received"]
        copied = {"countermark-permit": received[0]["headers"]["countermark-permit"]}
        assert exchange(url, "POST", "/v1/chat/completions", body=body, headers=copied)[0] == 403
        other = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "another"}]}).encode()
        assert exchange(url, "POST", "/v1/chat/completions", body=other, headers=copied)[0] == 403
        forged = {"countermark-permit": copied["countermark-permit"].replace("entry=", "entry=1")}
        assert exchange(url, "POST", "/v1/chat/completions", body=body, headers=forged)[0] == 403

        counters = json.loads(exchange(url, "GET", "/counters", headers={})[2])
        assert counters["served"] == 4
        assert counters["missing"] == 1
        assert counters["replayed"] == 1
        assert counters["body"] == 1
        assert counters["signature"] == 1
    finally:
        if made.process is not None:
            made.process.terminate()
            made.process.wait(20)
        guarded.terminate()
        guarded.wait(10)


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            exchange(url, "GET", "/counters", headers={})
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
