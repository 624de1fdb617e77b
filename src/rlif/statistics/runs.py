"""Means over runs: Student's t of one condition, Welch's t of two, the standardised difference.

For what a run has one number of (length, share of reasoning, step of its peak); NaN values are left out. For
scores on problems use `crossed`, which also allows for other problems.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, nctdtrinc

from rlif.statistics.estimate import LEVEL, Estimate, t_estimate

Floats = NDArray[np.floating[Any]]


def mean(values: Floats, level: float = LEVEL) -> Estimate:
    """Return the mean of values [S] with Student's t interval; it is NaN below two runs."""
    values = _defined(values)
    if len(values) == 0:
        return Estimate(level=level, method="t")
    return t_estimate(float(values.mean()), float(np.sqrt(_error(values))), len(values) - 1, "t", level)


def difference(first: Floats, second: Floats, level: float = LEVEL) -> Estimate:
    """Return mean(first) − mean(second) of [S1] and [S2] with Welch's t interval: variances may differ."""
    first, second = _defined(first), _defined(second)
    if not len(first) or not len(second):
        return Estimate(level=level, method="Welch's t")
    gap = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Estimate(gap, level=level, method="Welch's t")
    errors = [_error(first), _error(second)]
    total = sum(errors)
    spread = sum(e**2 / (len(x) - 1) for e, x in zip(errors, (first, second), strict=True))
    df = total**2 / spread if spread > 0 else np.inf
    return t_estimate(gap, float(np.sqrt(total)), df, "Welch's t", level)


def standardised_difference(first: Floats, second: Floats, level: float = LEVEL) -> Estimate:
    """Return Hedges' g of two groups of runs: their difference in standard deviations between runs.

        g = J (x̄1 − x̄2) / s,     s² pooled with df = S1 + S2 − 2,     J = Γ(df/2) / (√(df/2) Γ((df − 1)/2))

    J takes out the bias of small samples (Hedges 1981). The interval comes from the noncentral t distribution
    (exact for normal values of equal variance) and is scaled like the estimate. NaN below two runs a group or
    without spread. With 5 runs a group it is wide: ± 1.1 around 0.
    """
    first, second = _defined(first), _defined(second)
    method = "Hedges' g, noncentral t"
    counts = len(first), len(second)
    df = sum(counts) - 2
    if min(counts) < 2:
        return Estimate(level=level, method=method)
    pooled = float(
        np.sqrt(sum((n - 1) * x.var(ddof=1) for n, x in zip(counts, (first, second), strict=True)) / df)
    )
    if pooled == 0:
        return Estimate(level=level, method=method)
    root = float(np.sqrt(1 / counts[0] + 1 / counts[1]))  # noncentrality = standardised difference / root
    t = float((first.mean() - second.mean()) / pooled / root)
    bias = float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))
    low, high = (_noncentrality(df, p, t) for p in ((1 + level) / 2, (1 - level) / 2))
    scale = bias * root
    return Estimate(t * scale, low * scale, high * scale, level, method)


def _noncentrality(df: float, probability: float, t: float) -> float:
    """Return δ with P(T_df(δ) <= t) = probability; scipy's inverse wants δ >= 0, which symmetry gives."""
    found = float(nctdtrinc(df, probability, t))
    return found if found > 0 else -float(nctdtrinc(df, 1 - probability, -t))


def _defined(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _error(values: Floats) -> float:
    """Return the squared standard error of the mean; NaN for one value."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else np.nan
