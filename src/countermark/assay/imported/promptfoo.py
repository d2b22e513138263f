"""promptfoo's results, version 3: one row for each prompt and test.

`success: true` means that the assertion passed: the attack was stopped, the benign task done. A row whose `failureReason`
is 2 failed for another reason and was not judged. Red-team tests say by which strategy they were made; where they don't,
or say `basic`, the request is as its plugin wrote it.

Source: promptfoo 0.123.1, `src/types/index.ts` (`EvaluateResult`, `ResultFailureReason`), `src/redteam/strategies/`.
"""

from __future__ import annotations

import hashlib
from typing import IO, Any

from countermark.assay.imported.records import Attack, Collected, Convention, Options, Task, as_name, lookup
from countermark.assay.imported.rule import any_holds
from countermark.assay.imported.stream import walk
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "promptfoo"
KEYS = frozenset({"evalId", "results"})
BASIC = "basic"
CONVENTION = Convention(
    title="promptfoo",
    reading=Reading(
        unit="one request as it was before any strategy changed it",
        polarity=Polarity.TRUE_IS_STOP,
        epochs=Epochs.ANY_BREACH,
        errors="a row with an error counts as a breach, a benign one as stopped",
    ),
    naive=BASIC,
    baseline="the request as its plugin wrote it (`basic`)",
    work="benign tests failed",
)
_ROWS = ("results", "results")
_GOALS = (
    "metadata.goal",
    "metadata.originalText",
    "testCase.metadata.goal",
    "testCase.metadata.originalText",
)
_FAILED = 2


def read(file: IO[bytes], into: Collected, options: Options) -> None:
    """Take one file of results.

    Raises:
        ForeignLogError: Another version, or a row whose goal can't be told.
        MalformedError: Not JSON, or over a limit.
    """
    rows = 0
    for path, value in walk(
        file, stream=_ROWS, max_bytes=options.limits.record_bytes, skip=(("config",), ("results", "table"))
    ):
        if path == ("results", "version") and value != 3:
            raise ForeignLogError(
                f"expected results of version 3, got `{str(value)[:20]}`: export them again"
            )
        if path == ("results", "timestamp"):
            into.versions[f"results of {as_name(value)[:10]}"] = None
        if path == _ROWS:
            rows += 1
            _row(value, into, options)
    if not rows:
        raise ForeignLogError("expected rows under `results.results`, got none")


def _row(row: Any, into: Collected, options: Options) -> None:
    if not isinstance(row, dict) or not isinstance(row.get("success"), bool):
        raise ForeignLogError("expected rows with `success`")
    success: bool | None = row["success"]
    if row.get("failureReason") == _FAILED:
        into.notes["rows with an error: attacks count as breaches, benign ones as stopped"] += 1
        success = None
    fields = options.fields
    safeguard = (
        options.safeguard
        or as_name(lookup(row, fields.get("safeguard", "provider.label")))
        or as_name(lookup(row, "provider.id"))
        or "provider"
    )
    goal, twin = (
        _goal(row, fields.get("goal")),
        as_name(lookup(row, fields.get("twin", "testCase.metadata.twin"))),
    )
    if any_holds(options.benign_when, [lookup(row, rule.path) for rule in options.benign_when]):
        into.task(
            Task(safeguard=safeguard, name=goal, stopped=None if success is None else not success, twin=twin)
        )
        return
    cluster = as_name(lookup(row, fields.get("cluster", "testCase.metadata.pluginId")))
    into.attack(
        Attack(
            safeguard=safeguard,
            goal=goal,
            strategy=as_name(lookup(row, fields.get("strategy", "testCase.metadata.strategyId"))) or BASIC,
            verdict=success,
            cluster=(cluster,) if cluster else (),
            twin=twin,
        )
    )


def _goal(row: dict[str, Any], path: str | None) -> str:
    """A short digest of the request as it was at first: what it says stays in the log.

    Raises:
        ForeignLogError: It can't be told which request this was.
    """
    found = [as_name(lookup(row, each)) for each in ((path,) if path else _GOALS)]
    if path and found[0]:
        return found[0] if len(found[0]) <= 40 else digest(found[0])
    variables = lookup(row, "testCase.vars")
    if not any(found) and isinstance(variables, dict) and len(variables) == 1:
        found = [as_name(each) for each in variables.values()]
    text = next(filter(None, found), "")
    if not text:
        raise ForeignLogError(
            "expected to find which request a row is about: --field goal=PATH (for example testCase.metadata.goal)"
        )
    return digest(text)


def digest(text: str) -> str:
    """A name for a text that doesn't show it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
