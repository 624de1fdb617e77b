"""Spearman's rank correlation with an interval: Fisher's z, its standard error by Bonett & Wright (2000)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from rlif.statistics.estimate import LEVEL, Estimate

Floats = NDArray[np.floating[Any]]


def spearman(x: Floats, y: Floats, level: float = LEVEL) -> Estimate:
    """Return the rank correlation of [N] and [N], pairs with NaN left out; NaN below four or without spread.

    For its interval a perfect one counts as half-way to the next that is possible (one pair of neighbours
    exchanged): its own Fisher's z is infinite.
    """
    method = "Spearman, Fisher's z (Bonett & Wright)"
    both = ~(np.isnan(x) | np.isnan(y))
    n = int(both.sum())
    if n < 4 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return Estimate(level=level, method=method)
    value = float(np.corrcoef(rankdata(x[both]), rankdata(y[both]))[0, 1])
    largest = 1 - 6 / (n * (n * n - 1))
    z = math.atanh(max(-largest, min(largest, value)))
    half = float(ndtri((1 + level) / 2)) * math.sqrt((1 + value * value / 2) / (n - 3))
    return Estimate(value, math.tanh(z - half), math.tanh(z + half), level, method)
