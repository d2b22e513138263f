"""Small logs in the shape that each tool writes, for the tests of `countermark assay import`; nothing in them is real."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WRITTEN = Path(__file__).with_name("logs")
"""Logs that the tools themselves wrote, packed (`logs/README.md`)."""


def unpacked(name: str, folder: Path) -> Path:
    """One of the logs that the tools wrote, as they write it."""
    path = folder / name
    packed = WRITTEN / f"{name}.gz"
    path.write_bytes(
        gzip.decompress(packed.read_bytes()) if packed.exists() else (WRITTEN / name).read_bytes()
    )
    return path


def write(path: Path, value: Any) -> Path:
    """One JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def agentdojo_run(**changes: Any) -> dict[str, Any]:
    """One run of AgentDojo 0.1.35."""
    return {
        "suite_name": "banking",
        "pipeline_name": "obedient",
        "user_task_id": "user_task_0",
        "injection_task_id": "injection_task_0",
        "attack_type": "direct",
        "injections": {},
        "messages": [],
        "error": None,
        "benchmark_version": "v1.2.2",
        "evaluation_timestamp": "2026-11-20 10:00:00",
        "agentdojo_package_version": "0.1.35",
        "utility": True,
        "security": False,
        "duration": 0.1,
    } | changes


def agentdojo_folder(folder: Path, runs: Iterable[Mapping[str, Any]]) -> Path:
    """Runs where AgentDojo puts them."""
    for run in runs:
        attack, injection = run["attack_type"] or "none", run["injection_task_id"] or "none"
        write(
            folder
            / run["pipeline_name"]
            / run["suite_name"]
            / run["user_task_id"]
            / attack
            / f"{injection}.json",
            run,
        )
    return folder


def jbb_artifact(
    method: str, model: str, verdicts: Iterable[bool | None], *, date: str = "2024-01-01"
) -> dict[str, Any]:
    """One artifact of JailbreakBench; None stands for a goal that the attack submitted nothing for."""
    return {
        "parameters": {"method": method, "model": model, "attack_type": "black_box", "evaluation_date": date},
        "jailbreaks": [
            {
                "index": index,
                "goal": f"goal {index}",
                "behavior": f"behaviour {index}",
                "category": f"category {index % 10}",
                "prompt": None if verdict is None else "a prompt",
                "response": None if verdict is None else "a response",
                "jailbroken": verdict is True,
                "jailbroken_llama_guard1": False,
            }
            for index, verdict in enumerate(verdicts)
        ],
    }


def inspect_sample(
    sample_id: str, value: Any, *, epoch: int = 1, scorer: str = "stopped", **changes: Any
) -> dict[str, Any]:
    """One sample of Inspect AI 0.3.285."""
    return {
        "id": sample_id,
        "epoch": epoch,
        "input": "a request",
        "target": "",
        "messages": [{"role": "user", "content": 'a brace } and a quote \\" in text'}],
        "scores": {scorer: {"value": value}},
        "metadata": {},
        "events": [],
        "error": None,
    } | changes


def approval(approver: str, decision: str) -> dict[str, Any]:
    """What an approver decided of a tool call."""
    return {"event": "approval", "approver": approver, "decision": decision, "message": "", "call": {}}


def inspect_head(**spec: Any) -> dict[str, Any]:
    """What stands before the samples."""
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "created": "2026-11-20T10:00:00+00:00",
            "task": "misuse",
            "task_version": 0,
            "model": "mockllm/model",
            "packages": {"inspect_ai": "0.3.285"},
        }
        | spec,
    }


def inspect_json(path: Path, samples: Iterable[Mapping[str, Any]], **spec: Any) -> Path:
    """A log that is one JSON document."""
    return write(
        path, {**inspect_head(**spec), "plan": {}, "results": {"scores": []}, "samples": list(samples)}
    )


def inspect_eval(path: Path, samples: Iterable[Mapping[str, Any]], **spec: Any) -> Path:
    """A log that is a zip, packed with Zstandard as Inspect packs it."""
    from backports.zstd import zipfile

    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_ZSTANDARD) as archive:
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(inspect_head(**spec)))
    return path


def promptfoo_row(
    goal: str, strategy: str | None, *, success: bool, failure: int | None = None, **changes: Any
) -> dict[str, Any]:
    """One row of promptfoo's results, version 3."""
    metadata = {"pluginId": "policy", "goal": goal} | ({} if strategy is None else {"strategyId": strategy})
    return {
        "promptIdx": 0,
        "testIdx": 0,
        "testCase": {"vars": {"q": goal}, "metadata": metadata},
        "provider": {"id": "echo"},
        "success": success,
        "failureReason": (0 if success else 1) if failure is None else failure,
    } | changes


def promptfoo_file(path: Path, rows: Iterable[Mapping[str, Any]], *, version: int = 3) -> Path:
    """A file of results."""
    results = {"version": version, "timestamp": "2026-11-20T10:00:00Z", "results": list(rows)}
    return write(path, {"evalId": "eval-1", "results": results, "config": {}})


def garak_attempt(goal: str, scores: Iterable[float | None], **changes: Any) -> dict[str, Any]:
    """One attempt of garak 0.17.1."""
    return {
        "entry_type": "attempt",
        "uuid": "0",
        "seq": 0,
        "status": 2,
        "probe_classname": "fixture.Probe",
        "outputs": [],
        "detector_results": {"fixture.Refusal": list(scores)},
        "goal": goal,
        "intent": None,
    } | changes


def garak_report(path: Path, attempts: Iterable[Mapping[str, Any]], **setup: Any) -> Path:
    """A report: setup, init, attempts."""
    entries = [
        {"entry_type": "start_run setup", "run.eval_threshold": 0.5, "plugins.target_name": "played"} | setup,
        {"entry_type": "init", "garak_version": "0.17.1", "start_time": "2026-11-20T10:00:00"},
        *attempts,
        {"entry_type": "completion"},
    ]
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def pyrit_memory(path: Path, rows: Iterable[tuple[str, str, str]]) -> Path:
    """PyRIT 1.1.0's memory, as far as it is read: objective, strategy and outcome of each result."""
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE AttackResultEntries (id CHAR(36), objective VARCHAR NOT NULL, "
        "atomic_attack_identifier JSON, outcome VARCHAR NOT NULL, "
        "timestamp DATETIME NOT NULL, pyrit_version VARCHAR, labels JSON, targeted_harm_categories JSON)"
    )
    database.executemany(
        "INSERT INTO AttackResultEntries VALUES (?, ?, 'null', ?, '2026-11-20 10:00:00', '1.1.0', ?, 'null')",
        [
            (f"{i}", objective, outcome, json.dumps({"strategy": strategy}))
            for i, (objective, strategy, outcome) in enumerate(rows)
        ],
    )
    database.commit()
    database.close()
    return path
