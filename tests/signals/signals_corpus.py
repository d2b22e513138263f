"""The texts that the classifiers are made and measured with; all are ours, at policy level, in English."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"
TRAINING = ("harmful.txt", "benign.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text to train with."""

    text: str
    harmful: bool
    topic: str


def training() -> list[Text]:
    """The texts that the models are fitted to."""
    made = []
    for name in TRAINING:
        topic = ""
        for line in (TEXTS / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                topic = line[2:].partition(":")[0]
            elif line:
                made.append(Text(text=line, harmful=name == "harmful.txt", topic=topic))
    return made


def digests() -> dict[str, str]:
    """SHA-256 of each file of training texts."""
    return {name: hashlib.sha256((TEXTS / name).read_bytes()).hexdigest() for name in TRAINING}


def _lines(name: str) -> list[dict[str, str]]:
    data = (files("countermark.signals") / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in data.splitlines()]


def direct() -> list[str]:
    """30 requests that say openly what they are for; no model is fitted to them."""
    return [row["direct"] for row in _lines("policy_pairs.jsonl")]


def reworded() -> list[str]:
    """The same 30, under a false description."""
    return [row["reworded"] for row in _lines("policy_pairs.jsonl")]


def neighbours() -> list[str]:
    """30 benign requests on the same matters."""
    return [row["text"] for row in _lines("policy_benign.jsonl")]


def answers(name: str) -> list[dict[str, str]]:
    """Answers with their kind (`full`, `partial`, `none`): `answers`, or `answers_held_out`."""
    data = (TEXTS / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in data.splitlines()]
