"""`python -m countermark.loopback`: a played upstream as a process of its own."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from pathlib import Path

import click
import uvicorn

from countermark.attestation.trust_root import parse_trust_root
from countermark.clock import system_clock
from countermark.loopback.answers import Mode
from countermark.loopback.app import App, Loopback, LoopbackSettings, guarded
from countermark.loopback.exchange import LoopbackProtocol
from countermark.loopback.misbehaviour import MISBEHAVIOURS
from countermark.loopback.refusal import PHRASES, read_phrases

_EPILOG = (
    "A model's name chooses a misbehaviour: m-1!NAME, or m-1:NAME, which a bundle can route. Names: "
    + ", ".join(MISBEHAVIOURS)
    + "."
)


@click.command(epilog=_EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--port-file", type=click.Path(path_type=Path), help="Write the port here once it listens.")
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), default="obey", show_default=True)
@click.option(
    "--model", "models", multiple=True, help="Name of a model that is served; again for more. [default: m-1]"
)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True), help="Recorded bodies, for --mode replay."
)
@click.option(
    "--phrases",
    "phrase_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What --mode refuse refuses by, one phrase a line, in place of its own list.",
)
@click.option("--key", help="Demand this API key.")
@click.option(
    "--permits-of",
    "root_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Serve only what carries a permit of a gateway of this trust root.",
)
@click.option("--audience", default="loopback", show_default=True, help="This upstream's name in the bundle.")
@click.option(
    "--slow-s", default=0.2, show_default=True, help="Pause between the pieces of `slow`, in seconds."
)
@click.option("--huge-bytes", default=64 << 20, show_default=True, help="Least size of `huge`, in bytes.")
@click.option(
    "--with-parent",
    is_flag=True,
    help="Stop when standard input closes, so with the process that started it.",
)
def main(
    *,
    host: str,
    port: int,
    port_file: Path | None,
    mode: str,
    models: tuple[str, ...],
    folder: Path | None,
    phrase_file: Path | None,
    key: str | None,
    root_file: Path | None,
    audience: str,
    slow_s: float,
    huge_bytes: int,
    with_parent: bool,
) -> None:
    """Play an upstream model that speaks OpenAI Chat Completions and Anthropic Messages.

    Example: python -m countermark.loopback --port 8001 --mode refuse --model m-1
    """
    if mode == Mode.REPLAY and folder is None:
        raise click.UsageError("--mode replay needs --folder")
    listener = socket.create_server((host, port), backlog=2048)
    address = f"http://{host}:{listener.getsockname()[1]}"
    settings = LoopbackSettings(
        mode=Mode(mode),
        models=models or ("m-1",),
        folder=folder,
        phrases=PHRASES if phrase_file is None else read_phrases(phrase_file),
        key=key,
        slow_s=slow_s,
        huge_bytes=huge_bytes,
    )
    app: App = Loopback(settings)
    if root_file is not None:
        root = parse_trust_root(root_file.read_bytes(), now=system_clock())
        app = guarded(app, [gateway.key for gateway in root.gateways.values()], audience)
    config = uvicorn.Config(
        app,
        http=LoopbackProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level=logging.WARNING,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    if with_parent:
        threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    if port_file is not None:
        part = port_file.with_name(port_file.name + ".part")
        part.write_text(f"{listener.getsockname()[1]}\n")
        part.replace(port_file)  # whoever waits for the file reads it whole
    click.echo(address)
    sys.stdout.flush()
    server.run(sockets=[listener])


def _stop_with_parent(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()
