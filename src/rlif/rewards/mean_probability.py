"""Mean probability: the mean over tokens of the probability of the sampled token.

    r = mean_t p(y_t)

Unlike the mean log-probability, one very unlikely token costs at most 1/T. Not from a paper.
"""

from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class MeanProbability(CertaintyReward):
    """Mean over tokens of p(y_t), in [0, 1]."""

    formula: ClassVar = "mean_t p(y_t)"
    paper: ClassVar = "-"
    failure: ClassVar = "repetition: copied text is the most probable"

    type: Literal["mean_probability"] = "mean_probability"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] mean probabilities."""
        stats, mask = self.counted(group)
        logprob = np.asarray(stats.logprob, dtype=np.float64)
        # A log-probability of −inf is not a probability of 0 that was sampled: let it make the score NaN.
        return token_mean(np.where(np.isfinite(logprob), np.exp(logprob), np.nan), mask)
