"""Logits -> `TokenStats`: the only room that touches logits.

- `token_stats`: the statistics of [B, T, V] logits in one pass, without a full-precision copy of them;
- `model_token_stats`: one forward pass of a causal language model, and the statistics of its completions;
- `completion_mask`: which tokens count;
- `token_stats_reference`: the textbook formulas in float64, the oracle the tests compare with.
"""

from rlif.rollouts import TokenStats
from rlif.token_stats.chunked import token_stats
from rlif.token_stats.forward import model_token_stats
from rlif.token_stats.mask import completion_mask
from rlif.token_stats.reference import token_stats_reference

__all__ = [
    "TokenStats",
    "completion_mask",
    "model_token_stats",
    "token_stats",
    "token_stats_reference",
]
