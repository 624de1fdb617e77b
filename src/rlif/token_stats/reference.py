"""The statistics of token distributions as textbooks define them, in float64: clear, slow, the oracle."""

import math

import torch

from rlif.rollouts import TokenStats


@torch.no_grad()
def token_stats_reference(
    logits: torch.Tensor,
    targets: torch.Tensor,
    temperature: float = 1.0,
    mask: torch.Tensor | None = None,
) -> TokenStats:
    """Return what `rlif.token_stats.token_stats` should, computed in float64 on [B, T, V] at once."""
    logp = torch.log_softmax(logits.double() / temperature, dim=-1)  # [B, T, V]
    p = logp.exp()
    top = p.topk(min(2, p.shape[-1]), dim=-1).values
    statistics = {
        "logprob": logp.gather(-1, targets[..., None]).squeeze(-1),
        "entropy": -torch.where(p > 0, p * logp, 0.0).sum(-1),  # 0 · log 0 = 0
        "self_certainty": -logp.mean(-1) - math.log(logp.shape[-1]),  # Σ_v U(v) log(U(v) / p(v)), U = 1/V
        "max_prob": top[..., 0],
        "margin": top[..., 0] - top[..., 1] if top.shape[-1] > 1 else top[..., 0],
    }
    if mask is None:
        mask = torch.ones(targets.shape, dtype=torch.bool, device=logits.device)
    return TokenStats(
        **{name: torch.where(mask, values, 0.0) for name, values in statistics.items()},
        mask=mask,
        temperature=temperature,
    )
