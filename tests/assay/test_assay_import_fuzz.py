"""Logs with anything in any place: measured, or refused in words of ours."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import import_logs as logs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.assay.imported.load import load
from countermark.assay.imported.records import Options
from countermark.assay.imported.rule import parse_rule
from countermark.assay.imported.sources import Choices, make_sources
from countermark.errors import CountermarkError

ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "N",
        "none",
        "true",
        [],
        [1],
        [[]],
        {},
        {"a": 1},
        {"value": []},
    ]
)


def _inspect() -> dict[str, Any]:
    samples = [
        logs.inspect_sample(
            f"{goal}-{name}",
            value,
            epoch=epoch,
            metadata={
                "goal": goal,
                "strategy": name,
                "category": goal,
                "twin": goal,
                "benign": name == "work",
            },
            events=[logs.approval("gate", "reject")],
        )
        for goal in ("a", "b")
        for epoch in (1, 2)
        for name, value in (("direct", 1), ("reworded", 0), ("work", 0))
    ]
    config = {"approval": {"approvers": [{"name": "gate", "tools": "*"}]}}
    head = logs.inspect_head(
        config=config, dataset={"sample_ids": ["a-direct"]}, task_args={"attack": "direct"}
    )
    return {**head, "samples": samples}


def _promptfoo() -> dict[str, Any]:
    rows = [
        logs.promptfoo_row(goal, name, success=name is None) for goal in "ab" for name in (None, "jailbreak")
    ]
    return {"evalId": "e", "results": {"version": 3, "results": rows}}


MAKERS: dict[str, Callable[[], Any]] = {
    "inspect": _inspect,
    "agentdojo": logs.agentdojo_run,
    "jailbreakbench": lambda: logs.jbb_artifact("PAIR", "m", [True, False, None]),
    "promptfoo": _promptfoo,
    "garak": lambda: logs.garak_attempt("a", [0.0, 1.0]),
    "table": lambda: {"goal": "a", "strategy": "direct", "breached": True, "cluster": "c", "safeguard": "s"},
}
HEADS = {"table": {"countermark-assay-table": 1, "unit": "one", "errors": "a breach", "naive": "direct"}}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document."""
    for key, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*at, key)
        yield from places(child, (*at, key))


def changed(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """The document with something else in one place."""
    made = copy.deepcopy(value)
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return made


@pytest.mark.parametrize("tool", MAKERS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_anything_in_any_place_is_measured_or_refused(tool: str, data: st.DataObject) -> None:
    """One or two values of a good log replaced by others: figures, or one line of ours; never another exception."""
    made = MAKERS[tool]()
    for _ in range(data.draw(st.integers(1, 2))):
        made = changed(made, data.draw(st.sampled_from(sorted(places(made), key=repr))), data.draw(ODD))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.log"
        lines = [made] if tool not in HEADS else [HEADS[tool], made]
        path.write_text("\n".join(json.dumps(line) for line in lines))
        said = ""
        try:
            found = load([path], Options(breach_when=(parse_rule("stopped=0"),)), format_name=tool)
            make_sources(found, Choices())
        except CountermarkError as error:
            said = str(error)
        assert "\n" not in said
