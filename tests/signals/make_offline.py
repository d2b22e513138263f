"""Fits `offline-1` to tests/signals/texts and writes its weights: `python tests/signals/make_offline.py`."""

from __future__ import annotations

import base64
import json
import random
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from signals_corpus import digests, training
from signals_fit import Array, Folds, auc, fit, folds, held_out, sigmoid

from countermark.signals.offline import BITS, OFFLINE, features
from countermark.signals.segments import segments, words_of

FALSE_ALARMS = 0.05
LENGTHS = (1, 3, 10)
DRAWS = 1000


def matrix(texts: list[str]) -> Array:
    """Features of single sentences, each row of length 1; shape (texts, 2^BITS)."""
    made = np.zeros((len(texts), 1 << BITS))
    for row, text in enumerate(texts):
        found = sorted(features(words_of(text)))
        made[row, found] = 1 / np.sqrt(len(found))
    return made


def threshold_at(benign: Array, share: float = FALSE_ALARMS) -> float:
    """The score from which on at most this share of benign texts is flagged, rounded up to 2 places."""
    allowed = int(share * len(benign))
    over = float(np.sort(benign)[::-1][allowed])
    return float(np.floor(over * 100 + 1) / 100)


def by_length(texts: list[str], y: Array, fold_of: Folds, threshold: float) -> dict[str, list[float]]:
    """Requests of 1, 3 and 10 sentences: the share flagged where none is harmful, and where one is; all held out."""
    x = matrix(texts)
    models = {fold: fit(x[fold_of != fold], y[fold_of != fold]) for fold in range(int(fold_of.max()) + 1)}
    rng = random.Random(5)
    made = {}
    for length in LENGTHS:
        flagged = [0, 0]
        for _ in range(DRAWS):
            fold = rng.choice(sorted(models))
            weights, bias = models[fold]
            benign = [text for text, bad, f in zip(texts, y, fold_of, strict=True) if f == fold and not bad]
            harmful = [text for text, bad, f in zip(texts, y, fold_of, strict=True) if f == fold and bad]
            for harm in (0, 1):
                parts = [rng.choice(benign) for _ in range(length - harm)]
                if harm:
                    parts.insert(rng.randrange(len(parts) + 1), rng.choice(harmful))
                pieces = [sorted(features(words)) for words in segments(" ".join(parts))]
                worst = max(float(weights[piece].sum()) / len(piece) ** 0.5 + bias for piece in pieces)
                flagged[harm] += bool(1 / (1 + np.exp(-worst)) >= threshold)
        made[str(length)] = [round(count / DRAWS, 3) for count in flagged]
    return made


def held_out_figures(scores: Array, y: Array, threshold: float) -> dict[str, Any]:
    """What held-out scores come to."""
    return {
        "auc": round(auc(scores[y == 1], scores[y == 0]), 3),
        "recall": round(float((scores[y == 1] >= threshold).mean()), 3),
        "false_alarms": round(float((scores[y == 0] >= threshold).mean()), 3),
    }


def offline_file() -> bytes:
    """The file of weights."""
    texts = training()
    fold_of = folds(len(texts))
    x, y = matrix([each.text for each in texts]), np.array([float(each.harmful) for each in texts])
    scores = sigmoid(held_out(x, y, fold_of))
    threshold = threshold_at(scores[y == 0])
    weights, bias = fit(x, y)
    scale = float(f"{np.abs(weights).max() / 127:.6g}")
    rounded = np.clip(np.rint(weights / scale), -127, 127).astype(np.int64) + 128
    document = {
        "name": OFFLINE,
        "threshold": threshold,
        "scale": scale,
        "bias": round(bias, 6),
        "trained_on": digests(),
        "held_out": {
            **held_out_figures(scores, y, threshold),
            "by_length": by_length([each.text for each in texts], y, fold_of, threshold),
        },
        "weights": base64.b64encode(zlib.compress(rounded.astype(np.uint8).tobytes(), 9)).decode(),
    }
    return (json.dumps(document, indent=1) + "\n").encode()


if __name__ == "__main__":
    Path(str(files("countermark.signals") / "data" / f"{OFFLINE}.json")).write_bytes(offline_file())
