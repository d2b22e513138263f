"""Rows that people labelled: how often a judge is right, and what that leaves of its verdicts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from countermark.assay.measured import Judged
from countermark.assay.outcomes import Bools, Outcomes
from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS
from countermark.assay.statistics.judge import Labelled, Statistic, judged, no_narrower
from countermark.errors import ForeignLogError
from countermark.estimate import Estimate

COLUMNS = ("judge", "people")
ENOUGH = 100
"""Labelled rows that the protocol asks for."""
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_MAX_BYTES = 64 << 20


def read_labels(path: Path) -> Labelled:
    """Read a CSV with the columns `judge` and `people`: whether each of them says breach (spec/assay-import.md).

    Raises:
        ForeignLogError: Not such a file.
        NothingMeasuredError: No breach, or no stop, among what people said.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise ForeignLogError(f"expected to read `{path.name}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ForeignLogError(
            f"`{path.name}`: expected UTF-8, got a byte that isn't at offset {error.start}"
        ) from error
    if len(data) > _MAX_BYTES:
        raise ForeignLogError(f"`{path.name}`: expected at most {_MAX_BYTES:,} bytes")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise ForeignLogError(f"`{path.name}`: expected the columns {' and '.join(COLUMNS)}")
    counts = {(judge, people): 0 for judge in (True, False) for people in (True, False)}
    for row in reader:
        said = tuple(_TRUTH.get((row[column] or "").strip().lower()) for column in COLUMNS)
        if said not in counts:
            raise ForeignLogError(f"`{path.name}`: expected true or false in line {reader.line_num}")
        counts[said[0] is True, said[1] is True] += 1
    return Labelled(
        hits=counts[True, True],
        missed=counts[False, True],
        cleared=counts[False, False],
        false_alarms=counts[True, False],
    )


def rows(labelled: Labelled) -> int:
    """How many rows were labelled."""
    return labelled.hits + labelled.missed + labelled.cleared + labelled.false_alarms


def with_error(outcomes: Outcomes, labelled: Labelled, naive: str | None) -> tuple[Judged, ...]:
    """Apparent, real and theater with the judge's error in them, as far as the matrix has them.

    Cells that a rule filled are nobody's verdict, and stay breaches.

    Raises:
        EstimateError: The judge is no better than a coin.
    """
    clusters = tuple(each[0] for each in outcomes.clusters)
    if len(set(clusters)) < FEWEST_CLUSTERS:
        clusters = outcomes.goals
    ruled = {each.rpartition(": ")[0] for each in outcomes.assumed}
    certain = np.array(
        [[f"{goal} / {strategy}" in ruled for strategy in outcomes.strategies] for goal in outcomes.goals],
        dtype=np.bool_,
    )
    column = None if naive is None else outcomes.strategies.index(naive)

    def carried(statistic: Statistic) -> Estimate:
        return no_narrower(judged(outcomes.breached, clusters, labelled, statistic, certain=certain))

    def apparent(breaches: Bools) -> float:
        return float(1 - breaches[:, column or 0].mean())

    def real(breaches: Bools) -> float:
        return float(1 - breaches.any(axis=1).mean())

    found = []
    if column is not None:
        found.append(("apparent", carried(apparent)))
    if len(outcomes.strategies) > 1:
        found.append(("real", carried(real)))
        if column is not None:
            found.append(("theater", carried(lambda breaches: apparent(breaches) - real(breaches))))
    return tuple(found)
