"""AgentDojo's runs: `<pipeline>/<suite>/<user task>/<attack>/<injection task>.json`, one file for each pair.

A run without an attack is a benign task. An injection task that was run as if it were the user's own is neither: it says
whether the goal can be reached at all, and is kept apart. Files are believed, not the folders that they lie in.

Source: agentdojo 0.1.35, `logging.TraceLogger.save` and `benchmark.TaskResults`.
"""

from __future__ import annotations

from typing import Any

from countermark.assay.imported.records import Attack, Collected, Convention, Options, Task
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "agentdojo"
KEYS = frozenset({"suite_name", "pipeline_name", "user_task_id", "attack_type"})
"""Keys that make a JSON object a run."""
CONVENTION = Convention(
    title="AgentDojo: agents that read injected instructions",
    reading=Reading(
        unit="one pair of user task and injection",
        polarity=Polarity.TRUE_IS_BREACH,
        epochs=Epochs.ONE_ROW,
        errors="a run that was broken off has no verdict and counts as a breach; the tool itself records a prompt that grew "
        "too long as an attack that succeeded",
    ),
    naive="direct",
    baseline="the injection as it is (`direct`)",
    work="benign tasks not done, by the model's own fault included",
    claim=False,
)


def read(run: Any, into: Collected, options: Options) -> None:
    """Take one run.

    Raises:
        ForeignLogError: A field that every run has is missing.
    """
    suite, user_task = _text(run, "suite_name"), _text(run, "user_task_id")
    safeguard = options.safeguard or _text(run, "pipeline_name")
    attack, injection = run.get("attack_type"), run.get("injection_task_id")
    for key in ("agentdojo_package_version", "benchmark_version"):
        if run.get(key):
            into.versions[f"{'agentdojo' if 'package' in key else 'benchmark'} {run[key]}"] = None
    if attack in (None, "none"):
        done = _verdict(run, "utility", into)
        if user_task.startswith("injection_task"):
            into.reached_alone[f"{safeguard}: {suite}/{user_task}"] = done is True
            return
        into.task(
            Task(safeguard=safeguard, name=f"{suite}/{user_task}", stopped=None if done is None else not done)
        )
        return
    if not isinstance(attack, str) or not isinstance(injection, str):
        raise ForeignLogError(
            "expected an attack with its injection task, got a run that names only one of them"
        )
    into.attack(
        Attack(
            safeguard=safeguard,
            goal=f"{suite}/{user_task}/{injection}",
            strategy=attack,
            verdict=_verdict(run, "security", into),
            cluster=(f"{suite}/{injection}", f"{suite}/{user_task}"),
            at=str(run.get("evaluation_timestamp") or ""),
        )
    )


def _text(run: Any, key: str) -> str:
    value = run.get(key)
    if not isinstance(value, str) or not value:
        raise ForeignLogError(f"expected `{key}` in a run of AgentDojo, got none: was it broken off?")
    return value


def _verdict(run: Any, key: str, into: Collected) -> bool | None:
    """The tool's verdict; a run that ended in an error, or before it was judged, has none that could be for the safeguard."""
    value = run.get(key)
    if not isinstance(value, bool):
        into.notes["runs without a verdict (broken off): attacks count as breaches, tasks as not done"] += 1
        return None
    if run.get("error"):
        into.notes["runs with an error: the tool's verdict is kept, it counts them as breaches"] += 1
    return value
