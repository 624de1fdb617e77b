"""The completions of one training step -> the fields of its `StepRecord`.

docs/metrics.md explains each field: meaning, formula, healthy range, and what it looks like in collapse.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.alignment import correlation, summarise_alignment
from rlif.diagnostics.behaviour import summarise_behaviour
from rlif.diagnostics.health import lengths, mean, summarise_completions
from rlif.diagnostics.programs import summarise_programs
from rlif.diagnostics.repetition import summarise_repetition
from rlif.records import RewardSummary
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
        "reward": mean(combined),
        "reward_std": mean([spread(values) for values in by_group]),
        "rewards": {name: _summary(values) for name, values in rewards.items()},
        "zero_variance_groups": mean([_without_spread(values) for values in by_group]),
        "reward_length_corr": mean([correlation(r, lengths(g.completions)) for g, r in paired]),
        **summarise_programs(groups),
        **summarise_behaviour(groups),
        **summarise_repetition(groups),
        **{name: _token_mean(groups, name) for name in ("entropy", "self_certainty", "logprob")},
        **summarise_alignment(groups, by_group),
    }


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


def _token_mean(groups: Sequence[RolloutGroup], name: str) -> float:
    """Return the mean over completions of the mean over their tokens."""
    rows: list[float] = []
    for group in groups:
        if group.token_stats is not None:
            stats = group.token_stats.numpy()
            masks = np.asarray(stats.mask, dtype=bool)
            rows += [mean(row[mask]) for row, mask in zip(getattr(stats, name), masks, strict=True)]
    return mean(rows)
