"""The reward against the truth: does it prefer what passes? All of it needs verdicts.

    AUROC                within a group, P(a passing completion scores higher than a failing one) + ½ P(equal)
    point-biserial r     within a group, Pearson's correlation of reward and passing (0 or 1)
    label accuracy       whether the highest-rewarded completion of a group is right
    reward accuracy      of rewards that are 0 or 1: how often they equal passing (TTRL, arXiv 2504.16084)
    false-positive rate  of the failing completions, the share with a reward above their group's mean: their
                         advantage is positive, training makes them likelier
    false-negative rate  of the passing completions, the share with a reward below it

AUROC sees the order only; the correlation also by how much the reward prefers what it prefers; the two rates
on which side it errs.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.health import mean
from rlif.rollouts import RolloutGroup

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

TOLERANCE = 1e-8
"""A reward this close to its group's mean has no advantage: what TRL allows a group without spread."""


def summarise_alignment(groups: Sequence[RolloutGroup], by_group: Sequence[Floats]) -> dict[str, float]:
    """Return the fields of `StepRecord` that need verdicts; NaN where nobody judged.

    Args:
        groups: of one step; those without verdicts do not count.
        by_group: [G] rewards of each; a group with one that is not finite counts for the pass rates only.
    """
    judged = [
        (np.asarray(rewards, dtype=float), np.array([verdict.passed for verdict in group.verdicts]))
        for group, rewards in zip(groups, by_group, strict=True)
        if group.verdicts is not None
    ]
    scored = [(rewards, right) for rewards, right in judged if np.isfinite(rewards).all()]
    false_positive_rate, false_negative_rate = false_rates(scored)
    return {
        "pass_rate": mean([passed for _, right in judged for passed in right]),
        "pass_any": mean([right.any() for _, right in judged]),
        "reward_truth_auroc": mean([auroc(rewards, right) for rewards, right in scored]),
        "reward_truth_corr": mean([correlation(rewards, right.astype(float)) for rewards, right in scored]),
        "label_accuracy": mean([label_accuracy(rewards, right) for rewards, right in scored]),
        "reward_accuracy": reward_accuracy(scored),
        "false_positive_rate": false_positive_rate,
        "false_negative_rate": false_negative_rate,
    }


def auroc(scores: Floats, positive: Bools) -> float:
    """Return P(score of a positive > score of a negative) + ½ P(equal), both [G]; NaN with only one class."""
    high, low = scores[positive], scores[~positive]
    if not high.size or not low.size:
        return math.nan
    above, below = high[:, None] > low, high[:, None] < low
    return float((1 + above.mean() - below.mean()) / 2)


def label_accuracy(scores: Floats, right: Bools) -> float:
    """Return the chance that a highest-scored completion, drawn among ties, is right; both [G]."""
    return float(right[scores == scores.max()].mean())


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's correlation of two [G] arrays; NaN when either is constant or not finite."""
    if any(not np.isfinite(x).all() or (x == x[0]).all() for x in (a, b)):
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else math.nan


def reward_accuracy(scored: Sequence[tuple[Floats, Bools]]) -> float:
    """Return the share of completions whose reward, 0 or 1, equals passing.

    Args:
        scored: [G] rewards and [G] whether they pass, for each group.

    Returns:
        NaN as soon as one reward is neither 0 nor 1: it is no label then.
    """
    if any(not np.isin(rewards, (0.0, 1.0)).all() for rewards, _ in scored):
        return math.nan
    return mean([equal for rewards, right in scored for equal in (rewards == 1) == right])


def false_rates(scored: Sequence[tuple[Floats, Bools]]) -> tuple[float, float]:
    """Return the false-positive and the false-negative rate over the completions of all groups.

    Args:
        scored: [G] finite rewards and [G] whether they pass, for each group. One without spread is not
            trained on: none of its completions counts as raised or lowered.

    Returns:
        NaN where nothing fails, and where nothing passes.
    """
    advantages = [(rewards - rewards.mean(), right) for rewards, right in scored]
    raised = [advantage > TOLERANCE for a, right in advantages for advantage in a[~right]]
    lowered = [advantage < -TOLERANCE for a, right in advantages for advantage in a[right]]
    return mean(raised), mean(lowered)
