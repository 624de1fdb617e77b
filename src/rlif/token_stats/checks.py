"""What is refused, and what is NaN: wrong arguments, and logits that are no distribution."""

import math

import numpy as np
import torch

from rlif.errors import UserError
from rlif.rollouts import TokenStats


def check_temperature(temperature: float) -> None:
    """Raise UserError unless logits can be divided by it."""
    if not 0 < temperature < math.inf:
        raise UserError(
            f"temperature must be positive and finite; got {temperature}.",
            "Greedy sampling has no distribution to measure: use 1.0, the model's own.",
        )


def check_targets(targets: torch.Tensor, mask: torch.Tensor, shape: torch.Size, vocabulary: int) -> None:
    """Raise ValueError unless targets and mask are [B, T] = `shape` and the ids that count are below V."""
    if targets.shape != shape or mask.shape != shape:
        raise ValueError(
            f"targets and mask must be [B, T] = {list(shape)} as the logits; "
            f"got {list(targets.shape)} and {list(mask.shape)}"
        )
    # An id out of range would abort the process on a GPU, without a message that names it.
    wrong = targets[mask & ((targets < 0) | (targets >= vocabulary))]
    if wrong.numel():
        raise ValueError(f"targets must be ids below V = {vocabulary}; got {wrong[0].item()}")


def undefined_tokens(stats: TokenStats) -> list[tuple[int, int]]:
    """Return (row, position) of every token that counts whose statistics are NaN.

    Those are the tokens whose logits held a NaN or +inf, or were all −inf. A self-certainty of +inf is
    defined: it says that some token was ruled out.
    """
    host = stats.numpy()
    wrong = np.isnan(host.entropy) & np.asarray(host.mask, bool)
    return [(int(row), int(position)) for row, position in zip(*np.nonzero(wrong), strict=True)]


def require_defined(stats: TokenStats) -> None:
    """Raise UserError naming the first token with undefined statistics, if there is one."""
    if undefined := undefined_tokens(stats):
        raise UserError(
            undefined_message(undefined), "Look for a diverged model or an overflow in half precision."
        )


def undefined_message(undefined: list[tuple[int, int]]) -> str:
    """Say in one sentence which tokens have no statistics."""
    row, position = undefined[0]
    rows = len({row for row, _ in undefined})
    return (
        f"The logits are NaN or infinite at {len(undefined)} token(s) of {rows} completion(s), "
        f"first at completion {row}, token {position}: their statistics are NaN."
    )
