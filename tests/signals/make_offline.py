"""Fits `offline-1` to tests/signals/texts and writes its weights: `python tests/signals/make_offline.py`."""

from __future__ import annotations

import base64
import json
import zlib
from importlib.resources import files
from pathlib import Path

import numpy as np
from signals_corpus import digests, training
from signals_fit import Array, fit, folds, held_out, sigmoid

from countermark.signals.offline import BITS, OFFLINE, features
from countermark.signals.segments import words_of

FALSE_ALARMS = 0.05


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


def offline_file() -> bytes:
    """The file of weights."""
    texts = training()
    x, y = matrix([each.text for each in texts]), np.array([float(each.harmful) for each in texts])
    scores = sigmoid(held_out(x, y, folds(len(y))))
    weights, bias = fit(x, y)
    scale = float(f"{np.abs(weights).max() / 127:.6g}")
    rounded = np.clip(np.rint(weights / scale), -127, 127).astype(np.int64) + 128
    document = {
        "name": OFFLINE,
        "threshold": threshold_at(scores[y == 0]),
        "scale": scale,
        "bias": round(bias, 6),
        "trained_on": digests(),
        "weights": base64.b64encode(zlib.compress(rounded.astype(np.uint8).tobytes(), 9)).decode(),
    }
    return (json.dumps(document, indent=1) + "\n").encode()


if __name__ == "__main__":
    Path(str(files("countermark.signals") / "data" / f"{OFFLINE}.json")).write_bytes(offline_file())
