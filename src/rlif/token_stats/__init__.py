"""Logits -> `TokenStats`: the only room that touches logits.

- `token_stats`: the statistics of [B, T, V] logits in one pass, without a full-precision copy of them;
- `token_stats_from_hidden`: the same from hidden states and the output matrix, without logits at all;
- `model_token_stats`: one forward pass of a causal language model, and the statistics of its completions;
- `GenerationTap`: the statistics of completions while they are generated, without a forward pass;
- `output_head`: what a transformers model does to turn hidden states into logits;
- `completion_mask`: which tokens count; `undefined_tokens`, `require_defined`: which have no statistics;
- `token_stats_reference`: the textbook formulas in float64, the oracle the tests compare with.
"""

from rlif.rollouts import TokenStats
from rlif.token_stats.checks import require_defined, undefined_tokens
from rlif.token_stats.chunked import token_stats
from rlif.token_stats.forward import model_token_stats
from rlif.token_stats.head import OutputHead, output_head
from rlif.token_stats.hidden import token_stats_from_hidden
from rlif.token_stats.mask import completion_mask
from rlif.token_stats.reference import token_stats_reference
from rlif.token_stats.tap import GenerationTap

__all__ = [
    "GenerationTap",
    "OutputHead",
    "TokenStats",
    "completion_mask",
    "model_token_stats",
    "output_head",
    "require_defined",
    "token_stats",
    "token_stats_from_hidden",
    "token_stats_reference",
    "undefined_tokens",
]
