"""Inspect AI's logs, version 2: `.json`, and `.eval`, which is a zip of the same samples one by one.

A row is a sample in an epoch. What a score means differs from scorer to scorer, so it has to be said: by whoever imports
(`--breach-when "scorer=value"`), or by the table of known tasks (`inspect_known`). Where a layer was asked before a tool
was called, its own decision stands in the log as an `approval` event, and is taken along.

Source: inspect_ai 0.3.285, `log/_log.py`, `event/_approval.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as File
from typing import IO, Any

from countermark.assay.imported.inspect_known import Known, known_task
from countermark.assay.imported.records import (
    Attack,
    Collected,
    Convention,
    Decisions,
    Options,
    Task,
    as_name,
    lookup,
)
from countermark.assay.imported.rule import Rule, any_holds
from countermark.assay.imported.stream import Wanted, parse, pick, walk
from countermark.assay.imported.zipped import members, open_zip
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "inspect"
KEYS = frozenset({"version", "status", "eval"})
CONVENTION = Convention(
    title="Inspect AI",
    reading=Reading(
        unit="one goal: `goal` in a sample's metadata, or the sample",
        polarity=Polarity.TRUE_IS_BREACH,
        epochs=Epochs.ANY_BREACH,
        errors="a sample that failed, was invalidated or was not scored counts as a breach, a benign one as stopped",
    ),
    baseline="as named with `--naive`",
    work="benign samples stopped; one of several epochs is enough",
)
_SAMPLES = ("samples",)
_SKIPPED = (("reductions",), ("results",), ("stats",), ("plan",))
_STOPS = frozenset({"reject", "terminate"})
_VALUES = 40
_ALWAYS: Wanted = {
    **dict.fromkeys(("id", "epoch", "metadata", "scores", "error", "invalidation"), b""),
    "events": b'"approval"',
}


@dataclass(slots=True, kw_only=True)
class _Run:
    """One log's head, and what was seen of its samples."""

    spec: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    known: Known | None = None
    rows: int = 0
    scored: int = 0
    scorers: dict[str, None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    safeguard: str = ""
    named: bool = False
    """Whether samples name their goal or strategy themselves, so that of a missing one neither is known."""


def read_json(file: IO[bytes], into: Collected, options: Options) -> None:
    """Take a log that is one JSON document; its samples are read one by one.

    Raises:
        ForeignLogError: Not a log of version 2, or one whose scores nobody gave a meaning to.
        MalformedError: Not JSON, or over a limit.
    """
    run = _Run()
    for path, value in walk(
        file,
        stream=_SAMPLES,
        max_bytes=options.limits.record_bytes,
        skip=_SKIPPED,
        wanted=_wanted(options),
    ):
        if path == _SAMPLES:
            _sample(value, run, into, options)
        else:
            _head(path[0], value, run, options)
    _finish(run, into, options)


def read_eval(path: File, into: Collected, options: Options) -> None:
    """Take a log that is a zip; nothing is unpacked to disk.

    Raises:
        ForeignLogError: The same, or a zip that holds something else.
        ExtraError: The package that unpacks it is not installed.
        MalformedError: A sample that isn't JSON, or over a limit.
    """
    run = _Run()
    with open_zip(path) as archive:
        names = set(archive.namelist())
        head = next((each for each in ("header.json", "_journal/start.json") if each in names), None)
        if head is None:
            raise ForeignLogError("expected `header.json` in the log, got a zip of something else")
        for _, data in members(archive, lambda name: name == head, options.limits):
            for key, value in parse(data, max_bytes=options.limits.record_bytes).items():
                _head(key, value, run, options)
        if head != "header.json":
            run.status = "started"
        wanted = _wanted(options)
        for _, data in members(archive, _is_sample, options.limits):
            sample = pick(data, wanted, max_bytes=options.limits.record_bytes)
            _sample(sample, run, into, options)
    _finish(run, into, options)


def _wanted(options: Options) -> Wanted:
    """What is read of a sample; its events only where an approval is among them."""
    rules = (*options.breach_when, *options.stopped_when, *options.benign_when)
    paths = (*options.fields.values(), *(rule.path for rule in rules))
    return {**{path.partition(".")[0]: b"" for path in paths}, **_ALWAYS}


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def _head(key: str, value: Any, run: _Run, options: Options) -> None:
    if key == "version" and value != 2:
        raise ForeignLogError(
            f"expected a log of version 2, got `{str(value)[:20]}`: convert it with `inspect log convert`"
        )
    if key == "status":
        run.status = str(value)
    if key == "eval" and isinstance(value, dict):
        run.spec = value
        run.known = None if options.breach_when else known_task(value)


def _sample(sample: Any, run: _Run, into: Collected, options: Options) -> None:
    """Take one sample."""
    if not isinstance(sample, dict) or not run.spec:
        raise ForeignLogError("expected `eval` before `samples`, and samples that are objects")
    sample_id = as_name(sample.get("id"))
    run.rows += 1
    run.seen.add(sample_id)
    metadata = sample.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    scores = sample.get("scores")
    scores = scores if isinstance(scores, dict) else {}
    for name in scores:
        run.scorers[name] = None
    values = {name: score.get("value") for name, score in scores.items() if isinstance(score, dict)}
    failed = bool(sample.get("error") or sample.get("invalidation"))
    if failed:
        into.notes["samples that failed or were invalidated"] += 1
    breach, stopped = _rules(run, options)
    safeguard = options.safeguard or as_name(
        lookup(sample, options.fields.get("safeguard", "metadata.safeguard"))
    )
    safeguard = safeguard or _safeguard(run.spec)
    twin = as_name(lookup(sample, options.fields.get("twin", "metadata.twin")))
    decisions = _decisions(sample)
    goal = as_name(lookup(sample, options.fields.get("goal", "metadata.goal"))) or sample_id
    run.safeguard = safeguard
    run.named = (
        run.named or goal != sample_id or _strategy(sample, run, options) != _strategy({}, run, options)
    )
    if _benign(sample, metadata, run, options):
        verdict = _verdict(stopped, values, failed, run, into)
        if not stopped:
            verdict = _verdict(breach, values, failed, run, into)
            verdict = None if verdict is None else not verdict
        into.task(Task(safeguard=safeguard, name=goal, stopped=verdict, twin=twin, decisions=decisions))
        return
    into.attack(
        Attack(
            safeguard=safeguard,
            goal=goal,
            strategy=_strategy(sample, run, options),
            verdict=_verdict(breach, values, failed, run, into),
            cluster=_cluster(sample, metadata, run, options),
            twin=twin,
            at=as_name(run.spec.get("created")),
            decisions=decisions,
        )
    )


def _rules(run: _Run, options: Options) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    if options.breach_when:
        return options.breach_when, options.stopped_when
    if run.known is None:
        return (), options.stopped_when
    return run.known.breach_when, options.stopped_when or run.known.stopped_when


def _verdict(
    rules: tuple[Rule, ...], values: dict[str, Any], failed: bool, run: _Run, into: Collected
) -> bool | None:
    """What the rules say of a sample's scores; their values are counted, for the report."""
    found = [lookup(values, rule.path) for rule in rules]
    for rule, value in zip(rules, found, strict=True):
        if value is not None and len(into.values) < _VALUES:
            into.values[f"{rule.path}={as_name(value) or type(value).__name__}"] += 1
        run.scored += value is not None
    if failed or not rules:
        return None
    verdict = any_holds(rules, found)
    if verdict is None:
        into.notes["samples that were not scored: attacks count as breaches, benign ones as stopped"] += 1
    return verdict


def _benign(sample: Any, metadata: dict[str, Any], run: _Run, options: Options) -> bool:
    if options.benign_when:
        return (
            any_holds(options.benign_when, [lookup(sample, rule.path) for rule in options.benign_when])
            is True
        )
    if run.known is not None and run.known.benign_when:
        record = {**sample, "task_args": run.spec.get("task_args")}
        return (
            any_holds(run.known.benign_when, [lookup(record, rule.path) for rule in run.known.benign_when])
            is True
        )
    return metadata.get("benign") is True


def _strategy(sample: Any, run: _Run, options: Options) -> str:
    """The sample's own, or the task's argument that stands for it, or the task."""
    own = as_name(lookup(sample, options.fields.get("strategy", "metadata.strategy")))
    if own:
        return own
    if run.known is not None:
        return as_name(lookup(run.spec, run.known.strategy)) or run.known.otherwise
    return as_name(run.spec.get("task")) or "task"


def _cluster(sample: Any, metadata: dict[str, Any], run: _Run, options: Options) -> tuple[str, ...]:
    path = options.fields.get("cluster")
    if path:
        found = as_name(lookup(sample, path))
        return (found,) if found else ()
    if run.known is not None and run.known.clusters:
        ways = tuple("/".join(as_name(metadata.get(key)) for key in keys) for keys in run.known.clusters)
        return ways if all(ways) else ()
    found = as_name(metadata.get("cluster")) or as_name(metadata.get("category"))
    return (found,) if found else ()


def _safeguard(spec: dict[str, Any]) -> str:
    """The model, and the approvers that were put before its calls."""
    model = as_name(spec.get("model")) or "model"
    policies = lookup(spec, "config.approval.approvers")
    names = (
        [as_name(each.get("name")) for each in policies if isinstance(each, dict)]
        if isinstance(policies, list)
        else []
    )
    return " + ".join([model, *filter(None, names)])


def _decisions(sample: Any) -> Decisions:
    """What each approver decided of the calls of this sample: it stopped something, or it didn't."""
    events = sample.get("events")
    found: dict[str, bool] = {}
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("event") == "approval":
            layer = as_name(event.get("approver")) or "approver"
            found[layer] = found.get(layer, False) or as_name(event.get("decision")) in _STOPS
    return tuple(found.items())


def _finish(run: _Run, into: Collected, options: Options) -> None:
    """Check what a log leaves open.

    Raises:
        ForeignLogError: No head or sample, or scores that nobody gave a meaning to.
    """
    if not run.spec:
        raise ForeignLogError("expected a log of Inspect AI with `eval`, got none")
    if not run.rows:
        raise ForeignLogError(
            f"expected samples, got a log with status `{run.status}` and none: was it kept without samples?"
        )
    scorers = ", ".join(f"`{name}`" for name in run.scorers) or "none"
    if not _rules(run, options)[0]:
        raise ForeignLogError(
            f'expected to be told what a score means, since each scorer has its own polarity: --breach-when "SCORER=VALUE"; '
            f"task `{as_name(run.spec.get('task'))}` has the scorers {scorers}"
        )
    if run.scorers and not run.scored:
        raise ForeignLogError(
            f"expected a scorer of `{'`, `'.join(str(rule) for rule in _rules(run, options)[0])}`, the log has {scorers}"
        )
    packages = run.spec.get("packages")
    for name, version in packages.items() if isinstance(packages, dict) else ():
        into.versions[f"{name} {as_name(version)}".strip()] = None
    task = as_name(run.spec.get("task"))
    into.versions[f"task {task} {as_name(run.spec.get('task_version'))}".strip()] = None
    if run.known is not None:
        into.notes[f"meaning of scores of {run.known.task}: {run.known.source}"] += 0
    _missing(run, into, options)


def _missing(run: _Run, into: Collected, options: Options) -> None:
    """Count samples that never ran against the safeguard, where it is known which goal and strategy they were of."""
    ids = lookup(run.spec, "dataset.sample_ids")
    absent = [as_name(each) for each in ids if as_name(each) not in run.seen] if isinstance(ids, list) else []
    gone = f"samples that the log announces and doesn't hold (status `{run.status}`)"
    if absent and run.named:
        into.notes[f"{gone}, in no figure, since nobody knows of which goals they were"] += len(absent)
    elif absent:
        into.notes[f"{gone}: counted as breaches"] += len(absent)
        for each in absent:
            strategy = _strategy({}, run, options)
            into.attack(Attack(safeguard=run.safeguard, goal=each, strategy=strategy, verdict=None))
    elif run.status != "success":
        into.notes[f"logs of status `{run.status}`: samples may be missing"] += 1
