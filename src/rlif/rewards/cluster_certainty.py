"""Cluster certainty: agreement with the group and confidence of its own, on one scale.

    r_i = a · z(|class of i| / programs that ran) + b · z(self-certainty_i),   a = b = 0.5

z is the z-score within the group. "Two is better than one" (arXiv 2605.22620), where voting alone and
self-certainty alone collapse in opposite directions, and their sum later. The paper adds a KL penalty on
the 2% of tokens with the highest covariance of log-probability and advantage (KL-Cov, weight 0.05): that
belongs to the loss, not to the reward, and TRL 1.16 does not offer it, so it is not here.

A program that fails is in no class: its share is 0. A channel without variance contributes 0.
"""

from collections import Counter
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Need, Scores, executions_of
from rlif.rewards.certainty import CertaintyReward
from rlif.rewards.classes import behaviours
from rlif.rewards.normalise import z_scores
from rlif.rewards.tokens import token_mean
from rlif.rollouts import RolloutGroup


class ClusterCertainty(CertaintyReward):
    """Weighted sum of two z-scores, without unit.

    Attributes:
        cluster_weight, certainty_weight: a and b of the formula.
    """

    needs: ClassVar = frozenset({Need.TOKEN_STATS, Need.EXECUTIONS})
    formula: ClassVar = "0.5 z(size of its class of equal outputs) + 0.5 z(mean_t KL(U‖p_t))"
    paper: ClassVar = "Two is better than one, arXiv 2605.22620"
    cost: ClassVar = (
        "a forward pass over each completion, or none where the tap listens; "
        "G sandboxed programs on the public inputs"
    )
    failure: ClassVar = "without the paper's KL-Cov it collapses too, later than either half"
    undefined: ClassVar = "no token counts, a statistic is not finite, G = 1, or no public inputs"

    type: Literal["cluster_certainty"] = "cluster_certainty"
    cluster_weight: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    certainty_weight: Annotated[float, Field(allow_inf_nan=False)] = 0.5

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] sums of z-scores."""
        stats, mask = self.counted(group)
        found = behaviours(executions_of(group), group.problem)
        if group.size == 1 or not group.problem.public_tests:
            return np.full(group.size, np.nan)
        sizes = Counter(found)
        share = np.array([0 if b is None else sizes[b] for b in found], dtype=np.float64)
        cluster, certainty = z_scores(share), z_scores(token_mean(stats.self_certainty, mask))
        return self.cluster_weight * cluster.values + self.certainty_weight * certainty.values

    def _reason(self, group: RolloutGroup, index: int) -> str:
        if group.size == 1:
            return "G = 1: nobody to agree with"
        return super()._reason(group, index) if group.problem.public_tests else "no public inputs"
