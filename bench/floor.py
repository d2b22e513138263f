"""The pass-through floor: what a Python gateway costs that decides and records nothing.

A plain ASGI app on uvicorn with the gateway's own upstream client, and no more: body in, body out.

    python bench/floor.py --upstream http://127.0.0.1:PORT --port-file FILE
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path
from typing import Any

import uvicorn

from countermark.pep.upstream_client import AiohttpUpstreamClient, Timeouts, UpstreamTls

_TIMEOUTS = Timeouts(connect_s=5, first_byte_s=60, idle_s=60, total_s=120)
_KEPT = (b"authorization", b"content-type")
_PASSED = ("content-type", "content-length")


class Floor:
    """Forwards everything."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client = AiohttpUpstreamClient({upstream: UpstreamTls()})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward one request."""
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = await self._client.open(
            self._upstream + scope["path"],
            method=scope["method"],
            headers={name.decode(): value.decode() for name, value in scope["headers"] if name in _KEPT},
            body=body,
            timeouts=_TIMEOUTS,
            max_bytes=64 << 20,
        )
        passed = [
            (name.encode(), answer.headers[name].encode()) for name in _PASSED if name in answer.headers
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": passed})
        async for chunk in answer.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def main() -> None:
    """Listen on a free port, say which, and forward until killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    arguments = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    part = arguments.port_file.with_name(arguments.port_file.name + ".part")
    part.write_text(f"{listener.getsockname()[1]}\n")
    part.replace(arguments.port_file)
    config = uvicorn.Config(
        Floor(arguments.upstream), lifespan="off", ws="none", access_log=False, log_level="warning"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
