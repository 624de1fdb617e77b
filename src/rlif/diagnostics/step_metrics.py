"""The completions of one training step -> the fields of its `StepRecord`.

docs/metrics.md explains each field: meaning, formula, healthy range, and what it looks like in collapse.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.health import lengths, mean, parses, summarise_completions
from rlif.records import RewardSummary
from rlif.rewards.signatures import Signature, signature
from rlif.rollouts import RolloutGroup

Floats = NDArray[np.floating[Any]]


def summarise_groups(
    groups: Sequence[RolloutGroup], rewards: Mapping[str, Floats], combined: Floats
) -> dict[str, Any]:
    """Return fields of `StepRecord` computed from the groups of one step; what cannot be known is NaN.

    Args:
        groups: all groups of the step; N is the number of their completions, in this order.
        rewards: each reward component [N] by its type.
        combined: the reward [N] that advantages are computed from.

    Raises:
        ValueError: a reward array does not hold one value for each completion.
    """
    completions = [completion for group in groups for completion in group.completions]
    for name, values in {**rewards, "combined": combined}.items():
        if np.shape(values) != (len(completions),):
            raise ValueError(f"reward '{name}' has shape {np.shape(values)}, not ({len(completions)},)")
    shared = summarise_completions(completions)
    tokens = lengths(completions)
    p10, p50, p90 = np.quantile(tokens, [0.1, 0.5, 0.9]) if tokens.size else [np.nan] * 3
    ends = np.cumsum([group.size for group in groups], dtype=int)
    by_group = np.split(np.asarray(combined, dtype=float), ends)[:-1]
    paired = list(zip(groups, by_group, strict=True))
    return {
        **{k: v for k, v in shared.items() if not k.startswith("pass_")},
        "length_p10": float(p10),
        "length_p50": float(p50),
        "length_p90": float(p90),
        "syntax_error": mean([bool(c.code) and not parses(c.code) for c in completions]),
        "reward": mean(combined),
        "reward_std": mean([spread(values) for values in by_group]),
        "rewards": {name: _summary(values) for name, values in rewards.items()},
        "zero_variance_groups": mean([_without_spread(values) for values in by_group]),
        "reward_length_corr": mean([correlation(r, lengths(g.completions)) for g, r in paired]),
        "distinct_programs": mean([_distinct_programs(group) for group in groups]),
        "majority_share": mean([_majority_share(group) for group in groups]),
        **{name: _token_mean(groups, name) for name in ("entropy", "self_certainty", "logprob")},
        **_truth(groups, by_group),
    }


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Return P(score of a positive > score of a negative) + ½ P(equal), both [G]; NaN with only one class."""
    high, low = scores[positive], scores[~positive]
    if not high.size or not low.size:
        return float("nan")
    above, below = high[:, None] > low, high[:, None] < low
    return float((1 + above.mean() - below.mean()) / 2)


def label_accuracy(scores: Floats, right: NDArray[np.bool_]) -> float:
    """Return the chance that a highest-scored completion, drawn among ties, is right; both [G]."""
    return float(right[scores == scores.max()].mean())


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's correlation of two [G] arrays; NaN when either is constant or not finite."""
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else float("nan")


def spread(values: Floats) -> float:
    """Return the sample standard deviation (n − 1) of values [G], as TRL does; NaN for one, or not finite."""
    return float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else float("nan")


def _without_spread(values: Floats) -> bool:
    """Whether advantages are all zero; the tolerance is TRL's."""
    return bool(np.isclose(spread(values), 0.0, atol=1e-8))


def _summary(values: Floats) -> RewardSummary:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if not known.size:
        return RewardSummary()
    return RewardSummary(
        mean=float(known.mean()), std=spread(known), min=float(known.min()), max=float(known.max())
    )


def _distinct_programs(group: RolloutGroup) -> float:
    return len({c.code.strip() for c in group.completions if c.code}) / group.size


def _majority_share(group: RolloutGroup) -> float:
    """Return the largest share of the group with equal outputs on the public inputs; failures equal none."""
    tests = group.problem.public_tests
    if group.executions is None or not tests:
        return float("nan")
    classes: Counter[tuple[Signature, ...]] = Counter()
    for execution in group.executions:
        outputs = [signature(o, test.kind) for o, test in zip(execution.outputs, tests, strict=False)]
        known = tuple(output for output in outputs if output is not None)
        if len(known) == len(tests):
            classes[known] += 1
    return max(classes.values(), default=0) / group.size


def _token_mean(groups: Sequence[RolloutGroup], name: str) -> float:
    """Return the mean over completions of the mean over their tokens."""
    rows: list[float] = []
    for group in groups:
        if group.token_stats is not None:
            stats = group.token_stats.numpy()
            masks = np.asarray(stats.mask, dtype=bool)
            rows += [mean(row[mask]) for row, mask in zip(getattr(stats, name), masks, strict=True)]
    return mean(rows)


def _truth(groups: Sequence[RolloutGroup], by_group: Sequence[Floats]) -> dict[str, float]:
    """Return the fields that need verdicts; groups that nobody judged do not count."""
    judged = [
        (np.array([verdict.passed for verdict in group.verdicts], dtype=bool), values)
        for group, values in zip(groups, by_group, strict=True)
        if group.verdicts is not None
    ]
    scored = [(right, values) for right, values in judged if not np.isnan(values).any()]
    return {
        "pass_rate": mean(np.concatenate([right for right, _ in judged])) if judged else float("nan"),
        "pass_any": mean([right.any() for right, _ in judged]),
        "reward_truth_auroc": mean([auroc(values, right) for right, values in scored]),
        "label_accuracy": mean([label_accuracy(values, right) for right, values in scored]),
    }
