"""What a campaign of the assay costs: tries per second against the same client without a gateway, growth, and a kill -9.

    python bench/assay.py [--quick]

The floor is the same client, the same tries and the same played model, with nothing between them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from countermark.assay.campaign.door import StackSpec
from countermark.assay.campaign.plan import MAIN, OPEN, Plan
from countermark.stacks.campaign import make_plan, measure


def only(plan: Plan, stack: str, strategies: int | None = None) -> Plan:
    """The plan with one stack, and perhaps with the first strategies only."""
    specs: tuple[StackSpec, ...] = tuple(spec for spec in plan.stacks if spec.name == stack)
    kept = plan.strategies if strategies is None else plan.strategies[:strategies]
    # who rewrites logs stops and starts the gateway three times: a cost of its own, not one of a try
    return replace(plan, stacks=specs, strategies=tuple(each for each in kept if each.name != "tamper-log"))


def timed(plan: Plan, folder: Path) -> tuple[int, float, float]:
    """Rows, seconds from the first row to the last, and seconds in all (world, start and stop included)."""
    began = time.perf_counter()
    first: list[float] = []

    def tell(_done: int, _whole: int) -> None:
        if not first:
            first.append(time.perf_counter())

    folder.mkdir(parents=True)
    measure(plan, folder, side_by_side=1, tell=tell)
    ended = time.perf_counter()
    rows = sum(1 for _ in (folder / "rows.jsonl").open())
    return rows, ended - first[0], ended - began


def speed(folder: Path, per_cluster: int) -> None:
    """Tries per second behind a gateway, and without one."""
    plan = make_plan(quick=True, per_cluster=per_cluster)
    print("\n| stack | tries and tasks | seconds | a second | with world, start and stop |")
    print("| --- | --- | --- | --- | --- |")
    rates = {}
    for stack in (OPEN, MAIN):
        rows, seconds, whole = timed(only(plan, stack), folder / stack)
        rates[stack] = rows / seconds
        print(f"| {stack} | {rows:,} | {seconds:.1f} | {rows / seconds:.0f} | {whole:.1f} s |")
    print(f"\nCountermark / nothing between: {rates[MAIN] / rates[OPEN]:.2f} times the tries per second")


def growth(folder: Path, quick: bool) -> None:
    """Whether the cost of a try stays the same as goals and strategies are added."""
    print("\n| goals | strategies | tries and tasks | seconds | ms each | of the smallest |")
    print("| --- | --- | --- | --- | --- | --- |")
    smallest = 0.0
    for per_cluster in (1, 2) if quick else (1, 2, 4):
        for strategies in (5, 22):
            plan = only(make_plan(quick=True, per_cluster=per_cluster), MAIN, strategies)
            rows, seconds, _ = timed(plan, folder / f"{per_cluster}-{strategies}")
            each = seconds / rows * 1000
            smallest = smallest or each
            print(
                f"| {len(plan.scenarios.goals)} | {len(plan.strategies)} | {rows:,} | {seconds:.1f} | {each:.1f} | "
                f"{each / smallest:.2f} |"
            )


def command(folder: Path) -> list[str]:
    """The quick campaign, as a user types it."""
    return [
        *(sys.executable, "-m", "countermark", "assay", "run"),
        *("--quick", "--per-cluster", "1", "--out", str(folder), "--json"),
    ]


def resume(folder: Path) -> None:
    """A campaign that is killed in the middle and gone on with, against one that runs through."""
    began = time.perf_counter()
    through = subprocess.run(command(folder / "through"), check=False, stdout=subprocess.PIPE)
    uninterrupted = time.perf_counter() - began
    whole = sum(1 for _ in (folder / "through" / "rows.jsonl").open())
    rows = folder / "killed" / "rows.jsonl"
    process = subprocess.Popen(command(folder / "killed"), stdout=subprocess.DEVNULL, start_new_session=True)
    began = time.perf_counter()
    while process.poll() is None and (not rows.exists() or rows.read_bytes().count(b"\n") < whole // 2):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = time.perf_counter() - began
    kept = rows.read_bytes().count(b"\n")
    began = time.perf_counter()
    again = subprocess.run(command(folder / "killed"), check=False, stdout=subprocess.PIPE)
    after = time.perf_counter() - began
    found = [json.loads(each) for each in rows.read_text().splitlines()]
    keys = {(row["stack"], row["scenario"], row["strategy"], row["attempt"]) for row in found}
    one, other = json.loads(through.stdout), json.loads(again.stdout)
    print("\n| campaign | rows | seconds |\n| --- | --- | --- |")
    print(f"| uninterrupted | {whole:,} | {uninterrupted:.1f} |")
    print(f"| killed (SIGKILL, the whole group) with {kept:,} rows on disk | {kept:,} | {before:.1f} |")
    print(f"| gone on with | {len(found):,}, of them twice: {len(found) - len(keys)} | {after:.1f} |")
    same = all(one[part] == other[part] for part in ("columns", "missed", "heat"))
    print(
        f"\nkilled and gone on / uninterrupted: {(before + after) / uninterrupted:.2f}; "
        f"same figures: {'yes' if same else 'no'}"
    )


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sets of goals")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="countermark-bench-") as name:
        folder = Path(name)
        speed(folder / "speed", 1 if quick else 3)
        growth(folder / "growth", quick)
        resume(folder / "resume")


if __name__ == "__main__":
    main()
