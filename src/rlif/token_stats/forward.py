"""`model_token_stats`: one forward pass of a causal language model, and the statistics of its completions.

The statistics have to come from the policy that sampled the completions, as it samples: dropout is off. The
logits of position t predict token t + 1, so the K completion tokens are predicted by the K positions that
start at the *last prompt token*.

Where the model's output head is known (`rlif.token_stats.head`), the logits of a pass never exist: the model
is asked for the logits of the last position alone, its last hidden states are caught on the way, and the
statistics are made from those. The one position it did work out proves, in every pass, that the head was
read right. Where it was not, the K + 1 logits of each row are asked for.
"""

import logging
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch

from rlif.errors import UserError
from rlif.rollouts import TokenStats
from rlif.token_stats.checks import check_temperature
from rlif.token_stats.chunked import token_stats
from rlif.token_stats.head import OutputHead, base_language_model, output_head

_log = logging.getLogger(__name__)

_unread: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
"""Models whose logits the head that was read did not give: not tried again."""


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

    Each row goes through the model once. For numbers that match a trainer's own log-probs, call it under the
    trainer's autocast.

    Args:
        model: a transformers causal language model, or anything called like one that takes `logits_to_keep`.
        prompt_completion_ids: [B, P + K], prompts padded on the left, completions on the right.
        attention_mask: [B, P + K], 0 on padding.
        completion_len: K; at least one prompt position must remain.
        mask: [B, K] bool, True on completion tokens that count; see `completion_mask`.
        temperature: of the sampling; the logits are divided by it.
        batch_size: rows per forward pass, which bounds the memory.

    Raises:
        UserError: a temperature that is not positive.
        ValueError: shapes that do not fit, no rows, no prompt position, a batch size below 1.
    """
    _check(prompt_completion_ids, attention_mask, completion_len, mask, batch_size)
    check_temperature(temperature)
    head = _head(model)
    parts: list[TokenStats] = []
    with _dropout_off(model):
        for start in range(0, len(prompt_completion_ids), batch_size):
            batch = slice(start, start + batch_size)
            ids, attention, counts = prompt_completion_ids[batch], attention_mask[batch], mask[batch]
            hidden = _hidden_states(model, ids, attention, head) if head else None
            if head and hidden is not None:
                states = hidden[:, -completion_len - 1 : -1]
                parts.append(head.statistics(states, ids[:, -completion_len:], temperature, counts))
                continue
            head = None
            # Not given a name: the logits of one pass must be gone before the next one makes its own.
            parts.append(
                token_stats(
                    model(
                        input_ids=ids,
                        attention_mask=attention,
                        logits_to_keep=completion_len + 1,
                        use_cache=False,
                    ).logits[:, :-1],
                    ids[:, -completion_len:],
                    temperature,
                    counts,
                )
            )
    arrays = {
        field.name: torch.cat([getattr(part, field.name) for part in parts])
        for field in fields(TokenStats)
        if field.name != "temperature"
    }
    return TokenStats(**arrays, temperature=temperature)


def _head(model: torch.nn.Module) -> OutputHead | None:
    """Return the model's output head, or None where it cannot be used apart from the model."""
    language_model = base_language_model(model)
    if language_model in _unread:
        return None
    try:
        head = output_head(language_model)
        return head if language_model.get_decoder() is not language_model else None
    except (UserError, AttributeError, NotImplementedError) as error:
        _log.debug("Statistics from logits: %s", error)
        return None


def _hidden_states(
    model: torch.nn.Module, ids: torch.Tensor, attention: torch.Tensor, head: OutputHead
) -> torch.Tensor | None:
    """Return the last hidden states [B, P + K, H]; None if `head` gives other logits than the model."""
    caught: list[Any] = []

    def catch(module: torch.nn.Module, args: Any, output: Any) -> None:
        caught.append(getattr(output, "last_hidden_state", None))

    handle = base_language_model(model).get_decoder().register_forward_hook(catch)
    try:
        logits = model(input_ids=ids, attention_mask=attention, logits_to_keep=1, use_cache=False).logits[
            :, -1
        ]
    finally:
        handle.remove()
    if len(caught) == 1 and isinstance(caught[0], torch.Tensor):
        half = logits.dtype != torch.float32 or torch.is_autocast_enabled(logits.device.type)
        # A diverged model's NaN says nothing of its head.
        expected, logits = head.logits(caught[0][:, -1]).nan_to_num(), logits.float().nan_to_num()
        tolerance = (0.03 if half else 1e-3) * float(expected.abs().max())
        if expected.shape == logits.shape and torch.allclose(expected, logits, 0.0, tolerance):
            return caught[0]
    _unread.add(base_language_model(model))
    _log.warning(
        "%s does something unknown to its logits: statistics are taken from the logits themselves, which "
        "needs more memory (and once, now, a second pass over %d rows).",
        type(base_language_model(model)).__name__,
        len(ids),
    )
    return None


def _check(
    ids: torch.Tensor, attention_mask: torch.Tensor, completion_len: int, mask: torch.Tensor, batch_size: int
) -> None:
    rows, length = ids.shape
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
