"""Token entropy: minus the mean entropy of the model's token distributions.

    r = −mean_t H(p_t),   H(p) = −Σ_v p(v) log p(v)

RENT (arXiv 2505.22660) and the token-level variant of EM-RL (arXiv 2505.15134).
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class TokenEntropy(CertaintyReward):
    """Minus the mean over tokens of H(p_t), in nats: in [−log V, 0]."""

    formula: ClassVar = "−mean_t H(p_t)"
    paper: ClassVar = "RENT, arXiv 2505.22660; EM-RL, arXiv 2505.15134"
    failure: ClassVar = "repetition: copied text has the lowest entropy"

    type: Literal["token_entropy"] = "token_entropy"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] negative mean entropies."""
        stats, mask = self.counted(group)
        return -token_mean(stats.entropy, mask)
