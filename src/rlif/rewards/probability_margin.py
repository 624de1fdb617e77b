"""Probability margin: how far the most likely token is ahead of the second.

    r = mean_t [p_t(1) − p_t(2)],   p_t(1) ≥ p_t(2) the two largest probabilities

The confidence of chain-of-thought decoding (Wang & Zhou, arXiv 2402.10200), which averages over the tokens
of the *answer*; RLSF (arXiv 2507.21931) ranks reasoning traces by it. The answer of a code model is its
program: `tokens = "code"` comes closest; the default averages over all tokens, as other rewards do.
"""

from typing import ClassVar, Literal

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class ProbabilityMargin(CertaintyReward):
    """Mean over tokens of top-1 minus top-2 probability, in [0, 1]."""

    formula: ClassVar = "mean_t [p_t(1) − p_t(2)], the two largest probabilities"
    paper: ClassVar = "RLSF, arXiv 2507.21931, after arXiv 2402.10200"
    failure: ClassVar = "saturates near 1, then pays for repetition"

    type: Literal["probability_margin"] = "probability_margin"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] mean margins."""
        stats, mask = self.counted(group)
        return token_mean(stats.margin, mask)
