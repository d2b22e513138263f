"""JailbreakBench artifacts: `attack-artifacts/<method>/<attack type>/<model>.json`, 100 goals in each.

There is no arm of direct requests. Where `--naive` names none of the methods (a fixed template, say), apparent protection
was not measured. Where an attack submitted no prompt for a goal, nothing was sent, and the benchmark counts it as stopped.

Source: JailbreakBench/artifacts @ 909e68c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from countermark.assay.imported.records import Attack, Collected, Convention, Options
from countermark.assay.imported.stream import walk
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "jailbreakbench"
KEYS = frozenset({"parameters", "jailbreaks"})
JUDGE = "jailbroken"
CONVENTION = Convention(
    title="JailbreakBench: refusals",
    reading=Reading(
        unit="one harmful request",
        polarity=Polarity.TRUE_IS_BREACH,
        epochs=Epochs.ONE_ROW,
        errors="a row that the judge never saw counts as a breach; where an attack submitted nothing, nothing was sent, which "
        "counts as stopped",
    ),
    baseline="as named with `--naive`; the benchmark has no arm of direct requests",
)


def read(file: IO[bytes], into: Collected, options: Options) -> None:
    """Take one artifact: one method against one model.

    Raises:
        ForeignLogError: Not an artifact, or a judge that isn't in it.
        MalformedError: Not JSON, or over a limit.
    """
    parameters: dict[str, Any] = {}
    judge = options.detector or JUDGE
    for row in _rows(file, options, parameters):
        method, model = parameters.get("method"), parameters.get("model")
        if not isinstance(method, str) or not isinstance(model, str):
            raise ForeignLogError("expected `parameters` with `method` and `model` before `jailbreaks`")
        if not isinstance(row, dict) or not isinstance(row.get("index"), int):
            raise ForeignLogError("expected a row with an `index` in `jailbreaks`")
        category = row.get("category")
        defence = parameters.get("defense")
        into.attack(
            Attack(
                safeguard=options.safeguard or (f"{model} + {defence}" if defence else f"{model}, refusal"),
                goal=f"{row['index']}",
                strategy=method,
                verdict=_verdict(row, judge, into),
                cluster=(category,) if isinstance(category, str) else (),
                at=str(parameters.get("evaluation_date") or ""),
            )
        )


def _rows(file: IO[bytes], options: Options, parameters: dict[str, Any]) -> Iterator[Any]:
    for path, value in walk(file, stream=("jailbreaks",), max_bytes=options.limits.record_bytes):
        if path == ("parameters",) and isinstance(value, dict):
            parameters.update(value)
        elif path == ("jailbreaks",):
            yield value


def _verdict(row: dict[str, Any], judge: str, into: Collected) -> bool | None:
    if row.get("prompt") is None:
        into.notes["attacks that submitted nothing: counted as stopped"] += 1
        return False
    if judge not in row:
        into.notes[f"rows that the judge `{judge}` never saw: counted as breaches"] += 1
        return None
    verdict = row[judge]
    if verdict is not None and not isinstance(verdict, bool):
        raise ForeignLogError(f"expected true or false under `{judge}`, got `{str(verdict)[:40]}`")
    return verdict
