"""Trajectory log-probability: how likely the model finds what it wrote.

    r = Σ_t log p(y_t)      or its mean over tokens, `length_normalised`

The sum is the sequence-level variant of EM-RL (arXiv 2505.15134), the mean that of URLVR (arXiv 2603.08660).
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Need, Reward, Scores, token_stats_of
from rlif.rewards.tokens import token_mean, token_sum
from rlif.rollouts import RolloutGroup


class TrajectoryLogprob(Reward):
    """Sum over tokens of log p(y_t), in nats: at most 0; NaN for an empty completion.

    Attributes:
        length_normalised: the mean over tokens in place of the sum.
    """

    needs: ClassVar = frozenset({Need.TOKEN_STATS})
    formula: ClassVar = "Σ_t log p(y_t), or its mean with length_normalised"
    paper: ClassVar = "EM-RL, arXiv 2505.15134; mean: URLVR, arXiv 2603.08660"
    cost: ClassVar = "a forward pass over each completion"
    failure: ClassVar = "sum: length collapse, since fewer tokens score higher; mean: repetition"

    type: Literal["trajectory_logprob"] = "trajectory_logprob"
    length_normalised: bool = False

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] log-probabilities, summed or averaged."""
        stats = token_stats_of(group)
        reduce = token_mean if self.length_normalised else token_sum
        return reduce(stats.logprob, stats.mask)
