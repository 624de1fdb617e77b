"""`token_stats`: statistics of the distributions behind [B, T, V] logits, in one pass over chunks of tokens.

With z the logits shifted so that their maximum is 0, then divided by the temperature, and
tail = Σ_v exp(z_v) over all v but the most likely one:

    log p(y)       = z_y − log1p(tail)
    H(p)           = log1p(tail) − Σ_v exp(z_v) z_v / (1 + tail)
    KL(U‖p)        = log1p(tail) − mean(z) − log V
    max p          = 1 / (1 + tail)
    top-1 − top-2  = −expm1(z_(2)) / (1 + tail)

Written so, nothing cancels: shifting before dividing makes an offset of 1e4 harmless, and leaving the maximum
out of the tail keeps the digits of distributions that are nearly certain. The one exception is KL(U‖p) of
nearly uniform ones, where three numbers of the size of log V leave something small; those rows are done again
in float64 by a formula that does not cancel (`_near_uniform`).

A vocabulary of 150,000 makes logits the largest tensor of a training step, so they are never copied whole:
rows are gathered, widened and reduced `chunk_tokens` at a time, and only the rows that count.
"""

import math

import torch

from rlif.rollouts import TokenStats

CHUNK_TOKENS = 32
"""Default number of tokens at a time: 6 MB a buffer for 49,152 logits, which a CPU's cache can hold."""

_NEAR_UNIFORM = 4.0
"""Below so many nats the direct formula for KL(U‖p) may lose more than 1e-6 of it in float32."""


@torch.no_grad()
def token_stats(
    logits: torch.Tensor,
    targets: torch.Tensor,
    temperature: float = 1.0,
    mask: torch.Tensor | None = None,
    chunk_tokens: int = CHUNK_TOKENS,
) -> TokenStats:
    """Return log-prob, entropy, self-certainty, top probability and margin of every token that counts.

    Reductions are in float32 (float64 for float64 logits), whatever the dtype of the logits. A logit of −inf
    (a token ruled out) gives self_certainty = +inf, since the uniform distribution still has mass there; the
    other statistics are those of the remaining tokens. NaN or +inf logits give NaN. No gradient is kept.

    Args:
        logits: [B, T, V], any floating dtype and strides; position t is the distribution of `targets[:, t]`.
        targets: [B, T] integer token ids; ignored where the mask is False, so any padding value will do.
        temperature: the logits are divided by it.
        mask: [B, T], True on tokens that count; all of them when None. Where False, every statistic is 0.
        chunk_tokens: rows computed at a time; working memory is about four float32 buffers [chunk_tokens, V].

    Returns:
        [B, T] tensors on the device of the logits.

    Raises:
        ValueError: shapes that do not fit, a temperature or chunk size that is not positive, an id beyond V.
    """
    if mask is None:
        mask = torch.ones(targets.shape, dtype=torch.bool, device=logits.device)
    mask = mask.bool()
    _check(logits, targets, temperature, mask, chunk_tokens)

    # Views of the logits as rows [N, V]. A slice such as logits[:, :-1] has no such view as a whole.
    sheets = [logits.view(-1, logits.shape[-1])] if logits.is_contiguous() else list(logits.unbind(0))
    parts: list[dict[str, torch.Tensor]] = []
    for rows, ids, counts in zip(
        sheets, targets.reshape(len(sheets), -1), mask.reshape(len(sheets), -1), strict=True
    ):
        for index in counts.nonzero().squeeze(-1).split(chunk_tokens):
            chunk = rows.index_select(0, index)
            parts.append(_statistics(chunk, ids[index], temperature))

    def place(name: str) -> torch.Tensor:
        values = torch.cat([part[name] for part in parts])
        return values.new_zeros(mask.shape).masked_scatter_(mask, values)

    return TokenStats(**{name: place(name) for name in parts[0]}, mask=mask, temperature=temperature)


def _statistics(rows: torch.Tensor, targets: torch.Tensor, temperature: float) -> dict[str, torch.Tensor]:
    """Return each statistic [N] of rows [N, V], a copy that may be overwritten; see the formulas above."""
    vocabulary = rows.shape[-1]
    z = rows if rows.dtype == torch.float64 else rows.float()
    largest, top = z.max(dim=-1, keepdim=True)
    z.sub_(largest)
    if temperature != 1.0:
        z.div_(temperature)

    z_target = z.gather(-1, targets[:, None].long()).squeeze(-1)
    z_mean = z.mean(-1)
    z_second = z.scatter_(-1, top, -torch.inf).amax(-1)
    z.scatter_(-1, top, 0.0)

    weights = z.exp().scatter_(-1, top, 0.0)
    tail = weights.sum(-1) + (largest - largest).squeeze(-1)  # + NaN where the maximum is not finite
    z.clamp_(min=torch.finfo(z.dtype).min)  # so that 0 · −inf is 0 in the next line
    weighted_sum = weights.mul_(z).sum(-1)
    del weights

    log_sum = tail.log1p()
    self_certainty = log_sum - z_mean - math.log(vocabulary)
    small = self_certainty < _NEAR_UNIFORM
    self_certainty[small] = _near_uniform(z[small]).to(z.dtype)
    return {
        "logprob": z_target - log_sum,
        "entropy": log_sum - weighted_sum / (1 + tail),
        "self_certainty": self_certainty,
        "max_prob": 1 / (1 + tail),
        "margin": -z_second.expm1() / (1 + tail),
    }


def _near_uniform(z: torch.Tensor) -> torch.Tensor:
    """Return KL(U‖p) of rows [N, V] in float64: log1p(mean(exp(d) − 1 − d)), where d = z − mean(z).

    Every term of the mean is positive, so the result is never negative and small results keep their digits.
    """
    d = z.double()
    d -= d.mean(-1, keepdim=True)
    return d.expm1().sub_(d).mean(-1).clamp_(min=0.0).log1p()


def _check(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float, mask: torch.Tensor, chunk_tokens: int
) -> None:
    if logits.ndim != 3 or logits.shape[-1] == 0 or not logits.is_floating_point():
        raise ValueError(
            f"logits must be floating [B, T, V] with V > 0; got {logits.dtype} {list(logits.shape)}"
        )
    if targets.shape != logits.shape[:2] or mask.shape != logits.shape[:2]:
        raise ValueError(
            f"targets and mask must be [B, T] = {list(logits.shape[:2])} as the logits; "
            f"got {list(targets.shape)} and {list(mask.shape)}"
        )
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite; got {temperature}")
    if chunk_tokens < 1:
        raise ValueError(f"chunk_tokens must be at least 1; got {chunk_tokens}")
    # An id out of range would abort the process on a GPU, without a message that names it.
    wrong = targets[mask & ((targets < 0) | (targets >= logits.shape[-1]))]
    if wrong.numel():
        raise ValueError(f"targets must be ids below V = {logits.shape[-1]}; got {wrong[0].item()}")
