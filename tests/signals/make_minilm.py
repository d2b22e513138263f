"""Fits `minilm-1` and writes its 385 numbers and the vectors of the texts that it is measured with.

It needs what docs/how-to/use-a-classifier.md says for the local classifier: `python tests/signals/make_minilm.py`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from make_offline import held_out_figures, threshold_at
from signals_corpus import digests, direct, neighbours, reworded, training
from signals_fit import fit, folds, held_out, sigmoid

from countermark.signals.minilm import LOCAL, Encoder, weights_folder

DATA = Path(str(files("countermark.signals") / "data"))
RIDGE = 1e-3


def main() -> None:
    """Write both files."""
    encoder = Encoder(weights_folder())
    texts = training()
    x = np.array([encoder.vector(each.text) for each in texts], np.float64)
    y = np.array([float(each.harmful) for each in texts])
    scores = sigmoid(held_out(x, y, folds(len(y)), RIDGE))
    threshold = threshold_at(scores[y == 0])
    weights, bias = fit(x, y, RIDGE)
    document = {
        "name": LOCAL,
        "threshold": threshold,
        "bias": round(bias, 4),
        "trained_on": digests(),
        "held_out": held_out_figures(scores, y, threshold),
        "weights": [round(float(each), 4) for each in weights],
    }
    (DATA / f"{LOCAL}.json").write_text(json.dumps(document) + "\n")
    vectors = np.array([encoder.vector(text) for text in (*direct(), *reworded(), *neighbours())])
    (DATA / "policy_vectors.f16").write_bytes(vectors.astype("<f2").tobytes())


if __name__ == "__main__":
    main()
