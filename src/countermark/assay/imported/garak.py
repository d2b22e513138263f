"""garak's reports: `*.report.jsonl`, of which the rows `attempt` with status 2 are read.

A detector's score is 1 for a hit, which is a breach, and None where it didn't judge; from `run.eval_threshold` on (0.5
unless the report says otherwise) it is a hit. Where several detectors looked, one hit is enough, unless `--detector` names
the one that counts. Each prompt has several outputs: the attacker may try again. Where attempts have an `intent`, that is
the goal, and the probe is the strategy; without, each probe has its own goal, and its prompts are one strategy.

Source: garak 0.17.1, `attempt.py`, `evaluators/base.py`, `command.py`; NVIDIA/garak @ cafbe99.
"""

from __future__ import annotations

from typing import IO, Any

from countermark.assay.imported.records import Attack, Collected, Convention, Options, as_name, lookup
from countermark.assay.imported.stream import lines
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "garak"
KEYS = frozenset({"entry_type"})
PROMPTS = "the probe's prompts"
CONVENTION = Convention(
    title="garak",
    reading=Reading(
        unit="one intent, or one goal of a probe where attempts have none",
        polarity=Polarity.TRUE_IS_BREACH,
        epochs=Epochs.ANY_BREACH,
        errors="an attempt that no detector judged counts as a breach",
    ),
    baseline="as named with `--naive`, or the only strategy that there is",
)
_DONE = 2
_THRESHOLD = 0.5


def read(file: IO[bytes], into: Collected, options: Options) -> None:
    """Take one report.

    Raises:
        ForeignLogError: A row that isn't garak's, or a detector that isn't in it.
        MalformedError: A line that isn't JSON, or over a limit.
    """
    threshold, target, at, rows = _THRESHOLD, "", "", 0
    for number, entry in lines(file, max_bytes=options.limits.record_bytes):
        if not isinstance(entry, dict) or "entry_type" not in entry:
            raise ForeignLogError(f"expected `entry_type` in line {number}")
        kind = entry["entry_type"]
        if kind == "start_run setup":
            threshold = _number(entry.get("run.eval_threshold"), threshold)
            target = as_name(entry.get("plugins.target_name") or entry.get("plugins.model_name"))
        elif kind == "init":
            into.versions[f"garak {as_name(entry.get('garak_version'))}"] = None
            at = as_name(entry.get("start_time"))
        elif kind == "attempt" and entry.get("status") == _DONE:
            rows += 1
            _attempt(entry, into, options, threshold=threshold, target=target, at=at)
    if not rows:
        raise ForeignLogError("expected attempts with status 2 (judged), got none: was the run broken off?")


def _attempt(
    entry: dict[str, Any], into: Collected, options: Options, *, threshold: float, target: str, at: str
) -> None:
    fields = options.fields
    probe = as_name(entry.get("probe_classname")) or "probe"
    intent = as_name(entry.get("intent"))
    goal = (
        as_name(lookup(entry, fields["goal"])) if "goal" in fields else intent or as_name(entry.get("goal"))
    )
    strategy = (
        as_name(lookup(entry, fields["strategy"])) if "strategy" in fields else probe if intent else PROMPTS
    )
    cluster = as_name(lookup(entry, fields["cluster"])) if "cluster" in fields else probe.partition(".")[0]
    into.attack(
        Attack(
            safeguard=options.safeguard
            or as_name(lookup(entry, fields.get("safeguard", "")))
            or target
            or "target",
            goal=goal or probe,
            strategy=strategy or PROMPTS,
            verdict=_verdict(entry.get("detector_results"), into, options, threshold),
            # an intent may be tried by several families of probes: then the family isn't what it is related by
            cluster=() if intent and "cluster" not in fields else (cluster,),
            at=at,
        )
    )


def _verdict(results: Any, into: Collected, options: Options, threshold: float) -> bool | None:
    if not isinstance(results, dict):
        raise ForeignLogError("expected `detector_results` in an attempt")
    if options.detector and options.detector not in results:
        raise ForeignLogError(
            f"expected the detector `{options.detector}`, got {', '.join(results) or 'none'}"
        )
    chosen = [results[options.detector]] if options.detector else list(results.values())
    scores = [score for each in chosen if isinstance(each, list) for score in each]
    judged = [score for score in scores if isinstance(score, int | float)]
    if any(score >= threshold for score in judged):
        return True
    if len(judged) < len(scores) or not scores:
        into.notes["attempts of which a detector judged not every output: counted as breaches"] += 1
        return None
    return False


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
