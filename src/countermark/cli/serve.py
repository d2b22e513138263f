"""`countermark serve`: run the gateway."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import click
import uvicorn

from countermark.app import make_app
from countermark.cli.output import Command, dir_option, example, json_option
from countermark.config import read_settings
from countermark.errors import SettingsError
from countermark.pep.connection import limited_protocol


@click.command(cls=Command)
@dir_option
@click.option("--host", help="Address to listen on; the settings' where it is left out.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--port-file", type=click.Path(path_type=Path), help="Write the port here once it listens.")
@click.option(
    "--with-parent",
    is_flag=True,
    help="Stop when standard input closes, so with the process that started it.",
)
@click.option("--verbose", is_flag=True, help="Log each connection too.")
@json_option
@example("countermark serve --dir my-gateway")
def serve(
    folder: Path,
    host: str | None,
    port: int | None,
    port_file: Path | None,
    *,
    with_parent: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run the gateway of a working folder until it is told to stop (SIGINT or SIGTERM).

    It starts even where the bundle is not in force, and then denies everything, saying why; it does not start where
    the log was changed. With --json the document says which gateway listens where, before the first request.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    settings = read_settings(folder)
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        settings = replace(settings, port=port)
    listener = listen(settings.host, settings.port)
    address = f"http://{settings.host}:{listener.getsockname()[1]}"
    app = make_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=limited_protocol(
                max_header_bytes=settings.max_header_bytes, head_timeout_s=settings.body_timeout_s
            ),
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_level="info" if verbose else "warning",
            access_log=verbose,
            server_header=False,
            date_header=False,
            # what a caller says about where it stands is not believed: `public_url` says it
            proxy_headers=False,
            # hung streams would otherwise keep a stopping gateway for ever
            timeout_graceful_shutdown=int(settings.shutdown_grace_s),
            timeout_keep_alive=75,
        )
    )
    terms = app.gateway.terms
    click.echo(
        f"countermark: gateway {settings.gateway} at {address}, bundle {terms.bundle.name} version "
        f"{terms.bundle.version} ({terms.bundle.digest[:12]})"
        + (", one-sided" if terms.root.one_sided else "")
        + (f"; DENIES EVERYTHING: {terms.not_in_force}" if terms.not_in_force else ""),
        err=True,
    )
    if not terms.root.upstream_checks_permit:
        held_by = ", ".join(terms.root.upstream_key_held_by) or "nobody that the trust root names"
        click.echo(
            f"countermark: whoever holds the upstream's key can go round this gateway: {held_by}", err=True
        )
    if as_json:
        about = {
            "gateway": settings.gateway,
            "address": address,
            "bundle": terms.bundle.digest,
            "name": terms.bundle.name,
            "version": terms.bundle.version,
            "one_sided": terms.root.one_sided,
            "not_in_force": terms.not_in_force,
        }
        click.echo(json.dumps(about))
    if with_parent:
        threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    if port_file is not None:
        port_file.write_text(f"{listener.getsockname()[1]}\n")
    server.run(sockets=[listener])


def _stop_with_parent(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is opened, so that a second gateway says so at once.

    Raises:
        SettingsError: The address can't be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # who reads the port file may connect at once, and waits until the gateway answers
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise SettingsError(f"expected to listen on {host}:{port}: {error.strerror}") from error
    return listener
