"""The stacks that are measured, each started as real processes before the same mock model server.

`direct` is no gateway at all; `floor` forwards and does nothing else; `litellm` is the peer; `countermark` has
everything on. Each one is pinned to one core; mock and load generator have another.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from world import make_folder

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
VENV = ROOT / ".venv-bench"
LOCK = ROOT / "requirements" / "bench.lock"
START_S = 120
KEY = "bench-key"

_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which core whom is pinned to; None where the machine has one core only, and nothing is pinned."""

    gateway: int | None
    others: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running stack.

    Attributes:
        keys: API keys that it accepts.
        exact: Its answers are the mock's, byte for byte.
        pid: Its process; None for the mock alone.
    """

    name: str
    port: int
    keys: tuple[str, ...] = (KEY,)
    exact: bool = True
    pid: int | None = None


def choose_cores() -> Cores:
    """One core for the gateway, another for mock and load."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(gateway=usable[0], others=usable[1]) if len(usable) > 1 else Cores(gateway=None, others=None)


@contextmanager
def start_direct(folder: Path, cores: Cores) -> Iterator[Stack]:
    """The mock itself."""
    port_file = folder / "mock.port"
    command = [sys.executable, str(BENCH / "mock_model.py"), "--port-file", str(port_file)]
    with _running("mock", command, folder, cores.others) as process:
        yield Stack(name="direct", port=_port(port_file, process))


@contextmanager
def start_floor(folder: Path, cores: Cores, mock: Stack, _: int = 1) -> Iterator[Stack]:
    """uvicorn and the gateway's upstream client, with nothing between them."""
    port_file = folder / "floor.port"
    command = [sys.executable, str(BENCH / "floor.py"), "--upstream", f"http://127.0.0.1:{mock.port}"]
    command += ["--port-file", str(port_file)]
    with _running("floor", command, folder, cores.gateway) as process:
        yield Stack(name="floor", port=_port(port_file, process), pid=process.pid)


@contextmanager
def start_litellm(folder: Path, cores: Cores, mock: Stack, _: int = 1) -> Iterator[Stack]:
    """LiteLLM's proxy as its documentation starts it, one worker, a master key, nothing that phones home."""
    install_peers()
    key = f"sk-{KEY}"
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        "  - model_name: m-1\n"
        "    litellm_params:\n"
        "      model: openai/m-1\n"
        f"      api_base: http://127.0.0.1:{mock.port}/v1\n"
        "      api_key: upstream-key\n"
        "general_settings:\n"
        f"  master_key: {key}\n"
        "litellm_settings:\n"
        "  telemetry: false\n"
    )
    port = _free_port()
    command = [str(VENV / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    offline = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "NO_PROXY": "127.0.0.1",
    }
    with _running("litellm", command, folder, cores.gateway, env=offline) as process:
        _wait_ready(f"http://127.0.0.1:{port}/health/liveliness", process)
        yield Stack(name="litellm", port=port, keys=(key,), exact=False, pid=process.pid)


@contextmanager
def start_countermark(
    folder: Path,
    cores: Cores,
    mock: Stack,
    workloads: int = 1,
    *,
    name: str = "countermark",
    bundle: Path | None = None,
) -> Iterator[Stack]:
    """`countermark serve` with everything on: red-lines, two sides, signed statements, every decision durable.

    Args:
        workloads: How many ask in turn. One is the usual case, where a decision is remembered; with more than the
            memo holds, every request is decided afresh.
        bundle: The red lines where it is None.
    """
    gateway, keys = make_folder(folder / name, f"http://127.0.0.1:{mock.port}", workloads, bundle=bundle)
    port_file = folder / f"{name}.port"
    command = [sys.executable, "-m", "countermark", "serve", "--dir", str(gateway), "--port", "0"]
    command += ["--port-file", str(port_file)]
    with _running(name, command, folder, cores.gateway) as process:
        port = _port(port_file, process)
        _wait_ready(f"http://127.0.0.1:{port}/readyz", process)
        yield Stack(name=name, port=port, keys=keys, pid=process.pid)


STARTERS: Mapping[str, Callable[[Path, Cores, Stack, int], AbstractContextManager[Stack]]] = {
    "floor": start_floor,
    "litellm": start_litellm,
    "countermark": start_countermark,
}
"""Name to what starts it, in the order of the tables."""


def install_peers() -> None:
    """Make `.venv-bench` from requirements/bench.lock, once for each lock; the only step that needs a network."""
    stamp = VENV / "installed"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    print(f"setting up {VENV.name} from {LOCK.relative_to(ROOT)} (once)", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    python = str(VENV / "bin" / "python")
    if (uv := shutil.which("uv")) is not None:
        command = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--require-hashes", "-r", str(LOCK)], check=True)
    stamp.write_text(digest)


def process_tree(pid: int) -> tuple[int, ...]:
    """`pid` and every process that descends from it."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    tree = [pid]
    for member in tree:  # grows while it is walked
        tree += [child for child, parent in parents.items() if parent == member]
    return tuple(tree)


@contextmanager
def _running(
    name: str, command: list[str], folder: Path, core: int | None, *, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` pinned to `core`, its output in a file of `folder`, until the block ends."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(env or {})}, cwd=folder
        )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(port_file: Path, process: subprocess.Popen[bytes]) -> int:
    ends = time.monotonic() + START_S
    while not port_file.exists():
        _still_running(process, ends)
    return int(port_file.read_text())


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + START_S
    while True:
        with contextlib.suppress(URLError, OSError), _OPENER.open(url, timeout=2):
            return
        _still_running(process, ends)


def _still_running(process: subprocess.Popen[bytes], ends: float) -> None:
    if process.poll() is not None or time.monotonic() > ends:
        raise RuntimeError(
            f"expected `{process.args!r}` to start; its output is in the folder that --keep leaves"
        )
    time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
