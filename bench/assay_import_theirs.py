"""Inspect AI's and AgentDojo's own readers, run inside `.venv-bench-assay` by bench/assay_import.py.

python assay_import_theirs.py template FOLDER          a log that Inspect writes, as .json, to be multiplied
python assay_import_theirs.py convert LOG.json LOG.eval
python assay_import_theirs.py READER PATH               read it, print seconds, rows and the peak of memory
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def template(folder: Path) -> None:
    """A played agent of 24 samples with tool calls and approvals; no model, no network."""
    from inspect_ai import Task
    from inspect_ai import eval as run
    from inspect_ai.approval import Approval, ApprovalPolicy, approver
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import Score, mean, scorer
    from inspect_ai.solver import generate, use_tools
    from inspect_ai.tool import tool

    @tool
    def act() -> Any:
        async def execute(what: str) -> str:
            """Act.

            Args:
                what: What to do.
            """
            return f"done: {what} " + "and what came of it " * 100

        return execute

    @approver
    def gate() -> Any:
        async def approve(message: str, call: Any, view: Any, history: Any) -> Approval:
            return Approval(
                decision="reject" if "misuse" in str(call.arguments) else "approve", explanation="the world"
            )

        return approve

    @scorer(metrics=[mean()])
    def stopped() -> Any:
        async def score(state: Any, target: Any) -> Score:
            return Score(
                value=0
                if any("done" in str(each.content) for each in state.messages if each.role == "tool")
                else 1
            )

        return score

    def played(messages: Any, tools: Any, choice: Any, config: Any) -> ModelOutput:
        calls = sum(each.role == "tool" for each in messages)
        if calls < 4:
            output = ModelOutput.for_tool_call(
                "mockllm/model", "act", {"what": f"{messages[-1].text[:200]} step {calls}"}
            )
        else:
            output = ModelOutput.from_content("mockllm/model", "finished " * 50)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    samples = [
        Sample(
            input=f"{kind} {i}",
            id=f"{kind}-{i}",
            metadata={"goal": f"{kind}-{i}", "strategy": "direct", "benign": kind == "work"},
        )
        for i in range(12)
        for kind in ("misuse", "work")
    ]
    task = Task(
        dataset=samples,
        solver=[use_tools(act()), generate()],
        scorer=stopped(),
        approval=[ApprovalPolicy(gate(), "*")],
        name="bench",
    )
    model = get_model("mockllm/model", custom_outputs=played)
    run(task, model=model, log_dir=str(folder), log_format="json", display="none")


def convert(source: Path, target: Path) -> None:
    """The same log as the tool packs it."""
    from inspect_ai.log import read_eval_log, write_eval_log

    write_eval_log(read_eval_log(str(source)), str(target))


def whole(path: Path) -> int:
    """What its documentation says to read a log with."""
    from inspect_ai.log import read_eval_log

    log = read_eval_log(str(path))
    return sum(bool(sample.scores) for sample in log.samples or [])


def streamed(path: Path) -> int:
    """Sample by sample."""
    from inspect_ai.log import read_eval_log_samples

    return sum(bool(sample.scores) for sample in read_eval_log_samples(str(path), all_samples_required=False))


def summaries(path: Path) -> int:
    """Without messages and events, so without what layers decided."""
    from inspect_ai.log import read_eval_log_sample_summaries

    return sum(bool(sample.scores) for sample in read_eval_log_sample_summaries(str(path)))


def agentdojo(path: Path) -> int:
    """Each run by itself, as its `load_suite_results` does."""
    from agentdojo.benchmark import load_task_results

    rows = 0
    for file in path.rglob("*.json"):
        pipeline, suite, user_task, attack, _ = file.relative_to(path).parts
        run = load_task_results(pipeline, suite, user_task, attack, file.stem, path)
        rows += run.security is not None
    return rows


READERS: dict[str, Callable[[Path], int]] = {
    "whole": whole,
    "streamed": streamed,
    "summaries": summaries,
    "agentdojo": agentdojo,
}


def main() -> None:
    """Do one thing; packages are imported before the clock starts."""
    what, *paths = sys.argv[1:]
    if what == "template":
        template(Path(paths[0]))
        return
    if what == "convert":
        convert(Path(paths[0]), Path(paths[1]))
        return
    if what == "agentdojo":
        import agentdojo.benchmark  # noqa: F401
    else:
        import inspect_ai.log  # noqa: F401
    started = time.process_time()
    rows = READERS[what](Path(paths[0]))
    elapsed = time.process_time() - started
    # of /proc, since `ru_maxrss` would also know of the parent's
    peak = int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0])
    print(json.dumps({"seconds": elapsed, "rows": rows, "peak_mb": peak / 1024}))


if __name__ == "__main__":
    main()
