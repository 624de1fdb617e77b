"""Does collapse come sooner along an axis (temperature, rollouts, train size)? The log-rank test for trend.

The score test of Cox's model λ(t | x) = λ_0(t) exp(βx) at β = 0 (Cox 1972; Tarone 1975 for ordered groups):

    U = Σ_i (Σ_{collapsed at t_i} x − d_i x̄_i)
    V = Σ_i d_i (n_i − d_i) / (n_i − 1) · s_i²         x̄_i, s_i²: mean and variance of x among the n_i at risk

For two groups (x = 0, 1) U²/V is the log-rank statistic. Strata (rewards, say) add their U and V: runs are
compared within a stratum only. β is estimated by one step, U/V (Peto): good near 0, too small far from it.
The p-value permutes x within strata, since a handful of runs is far from the normal limit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rlif.statistics.estimate import LEVEL, Estimate
from rlif.statistics.survival import Bools, Floats

PERMUTATIONS = 2000


def hazard_trend(
    steps: Floats, collapsed: Bools, x: Floats, strata: NDArray[Any] | None = None, level: float = LEVEL
) -> Estimate:
    """Return β, the log of the ratio of hazards for one more unit of x; above 0: a larger x collapses sooner.

    Args:
        steps: at which each run collapsed, or to which it was watched, [N].
        collapsed: whether it did, [N].
        x: the covariate, [N]; log2 of a size makes exp(β) the ratio for each doubling.
        strata: runs of unequal strata are never compared, [N]; None: all are.
        level: of the interval U/V ± z / √V.

    Returns:
        NaN when no run collapsed while runs of another x were at risk.
    """
    score, information = _score(steps, collapsed, x[None], _strata(x, strata))
    method = "one-step Cox regression"
    if not information[0] > 0:
        return Estimate(level=level, method=method)
    error = 1 / float(np.sqrt(information[0]))
    beta = float(score[0] / information[0])
    half = float(ndtri((1 + level) / 2)) * error
    return Estimate(beta, beta - half, beta + half, level, method, error, np.inf)


def trend_p_value(
    steps: Floats, collapsed: Bools, x: Floats, strata: NDArray[Any] | None = None, seed: int = 0
) -> float:
    """Return the two-sided permutation p-value of "x makes no difference"; arguments as `hazard_trend`.

    (1 + number of permutations with |U| at least the observed) / (1 + permutations): never 0, and valid for
    any number of runs when runs were given their x at random. NaN where `hazard_trend` is.
    """
    groups = _strata(x, strata)
    observed, information = _score(steps, collapsed, x[None], groups)
    if not information[0] > 0:
        return np.nan
    rng = np.random.default_rng(seed)
    shuffled = np.tile(x, (PERMUTATIONS, 1))
    for members in groups:
        shuffled[:, members] = rng.permuted(shuffled[:, members], axis=1)
    scores, _ = _score(steps, collapsed, shuffled, groups)
    tolerance = 1e-9 * max(1.0, abs(float(observed[0])))
    return float((1 + (np.abs(scores) >= abs(observed[0]) - tolerance).sum()) / (1 + PERMUTATIONS))


def _strata(x: Floats, strata: NDArray[Any] | None) -> list[NDArray[np.intp]]:
    if strata is None:
        return [np.arange(len(x))]
    return [np.flatnonzero(strata == value) for value in np.unique(strata)]


def _score(
    steps: Floats, collapsed: Bools, x: Floats, strata: list[NDArray[np.intp]]
) -> tuple[Floats, Floats]:
    """Return U and V [B] for covariates [B, N]."""
    u, v = np.zeros(len(x)), np.zeros(len(x))
    for members in strata:
        t, event, values = steps[members], collapsed[members], x[:, members]
        for time in np.unique(t[event]):
            at_risk, now = values[:, t >= time], values[:, event & (t == time)]
            n, d = at_risk.shape[1], now.shape[1]
            u += now.sum(axis=1) - d * at_risk.mean(axis=1)
            if n > 1:
                v += d * (n - d) / (n - 1) * at_risk.var(axis=1)
    return u, v
