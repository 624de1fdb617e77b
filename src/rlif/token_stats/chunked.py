"""`token_stats`: statistics of the distributions behind [B, T, V] logits, without another copy of the logits.

A vocabulary of 150,000 makes logits the largest tensor of a training step. They are gathered, widened and
reduced a few tokens at a time (`rlif.token_stats.rows` has the formulas), or on a GPU read once by the Triton
kernel, and only the tokens that count are touched.

Vocabularies padded for speed: the ids beyond the tokenizer's take part, as they do in sampling. To leave them
out, pass `logits[..., :V]`.
"""

import torch

from rlif.rollouts import TokenStats
from rlif.token_stats.checks import check_targets, check_temperature
from rlif.token_stats.mask import full_mask
from rlif.token_stats.reducer import Reducer, chunk


@torch.no_grad()
def token_stats(
    logits: torch.Tensor,
    targets: torch.Tensor,
    temperature: float = 1.0,
    mask: torch.Tensor | None = None,
    chunk_tokens: int | None = None,
) -> TokenStats:
    """Return log-prob, entropy, self-certainty, top probability and margin of every token that counts.

    Reductions are in float32 (float64 for float64 logits), whatever the dtype of the logits. A logit of −inf
    (a token ruled out) gives self_certainty = +inf, since the uniform distribution still has mass there; the
    other statistics are those of the remaining tokens. NaN or +inf logits give NaN: `undefined_tokens` finds
    where. No gradient is kept.

    Args:
        logits: [B, T, V], any floating dtype and strides; position t is the distribution of `targets[:, t]`.
        targets: [B, T] integer token ids; ignored where the mask is False, so any padding value will do.
        temperature: the logits are divided by it.
        mask: [B, T], True on tokens that count; all of them when None. Where False, every statistic is 0.
        chunk_tokens: tokens computed at a time (not on a GPU); None: as many as a cache holds.

    Returns:
        [B, T] tensors on the device of the logits.

    Raises:
        UserError: a temperature that is not positive.
        ValueError: shapes that do not fit, a chunk size that is not positive, an id beyond V.
    """
    if logits.ndim != 3 or logits.shape[-1] == 0 or not logits.is_floating_point():
        raise ValueError(
            f"logits must be floating [B, T, V] with V > 0; got {logits.dtype} {list(logits.shape)}"
        )
    if chunk_tokens is not None and chunk_tokens < 1:
        raise ValueError(f"chunk_tokens must be at least 1; got {chunk_tokens}")
    mask = full_mask(mask, targets)
    check_temperature(temperature)
    check_targets(targets, mask, logits.shape[:2], logits.shape[-1])

    # Views of the logits as rows [N, V]. A slice such as logits[:, :-1] has no such view as a whole.
    sheets = [logits.view(-1, logits.shape[-1])] if logits.is_contiguous() else list(logits.unbind(0))
    shape = len(sheets), -1
    reducer = Reducer(logits, temperature, chunk_tokens or chunk(logits, mask.numel()))
    for rows, ids, counts in zip(sheets, targets.reshape(shape), mask.reshape(shape), strict=True):
        reducer.add(rows, ids, counts.nonzero().squeeze(-1))
    return reducer.statistics(mask)
