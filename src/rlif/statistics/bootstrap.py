"""Percentile bootstrap over problems, or over seeds and problems at once (Efron & Tibshirani 1993).

Both levels are resampled independently and their weights multiplied (the "pigeonhole" bootstrap of crossed
data: Owen 2007, Annals of Applied Statistics 1:386):

    x̄* = Σ_s Σ_p u_s w_p x_sp / (S P),     u ~ Multinomial(S, 1/S), w ~ Multinomial(P, 1/P)

Right for many problems, and for any statistic of the resampled means. With 3-5 seeds it is too narrow where
seeds decide (it knows neither the (S − 1)/S nor the t of a small sample) and too wide where single answers do
(their noise is resampled on both levels): means and differences over seeds belong to
`rlif.statistics.crossed`. Seeded: the same scores give the same interval.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.statistics.estimate import LEVEL, Estimate

Floats = NDArray[np.floating[Any]]

RESAMPLES = 2000


def mean_over_problems(values: Floats, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return the mean of values [P] with an interval for new problems; for one policy, or one difference."""
    means = counts(len(values), seed) @ values / max(len(values), 1)
    return _percentile(values, means, level, "bootstrap over problems")


def mean(scores: Floats, level: float = LEVEL, seed: int = 0) -> Estimate:
    """Return the mean of scores [S, P] with an interval for new seeds and new problems."""
    means = _resampled(scores, counts(scores.shape[1], seed), seed + 1)
    return _percentile(scores, means, level, "bootstrap over seeds and problems")


def difference(
    first: Floats, second: Floats, *, paired_seeds: bool = False, level: float = LEVEL, seed: int = 0
) -> Estimate:
    """Return mean(first) − mean(second) of [S1, P] and [S2, P]; arguments as `crossed.difference`."""
    if paired_seeds:
        return mean(first - second, level, seed)
    problems = counts(first.shape[1], seed)
    means = _resampled(first, problems, seed + 1) - _resampled(second, problems, seed + 2)
    gap = first.mean(axis=0) - second.mean(axis=0)
    return _percentile(gap, means, level, "bootstrap over seeds (not paired) and problems")


@lru_cache(maxsize=16)
def counts(units: int, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """Return how often each unit is drawn in each resample, [B, units]; rows sum to `units`. Read-only."""
    if units == 0:
        return np.zeros((resamples, 0))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples).astype(float)
    drawn.flags.writeable = False
    return drawn


def _resampled(scores: Floats, problems: Floats, seed: int) -> Floats:
    """Return resampled means [B] of scores [S, P] for the counts of problems [B, P]."""
    return (counts(len(scores), seed) * (problems @ scores.T)).sum(axis=1) / scores.size


def _percentile(values: Floats, means: Floats, level: float, method: str) -> Estimate:
    if values.size == 0 or not np.isfinite(values).all():
        return Estimate(level=level, method=method)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(values.mean()), float(low), float(high), level, method)
