"""What a request costs: Countermark with everything on, against direct, the pass-through floor and LiteLLM, in one run.

    python bench/gateway.py            all scenarios, about ten minutes
    python bench/gateway.py --quick    the same with short measurements, about three
    python bench/gateway.py --rotate 10000  requests come from so many workloads that no decision is remembered
    python bench/gateway.py --json FILE --stack floor --stack litellm

The stacks stand side by side and are measured in turn, round after round, so that a slow minute of the machine hits all
of them; a figure is the median of the rounds. Gateways have one core, mock and load generator another. Ratios within
one run are what to compare; docs/benchmarks.md has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from load import Load, Measured
from stacks import (
    BENCH,
    STARTERS,
    Cores,
    Stack,
    choose_cores,
    process_tree,
    start_direct,
)

ROUNDS = 3
QUIET = 0.9
HEADROOM = 1.5
SYNCS = 200
AIM_LITELLM = 25
"""Requests a second per core, as a multiple of LiteLLM's."""
AIM_ADDED_US = 1000
"""Latency added at the median with one connection, on top of one disk sync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to load a stack."""

    body_bytes: int
    stream: bool
    connections: int

    @property
    def name(self) -> str:
        """As the tables show it."""
        return f"{self.body_bytes // 1000} KB, {'streamed' if self.stream else 'plain'}, {self.connections} conn."


SCENARIOS = tuple(
    Scenario(body_bytes=size, stream=stream, connections=connections)
    for size in (1000, 50_000)
    for stream in (False, True)
    for connections in (1, 16)
)

Results = Mapping[tuple[str, Scenario], Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """The machine itself, while nothing of ours runs.

    Attributes:
        sync_us: Median time of one write of 1 KB with fdatasync; of several rounds, the quickest's.
        idle: Share of the busier core's time that was idle: far from 1, somebody else was at work.
    """

    sync_us: float
    idle: float


def run_load(stack: Stack, scenario: Scenario, cores: Cores, *, seconds: float, warmup_s: float) -> Measured:
    """Measure one stack once.

    Raises:
        RuntimeError: An answer was wrong, or a connection was lost; nothing of the run counts.
    """
    load = Load(
        port=stack.port,
        keys=stack.keys,
        connections=scenario.connections,
        seconds=seconds,
        warmup_s=warmup_s,
        body_bytes=scenario.body_bytes,
        stream=scenario.stream,
        exact=stack.exact,
        pids=process_tree(stack.pid) if stack.pid is not None else (),
    )

    def pin() -> None:
        if cores.others is not None:
            os.sched_setaffinity(0, {cores.others})

    done = subprocess.run(
        [sys.executable, str(BENCH / "load.py")],
        input=json.dumps(asdict(load)),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=pin,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{stack.name}, {scenario.name}: {done.stderr.strip().splitlines()[-1]}")
    return Measured(**json.loads(done.stdout))


def measure(
    stacks: Sequence[Stack], cores: Cores, folder: Path, *, seconds: float, warmup_s: float
) -> tuple[Results, Quiet]:
    """Measure every stack in every scenario, in turn, `ROUNDS` times; the medians."""
    for stack in stacks:  # imports that wait for the first request, connections, caches
        run_load(stack, SCENARIOS[1], cores, seconds=0.5, warmup_s=2.0)
    seen: dict[tuple[str, Scenario], list[Measured]] = {}
    quiet: list[Quiet] = []
    for round_number in range(ROUNDS):
        quiet.append(measure_quiet(folder, cores))
        for scenario in SCENARIOS:
            for stack in stacks:
                _say(f"round {round_number + 1} of {ROUNDS}: {scenario.name}, {stack.name}")
                measured = run_load(stack, scenario, cores, seconds=seconds, warmup_s=warmup_s)
                seen.setdefault((stack.name, scenario), []).append(measured)
    _say("")
    return {key: median_of(runs) for key, runs in seen.items()}, Quiet(
        sync_us=min(each.sync_us for each in quiet),
        idle=min(each.idle for each in quiet),
    )


def _say(line: str) -> None:
    """Progress: one line on standard error, written over."""
    print(f"\r{line:<79}", end="" if line else "\r", file=sys.stderr, flush=True)


def median_of(runs: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    cpu = [run.cpu_us for run in runs if run.cpu_us is not None]
    return Measured(
        requests=sum(run.requests for run in runs),
        per_s=statistics.median(run.per_s for run in runs),
        p50_us=statistics.median(run.p50_us for run in runs),
        p99_us=statistics.median(run.p99_us for run in runs),
        first_us=statistics.median(run.first_us for run in runs),
        cpu_us=statistics.median(cpu) if cpu else None,
    )


def measure_quiet(folder: Path, cores: Cores) -> Quiet:
    """Sync a file `SYNCS` times, 1 KB each, over blocks written before, as a segment of the log does (the quickest way, so
    the strictest for us); and look how idle the cores are while nothing is measured."""
    path = folder / "sync"
    with path.open("wb", buffering=0) as file:
        file.write(bytes(SYNCS * 1024))
        os.fsync(file.fileno())
        file.seek(0)
        times = []
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(bytes(1024))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    watched = [f"cpu{core}" for core in (cores.gateway, cores.others) if core is not None] or ["cpu"]
    before = _idle_and_all(watched)
    time.sleep(1.0)
    after = _idle_and_all(watched)
    idle = min(
        (after[core][0] - before[core][0]) / max(1, after[core][1] - before[core][1]) for core in watched
    )
    return Quiet(sync_us=statistics.median(times) * 1e6, idle=idle)


def _idle_and_all(cores: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Per core: (idle, all) ticks. Source: proc(5), stat."""
    ticks = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in cores:
            numbers = [int(field) for field in fields[:8]]
            ticks[name] = (numbers[3] + numbers[4], sum(numbers))
    return ticks


def describe_machine() -> str:
    """Cores, processor and versions; no names."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine()
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "aiohttp"))
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores ({model}), Linux {kernel}, Python {platform.python_version()}, {packages}"


def results_table(results: Results, names: Sequence[str]) -> list[str]:
    """One row per scenario and stack."""
    lines = [
        "| scenario | stack | requests/s | CPU per request | added p50 | added p99 | first byte p50 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for scenario in SCENARIOS:
        direct = results["direct", scenario]
        for name in names:
            run = results[name, scenario]
            cpu = "" if run.cpu_us is None else f"{run.cpu_us:,.0f} us"
            added = [
                f"{(a - b) / 1000:.2f} ms"
                for a, b in ((run.p50_us, direct.p50_us), (run.p99_us, direct.p99_us))
            ]
            if name == "direct":
                added = [f"({run.p50_us / 1000:.2f} ms)", f"({run.p99_us / 1000:.2f} ms)"]
            lines.append(
                f"| {scenario.name} | {name} | {run.per_s:,.0f} | {cpu} | {added[0]} | {added[1]} "
                f"| {run.first_us / 1000:.2f} ms |"
            )
    return lines


def ratio_table(results: Results, names: Sequence[str]) -> list[str]:
    """How many times the others' work Countermark does (without it, the floor): requests per second, and CPU time."""
    subject = "countermark" if "countermark" in names else "floor"
    others = [name for name in ("litellm", "floor") if name in names and name != subject]
    columns = [
        f"{subject} / {other}: {what}" for other in others for what in ("requests/s", "per CPU second")
    ]
    lines = [f"| scenario | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for scenario in SCENARIOS:
        mine = results[subject, scenario]
        cells = []
        for other in others:
            theirs = results[other, scenario]
            cells += [f"{mine.per_s / theirs.per_s:.2f}", f"{(theirs.cpu_us or 0) / (mine.cpu_us or 1):.2f}"]
        lines.append(f"| {scenario.name} | {' | '.join(cells)} |")
    return lines


def aim_lines(results: Results, names: Sequence[str], quiet: Quiet) -> list[str]:
    """What was aimed at, and whether it is met; a miss says so."""
    lines = []
    if "countermark" in names and "litellm" in names:
        busy = Scenario(body_bytes=1000, stream=False, connections=16)
        ratio = results["countermark", busy].per_s / results["litellm", busy].per_s
        lines.append(
            f"{_met(ratio >= AIM_LITELLM)}: at least {AIM_LITELLM} times LiteLLM's requests per second per core "
            f"({busy.name}): {ratio:.1f} times"
        )
    if "countermark" in names:
        calm = Scenario(body_bytes=1000, stream=False, connections=1)
        added = results["countermark", calm].p50_us - results["direct", calm].p50_us - quiet.sync_us
        lines.append(
            f"{_met(added <= AIM_ADDED_US)}: at most {AIM_ADDED_US / 1000:g} ms at the median on top of one disk sync "
            f"({calm.name}; sync {quiet.sync_us / 1000:.2f} ms): {added / 1000:.2f} ms"
        )
    for scenario in SCENARIOS:
        fastest = max(results[name, scenario].per_s for name in names if name != "direct")
        if results["direct", scenario].per_s < HEADROOM * fastest:
            lines.append(
                f"DOUBTFUL: {scenario.name}: mock and load generator are hardly faster than what they measure"
            )
    if quiet.idle < QUIET:
        lines.append(
            f"DOUBTFUL: only {quiet.idle:.0%} of the busier core was idle before a round: somebody else was at work, and "
            f"times say little; CPU per request says more"
        )
    return lines


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> None:
    """Start the stacks, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one second for each measurement instead of four"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument(
        "--stack", action="append", choices=list(STARTERS), help="only this one; again for more"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder and leave it")
    parser.add_argument(
        "--rotate",
        type=int,
        default=1,
        metavar="N",
        help="requests come from N workloads in turn, with facts of their own",
    )
    arguments = parser.parse_args()
    cores = choose_cores()
    chosen = arguments.stack or list(STARTERS)
    with ExitStack() as cleanup:
        folder = arguments.keep or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        direct = cleanup.enter_context(start_direct(folder, cores))
        stacks = [direct]
        for name in chosen:
            print(f"starting {name}", file=sys.stderr, flush=True)
            stacks.append(cleanup.enter_context(STARTERS[name](folder, cores, direct, arguments.rotate)))
        seconds, warmup_s = (1.0, 0.3) if arguments.quick else (4.0, 1.0)
        results, quiet = measure(stacks, cores, folder, seconds=seconds, warmup_s=warmup_s)
    names = [stack.name for stack in stacks]
    print(f"{describe_machine()}; pinned: {cores.gateway is not None}; median of {ROUNDS} rounds")
    print(
        f"one disk sync: {quiet.sync_us / 1000:.2f} ms; idle: {quiet.idle:.0%}; workloads in turn: {arguments.rotate}\n"
    )
    print(
        "\n".join(
            [
                *ratio_table(results, names),
                "",
                *results_table(results, names),
                "",
                *aim_lines(results, names, quiet),
            ]
        )
    )
    if arguments.json is not None:
        rows = [
            {"stack": name, **asdict(scenario), **asdict(run)} for (name, scenario), run in results.items()
        ]
        document = {
            "machine": describe_machine(),
            **asdict(quiet),
            "rotate": arguments.rotate,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
