"""Probability: the probability of the whole completion, compared within the group without underflow.

    rank:      r_i = (completions less likely than i + ½ those as likely) / (G − 1),  by Σ_t log p(y_t)
    relative:  r_i = p(y_i) / max_j p(y_j)

URLVR's code (arXiv 2603.08660, "probability") takes exp Σ_t log p(y_t), which is 0 in float32 below about
−104 nats: a few dozen tokens. Two ways to keep what it means. Dividing by the group's largest probability
changes nothing where rewards are normalised within groups, and leaves at least one completion that is not
0; ranks keep all of the order and nothing else. `rlsc` is the reward with the raw probability.
"""

from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_sum
from rlif.rollouts import RolloutGroup


class Probability(CertaintyReward):
    """Rank of the completion by its probability, in [0, 1], ties sharing theirs; NaN also for G = 1.

    Attributes:
        scale: "rank", or "relative" to the most likely completion of the group.
    """

    formula: ClassVar = "rank of Σ_t log p(y_t) in the group, or exp Σ_t log p(y_t) relative to its largest"
    paper: ClassVar = "URLVR, arXiv 2603.08660"
    failure: ClassVar = "length collapse: short answers are the likely ones"
    undefined: ClassVar = "no token counts, or a statistic is not finite; by rank: nobody to compare with"

    type: Literal["probability"] = "probability"
    scale: Literal["rank", "relative"] = "rank"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] ranks or relative probabilities."""
        stats, mask = self.counted(group)
        logp = token_sum(stats.logprob, mask)
        known = np.flatnonzero(~np.isnan(logp))
        scores = np.full(group.size, np.nan)
        if self.scale == "relative" and known.size:
            scores[known] = np.exp(logp[known] - logp[known].max())
        elif self.scale == "rank" and known.size > 1:
            a, b = logp[known, None], logp[None, known]
            scores[known] = ((b < a).sum(axis=1) + ((b == a).sum(axis=1) - 1) / 2) / (known.size - 1)
        return scores

    def _reason(self, group: RolloutGroup, index: int) -> str:
        stats, mask = self.counted(group)
        is_known = not np.isnan(token_sum(stats.logprob, mask)[index])
        return "no other completion to compare with" if is_known else super()._reason(group, index)
