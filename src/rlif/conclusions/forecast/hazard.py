"""Features -> hazard of falling: proportional hazards with a constant baseline, seen only at evaluations.

    λ_i = exp(a + x_i · β)                       hazard of run i for each step after k
    P(fallen within s steps) = 1 − exp(−λ_i s)   probability by the end of a budget, and the survival curve

A run that fell between two evaluations, w steps apart, after it had held for h steps has the likelihood
exp(−λ h) (1 − exp(−λ w)), one that did not fall exp(−λ h): interval-censored times (Finkelstein 1986, with an
exponential baseline), so budgets and distances of evaluations may differ. What is maximised is

    Σ_i log-likelihood + a / 2 − |β|² / 2

a/2 adds half a fall, so that runs without any still give a small chance and not none; −|β|²/2 is a standard
normal prior for standardised features: with a handful of falls, no feature changes the hazard many times over
without evidence. Neither is tuned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from rlif.conclusions.forecast.cases import Case
from rlif.conclusions.forecast.features import Features
from rlif.diagnostics.series import Floats

FARTHEST = 3.0
"""Standard deviations; what lies farther out than the runs fitted on counts as being there."""

_LARGEST = 20.0
"""Bound of a log hazard while the maximum is sought: at e^20 a step nothing is left to distinguish."""


@dataclass(frozen=True, slots=True, eq=False)
class Hazard:
    """A fitted forecast.

    Attributes:
        features: what it sees of a run, F numbers.
        centre, scale: of the features in the runs fitted on, [F]; a scale of 0 is a feature without use.
        intercept: a. weights: β, [F].
    """

    features: Features
    centre: Floats
    scale: Floats
    intercept: float
    weights: Floats

    def hazard(self, case: Case) -> float:
        """Return λ, per step after the steps known."""
        x = _standardised(np.array([self.features(case)], dtype=float), self.centre, self.scale)[0]
        return float(np.exp(np.minimum(self.intercept + x @ self.weights, _LARGEST)))

    def probability(self, case: Case, steps: float) -> float:
        """Return the probability that a run falls within a number of steps after those known."""
        return float(-np.expm1(-self.hazard(case) * steps))


def fit(cases: Sequence[Case], features: Features) -> Hazard:
    """Return the hazard fitted to N >= 1 cases.

    A feature that is NaN counts as its mean: it says nothing. One that is NaN in all cases, or the same in
    all, is not used.
    """
    table = np.array([features(case) for case in cases], dtype=float)
    known = np.isfinite(table)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, table, 0.0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, table - centre, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(scale > 1e-9 * np.abs(centre), scale, 0.0)
    x = _standardised(table, centre, scale)
    held = np.array([case.held for case in cases], dtype=float)
    gap = np.array(
        [case.fell_at - case.known - case.held if case.fell_at is not None else 0 for case in cases],
        dtype=float,
    )
    start = np.zeros(1 + x.shape[1])
    start[0] = np.log((0.5 + (gap > 0).sum()) / (held + gap).sum())
    found: Any = minimize(_loss, start, args=(x, held, gap), jac=True, method="BFGS")
    return Hazard(features, centre, scale, float(found.x[0]), found.x[1:])


def _standardised(table: Floats, centre: Floats, scale: Floats) -> Floats:
    z = np.divide(table - centre, scale, out=np.zeros_like(table), where=np.isfinite(table) & (scale > 0))
    return np.clip(z, -FARTHEST, FARTHEST)


def _loss(parameters: Floats, x: Floats, held: Floats, gap: Floats) -> tuple[float, Floats]:
    """Return minus what is maximised, and its gradient [1 + F].

    Args:
        parameters: a, β.
        x: standardised features [N, F].
        held: h, [N].
        gap: w where the run fell, else 0, [N].
    """
    weights = parameters[1:]
    rate = np.exp(np.minimum(parameters[0] + x @ weights, _LARGEST))
    fell = gap > 0
    chance = rate[fell] * gap[fell]
    value = -rate @ held + np.log(-np.expm1(-chance)).sum() + parameters[0] / 2 - weights @ weights / 2
    by_log_rate = -rate * held
    by_log_rate[fell] += chance * np.exp(-chance) / -np.expm1(-chance)
    gradient = np.concatenate([[by_log_rate.sum() + 0.5], x.T @ by_log_rate - weights])
    return -float(value), -gradient
