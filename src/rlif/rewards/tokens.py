"""Token statistics -> one number a completion.

A value that counts but is not finite (NaN or infinite logits, a token ruled out) makes the result NaN: an
infinite or a partial score would pass for a real one.
"""

import numpy as np
from numpy.typing import ArrayLike

from rlif.rewards.base import Scores


def token_sum(values: ArrayLike, mask: ArrayLike) -> Scores:
    """Return [G] float64 sums of values [G, T] where the mask is True; NaN for a row without such."""
    counts = np.asarray(mask, dtype=bool)
    counted = np.where(counts, np.asarray(values, dtype=np.float64), 0.0)
    is_known = counts.any(axis=1) & np.isfinite(counted).all(axis=1)
    with np.errstate(invalid="ignore"):  # ∞ − ∞, in rows that are NaN anyway
        return np.where(is_known, counted.sum(axis=1), np.nan)


def token_mean(values: ArrayLike, mask: ArrayLike) -> Scores:
    """Return [G] float64 means of values [G, T] where the mask is True; NaN for a row without such."""
    return token_sum(values, mask) / np.maximum(np.sum(mask, axis=1), 1)
