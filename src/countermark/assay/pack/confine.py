"""Runs an attacker's script with as little as the system gives without a container; started by path, never imported.

    python -I -S -B confine.py attacker.py

(1) It dies with the process that started it. (2) No network: a namespace of its own, where the kernel allows one.
(3) Limits on time, memory, files and processes. (4) Then the script takes its place. The first line on standard output says
what was had, and comes before anything that the script could write.

This file uses the standard library only, and nothing of this package: the script's interpreter doesn't see the package.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

CPU_S = 20
MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 20
OPEN_FILES = 64
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000


def _die_with_parent(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _without_network(libc: ctypes.CDLL) -> bool:
    flags = _CLONE_NEWNET | _CLONE_NEWIPC
    return bool(libc.unshare(flags) == 0 or libc.unshare(flags | _CLONE_NEWUSER) == 0)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))


def main(script: str) -> None:
    """Give up what can be given up, and become the script."""
    without_network = False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _die_with_parent(libc)
        without_network = _without_network(libc)
    except (OSError, AttributeError):  # no such calls here: another system than Linux
        pass
    _limit()
    os.write(1, b'{"network":"none"}\n' if without_network else b'{"network":"not cut off"}\n')
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", script])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1])
