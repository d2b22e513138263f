"""How long a durable append takes, against what the disk needs in the same run.

    python bench/durable_append.py [--folder DIR] [--seconds S] [--json]

Submitters are asyncio tasks in one process, each waiting for its own append before it makes the next (closed loop). The
floors are measured before each cell and at the end, with one writer and nothing else: a 4 KiB append with fdatasync,
and the same over blocks that were written before, which is what a segment does. The quickest floor counts, which is the
strictest for us. Compare ratios, not milliseconds: those are the disk's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from countermark.tlog.note import NoteSigner
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/bench"
BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One row of the table; times in milliseconds."""

    what: str
    submitters: int
    per_s: float
    p50_ms: float
    p99_ms: float
    n: int


def cell(what: str, submitters: int, times_s: list[float], elapsed_s: float) -> Cell:
    """Rate and quantiles of the times of single operations."""
    times = sorted(times_s)
    n = len(times)
    return Cell(
        what=what,
        submitters=submitters,
        per_s=n / elapsed_s,
        p50_ms=times[n // 2] * 1e3,
        p99_ms=times[min(n - 1, n * 99 // 100)] * 1e3,
        n=n,
    )


def floor(folder: Path, seconds: float, *, overwrite: bool) -> Cell:
    """What the disk needs for one durable write of 4 KiB."""
    path = folder / "floor"
    blocks = 4096
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        if overwrite:
            os.pwrite(fd, bytes(BLOCK * blocks), 0)
        os.fsync(fd)
        times: list[float] = []
        block = b"x" * BLOCK
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            before = time.perf_counter()
            os.pwrite(fd, block, len(times) % blocks * BLOCK if overwrite else len(times) * BLOCK)
            os.fdatasync(fd)
            times.append(time.perf_counter() - before)
        elapsed = time.perf_counter() - began
    finally:
        os.close(fd)
        path.unlink()
    return cell("floor: overwrite" if overwrite else "floor: append", 1, times, elapsed)


def log_cell(folder: Path, seconds: float, submitters: int, entry_bytes: int) -> tuple[Cell, float]:
    """Appends to a real log, publishing as it goes; also the mean number of entries in a batch."""
    batches: list[int] = []
    times: list[float] = []
    entry = os.urandom(entry_bytes)

    async def submit(log: LogWriter, until: float) -> None:
        while (before := time.perf_counter()) < until:
            await log.append(entry)
            times.append(time.perf_counter() - before)

    async def drive(log: LogWriter) -> float:
        await asyncio.gather(*(submit(log, time.perf_counter() + 0.3) for _ in range(submitters)))
        times.clear()
        batches.clear()
        began = time.perf_counter()
        await asyncio.gather(*(submit(log, began + seconds) for _ in range(submitters)))
        return time.perf_counter() - began

    key = NoteSigner.generate(ORIGIN)
    where = folder / f"log-{submitters}"
    with LogWriter(
        where, origin=ORIGIN, key=key, on_batch=lambda _, entries: batches.append(len(entries))
    ) as log:
        elapsed = asyncio.run(drive(log))
    shutil.rmtree(where)
    return cell("log", submitters, times, elapsed), sum(batches) / max(len(batches), 1)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each cell")
    parser.add_argument("--entry-bytes", type=int, default=512)
    parser.add_argument("--submitters", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="durable-append-", dir=options.folder))
    floors: list[Cell] = []
    cells: list[tuple[Cell, float]] = []
    try:
        for submitters in options.submitters:
            floors += [floor(folder, options.seconds / 4, overwrite=over) for over in (False, True)]
            cells.append(log_cell(folder, options.seconds, submitters, options.entry_bytes))
        floors += [floor(folder, options.seconds / 4, overwrite=over) for over in (False, True)]
    finally:
        shutil.rmtree(folder)
    # the quickest of each kind, so that a neighbour's load on one floor does not flatter the log
    floors = [min(floors[kind::2], key=lambda each: each.p50_ms) for kind in (0, 1)]
    base = floors[1].p50_ms
    if options.json:
        rows = [asdict(each) for each in floors]
        rows += [
            asdict(each) | {"entries_a_batch": batch, "p50_ratio": each.p50_ms / base}
            for each, batch in cells
        ]
        json.dump(
            {"entry_bytes": options.entry_bytes, "floor_p50_ms": base, "rows": rows}, sys.stdout, indent=1
        )
        print()
        return 0
    print(
        f"entries of {options.entry_bytes} bytes; ratio = p50 / p50 of the overwriting floor ({base:.2f} ms)"
    )
    print(
        f"{'what':<18}{'submitters':>10}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}{'a batch':>9}"
    )
    for each, batch in [(each, 1.0) for each in floors] + cells:
        print(
            f"{each.what:<18}{each.submitters:>10}{each.per_s:>12,.0f}{each.p50_ms:>9.2f}{each.p99_ms:>9.2f}"
            f"{each.p50_ms / base:>8.1f}{batch:>9.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
