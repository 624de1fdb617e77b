"""RLSC, reinforcement learning via self-confidence: the probability the old policy gave the completion.

    L1 = −Σ_y p_old(y|x) log pθ(y|x)              (eq. 5)     r = p_old(y|x),       α = 0
    L2 = −Σ_y (p_old(y|x) + α) log pθ(y|x)        (eq. 6)     r = p_old(y|x) + α,   α = 0.1 in the paper
    entropy: −(1 + log p_old) log pθ              (table 1)   r = 1 + log p_old(y|x)

RLSC (arXiv 2506.06395 v3). Its loss is REINFORCE with these weights, without a baseline; p_old is the
policy that sampled, gradient stopped (algorithm 1), so the scorer is the policy. Algorithm 1 divides the
logits by the sampling temperature: `temperature = "sampling"` for the authors' numbers.

Under GRPO the group's mean is taken off, and α goes with it: it then has no effect. And p_old of a program
of a hundred tokens is 1e-30 and less, so that r = α for all, a group without variance. Both are true of the
method and not mended here; `probability` is the same order in a form that survives.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Scores
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.tokens import token_sum
from rlif.rollouts import RolloutGroup


class RLSC(CertaintyReward):
    """The completion's probability plus α, in [α, 1 + α]; with functional "entropy", 1 + its logarithm.

    Attributes:
        functional: what is maximised: expected probability, or minus the entropy of completions.
        alpha: smoothing constant of L2; used by "probability" only.
    """

    formula: ClassVar = "exp Σ_t log p_old(y_t) + α, or 1 + Σ_t log p_old(y_t)"
    paper: ClassVar = "RLSC, arXiv 2506.06395, eq. 5-6 and table 1"
    failure: ClassVar = (
        "probability: underflows, all completions of a program's length score α; length collapse"
    )

    type: Literal["rlsc"] = "rlsc"
    functional: Literal["probability", "entropy"] = "probability"
    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] weights of the RLSC loss."""
        stats, mask = self.counted(group)
        logp = token_sum(stats.logprob, mask)
        return np.exp(logp) + self.alpha if self.functional == "probability" else 1 + logp
