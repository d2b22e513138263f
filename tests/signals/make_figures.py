"""Writes the measured figures into docs/design/signals.md: `python tests/signals/make_figures.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from signals_corpus import answers, direct, neighbours, reworded, training
from signals_fit import Array, auc, sigmoid

from countermark.assay.statistics.exact import clopper_pearson, mcnemar
from countermark.demo.story import STORY, sweep
from countermark.signals.classifier import classify
from countermark.signals.minilm import LOCAL, SIZE
from countermark.signals.offline import OFFLINE, load_offline_model
from countermark.signals.refusal import Refusal, read_refusal

PAGE = Path(__file__).parents[2] / "docs" / "design" / "signals.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
DATA = files("countermark.signals") / "data"
SETS = (direct, reworded, neighbours)


def head() -> dict[str, Any]:
    """`minilm-1`'s file."""
    made: dict[str, Any] = json.loads((DATA / f"{LOCAL}.json").read_text())
    return made


def vectors() -> Array:
    """Of the texts that are measured with; shape (90, 384)."""
    data = (DATA / "policy_vectors.f16").read_bytes()
    return np.frombuffer(data, "<f2").reshape(-1, SIZE).astype(np.float64)


def offline_scores() -> tuple[Array, ...]:
    """Of direct, reworded and benign texts."""
    return tuple(np.array([classify(text).score for text in each()], np.float64) for each in SETS)


def minilm_scores() -> tuple[Array, ...]:
    """The same, from the vectors that ship."""
    document = head()
    scores = sigmoid(vectors() @ np.array(document["weights"]) + document["bias"])
    return scores[:30], scores[30:60], scores[60:]


def pairs(first: Sequence[bool], second: Sequence[bool]) -> str:
    """How many pairs are lost and gained from the first to the second, and the exact two-sided p."""
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    gained = sum(b and not a for a, b in zip(first, second, strict=True))
    return f"{lost} lost, {gained} gained, p = {mcnemar(gained, lost):.0e}"


def share(hits: int, n: int) -> str:
    """`27/30: 90.0 % (73.5-97.9)`."""
    return f"{hits}/{n}: {clopper_pearson(hits, n).percent}"


def _classifier_rows() -> Iterable[str]:
    offline = json.loads((DATA / f"{OFFLINE}.json").read_text())
    for name, document, scores in ((OFFLINE, offline, offline_scores()), (LOCAL, head(), minilm_scores())):
        open_, hidden, benign = scores
        threshold = document["threshold"]
        caught = [[bool(score >= threshold) for score in each] for each in scores]
        held = document["held_out"]
        yield (
            f"| {name} | {threshold} | {held['auc']:.3f}, {held['recall'] * 100:.1f} % at {held['false_alarms'] * 100:.1f} % | "
            f"{share(sum(caught[2]), 30)} | {share(sum(caught[0]), 30)} | {share(sum(caught[1]), 30)} | "
            f"{auc(open_, benign):.3f} / {auc(hidden, benign):.3f} | {pairs(caught[0], caught[1])} |"
        )


def _refusal_rows() -> Iterable[str]:
    for name, said in (
        ("answers", "the patterns were written with these"),
        ("answers_held_out", "held out: measured once"),
    ):
        rows = answers(name)
        told = [(row["kind"], read_refusal(row["text"])) for row in rows]

        def count(kinds: Sequence[str], found: Sequence[Refusal], told: Any = told) -> tuple[int, int]:
            those = [got for kind, got in told if kind in kinds]
            return sum(got in found for got in those), len(those)

        yield (
            f"| {said} | {len(rows)} | {share(*count(['full'], [Refusal.FULL]))} | "
            f"{share(*count(['none', 'partial'], [Refusal.NONE, Refusal.PARTIAL]))} | "
            f"{share(*count(['none'], [Refusal.NONE]))} | {share(*count(['partial'], [Refusal.PARTIAL]))} |"
        )


def figures() -> str:
    """Everything between the markers."""
    texts = training()
    harmful = sum(each.harmful for each in texts)
    model = load_offline_model()
    lengths = json.loads((DATA / f"{OFFLINE}.json").read_text())["held_out"]["by_length"]
    story = [(each.number, classify(each.text)) for each in STORY if each.text]
    flagged = [number for number, signal in story if signal.flagged]
    asked = [classify(text) for _, text in sweep()]
    lines = [
        f"Fitted to {harmful} harmful and {len(texts) - harmful} benign texts; measured on 30 pairs and 30 benign neighbours "
        "that no model was fitted to.",
        "Intervals are Clopper-Pearson, 95 %.",
        "",
        "| classifier | threshold | held out (10 folds): AUC, recall | false alarms | direct caught | reworded caught | "
        "AUC direct / reworded | direct against reworded |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *_classifier_rows(),
        "",
        f"`{OFFLINE}` on longer requests, held out, 1,000 draws each:",
        "",
        "| sentences | flagged, none harmful | flagged, one harmful |",
        "| --- | --- | --- |",
        *(f"| {n} | {benign * 100:.1f} % | {harm * 100:.1f} % |" for n, (benign, harm) in lengths.items()),
        "",
        f"The story's twelve requests (`demo/story.py`) under `{OFFLINE}`, threshold {model.threshold}:",
        "",
        "| " + " | ".join(str(number) for number, _ in story) + " | 11 (200 questions) |",
        "|" + " --- |" * (len(story) + 1),
        "| "
        + " | ".join(f"{s.score:.2f}{' **flagged**' if s.flagged else ''}" for _, s in story)
        + f" | {sum(s.flagged for s in asked)} flagged |",
        "",
        f"Flagged: {', '.join(map(str, flagged))}.",
        "",
        "Refusals, on answers of ours in 7 languages and two that the patterns don't cover:",
        "",
        "| answers | n | full refusals found | taken for no full refusal, rightly | of those without any refusal | "
        "partial ones called partial |",
        "| --- | --- | --- | --- | --- | --- |",
        *_refusal_rows(),
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its figures renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
