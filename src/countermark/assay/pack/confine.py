"""Runs an attacker's script with as little as the system gives without a container; started by path, never imported.

    python -I -S -B confine.py attacker.py

(1) It dies with the process that started it. (2) No network: a namespace of its own, where the kernel allows one. (3) No file
but its own folder and what Python itself needs, and no signal to others: Landlock, where the kernel has it. (4) No socket, no
other process, no signal: seccomp. A namespace doesn't part it from sockets that are files, and through the session's bus it
could have anything started outside. (5) Limits on time, memory, files and processes. (6) Then the script takes its place. The
first line on standard output says what was had, and comes before anything that the script could write.

This file uses the standard library only: the script's interpreter doesn't see this package.

Source: Linux, prctl(2), unshare(2), landlock(7), seccomp(2), include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import errno
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
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE
_ALL_V1 = (1 << 13) - 1
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_OTHER_ABI, _CLONE3, _CLONE_THREAD = 0x40000000, 435, 0x10000
_NEWER = (424, 425, 434)
"""pidfd_send_signal, io_uring_setup, pidfd_open: everywhere the same."""
_MACHINES = {
    # socket, fork, vfork, kill, ptrace, rt_sigqueueinfo, tkill, tgkill, add_key, request_key, keyctl, unshare,
    # rt_tgsigqueueinfo, setns, process_vm_readv, process_vm_writev
    "x86_64": (
        0xC000003E,
        56,
        (41, 57, 58, 62, 101, 129, 200, 234, 248, 249, 250, 272, 297, 308, 310, 311, *_NEWER),
    ),
    # the same, without fork and vfork
    "aarch64": (
        0xC00000B7,
        220,
        (198, 129, 117, 138, 130, 131, 217, 218, 219, 97, 240, 268, 270, 271, *_NEWER),
    ),
}
"""Architecture as the kernel names it, `clone`, and what is denied."""
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


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter(machine: str) -> bytes | None:
    """A seccomp program for this kind of machine; None where nobody wrote one."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    architecture, clone, denied = known
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, _KILL), (load, 0, 0, 0)]
    steps += [(at_least, 0, 1, _OTHER_ABI), (give, 0, 0, _KILL)]
    for number in denied:
        steps += [(equal, 0, 1, number), (give, 0, 0, _ERRNO | errno.EPERM)]
    steps += [
        (equal, 0, 1, _CLONE3),
        (give, 0, 0, _ERRNO | errno.ENOSYS),
    ]  # its flags are out of sight: it is to use clone
    steps += [
        (equal, 0, 3, clone),
        (load, 0, 0, 16),
        (any_bit, 1, 0, _CLONE_THREAD),
        (give, 0, 0, _ERRNO | errno.EPERM),
    ]
    steps += [(give, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _without_calls(libc: ctypes.CDLL) -> bool:
    """No sockets, no processes but threads, no signals, no keyring, no other process's memory."""
    steps = _filter(os.uname().machine)
    if steps is None:
        return False
    program = _Program(len(steps) // 8, steps)
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0) == 0)


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
    network = files = calls = False
    with suppress(OSError, AttributeError):  # no such calls: another system than Linux
        libc = ctypes.CDLL(None, use_errno=True)
        _die_with_parent(libc)
        network = _without_network(libc)
        files = _without_files(libc)
        calls = _without_calls(libc)
    _limit()
    had = {
        "network": "none" if calls else "local sockets" if network else "not cut off",
        "files": "its own and Python's" if files else "whatever this user can read",
    }
    os.write(1, json.dumps(had).encode() + b"\n")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", script])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1])
