"""`row_statistics`: the statistics of distributions given as rows of logits, in one pass over each row.

Let x₁ ≥ x₂ be the two largest logits, T the temperature, z_v = (x_v − x₂) / T, g = (x₂ − x₁) / T ≤ 0, and let
sums run over all v but the most likely one:

    tail           = e^g Σ exp(z_v)                      the mass beside the top, in units of the top's
    log p(y)       = (x_y − x₁) / T − log1p(tail)
    H(p)           = log1p(tail) − e^g Σ exp(z_v) (z_v + g) / (1 + tail)
    KL(U‖p)        = log1p(tail) − [Σ z_v + (V − 1) g] / V − log V
    max p          = 1 / (1 + tail)
    top-1 − top-2  = −expm1(g) / (1 + tail)

Why so: shifting before dividing makes an offset of 1e4 harmless. Leaving the top out of the sums keeps the
digits of distributions that are nearly certain. Shifting by the *second* largest logit makes the terms that
dominate the tail small numbers, of which float32 knows more digits than of their distance to the top (a logit
20 below the top is off by 1e-6, and so would be its probability). The sums over the vocabulary are float32,
what is done with them afterwards, on one number a row, float64. What remains is KL(U‖p) of nearly uniform
rows, three numbers of the size of log V that leave something small: `_near_uniform` does those again.
"""

import math

import torch

STATISTICS = ("logprob", "entropy", "self_certainty", "max_prob", "margin")
"""Names of the rows of what `row_statistics` returns."""

_NEAR_UNIFORM = 2.0
"""Below so many nats the direct formula for KL(U‖p) may lose more than 1e-6 of it in float32."""


def row_statistics(
    rows: torch.Tensor, targets: torch.Tensor, temperature: float, scratch: torch.Tensor
) -> torch.Tensor:
    """Return `STATISTICS` [5, N] of float32 or float64 rows [N, V], *which are overwritten*.

    Args:
        rows: [N, V] contiguous logits.
        targets: [N] ids below V.
        temperature: positive.
        scratch: like the rows, or with more of them. A buffer made anew for every few rows would cost
            more, in page faults, than the arithmetic.
    """
    vocabulary, dtype = rows.shape[-1], rows.dtype
    largest_index = _argmax(rows)
    x_target = rows.gather(-1, targets[:, None].long()).squeeze(-1).double()
    x_1 = rows.gather(-1, largest_index).squeeze(-1)
    x_2 = rows.scatter_(-1, largest_index, -torch.inf).amax(-1)
    shift = torch.where(x_2 == -torch.inf, x_1, x_2)  # a single token possible: any finite shift will do

    z = rows.sub_(shift[:, None])
    if temperature != 1.0:
        z.div_(temperature)
    weights = torch.exp(z, out=scratch[: len(z)])  # 0 at the top, whose logit is −inf for now
    z.scatter_(-1, largest_index, 0.0)
    sum_z = z.sum(-1).double()
    if (sum_z == -torch.inf).any():
        z.clamp_(min=torch.finfo(dtype).min)  # so that 0 · −inf is 0 in the next line
    sum_weights = weights.sum(-1).double()
    sum_weighted = weights.mul_(z).sum(-1).double()

    top = x_1.double()
    gap = (shift.double() - top) / temperature
    tail = gap.exp() * sum_weights + (top - top)  # + NaN where the largest logit is not finite
    log_sum = tail.log1p()
    weighted = gap.exp() * (sum_weighted + gap * sum_weights)
    self_certainty = log_sum - (sum_z + (vocabulary - 1) * gap) / vocabulary - math.log(vocabulary)
    small = self_certainty < _NEAR_UNIFORM
    if small.any():
        distances = z[small].double().scatter_(-1, largest_index[small], -gap[small, None])
        self_certainty[small] = _near_uniform(distances)
    logprob = (x_target - top) / temperature - log_sum
    entropy = log_sum - weighted / (1 + tail)
    max_prob = 1 / (1 + tail)
    margin = -((x_2.double() - top) / temperature).expm1() * max_prob
    return torch.stack([logprob, entropy, self_certainty, max_prob, margin]).to(dtype)


def _argmax(rows: torch.Tensor, block: int = 128) -> torch.Tensor:
    """Return the index [N, 1] of a largest logit of each row; of a NaN where there is one.

    Torch's argmax of a row costs as much as its exponentials on a CPU, ten times its maximum. So: the maxima
    of blocks, the best block, and the place in it.
    """
    vocabulary = rows.shape[-1]
    blocks, rest = divmod(vocabulary, block)
    if blocks < 16:
        return rows.argmax(-1, keepdim=True)
    grid = rows[:, : vocabulary - rest].unflatten(-1, (blocks, block))
    maxima = grid.amax(-1)
    if rest:
        maxima = torch.cat([maxima, rows[:, vocabulary - rest :].amax(-1, keepdim=True)], dim=-1)
    # The last, shorter block is reached by starting at most V − block.
    start = (maxima.argmax(-1, keepdim=True) * block).clamp_(max=vocabulary - block)
    columns = start + torch.arange(block, device=rows.device)
    return start + rows.gather(-1, columns).argmax(-1, keepdim=True)


def _near_uniform(z: torch.Tensor) -> torch.Tensor:
    """Return KL(U‖p) of float64 rows [N, V]: log1p(mean(exp(d) − 1 − d)), where d = z − mean(z).

    Every term of the mean is positive, so the result is never negative and small results keep their digits.
    """
    d = z - z.mean(-1, keepdim=True)
    return d.expm1().sub_(d).mean(-1).clamp_(min=0.0).log1p()
