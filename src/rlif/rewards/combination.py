"""`Combination`: what the rewards made of other rewards share: their list, and sums that are fair to each.

Rewards are never summed raw, because their scales differ by up to 1e5: each is turned into z-scores within
the group first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from rlif.errors import UserError
from rlif.rewards.base import Need, Reward, Scores, Signal
from rlif.rewards.leaves import LEAVES, Leaf, parse
from rlif.rewards.normalise import z_scores
from rlif.rollouts import RolloutGroup


@dataclass(frozen=True, slots=True)
class Part:
    """One reward's share in a sum.

    Attributes:
        reward: which.
        weight: its weight at this step.
        scores: [G] as the reward gave them.
        normalised: [G] z-scores, before the weight.
        zero_variance: the group's scores were all equal; it contributes 0.
    """

    reward: Reward
    weight: float
    scores: Scores
    normalised: Scores
    zero_variance: bool


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A sum of rewards for one group: scores [G], and the parts they are made of."""

    scores: Scores
    parts: tuple[Part, ...]


class Combination(Reward):
    """Base of mixture, schedule and alternation.

    Attributes:
        rewards: at least two, each a type or a table of type and options; not combinations themselves.
    """

    needs: ClassVar = frozenset[Need]()
    paper: ClassVar = "-"
    cost: ClassVar = "that of its rewards; signals they share are computed once"

    rewards: Annotated[
        tuple[Annotated[Leaf, Field(discriminator="type")], ...], Field(min_length=2)
    ]  # fmt: skip

    @field_validator("rewards", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        try:
            return tuple(parse(entry, LEAVES) for entry in value)
        except UserError as error:
            raise ValueError(str(error)) from error

    def signals(self) -> frozenset[Signal]:
        """Return what its rewards need, all together."""
        return frozenset[Signal]().union(*(reward.signals() for reward in self.rewards))


def weighted_sum(rewards: Sequence[Reward], weights: Sequence[float], group: RolloutGroup) -> Breakdown:
    """Return Σ_k w_k z(r_k), each reward normalised within the group; NaN where one of them is.

    A reward of weight 0 is not computed and has no part. Without any, all scores are 0.
    """
    parts: list[Part] = []
    for reward, weight in zip(rewards, weights, strict=True):
        if weight:
            scores = reward(group)
            normalised = z_scores(scores)
            parts.append(Part(reward, weight, scores, normalised.values, normalised.zero_variance))
    total = np.zeros(group.size)
    for part in parts:
        total += part.weight * part.normalised
    return Breakdown(total, tuple(parts))


def missing_parts(parts: Sequence[Part], group: RolloutGroup, index: int) -> str:
    """Return why the sum is NaN for completion `index`: the reasons of its parts."""
    return "; ".join(
        f"{part.reward.type}: {part.reward.why_undefined(group)[index]}"
        for part in parts
        if np.isnan(part.scores[index])
    )
