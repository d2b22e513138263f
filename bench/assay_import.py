"""How fast `countermark assay import` reads large logs, against the tools' own readers in the same run.

    python bench/assay_import.py [--samples 1500] [--runs 10000] [--rounds 3] [--folder DIR] [--json FILE]

Logs are made first: Inspect AI itself writes one of 24 samples (a played agent with tool calls and approvals), which is
multiplied, and packed by the tool; runs of AgentDojo are written as it writes them. Each reading is a process of its own,
by turns; seconds are CPU time of all its threads, from after the imports on; files are in the page cache. A figure is the
median of the rounds. Compare ratios, not seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-bench-assay"
LOCK = ROOT / "requirements" / "bench-assay.lock"
THEIRS = ROOT / "bench" / "assay_import_theirs.py"
SAMPLES, RUNS, ROUNDS = 1500, 10_000, 3
STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One reader on one log: medians of the rounds."""

    log: str
    reader: str
    rows: int
    mb: float
    seconds: float
    peak_mb: float

    @property
    def mb_per_s(self) -> float:
        """How much of the file is read in a second."""
        return self.mb / self.seconds


def install_peers() -> None:
    """Make `.venv-bench-assay` from its lock, once for each lock; the only step that needs a network."""
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


def theirs(*arguments: str | Path) -> str:
    """Run the tools' own code in their environment."""
    command = [str(VENV / "bin" / "python"), str(THEIRS), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def ours(path: Path) -> Mapping[str, Any]:
    """Run this file once more, as the reader."""
    command = [sys.executable, __file__, "--read", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_kb() -> int:
    """The most memory that this process had; `ru_maxrss` would also know of the parent's."""
    return int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0])


def read(path: Path) -> None:
    """Read as the command does, with digests, and count rows; then say what the figures cost on top."""
    from countermark.assay.imported.load import load
    from countermark.assay.imported.records import Options
    from countermark.assay.imported.rule import parse_rule
    from countermark.assay.imported.sources import Choices, make_sources

    started = time.process_time()
    loaded = load([path], Options() if path.is_dir() else Options(breach_when=(parse_rule("stopped=0"),)))
    elapsed = time.process_time() - started
    peak = peak_kb()
    make_sources(loaded, Choices())
    whole = time.process_time() - started
    collected = loaded[0].collected
    rows = len(collected.attacks) + len(collected.tasks)
    print(json.dumps({"seconds": elapsed, "rows": rows, "peak_mb": peak / 1024, "with_figures": whole}))


def make_inspect(folder: Path, samples: int) -> tuple[Path, Path]:
    """A log of so many samples, as `.json` and as `.eval`."""
    theirs("template", folder / "template")
    (source,) = (folder / "template").glob("*.json")
    log = json.loads(source.read_bytes())
    made = []
    for i in range(samples):
        sample = dict(log["samples"][i % len(log["samples"])])
        sample["id"] = f"s{i}"
        sample["uuid"] = f"u{i}"
        sample["metadata"] = {**sample["metadata"], "goal": f"g{i}"}
        made.append(sample)
    log["samples"] = made
    log["eval"]["dataset"] = {
        "name": "bench",
        "samples": samples,
        "sample_ids": [each["id"] for each in made],
    }
    log.pop("reductions", None)
    plain, packed = folder / "log.json", folder / "log.eval"
    plain.write_text(json.dumps(log, indent=2))
    theirs("convert", plain, packed)
    return plain, packed


def make_runs(folder: Path, runs: int) -> Path:
    """So many runs of AgentDojo, with messages as an agent with tools leaves them."""
    content = [{"type": "text", "content": "what a tool gave back, or an agent said of it. " * 8}]
    messages = [{"role": "system", "content": content}, {"role": "user", "content": content}]
    for i in range(STEPS // 2):
        call = {
            "function": "send_money",
            "args": {"recipient": "somebody", "amount": i},
            "id": f"call_{i}",
            "placeholder_args": None,
        }
        messages.append({"role": "assistant", "content": content, "tool_calls": [call]})
        messages.append(
            {
                "role": "tool",
                "content": content,
                "tool_call": call,
                "tool_call_id": f"call_{i}",
                "error": None,
            }
        )
    messages.append({"role": "assistant", "content": content, "tool_calls": None})
    for i in range(runs):
        attack = ("direct", "ignore_previous")[i % 2]
        user_task, injection = f"user_task_{i // 2 // 40}", f"injection_task_{i // 2 % 40}"
        where = folder / "bench-model" / "banking" / user_task / attack
        where.mkdir(parents=True, exist_ok=True)
        run = {
            "suite_name": "banking", "pipeline_name": "bench-model", "user_task_id": user_task,
            "injection_task_id": injection, "attack_type": attack, "injections": {"vector": "a goal " * 10},
            "messages": messages, "error": None, "benchmark_version": "v1.2.2",
            "evaluation_timestamp": "2026-11-20 10:00:00", "agentdojo_package_version": "0.1.35",
            "utility": i % 3 > 0, "security": i % 5 == 0, "duration": 1.5,
        }  # fmt: skip
        (where / f"{injection}.json").write_text(json.dumps(run, indent=4))
    return folder


def measure(log: str, path: Path, readers: Sequence[str], rounds: int) -> list[Cell]:
    """Each reader by turns, so that what the machine does besides meets them alike."""
    size = sum(each.stat().st_size for each in ([path] if path.is_file() else path.rglob("*.json"))) / 1e6
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in ("countermark", *readers)}
    for _ in range(rounds):
        for name, runs in found.items():
            runs.append(ours(path) if name == "countermark" else json.loads(theirs(name, path)))
            print(f"  {log} {name}: {runs[-1]['seconds']:.2f} s", file=sys.stderr, flush=True)
    rows = {name: runs[0]["rows"] for name, runs in found.items()}
    if len(set(rows.values())) != 1:
        sys.exit(f"expected every reader to find the same rows, got {rows}")
    return [
        Cell(
            log=log,
            reader=name,
            rows=rows[name],
            mb=size,
            seconds=statistics.median(each["seconds"] for each in runs),
            peak_mb=statistics.median(each["peak_mb"] for each in runs),
        )
        for name, runs in found.items()
    ]


def table(cells: Sequence[Cell]) -> str:
    """As Markdown, each reader with how many times longer it takes than ours."""
    lines = [
        "| log | reader | CPU seconds | MB/s | rows/s | peak MB | times ours |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    own = {cell.log: cell for cell in cells if cell.reader == "countermark"}
    lines += [
        f"| {cell.log}, {cell.mb:,.0f} MB, {cell.rows:,} rows | {cell.reader} | {cell.seconds:.2f} | {cell.mb_per_s:,.0f} | "
        f"{cell.rows / cell.seconds:,.0f} | {cell.peak_mb:,.0f} | {cell.seconds / own[cell.log].seconds:.1f} |"
        for cell in cells
    ]
    return "\n".join(lines)


def main() -> None:
    """Make the logs, read them by turns, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, help="where logs are made; a temporary one otherwise")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        read(options.read)
        return
    install_peers()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        plain, packed = make_inspect(folder, options.samples)
        runs = make_runs(folder / "runs", options.runs)
        cells = [
            *measure("Inspect .json", plain, ("whole", "streamed", "summaries"), options.rounds),
            *measure("Inspect .eval", packed, ("whole", "streamed", "summaries"), options.rounds),
            *measure("AgentDojo runs", runs, ("agentdojo",), options.rounds),
        ]
    print(table(cells))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1))


if __name__ == "__main__":
    main()
