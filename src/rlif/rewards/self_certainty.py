"""Self-certainty: how far the model's token distributions are from uniform.

    r = mean_t KL(U‖p_t) = mean_t [logsumexp(z_t) − mean(z_t)] − log V

Intuitor (arXiv 2505.19590); the measure itself is due to Kang et al. (arXiv 2502.18581). Intuitor's code
leaves out −log V, which changes nothing when rewards are normalised within groups; here it is kept, so that
0 means uniform and vocabularies compare.
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class SelfCertainty(CertaintyReward):
    """Mean over tokens of KL(U‖p_t), in nats: at least 0."""

    formula: ClassVar = "mean_t KL(U‖p_t)"
    paper: ClassVar = "Intuitor, arXiv 2505.19590"
    failure: ClassVar = "rises, then falls: confidence keeps growing on answers that are wrong"

    type: Literal["self_certainty"] = "self_certainty"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] mean self-certainties."""
        stats, mask = self.counted(group)
        return token_mean(stats.self_certainty, mask)
