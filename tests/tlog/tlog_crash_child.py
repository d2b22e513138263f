"""A process that appends until it is killed, or until a call to the disk that it was told to die at.

tlog_crash_child.py run FOLDER START           append `entry START`, ...; print each number once it is answered
tlog_crash_child.py die FOLDER CALL            append 40 entries with a publication now and then; die before disk
                                               call number CALL, without any clean-up; exit 0 when there was none
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from countermark.errors import LogError
from countermark.tlog.note import NoteSigner
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))
DIED = 99


def entry_of(index: int) -> bytes:
    return b"entry %d " % index + bytes([index % 251 + 1]) * (index % 300)


def say(index: int) -> None:
    os.write(1, b"%d\n" % index)


def run(folder: Path, start: int) -> None:
    log = LogWriter(folder, origin=ORIGIN, key=KEY, segment_bytes=1 << 15, publish_interval_s=0.005)
    index = start
    while True:
        try:
            futures = [log.submit(entry_of(index + number)) for number in range(1 + index % 7)]
            for future in futures:
                say(future.result(60))
        except LogError as error:
            sys.exit(str(error))
        index += len(futures)


def die_at(call: int) -> None:
    """Let the process die at its `call`-th change to the disk, before or in the middle of it."""
    made = 0

    def deadly(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def called(*arguments: object) -> object:
            nonlocal made
            made += 1
            if made == call:
                if name == "pwrite":  # torn: half of it reaches the file
                    fd, data, offset = arguments
                    real(fd, bytes(data)[: len(data) // 2], offset)  # type: ignore[call-overload]
                os._exit(DIED)
            return real(*arguments)

        return called

    for name in ("pwrite", "fdatasync", "fsync", "rename", "ftruncate", "posix_fallocate", "mkdir", "unlink"):
        setattr(os, name, deadly(name))


def die(folder: Path, call: int) -> None:
    die_at(call)
    with LogWriter(folder, origin=ORIGIN, key=KEY, segment_bytes=4096, publish_interval_s=1e6) as log:
        for index in range(40):
            say(log.submit(entry_of(index)).result(60))
            if index in (9, 10, 29):
                log.publish_checkpoint()


if __name__ == "__main__":
    {"run": run, "die": die}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
