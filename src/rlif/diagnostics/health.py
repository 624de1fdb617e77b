"""What completions look like: length, reasoning, programs. Shared by training steps and evaluations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.rollouts import Completion

Floats = NDArray[np.floating[Any]]


def summarise_completions(
    completions: Sequence[Completion], passed: Sequence[bool] | None = None
) -> dict[str, float]:
    """Return the fields that `StepRecord` and `EvalRecord` share, and the pass rates of either kind.

    Args:
        completions: any number of answers, to any problems.
        passed: whether each is right; None when nobody judged.

    Returns:
        length_mean, reasoning_share, reasoning_rate, truncated, no_code; pass_with_reasoning and
        pass_without_reasoning, each over the completions that hold a program; NaN where undefined.
    """
    program = np.array([bool(c.code) for c in completions], dtype=bool)
    reasoned = np.array([has_reasoning(c) for c in completions], dtype=bool)
    right = np.full(len(completions), np.nan) if passed is None else np.array(passed, dtype=float)
    return {
        "length_mean": mean(lengths(completions)),
        "reasoning_share": mean([c.reasoning_share for c in completions]),
        "reasoning_rate": mean(reasoned),
        "truncated": mean(~np.array([c.finished for c in completions], dtype=bool)),
        "no_code": mean(~program),
        "pass_with_reasoning": mean(right[reasoned]),
        "pass_without_reasoning": mean(right[program & ~reasoned]),
    }


def has_reasoning(completion: Completion) -> bool:
    """Return whether a completion holds a program and any text before it."""
    return bool(completion.code) and completion.reasoning_share > 0


def lengths(completions: Sequence[Completion]) -> Floats:
    """Return [N] tokens of each completion, EOS included; NaN where a server did not count them."""
    return np.array([c.tokens for c in completions], dtype=float)


def mean(values: Any) -> float:
    """Return the mean of the values that are not NaN; NaN when there are none."""
    array = np.asarray(values, dtype=float)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else float("nan")
