"""Runs an attacker's script with as little as the system gives without a container; started by path, never imported.

    python -I -S -B confine.py attacker.py

(1) It dies with the process that started it. (2) No network: a namespace of its own, where the kernel allows one. (3) No file
but its own folder and what Python itself needs, and no signal to others: Landlock, where the kernel has it. (4) Limits on
time, memory, files and processes. (5) Then the script takes its place. The first line on standard output says what was had,
and comes before anything that the script could write.

This file uses the standard library only: the script's interpreter doesn't see this package.

Source: Linux, prctl(2), unshare(2), landlock(7), include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path

CPU_S = 20
MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 20
OPEN_FILES = 64
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE
_ALL_V1 = (1 << 13) - 1
_NEEDED = (sys.base_prefix, sys.prefix, "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/urandom")


def _die_with_parent(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _without_network(libc: ctypes.CDLL) -> bool:
    flags = _CLONE_NEWNET | _CLONE_NEWIPC
    return bool(libc.unshare(flags) == 0 or libc.unshare(flags | _CLONE_NEWUSER) == 0)


def _without_files(libc: ctypes.CDLL) -> bool:
    """Leave it its own folder, and for reading what Python needs; from the newer versions on, no signal to others either."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    handled = _ALL_V1 | sum(1 << bit for bit, since in ((13, 2), (14, 3), (15, 5)) if version >= since)
    attributes = struct.pack("=QQQ", handled, 0b11, 0b11)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    allowed = [(Path(path), _READ | _READ_DIR | _EXECUTE) for path in _NEEDED]
    for path, access in (*allowed, (Path.cwd(), handled & ~_EXECUTE)):
        with suppress(FileNotFoundError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            granted = access if path.is_dir() else access & _OF_FILES
            rule = struct.pack("=Qi", granted & handled, place)
            if libc.syscall(_ADD_RULE, rules, 1, rule, 0) != 0:
                return False
            os.close(place)
    return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        hard = resource.getrlimit(what)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # a limit that this system doesn't know
            resource.setrlimit(what, (least, least))


def main(script: str) -> None:
    """Give up what can be given up, and become the script."""
    network = files = False
    with suppress(OSError, AttributeError):  # no such calls: another system than Linux
        libc = ctypes.CDLL(None, use_errno=True)
        _die_with_parent(libc)
        network = _without_network(libc)
        files = _without_files(libc)
    _limit()
    had = {
        "network": "none" if network else "not cut off",
        "files": "its own and Python's" if files else "whatever this user can read",
    }
    os.write(1, json.dumps(had).encode() + b"\n")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", script])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1])
