"""Starts `countermark serve` as a real process, stops it, and starts it again on the same port."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from countermark.errors import StackError

START_S = 60
"""How long a gateway may take until it answers; with 1,500 statements on file it takes a few seconds."""
STOP_S = 15
_WAIT_S = 0.02
# proxies of the environment must not come between us and a loopback address
_OPENER = build_opener(ProxyHandler({}))


class GatewayProcess:
    """The gateway of a working folder, as a process that dies with this one. Its own words are in `serve.log`.

    Attributes:
        port: Where it listens; kept when it is started again, so that who asks it needn't know.
    """

    def __init__(self, folder: Path, arguments: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = 0
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            StackError: It did not start.
        """
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "countermark", "serve", "--with-parent", "--dir", str(self.folder)]
        command += ["--port", str(self.port), "--port-file", str(port_file), *self._arguments]
        with (self.folder / "serve.log").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        try:
            self._wait(port_file)
        except BaseException:
            self.stop()
            raise

    def _wait(self, port_file: Path) -> None:
        assert self._process is not None  # noqa: S101 - just started
        deadline = time.monotonic() + START_S
        while not self._answers(port_file):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the gateway did not start: see {self.folder / 'serve.log'}")
            time.sleep(_WAIT_S)

    def _answers(self, port_file: Path) -> bool:
        if not (port_file.exists() and (text := port_file.read_text()).endswith("\n")):
            return False
        self.port = int(text)
        try:
            # it listens before it has read what is on file, and answers after
            with _OPENER.open(f"{self.url}/healthz", timeout=START_S):
                return True
        except HTTPError as error:
            error.close()
            return True
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """Stop it, and wait until it has: what it answered is in its log then."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


@contextmanager
def gateway_process(folder: Path, *arguments: str) -> Iterator[str]:
    """Run `countermark serve` on a working folder until the block ends; gives its address.

    Raises:
        StackError: It did not start; its own words are in the folder's `serve.log`.
    """
    process = GatewayProcess(folder, arguments)
    process.start()
    try:
        yield process.url
    finally:
        process.stop()
