"""What every measurement on running stacks shares: stacks side by side, an end when asked for, a result that is signed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countermark.assay.campaign.journal import Journal

Tell = Callable[[int, int], None]
"""`tell(done, whole)`: rows that are there, of all rows."""


def run_side_by_side(
    works: Sequence[Callable[[], None]], many: int, *, stop: threading.Event | None = None
) -> None:
    """Do all of it, so much at a time. After an error or Ctrl-C nothing further is begun.

    Args:
        stop: Is set then, so that what has begun can end early.
    """
    pool = ThreadPoolExecutor(many)
    try:
        for finished in as_completed([pool.submit(work) for work in works]):
            finished.result()
    except BaseException:
        if stop is not None:
            stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def seal_result(document: Mapping[str, Any], folder: Path, journal: Journal) -> None:
    """Write `result.json`, sign it, and put its digest and that of the rows into the log."""
    data = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    (folder / "result.json").write_bytes(data)
    rows = folder / "rows.jsonl"
    journal.conclude(
        plan=document["plan"]["sha256"],
        result=data,
        rows=rows.read_bytes() if rows.exists() else b"",
        now=now(),
    )


def now() -> datetime:
    """The time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
