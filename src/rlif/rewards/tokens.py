"""Token statistics -> one number a completion."""

import numpy as np
from numpy.typing import ArrayLike

from rlif.rewards.base import Scores


def token_sum(values: ArrayLike, mask: ArrayLike) -> Scores:
    """Return [G] float64 sums of values [G, T] where the mask is True; NaN for a row without such."""
    counts = np.asarray(mask, dtype=bool)
    total = np.where(counts, np.asarray(values, dtype=np.float64), 0.0).sum(axis=1)
    return np.where(counts.any(axis=1), total, np.nan)


def token_mean(values: ArrayLike, mask: ArrayLike) -> Scores:
    """Return [G] float64 means of values [G, T] where the mask is True; NaN for a row without such."""
    return token_sum(values, mask) / np.maximum(np.sum(mask, axis=1), 1)
