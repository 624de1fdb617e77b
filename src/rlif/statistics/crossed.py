"""Means over seeds and problems at once: crossed random effects, with a t interval.

Scores x_sp of S seeds on P problems, both drawn from more of their kind:

    x_sp = μ + a_s + b_p + e_sp      Var(x̄) = σ_a²/S + σ_b²/P + σ_e²/(S P)

e_sp holds the interaction and the noise of sampling answers. With the mean squares of a two-way table without
replication (Searle, Casella & McCulloch 1992, chapter 4) the unbiased estimate is

    v = r/S + c/P − m/(S P),     r = variance of the S row means, c = of the P column means, m = MS of e

Rows and columns both contain σ_e²/(S P), hence the third term. The degrees of freedom are Satterthwaite's
(1946): v² / Σ (term_i² / df_i). Estimates of v below its larger term are raised to it (σ² is never negative).
A contrast Σ c_l x̄_l of several conditions on the same problems (a difference, a slope) adds the rows of
all, each times c_l², and takes the columns of the contrast. No bootstrap of a crossed table is exact
(McCullagh 2000, Bernoulli 6:285), and with 3-5 seeds the percentile bootstrap is far too narrow;
docs/statistics.md has the coverage of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.statistics.estimate import LEVEL, Estimate, t_estimate

Floats = NDArray[np.floating[Any]]


def mean(scores: Floats, level: float = LEVEL) -> Estimate:
    """Return the mean of scores [S, P] for new seeds and new problems.

    The interval is NaN below two seeds or two problems: a single run says nothing about other runs.
    """
    rows = [_rows(scores)]
    return _estimate(scores, rows, "crossed random effects", level)


def difference(
    first: Floats, second: Floats, *, paired_seeds: bool = False, level: float = LEVEL
) -> Estimate:
    """Return mean(first) − mean(second) on the same problems.

    Args:
        first: scores [S1, P].
        second: scores [S2, P]; column p is the same problem as in the first.
        paired_seeds: row s of both belongs together (two evaluations of one run, say); needs S1 = S2.
        level: of the interval.
    """
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"need the same problems in both; got {first.shape[1]} and {second.shape[1]}")
    if paired_seeds:
        return mean(first - second, level)
    return contrast([first, second], [1, -1], level)


def contrast(groups: Sequence[Floats], weights: Sequence[float], level: float = LEVEL) -> Estimate:
    """Return Σ weight · mean(group), seeds not paired.

    Args:
        groups: scores [S_l, P]; column p is the same problem in all. A group of one run makes it NaN.
        weights: one for each; (1, −1) is a difference, `slope_weights` a slope.
        level: of the interval.
    """
    means = sum(w * scores.mean(axis=0, keepdims=True) for w, scores in zip(weights, groups, strict=True))
    rows = [_rows(scores, w * w) for w, scores in zip(weights, groups, strict=True)]
    return _estimate(np.asarray(means), rows, "crossed random effects, seeds not paired", level)


def slope_weights(x: Sequence[float], counts: Sequence[int]) -> list[float]:
    """Return the weights that make a contrast the least-squares slope of group means on x."""
    values, n = np.asarray(x, dtype=float), np.asarray(counts, dtype=float)
    centred = values - (n * values).sum() / n.sum()
    return [float(w) for w in n * centred / (n * centred**2).sum()]


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of the variance of the mean, with the degrees of freedom it was estimated from."""

    value: float
    df: float


@dataclass(frozen=True, slots=True)
class _Rows:
    """What one condition adds: the term of its seeds, and the part of it that the problems hold too."""

    seeds: _Term
    shared: _Term


def _rows(scores: Floats, factor: float = 1.0) -> _Rows:
    """Return the terms of one condition, times a factor."""
    seeds, problems = scores.shape
    if seeds < 2 or problems < 2:
        return _Rows(_Term(np.nan, 0), _Term(np.nan, 0))
    row, column = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    df = (seeds - 1) * (problems - 1)
    residual = ((scores - row - column + scores.mean()) ** 2).sum() / df
    of_seeds, of_both = factor * row.var(ddof=1) / seeds, factor * residual / (seeds * problems)
    return _Rows(_Term(of_seeds, seeds - 1), _Term(of_both, df))


def _estimate(scores: Floats, rows: list[_Rows], method: str, level: float) -> Estimate:
    if scores.size == 0:
        return Estimate(level=level, method=method)
    columns = scores.mean(axis=0)
    problems = len(columns)
    over_problems = columns.var(ddof=1) / problems if problems > 1 else np.nan
    over_seeds = sum(row.seeds.value for row in rows)
    shared = sum(row.shared.value for row in rows)
    variance = max(over_seeds + over_problems - shared, over_seeds, over_problems)
    parts = [_Term(over_problems, problems - 1), *(t for row in rows for t in (row.seeds, row.shared))]
    spread = sum(part.value**2 / part.df for part in parts if part.value > 0)
    df = variance**2 / spread if spread > 0 else np.inf
    return t_estimate(float(scores.mean()), float(np.sqrt(variance)), float(df), method, level)
