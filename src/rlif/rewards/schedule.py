"""Schedule: a mixture whose weights change over the steps of a stage.

    r_i = Σ_k w_k(step) z(r_k,i),   w_k linear between the steps given, constant before and after

From tests to confidence over 50 steps:

    reward = { type = "schedule", rewards = ["unit_tests", "self_certainty"], points = [
      { step = 0, weights = [1, 0] },
      { step = 50, weights = [0, 1] },
    ] }

The rewards' own `weight` is not used. Steps count the updates of the stage, from 0.
"""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlif.rewards.base import Scores
from rlif.rewards.combination import Breakdown, Combination, missing_parts, weighted_sum
from rlif.rollouts import RolloutGroup


class Point(BaseModel):
    """Weights at one step, one for each reward."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Annotated[int, Field(ge=0)]
    weights: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]


class Schedule(Combination):
    """Weighted sum of z-scores, by step.

    Attributes:
        points: at least one, by rising step.
    """

    formula: ClassVar = "Σ_k w_k(step) z(r_k), weights linear between points"
    failure: ClassVar = "that of whichever reward has the weight"
    undefined: ClassVar = "one of its rewards of weight above 0 is undefined"

    type: Literal["schedule"] = "schedule"
    points: Annotated[tuple[Point, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _points_fit(self) -> Self:
        steps = [point.step for point in self.points]
        if steps != sorted(set(steps)):
            raise ValueError(f"the steps of points must rise; got {steps}")
        for point in self.points:
            if len(point.weights) != len(self.rewards) or not any(point.weights):
                raise ValueError(
                    f"step {point.step} needs a weight for each of {len(self.rewards)} rewards, one of them "
                    f"above 0; got {list(point.weights)}"
                )
        return self

    def weights_at(self, step: int) -> list[float]:
        """Return the weight of each reward after `step` updates."""
        steps = [point.step for point in self.points]
        columns = zip(*(point.weights for point in self.points), strict=True)
        return [float(np.interp(step, steps, column)) for column in columns]

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] sums."""
        return self.breakdown(group).scores

    def breakdown(self, group: RolloutGroup) -> Breakdown:
        """Return the sums and the parts they are made of."""
        return weighted_sum(self.rewards, self.weights_at(group.step), group)

    def _reason(self, group: RolloutGroup, index: int) -> str:
        return missing_parts(self.breakdown(group).parts, group, index)
