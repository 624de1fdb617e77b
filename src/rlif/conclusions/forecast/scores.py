"""How good are probabilities? Scores of N forecasts p in (0, 1) of events y, 0 or 1.

    Brier 1950             B = mean (p − y)²                    0 is best; always 1/2 gives 0.25
    Brier skill            1 − B / B_base                       share of the base rate's error that is gone
    log loss               −mean (y log p + (1 − y) log(1 − p))
    AUROC                  P(p of one that fell > p of one that did not) + ½ P(equal): order, not calibration
    Harrell's C (1982)     the same of pairs of runs of which one is seen to fall sooner: order in time
    calibration            mean p beside the share that fell, with Wilson's interval (1927)

Runs of one reward fare alike, so the interval of the skill draws rewards with all their runs (percentile
bootstrap, forecasts held fixed). Wilson's takes runs for independent and is too narrow.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from rlif.statistics.bootstrap import counts
from rlif.statistics.estimate import LEVEL, Estimate

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

EDGES = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Of the groups of forecasts whose calibration is shown."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A group of forecasts: what they said on average, and how often it happened.

    Attributes:
        group: in words. runs: how many. predicted: mean p. observed: share that fell, Wilson's interval.
    """

    group: str
    runs: int
    predicted: float
    observed: Estimate


def brier(p: Floats, y: Bools) -> float:
    """Return the Brier score of [N] forecasts; NaN for none."""
    return float(((p - y) ** 2).mean()) if len(p) else math.nan


def brier_skill(p: Floats, base: Floats, y: Bools, clusters: NDArray[Any], level: float = LEVEL) -> Estimate:
    """Return 1 − B / B_base with an interval for new clusters.

    Args:
        p: forecasts judged, [N].
        base: those of the reference, [N].
        y: what happened, [N].
        clusters: runs of equal value are drawn together, [N].
        level: of the interval; NaN below two clusters.

    Returns:
        NaN where all or none of the runs fell: there is nothing to tell apart.
    """
    method = "percentile bootstrap over rewards"
    if not y.any() or y.all():
        return Estimate(level=level, method=method)
    names, member = np.unique(clusters, return_inverse=True)
    errors, reference = (np.bincount(member, (q - y) ** 2) for q in (p, base))
    skill = 1 - float(errors.sum() / reference.sum())
    if len(names) < 2:
        return Estimate(skill, level=level, method=method)
    drawn = counts(len(names))
    resampled = 1 - (drawn @ errors) / (drawn @ reference)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(skill, float(low), float(high), level, method)


def log_loss(p: Floats, y: Bools) -> float:
    """Return the mean of −log of the probability given to what happened, in nats; NaN for none."""
    if not len(p):
        return math.nan
    tiny = np.finfo(float).tiny
    return float(-np.log(np.maximum(np.where(y, p, 1 - p), tiny)).mean())


def concordance(hazard: Floats, last: NDArray[Any], y: Bools, strata: NDArray[Any] | None = None) -> float:
    """Return how often, of two runs of which one fell sooner, that one had the higher hazard; ties count ½.

    A pair counts when one fell at a step up to which the other was watched without falling. NaN without any.

    Args:
        hazard: forecast, [N].
        last: step at which a run fell, or to which it was watched, [N].
        y: whether it fell, [N].
        strata: runs of unequal strata are never compared, [N]; None: all are.
    """
    sooner = y[:, None] & ((last[:, None] < last) | ((last[:, None] == last) & ~y))
    if strata is not None:
        sooner &= strata[:, None] == strata
    if not sooner.any():
        return math.nan
    above, below = hazard[:, None] > hazard, hazard[:, None] < hazard
    return float((1 + above[sooner].mean() - below[sooner].mean()) / 2)


def reliability(p: Floats, y: Bools) -> list[Calibration]:
    """Return the calibration of the forecasts between neighbouring `EDGES`; empty groups are left out."""
    group = np.searchsorted(EDGES[1:-1], p, side="right")
    return [
        calibration(f"{100 * low:g} to {100 * high:g}%", p[group == i], y[group == i])
        for i, (low, high) in enumerate(itertools.pairwise(EDGES))
        if (group == i).any()
    ]


def calibration(group: str, p: Floats, y: Bools) -> Calibration:
    """Return the calibration of N >= 1 forecasts."""
    share = binomtest(int(y.sum()), len(y)).proportion_ci(LEVEL, method="wilson")
    observed = Estimate(float(y.mean()), float(share.low), float(share.high), LEVEL, "Wilson")
    return Calibration(group, len(y), float(p.mean()), observed)
