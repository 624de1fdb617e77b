"""Token entropy: minus the mean entropy of the model's token distributions.

    r = −mean_t H(p_t),   H(p) = −Σ_v p(v) log p(v)

RENT (arXiv 2505.22660) and the token-level variant of EM-RL (arXiv 2505.15134).
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Need, Reward, Scores, token_stats_of
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class TokenEntropy(Reward):
    """Minus the mean over tokens of H(p_t), in nats: at most 0; NaN for an empty completion."""

    needs: ClassVar = frozenset({Need.TOKEN_STATS})
    formula: ClassVar = "−mean_t H(p_t)"
    paper: ClassVar = "RENT, arXiv 2505.22660; EM-RL, arXiv 2505.15134"
    cost: ClassVar = "a forward pass over each completion"
    failure: ClassVar = "repetition: copied text has the lowest entropy"

    type: Literal["token_entropy"] = "token_entropy"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] negative mean entropies."""
        stats = token_stats_of(group)
        return -token_mean(stats.entropy, stats.mask)
