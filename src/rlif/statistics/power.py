"""How small a difference a study could have found, so that "no difference" cannot hide "no power".

Minimal detectable effect: the true difference δ that a two-sided test of level α finds with the wanted power.
With t = estimate / standard error of df degrees of freedom, T noncentral t:

    P(T_df(δ / se) > t_{1 − α/2}(df)) = power

(the far tail, at most α/2, is left out). A property of the design: it does not depend on what was found.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtrit

from rlif.statistics.estimate import Estimate, t_estimate

Floats = NDArray[np.floating[Any]]

ALPHA, POWER = 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of scores x_sp = μ + a_s + b_p + e_sp of one condition (pass@1 as fraction, so about 1e-3).

    Attributes:
        seed: between runs. residual: of the rest.
        problem: between problems; for a difference of two conditions on the same problems, of what the
            problems do differently in them.
    """

    seed: float
    problem: float
    residual: float


def components(scores: Floats) -> Components:
    """Return the variance components of scores [S, P] by analysis of variance; negative ones become 0.

    NaN below two seeds or two problems.
    """
    seeds, problems = scores.shape
    if min(seeds, problems) < 2:
        return Components(np.nan, np.nan, np.nan)
    row, column = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    residual = float(((scores - row - column + scores.mean()) ** 2).sum() / ((seeds - 1) * (problems - 1)))
    return Components(
        seed=max(0.0, float(row.var(ddof=1)) - residual / problems),
        problem=max(0.0, float(column.var(ddof=1)) - residual / seeds),
        residual=residual,
    )


def planned(of: Components, seeds: int, problems: int, conditions: int = 2) -> Estimate:
    """Return an estimate at 0 with the standard error and df that a design would have.

    Args:
        of: `problem` is the variance between problems of the estimated quantity itself.
        seeds: runs a condition, at least 2.
        problems: at least 2, shared by the conditions.
        conditions: 1 for a mean or for paired seeds, 2 for a difference of two conditions of equal variances
            whose seeds are not paired.
    """
    shared = conditions * of.residual / (seeds * problems)
    over_seeds = conditions * of.seed / seeds + shared
    over_problems = of.problem / problems + shared
    variance = over_seeds + over_problems - shared
    df = variance**2 / (
        over_seeds**2 / (conditions * (seeds - 1))
        + over_problems**2 / (problems - 1)
        + shared**2 / (conditions * (seeds - 1) * (problems - 1))
    )
    return t_estimate(0.0, float(np.sqrt(variance)), float(df), "planned design")


def minimal_detectable_effect(design: Estimate, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the minimal detectable effect in the units of the estimate; NaN where its error is unknown.

    Args:
        design: any t-based estimate (of `crossed`, `runs` or `planned`): its standard error and df are used.
        alpha: of the two-sided test.
        power: wanted, above α/2.
    """
    if np.isnan(design.standard_error) or np.isnan(design.df):
        return np.nan
    df = min(design.df, 1e6)  # scipy's noncentral t knows no infinity
    critical = float(stdtrit(df, 1 - alpha / 2))
    return float(nctdtrinc(df, 1 - power, critical)) * design.standard_error
