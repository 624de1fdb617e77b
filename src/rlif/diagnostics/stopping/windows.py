"""Causal windows over a signal, NaN left out: row t looks at values up to t only."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rlif.diagnostics.series import Floats, Ints

_STEEPEST = 10.0
"""Bound of the t statistic: a signal without noise does not outvote the others."""


def trailing_mean(values: Floats, width: int) -> Floats:
    """Return the mean of the last `width` rows [n]; NaN before there are that many, or without a value."""
    rows = _rows(values, width)
    known = np.isfinite(rows)
    total = np.where(known, rows, 0.0).sum(axis=1)
    mean = np.divide(total, known.sum(axis=1), out=np.full(len(values), np.nan), where=known.any(axis=1))
    mean[: width - 1] = np.nan
    return mean


def start_mean(values: Floats, width: int) -> float:
    """Return the mean of the first `width` rows; NaN while there are fewer."""
    first = values[:width]
    known = first[np.isfinite(first)]
    return float(known.mean()) if len(values) >= width and len(known) else float("nan")


def trend(values: Floats, width: int, fewest: int) -> Floats:
    """Return the t statistic of the least-squares slope over the last `width` rows, [n], within ±10.

    It is NaN below `fewest` (3 or more) values, and 0 for values that are all the same.
    """
    rows = _rows(values, width)
    known = np.isfinite(rows)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    x = np.where(known, np.arange(width), 0.0)
    y = np.where(known, rows, 0.0)
    dx = np.where(known, x - x.sum(axis=1, keepdims=True) / count, 0.0)
    dy = np.where(known, y - y.sum(axis=1, keepdims=True) / count, 0.0)
    sxx, sxy, syy = (dx * dx).sum(axis=1), (dx * dy).sum(axis=1), (dy * dy).sum(axis=1)
    count = count[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.maximum(syy - sxy**2 / sxx, 0.0)
        t = sxy / np.sqrt(residual * sxx / (count - 2))
    flat = syy <= 1e-24 * (1.0 + np.abs(y).max(axis=1)) ** 2
    t = np.where(flat, 0.0, np.clip(t, -_STEEPEST, _STEEPEST))
    return np.where(count >= max(fewest, 3), t, np.nan)


def policy_of(steps: Ints, index: Ints, window: int = 1) -> Ints:
    """Return how many updates the policy had that rows (index − window, index] speak of: their middle."""
    return np.maximum(steps[np.maximum(index - window // 2, 0)] - 1, 0)


def last_true(flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Ints:
    """Return for each row the index of the last True up to it, [n]; 0 before the first."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), 0))


def _rows(values: Floats, width: int) -> Floats:
    """Return the last `width` values before and at each row, [n, width]; NaN before the first."""
    if not len(values):
        return np.empty((0, width))
    return sliding_window_view(np.concatenate([np.full(width - 1, np.nan), values]), width)
