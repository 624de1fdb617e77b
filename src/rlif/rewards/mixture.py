"""Mixture: a weighted sum of rewards, each normalised within the group first.

    r_i = Σ_k w_k z(r_k,i)

`weight` is the weight of each reward in it:

    reward = { type = "mixture", rewards = [
      { type = "functional_majority", weight = 0.7 },
      { type = "self_certainty", weight = 0.3 },
    ] }

A reward whose scores are all equal in a group contributes 0 there; `breakdown` says which. A completion for
which one of the rewards is undefined has no score: leaving it out would compare unlike sums.

This is one reward to any trainer. A *list* of rewards in a run file is normalised by TRL instead
("normalize_then_sum": GDPO), which adds 1e-4 to each standard deviation and normalises the sums over the
batch.
"""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from rlif.rewards.base import Scores
from rlif.rewards.combination import Breakdown, Combination, missing_parts, weighted_sum
from rlif.rollouts import RolloutGroup


class Mixture(Combination):
    """Weighted sum of z-scores."""

    formula: ClassVar = "Σ_k w_k z(r_k), z-scores within the group"
    failure: ClassVar = "the part that is easiest to raise is raised; see each part's own reward"
    undefined: ClassVar = "one of its rewards is undefined"

    type: Literal["mixture"] = "mixture"

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(reward.weight for reward in self.rewards):
            raise ValueError("all weights are 0; give at least one reward a weight")
        return self

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] sums."""
        return self.breakdown(group).scores

    def breakdown(self, group: RolloutGroup) -> Breakdown:
        """Return the sums and the parts they are made of."""
        return weighted_sum(self.rewards, [reward.weight for reward in self.rewards], group)

    def _reason(self, group: RolloutGroup, index: int) -> str:
        return missing_parts(self.breakdown(group).parts, group, index)
