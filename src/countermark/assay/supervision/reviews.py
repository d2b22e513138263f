"""Recorded reviews, read from CSV or JSON lines (spec/assay-review.md)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from countermark.errors import MalformedError, NothingMeasuredError, ReviewError
from countermark.strictjson import parse_object

MAX_BYTES = 256 << 20
NEEDED = ("case", "reviewer", "seeded_bad", "verdict")
OPTIONAL = ("seconds", "prevalence", "minute", "strategy", "visible_in")
VISIBLE_IN = ("content", "context", "neither")
_VERDICTS: Mapping[str, bool | None] = {"stop": True, "pass": False, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One case, as one reviewer judged it.

    Attributes:
        seeded_bad: Whether it is misuse that was planted, so that it is known to be.
        stopped: None where no verdict was given in time.
        seconds: From seeing the case to the verdict.
        prevalence: Share of cases that were misuse while this one was judged, as far as it was set.
        minute: Of the shift, when the case was seen.
        strategy: How a planted case was disguised.
        visible_in: Where its being misuse shows.
    """

    case: str
    reviewer: str
    seeded_bad: bool
    stopped: bool | None
    seconds: float | None = None
    prevalence: float | None = None
    minute: float | None = None
    strategy: str = ""
    visible_in: str = ""


def parse_reviews(data: bytes) -> tuple[Review, ...]:
    """Read reviews, CSV with a header or one JSON object per line; which of the two shows in the first character.

    Raises:
        ReviewError: Not this format; the message names the line.
        NothingMeasuredError: No review.
    """
    if len(data) > MAX_BYTES:
        raise ReviewError(f"expected at most {MAX_BYTES:,} bytes of reviews, got {len(data):,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReviewError(f"expected reviews in UTF-8: {error}") from error
    found: dict[tuple[str, str], Review] = {}
    truth: dict[str, bool] = {}
    for line, row in _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text):
        review = _review(line, row)
        key = (review.case, review.reviewer)
        if key in found:
            raise ReviewError(
                f"line {line}: expected one review of case `{review.case:.60}` by `{review.reviewer:.60}`, got two"
            )
        if truth.setdefault(review.case, review.seeded_bad) is not review.seeded_bad:
            raise ReviewError(f"line {line}: expected case `{review.case:.60}` to be seeded or not, got both")
        found[key] = review
    if not found:
        raise NothingMeasuredError("expected reviews, got none: nothing measured is an error, not 0")
    return tuple(found.values())


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_names(1, header)
        if len(set(header)) != len(header):
            raise ReviewError("line 1: expected each column once")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ReviewError(f"line {reader.line_num}: expected {len(header)} fields, got {len(row)}")
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise ReviewError(f"line {reader.line_num}: expected CSV: {error}") from error


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, each in enumerate(text.split("\n"), 1):
        if not each.strip():
            continue
        try:
            row = parse_object(each.encode())
        except MalformedError as error:
            raise ReviewError(f"line {line}: expected one JSON object: {error}") from error
        _check_names(line, list(row))
        yield line, row


def _check_names(line: int, names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    odd = [name for name in names if name not in NEEDED + OPTIONAL]
    if missing or odd:
        what = f"`{missing[0]}` is missing" if missing else f"got `{odd[0]:.60}`"
        raise ReviewError(
            f"line {line}: expected {', '.join(NEEDED)}, and where known {', '.join(OPTIONAL)}; {what}"
        )


def _review(line: int, row: Mapping[str, Any]) -> Review:
    for name in ("case", "reviewer"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ReviewError(f"line {line}: expected `{name}` as text, got `{row[name]!s:.60}`")
    verdict = "" if row["verdict"] is None else row["verdict"]
    if not isinstance(verdict, str) or verdict not in _VERDICTS:
        raise ReviewError(f"line {line}: expected a verdict `stop`, `pass` or none, got `{verdict!s:.60}`")
    visible_in, strategy = (_text(line, row, name) for name in ("visible_in", "strategy"))
    if visible_in and visible_in not in VISIBLE_IN:
        raise ReviewError(f"line {line}: expected visible_in {', '.join(VISIBLE_IN)}, got `{visible_in:.60}`")
    return Review(
        case=row["case"],
        reviewer=row["reviewer"],
        seeded_bad=_truth(line, row["seeded_bad"]),
        stopped=_VERDICTS[verdict],
        seconds=_number(line, row, "seconds", math.inf),
        prevalence=_number(line, row, "prevalence", 1),
        minute=_number(line, row, "minute", math.inf),
        strategy=strategy,
        visible_in=visible_in,
    )


def _text(line: int, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ReviewError(f"line {line}: expected `{name}` as text, got `{value!s:.60}`")
    return value


def _truth(line: int, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ReviewError(f"line {line}: expected seeded_bad `true` or `false`, got `{value!s:.60}`")


def _number(line: int, row: Mapping[str, Any], name: str, most: float) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = (
            float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        )
    except ValueError:
        number = None
    if number is None or not math.isfinite(number) or not 0 <= number <= most:
        ends = "from 0 to 1" if most == 1 else "of 0 or more"
        raise ReviewError(f"line {line}: expected `{name}` as a number {ends}, got `{value!s:.60}`")
    return number
