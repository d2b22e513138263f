"""Runs the pages that people type from: console blocks for real, and what stands below a command is what comes out.

In a page's ```console block a line after `$ ` is a command, the lines below it are lines of its output, `...` standing for
what differs each time. A ```python block that begins with `# NAME` is saved as that file. `<!-- stop: COMMAND -->` stops a
program that runs in a terminal of its own. Only ports are others than on the page, and who is asked says yes.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LASTING = ("python -m countermark.loopback", "countermark serve")
_PIECES = re.compile(
    r"^```console\n(?P<console>.*?)^```$|^```python\n# (?P<name>\S+)\n(?P<python>.*?)^```$|^<!-- stop: (?P<stop>.*?) -->$",
    re.MULTILINE | re.DOTALL,
)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Terminal:
    """A folder, and the programs that run in terminals of their own."""

    folder: Path
    ports: dict[str, str] = field(
        default_factory=lambda: {"8787": str(free_port()), "8400": str(free_port())}
    )
    lasting: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run_page(self, page: str, *, section: str | None = None) -> list[str]:
        """Run a page, or one section of it, from top to bottom; returns its commands."""
        commands: list[str] = []
        text = (ROOT / page).read_text()
        if section is not None:
            text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        for piece in _PIECES.finditer(text):
            if piece["name"]:
                (self.folder / piece["name"]).write_text(self._ported(piece["python"]))
            elif piece["stop"]:
                self.stop(piece["stop"])
            else:
                for command, expected in _commands(piece["console"]):
                    commands.append(command)
                    self._expect(command, self.run(command), expected)
        return commands

    def _ported(self, text: str) -> str:
        for shown, real in self.ports.items():
            text = text.replace(shown, real)
        return text

    def run(self, command: str) -> str:
        """Run one command, as on a page; returns what it printed."""
        real = self._ported(command)
        if command.startswith("countermark init"):
            real += f" --port {self.ports['8400']}"  # the default is what the page shows
        if command.startswith(LASTING):
            return self._start(command, real)
        done = subprocess.run(
            ["bash", "-c", real],
            cwd=self.folder,
            env=self._env(),
            input=b"y\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        # at a terminal the answer ends the line; a pipe doesn't show it
        output = done.stdout.decode().replace("[y/N]: ", "[y/N]:\n")
        assert done.returncode in (0, 1), f"{command}\nexit code {done.returncode}\n{output}"
        return output

    def _start(self, command: str, real: str) -> str:
        target = self.folder / f".output-{len(self.lasting)}-{time.monotonic_ns()}"
        port = self.ports["8787" if "loopback" in command else "8400"]
        with target.open("wb") as out:
            self.lasting[command] = subprocess.Popen(
                ["bash", "-c", f"exec {real}"],
                cwd=self.folder,
                env=self._env(),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        for _ in range(200):
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", int(port))) == 0 and target.read_text().count("\n"):
                    break
            assert self.lasting[command].poll() is None, target.read_text()
            time.sleep(0.05)
        return target.read_text()

    def stop(self, command: str) -> None:
        """Stop a program as Ctrl-C does."""
        process = self.lasting.pop(command)
        process.send_signal(signal.SIGINT)
        process.wait(20)

    def close(self) -> None:
        """Stop whatever runs still."""
        for process in self.lasting.values():
            process.kill()
            process.wait()

    @staticmethod
    def _env() -> dict[str, str]:
        return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def _expect(self, command: str, output: str, expected: list[str]) -> None:
        rest = output
        for line in expected:
            pattern = re.escape(self._ported(line)).replace(r"\.\.\.", ".*")
            found = re.search(rf"^{pattern}", rest, re.MULTILINE)
            assert found is not None, f"$ {command}\nexpected `{line}`, got:\n{output}"
            rest = rest[found.end() :]


def _commands(block: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line and found:
            found[-1][1].append(line)
    return found
