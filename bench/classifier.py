"""What a classifier costs: the scoring alone by length of text, and the gateway's throughput with it on and off.

    python bench/classifier.py           about two minutes

The gateway with it on has the red lines and one clause more, which asks that `offline-1` flag nothing.
"""

from __future__ import annotations

import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from countermark.policy.shipped import shipped_bundle
from countermark.signals.classifier import classify
from gateway import ROUNDS, SCENARIOS, run_load
from stacks import choose_cores, start_countermark, start_direct

SIZES = (100, 1_000, 10_000, 100_000)
WORDS = [
    "the",
    "pump",
    "valve",
    "seal",
    "order",
    "of",
    "a",
    "list",
    "town",
    "in",
    "report",
    "letter",
    "summary",
    "draft",
    "table",
    "meeting",
    "and",
    "plan",
    "week",
    "note",
    "answer",
    "form",
    "school",
    "garden",
    "water",
    "train",
    "music",
    "price",
    "number",
    "first",
    "second",
    "under",
    "over",
    "with",
    "without",
    "please",
    "write",
    "explain",
    "compare",
]
CLAUSE = "clauses/CO-2.md"


def text_of(size: int, seed: int) -> str:
    """Sentences of which no two are the same, about `size` characters."""
    rng = random.Random(seed)
    made: list[str] = []
    while sum(map(len, made)) < size:
        made.append(" ".join(rng.choices(WORDS, k=12)).capitalize() + ". ")
    return "".join(made)[:size]


def scoring() -> None:
    """Time of one classification, by length."""
    print("| characters | offline-1, median | per 1,000 characters |\n| ---: | ---: | ---: |")
    for size in SIZES:
        taken = []
        for seed in range(max(5, 20_000 // size)):
            text = text_of(size, seed)
            started = time.perf_counter()
            classify(text)
            taken.append(time.perf_counter() - started)
        median = statistics.median(taken)
        print(f"| {size:,} | {median * 1e3:.2f} ms | {median * 1e6 / size:.2f} ms |")


def with_classifier(folder: Path) -> Path:
    """The red lines, with the clause and the classifier of `classifier-only`; the threshold lets the load's prose pass."""
    target, source = folder / "bundle", shipped_bundle("classifier-only")
    shutil.copytree(shipped_bundle("red-lines"), target)
    shutil.copy(source / CLAUSE, target / CLAUSE)
    named = (source / "bundle.toml").read_text().partition("[signals.content]")[2].partition("\n[limits]")[0]
    named = re.sub(r"(?m)^threshold = .*$", "threshold = 1.0", named)
    with (target / "bundle.toml").open("a") as file:
        file.write(f"\n[signals.content]{named}\n")
    return target


def throughput() -> None:
    """Requests per second with the classifier off and on, in turn, on one core."""
    cores = choose_cores()
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        direct = running.enter_context(start_direct(folder, cores))
        stacks = [
            running.enter_context(start_countermark(folder, cores, direct, name="off")),
            running.enter_context(
                start_countermark(folder, cores, direct, name="on", bundle=with_classifier(folder))
            ),
        ]
        print(
            "| scenario | classifier | requests/s | CPU per request | p50 |\n| --- | --- | ---: | ---: | ---: |"
        )
        for scenario in (each for each in SCENARIOS if not each.stream):
            seen = {stack.name: [] for stack in stacks}
            for _ in range(ROUNDS):
                for stack in stacks:
                    seen[stack.name].append(run_load(stack, scenario, cores, seconds=3.0, warmup_s=1.0))
            for stack in stacks:
                runs = sorted(seen[stack.name], key=lambda run: run.per_s)
                middle = runs[len(runs) // 2]
                print(
                    f"| {scenario.name} | {stack.name} | {middle.per_s:,.0f} | "
                    f"{middle.cpu_us or 0:,.0f} us | {middle.p50_us / 1e3:.2f} ms |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    scoring()
    throughput()
