"""What a forecast rests on: six numbers of the first k steps, and the predictors that are compared.

    change   least-squares slope of a signal over the k steps · (k − 1); as a share of its mean where the
             signal has a unit (tokens, nats), in points where it is a share itself
    level    mean over the k steps

Two are of what collapse looks like (length, reasoning), two of how sure the policy is (entropy, agreement),
two of what the reward asks for (its correlation with length, the groups in which it asks for nothing). None
was added or dropped for what it did in a forecast; but those who made the list knew how runs had collapsed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlif.conclusions.families import FAMILIES
from rlif.conclusions.forecast.cases import Case
from rlif.diagnostics.health import mean
from rlif.diagnostics.series import Floats, Ints
from rlif.diagnostics.stopping import Signal

RELATIVE_CHANGES = (Signal.LENGTH_MEAN, Signal.ENTROPY)
CHANGES = (Signal.REASONING_RATE, Signal.MAJORITY_SHARE)
LEVELS = (Signal.REWARD_LENGTH_CORR, Signal.ZERO_VARIANCE_GROUPS)

Features = Callable[[Case], list[float]]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A way to forecast: its name, the features it sees (NaN: not recorded), whether it needs tests."""

    name: str
    features: Features
    needs_tests: bool = False


def changes(case: Case) -> list[float]:
    """Return how the policy moved: four changes; NaN for a signal with under three values."""
    steps, history = case.history.steps, case.history
    relative = [_relative(steps, history.signal(name)) for name in RELATIVE_CHANGES]
    return [*relative, *(change(steps, history.signal(name)) for name in CHANGES)]


def demands(case: Case) -> list[float]:
    """Return what the reward asks for: two levels; NaN for a signal without any value."""
    return [mean(case.history.signal(name)) for name in LEVELS]


def early_signals(case: Case) -> list[float]:
    """Return the six features that need no tests."""
    return [*changes(case), *demands(case)]


def kind_of_reward(case: Case) -> list[float]:
    """Return one indicator for each family of rewards; all 0 for a mixture and for what is in none."""
    return [float(case.reward in rewards) for rewards in FAMILIES.values()]


def change(steps: Ints, values: Floats) -> float:
    """Return how far the least-squares line through the values [n] goes from the first step to the last."""
    known = np.isfinite(values)
    if known.sum() < 3:
        return math.nan
    x, y = steps[known] - steps[known].mean(), values[known]
    return float(x @ y / (x @ x) * (steps[-1] - steps[0]))


def _relative(steps: Ints, values: Floats) -> float:
    level = mean(values)
    return change(steps, values) / level if level > 0 else math.nan


BASE_RATE = Predictor("base rate", lambda case: [])
PREDICTORS = (
    BASE_RATE,
    Predictor("kind of reward", kind_of_reward),
    Predictor("alarm", lambda case: [float(case.alarm)]),
    Predictor("changes", changes),
    Predictor("demands of the reward", demands),
    Predictor("early signals", early_signals),
    Predictor("alignment", lambda case: [case.alignment], needs_tests=True),
    Predictor(
        "early signals, alignment", lambda case: [*early_signals(case), case.alignment], needs_tests=True
    ),
)
"""All that are compared, the reference first; "early signals" are changes and demands together."""
