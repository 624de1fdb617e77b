"""`token_stats_from_hidden`: the same statistics from hidden states and the output matrix.

The logits are made, reduced and forgotten a block of tokens at a time: [B, T, V] never exists. (To leave a
padded vocabulary's last ids out, pass `weight[:V]`.)
"""

import torch

from rlif.rollouts import TokenStats
from rlif.token_stats.checks import check_targets, check_temperature
from rlif.token_stats.mask import full_mask
from rlif.token_stats.reducer import Reducer, chunk

BLOCK_LOGITS = 2**25
"""Most logits made at a time: 134 MB in float32."""

BLOCK_TOKENS = 256
"""Most tokens in such a block: enough that reading the output matrix does not cost more than using it."""


@torch.no_grad()
def token_stats_from_hidden(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    temperature: float = 1.0,
    scale: float = 1.0,
    softcap: float | None = None,
    mask: torch.Tensor | None = None,
) -> TokenStats:
    """Return what `token_stats` does of softcap · tanh(scale · (hidden weightᵀ + bias) / softcap).

    The product is in the dtype of the weight, or autocast's, as the model's own would be; everything after it
    in float32. `output_head` reads weight, bias, scale and softcap from a transformers model.

    Args:
        hidden: [B, T, H] what the output matrix is applied to: after the final norm.
        weight: [V, H] the output matrix, on the same device.
        targets: [B, T] integer token ids; ignored where the mask is False.
        bias: [V].
        temperature: the logits are divided by it, after scale and softcap.
        scale: the logits are multiplied by it (Cohere; Granite divides, so 1 / its `logits_scaling`).
        softcap: the logits are squashed into (−softcap, softcap) (Gemma); None: they are not.
        mask: [B, T], True on tokens that count; the others cost nothing, and their statistics are 0.

    Returns:
        [B, T] tensors on the device of the hidden states.

    Raises:
        UserError: a temperature that is not positive.
        ValueError: shapes that do not fit, an id beyond V.
    """
    if hidden.ndim != 3 or weight.ndim != 2 or hidden.shape[-1] != weight.shape[-1] or not len(weight):
        raise ValueError(
            f"hidden must be [B, T, H] and weight [V, H] with V > 0; "
            f"got {list(hidden.shape)} and {list(weight.shape)}"
        )
    mask = full_mask(mask, targets)
    check_temperature(temperature)
    check_targets(targets, mask, hidden.shape[:2], len(weight))

    # As under autocast, which does not see products that are written into a buffer.
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    states, ids = hidden[mask].to(dtype), targets[mask]  # [N, H], [N]
    columns, bias = weight.to(dtype).T, None if bias is None else bias.to(dtype)
    block = max(1, min(BLOCK_TOKENS, BLOCK_LOGITS // len(weight), len(ids)))
    product = states.new_empty(block, len(weight))
    narrow = dtype not in (torch.float32, torch.float64)
    wide = torch.empty_like(product, dtype=torch.float32) if narrow else product
    reducer = Reducer(wide, temperature, chunk(wide, block))
    for some, chosen in zip(states.split(block), ids.split(block), strict=True):
        logits = product[: len(some)]
        if bias is None:
            torch.mm(some, columns, out=logits)
        else:
            torch.addmm(bias, some, columns, out=logits)
        if narrow:
            logits = wide[: len(some)].copy_(logits)
        if scale != 1.0:
            logits.mul_(scale)
        if softcap is not None:
            logits.div_(softcap).tanh_().mul_(softcap)
        reducer.add_overwriting(logits, chosen)
    return reducer.statistics(mask)
