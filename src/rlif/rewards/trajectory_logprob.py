"""Trajectory log-probability: how likely the model finds what it wrote.

    r = Σ_t log p(y_t)      or its mean over tokens, `length_normalised`

The sum is the sequence-level variant of EM-RL (arXiv 2505.15134), the mean that of URLVR (arXiv 2603.08660),
whose code calls it "trajectory_level_entropy".
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_mean, token_sum
from rlif.rollouts import RolloutGroup


class TrajectoryLogprob(CertaintyReward):
    """Sum over tokens of log p(y_t), in nats: at most 0.

    Attributes:
        length_normalised: the mean over tokens in place of the sum.
    """

    formula: ClassVar = "Σ_t log p(y_t), or its mean with length_normalised"
    paper: ClassVar = "EM-RL, arXiv 2505.15134; mean: URLVR, arXiv 2603.08660"
    failure: ClassVar = "sum: length collapse, since fewer tokens score higher; mean: repetition"

    type: Literal["trajectory_logprob"] = "trajectory_logprob"
    length_normalised: bool = False

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] log-probabilities, summed or averaged."""
        stats, mask = self.counted(group)
        reduce = token_mean if self.length_normalised else token_sum
        return reduce(stats.logprob, mask)
