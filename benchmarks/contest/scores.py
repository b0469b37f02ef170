"""Scores of predictions, with the 95 % interval that the test rows give."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import r2_score, roc_auc_score

from goodfit.stats.intervals import share_interval

Z = float(ndtri(0.975))


def rank_by(task: str) -> str:
    """Return the score that methods are ranked by; lower is better."""
    return "rmse" if task == "regression" else "error"


def row_log_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return −log of each row's probability of its class. y [n] codes, p [n, K]."""
    p = p / p.sum(axis=1, keepdims=True)
    return -np.log(np.clip(p[np.arange(len(y)), y], 1e-15, 1.0))


def validation_scores(y: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return what candidates are compared by: (error, log loss), or the mean squared error twice."""
    if predicted.ndim == 1:
        squared = float(np.mean((y - predicted) ** 2))
        return squared, squared
    return float(np.mean(predicted.argmax(axis=1) != y)), float(row_log_losses(y, predicted).mean())


def mean_with_interval(rows: np.ndarray) -> tuple[float, float, float, float]:
    """Return the mean of the rows' losses, its interval (normal), and the losses' standard deviation."""
    mean, spread = float(rows.mean()), float(rows.std(ddof=1)) if len(rows) > 1 else 0.0
    half = Z * spread / np.sqrt(len(rows))
    return mean, mean - half, mean + half, spread


def class_scores(y: np.ndarray, labels: np.ndarray, p: np.ndarray | None) -> dict[str, Any]:
    """Return error (with Wilson's interval), log loss and, of two classes, the area under the curve."""
    error = float(np.mean(labels != y))
    scores: dict[str, Any] = {"error": error, "error_interval": list(share_interval(error, len(y)))}
    if p is None:
        return scores
    mean, low, high, spread = mean_with_interval(row_log_losses(y, p))
    scores |= {"log_loss": mean, "log_loss_interval": [low, high], "log_loss_spread": spread}
    if p.shape[1] == 2:
        scores["auc"] = float(roc_auc_score(y, p[:, 1]))
    return scores


def number_scores(y: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Return the root mean squared error with its interval, R² and the mean absolute error."""
    mean, low, high, spread = mean_with_interval((y - predicted) ** 2)
    return {
        "rmse": float(np.sqrt(mean)),
        "rmse_interval": [float(np.sqrt(max(low, 0.0))), float(np.sqrt(high))],
        "squared_error_spread": spread,
        "r2": float(r2_score(y, predicted)),
        "mae": float(np.mean(np.abs(y - predicted))),
    }
