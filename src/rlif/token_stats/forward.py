"""`model_token_stats`: one forward pass of a causal language model, and the statistics of its completions.

The statistics have to come from the policy that sampled the completions, as it samples: dropout is off. The
logits of position t predict token t + 1, so the K completion tokens are predicted by the K positions that
start at the *last prompt token*: K + 1 logits are asked for and the last one is dropped.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields

import torch

from rlif.rollouts import TokenStats
from rlif.token_stats.chunked import token_stats


@torch.no_grad()
def model_token_stats(
    model: torch.nn.Module,
    prompt_completion_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    completion_len: int,
    mask: torch.Tensor,
    temperature: float = 1.0,
    batch_size: int = 8,
) -> TokenStats:
    """Return the statistics of completion tokens under `model`, [B, K] on its device.

    For numbers that match a trainer's own log-probs, call it under the trainer's autocast.

    Args:
        model: a transformers causal language model, or anything called like one that takes `logits_to_keep`.
        prompt_completion_ids: [B, P + K], prompts padded on the left, completions on the right.
        attention_mask: [B, P + K], 0 on padding.
        completion_len: K; at least one prompt position must remain.
        mask: [B, K] bool, True on completion tokens that count; see `completion_mask`.
        temperature: of the sampling; the logits are divided by it.
        batch_size: rows per forward pass. Bounds the memory: the logits of a pass are [batch_size, K + 1, V].

    Raises:
        ValueError: shapes that do not fit, no rows, no prompt position, a batch size below 1.
    """
    rows, length = prompt_completion_ids.shape
    if rows == 0:
        raise ValueError("prompt_completion_ids has no rows")
    if not 0 < completion_len < length:
        raise ValueError(f"completion_len must be between 1 and {length - 1}; got {completion_len}")
    if attention_mask.shape != (rows, length) or mask.shape != (rows, completion_len):
        raise ValueError(
            f"attention_mask must be {[rows, length]} and mask {[rows, completion_len]}; "
            f"got {list(attention_mask.shape)} and {list(mask.shape)}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")

    parts: list[TokenStats] = []
    with _dropout_off(model):
        for start in range(0, rows, batch_size):
            batch = slice(start, start + batch_size)
            # Not given a name: the logits of one pass must be gone before the next one makes its own.
            parts.append(
                token_stats(
                    model(
                        input_ids=prompt_completion_ids[batch],
                        attention_mask=attention_mask[batch],
                        logits_to_keep=completion_len + 1,
                        use_cache=False,
                    ).logits[:, :-1],
                    prompt_completion_ids[batch, -completion_len:],
                    temperature,
                    mask[batch],
                )
            )
    arrays = {
        field.name: torch.cat([getattr(part, field.name) for part in parts])
        for field in fields(TokenStats)
        if field.name != "temperature"
    }
    return TokenStats(**arrays, temperature=temperature)


@contextmanager
def _dropout_off(model: torch.nn.Module) -> Generator[None]:
    """Put every module in evaluation mode, and each back into the mode it was in (they may differ)."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
