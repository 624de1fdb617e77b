"""Time to collapse when some runs do not collapse within their budget: those are censored, not left out.

    Kaplan & Meier 1958     S(t) = Π_{t_i <= t} (1 − d_i / n_i)
    Greenwood 1926          Var log S(t) = Σ_{t_i <= t} d_i / (n_i (n_i − d_i)), interval for log(−log S)
    Brookmeyer-Crowley 1982 the median's interval is where the interval of S crosses 1/2
    restricted mean         ∫_0^τ S(t) dt: mean steps lived of the first τ, defined when few collapse

d_i runs collapse at step t_i out of n_i still at risk. The estimate, its interval and the two-sample log-rank
test are scipy's; what it lacks stands here. Between evaluations nothing is seen, so many runs share a time.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from rlif.statistics.estimate import LEVEL, NAN, Estimate

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """The estimated share of runs alive after each step; a step function, 1 before the first time.

    Attributes:
        times: ascending, all steps at which a run collapsed or was censored, [K].
        alive: S just after each, [K]. low, high: pointwise log-log interval; NaN where S is 0 or 1.
        at_risk, collapsed: n_i and d_i, [K].
        level: of the intervals.
    """

    times: Floats
    alive: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    collapsed: Floats
    level: float

    def at(self, step: float) -> Estimate:
        """Return S(step), the share of runs that have not collapsed by then.

        Its interval is NaN where S is 0 or 1, and S itself after the last time: nothing was seen there.
        """
        method = "Kaplan-Meier, log-log Greenwood"
        if not len(self.times) or step > self.times[-1]:
            return Estimate(level=self.level, method=method)
        i = int(np.searchsorted(self.times, step, side="right")) - 1
        if i < 0:
            return Estimate(1.0, level=self.level, method=method)
        alive, low, high = (float(curve[i]) for curve in (self.alive, self.low, self.high))
        return Estimate(alive, low, high, self.level, method)

    def median(self) -> Estimate:
        """Return the first step with S <= 1/2, NaN when more than half live on; an open end is infinite."""
        low, high = (self._first(curve) for curve in (self.low, self.high))
        estimate = self._first(self.alive)
        return Estimate(
            estimate=NAN if np.isinf(estimate) else estimate,
            low=low,
            high=high,
            level=self.level,
            method="Kaplan-Meier median, Brookmeyer-Crowley",
        )

    def restricted_mean(self, horizon: float) -> Estimate:
        """Return the mean number of the first `horizon` steps lived, with its normal interval.

        Var = Σ_{t_i < horizon} (∫_{t_i}^horizon S)² d_i / (n_i (n_i − d_i)). NaN when some runs were not
        watched to the horizon and lived when last seen.
        """
        method = "restricted mean, Greenwood"
        if not len(self.times) or (horizon > self.times[-1] and self.alive[-1] > 0):
            return Estimate(level=self.level, method=method)
        inside = self.times < horizon
        edges = np.concatenate([[0.0], self.times[inside], [horizon]])
        areas = np.concatenate([[1.0], self.alive[inside]]) * np.diff(edges)
        n, d = self.at_risk[inside], self.collapsed[inside]
        after = np.cumsum(areas[::-1])[::-1][1:]  # area from each time to the horizon
        last = n == d  # no one is left: no area after it, and no variance from it
        variance = np.sum(np.where(last, 0.0, after**2 * d / (n * np.where(last, 1, n - d))))
        half = float(ndtri((1 + self.level) / 2) * np.sqrt(variance))
        mean = float(areas.sum())
        return Estimate(mean, mean - half, mean + half, self.level, method)

    def _first(self, curve: Floats) -> float:
        """Return the first time at which a curve is at most 1/2; infinite if it never is."""
        under = np.flatnonzero((curve <= 0.5) | ((self.alive == 0) & np.isnan(curve)))
        return float(self.times[under[0]]) if len(under) else np.inf


def kaplan_meier(steps: Floats, collapsed: Bools, level: float = LEVEL) -> KaplanMeier:
    """Return the survival of runs.

    Args:
        steps: at which each run collapsed, or to which it was watched, [N].
        collapsed: whether it did, [N].
        level: of the intervals.
    """
    steps = np.asarray(steps, dtype=float)
    times = np.unique(steps)
    at_risk = (steps >= times[:, None]).sum(axis=1).astype(float)
    events = ((steps == times[:, None]) & collapsed).sum(axis=1).astype(float)
    if not collapsed.any():  # scipy wants an event
        nothing = np.full(len(times), np.nan)
        return KaplanMeier(times, np.ones(len(times)), nothing, nothing, at_risk, events, level)
    sf: Any = stats.ecdf(_censored(steps, collapsed)).sf
    with warnings.catch_warnings():  # log(-log S) of S = 0 and 1: scipy warns and gives NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        interval: Any = sf.confidence_interval(level, method="log-log")
    curves = (sf.evaluate(times), interval.low.evaluate(times), interval.high.evaluate(times))
    return KaplanMeier(times, *curves, at_risk, events, level)


def log_rank(first: tuple[Floats, Bools], second: tuple[Floats, Bools]) -> float:
    """Return the two-sided p-value of Mantel's log-rank test that two groups collapse alike.

    Asymptotic; for few runs, or several ordered groups, use `rlif.statistics.hazard`. NaN if none collapsed.

    Args:
        first: (steps, collapsed) as for `kaplan_meier`.
        second: the same of the other group.
    """
    if not (first[1].any() or second[1].any()):
        return NAN
    return float(stats.logrank(_censored(*first), _censored(*second)).pvalue)


def _censored(steps: Floats, collapsed: Bools) -> stats.CensoredData:
    steps = np.asarray(steps, dtype=float)
    return stats.CensoredData(uncensored=steps[collapsed], right=steps[~collapsed])
