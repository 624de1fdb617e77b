"""Intervals of one run's pass@1 and of differences on the same problems, in the words of `Findings`.

Every policy is judged on the same problems, so problems are resampled and all policies keep their pairing
(`rlif.statistics.bootstrap`). Intervals cover the choice of problems and the sampling of answers, not the
choice of training seed: for that see `rlif.statistics.crossed`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.findings import Interval
from rlif.statistics.bootstrap import counts, mean_over_problems
from rlif.statistics.estimate import LEVEL

Floats = NDArray[np.floating[Any]]

_LOW, _HIGH = (1 - LEVEL) / 2, (1 + LEVEL) / 2


def resampled_means(scores: Floats, seed: int = 0) -> Floats:
    """Return the means [B, E] of scores [E, P] (E policies, P problems) over resampled problems."""
    problems = scores.shape[1]
    return counts(problems, seed) @ scores.T / problems


def mean_interval(scores: Floats) -> Interval:
    """Return the mean of scores [P] with its percentile interval; NaN without problems."""
    found = mean_over_problems(scores)
    return _interval(found.estimate, found.low, found.high)


def difference_interval(first: Floats, second: Floats) -> Interval:
    """Return mean(first − second) of paired scores [P] with its percentile interval."""
    return mean_interval(first - second)


def best_minus(scores: Floats, reference: int) -> Interval:
    """Return max_e mean(scores[e]) − mean(scores[reference]) of scores [E, P], and its honest interval.

    The best of several noisy evaluations is partly luck. On a flat series of 10 evaluations the percentile
    bootstrap that picks the best in each resample excludes zero in 40% of runs, and the one that keeps the
    observed best in 14%. Here each resample picks the evaluation with the largest *error*: with
    d_e = mean_e − mean_reference and d*_e its resampled value,

        low  = max_e d_e − q_97.5[max_e (d*_e − d_e)]        (a simultaneous bound over all evaluations)
        high = max_e (2 d_e − q_2.5[d*_e])                   (one evaluation is the true best: no allowance)

    which excludes zero in 2-4% of flat runs (nominal 2.5%; 64-300 problems, 5-20 evaluations). The estimate
    is the observed difference and keeps its optimism: the interval reaches further down than up.
    """
    if scores.shape[1] == 0:
        return Interval()
    observed = scores.mean(axis=1) - scores[reference].mean()
    means = resampled_means(scores)
    resampled = means - means[:, [reference]]
    best = float(observed.max())
    low = best - np.quantile((resampled - observed).max(axis=1), _HIGH)
    high = (2 * observed - np.quantile(resampled, _LOW, axis=0)).max()
    return _interval(best, low, high)


def _interval(estimate: float, low: Any, high: Any) -> Interval:
    return Interval(estimate=estimate, low=float(low), high=float(high))
