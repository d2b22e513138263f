"""Logistic regression with both classes of equal weight, to full convergence: the same numbers on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]
RIDGE = 1e-4
STEPS = 60


def fit(x: Array, y: Array, ridge: float = RIDGE) -> tuple[Array, float]:
    """Newton's method over the Gram matrix.

    Args:
        x: shape (texts, features); `y`: shape (texts,), 1 = harmful.

    Returns:
        Weights, shape (features,), and the bias.
    """
    n = len(y)
    gram = np.hstack([x @ x.T, np.ones((n, 1))])
    share = np.where(y == 1, 0.5 / (y == 1).sum(), 0.5 / (y == 0).sum())
    sign = 2 * y - 1
    penalty = np.zeros((n + 1, n + 1))
    penalty[:n, :n] = x @ x.T

    def loss(point: Array) -> float:
        margin = sign * (gram @ point)
        return float((share * np.logaddexp(0, -margin)).sum() + ridge / 2 * point @ penalty @ point)

    point = np.zeros(n + 1)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(gram @ point)))
        gradient = gram.T @ (share * (p - y)) + ridge * penalty @ point
        hessian = gram.T @ (gram * (share * p * (1 - p))[:, None]) + ridge * penalty
        hessian[np.diag_indices(n + 1)] += 1e-12
        step = np.linalg.solve(hessian, gradient)
        size, before = 1.0, loss(point)
        while size > 1e-6 and loss(point - size * step) > before:
            size /= 2
        point = point - size * step
        if float(np.abs(gradient).max()) < 1e-12:
            break
    return x.T @ point[:n], float(point[n])


def folds(n: int, k: int = 10, seed: int = 1) -> Folds:
    """Which fold each of `n` texts is in."""
    order = np.random.default_rng(seed).permutation(n)
    made = np.zeros(n, np.int64)
    made[order] = np.arange(n) % k
    return made


def held_out(x: Array, y: Array, fold_of: Folds, ridge: float = RIDGE) -> Array:
    """The score of each text by a model that has not seen its fold; logits."""
    scores = np.zeros(len(y))
    for fold in np.unique(fold_of):
        seen = fold_of != fold
        weights, bias = fit(x[seen], y[seen], ridge)
        scores[~seen] = x[~seen] @ weights + bias
    return scores


def auc(harmful: Array, benign: Array) -> float:
    """The chance that a harmful text scores higher than a benign one."""
    more = harmful[:, None] > benign[None]
    return float(more.mean() + 0.5 * (harmful[:, None] == benign[None]).mean())


def sigmoid(logit: Array) -> Array:
    """To 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-logit)))
