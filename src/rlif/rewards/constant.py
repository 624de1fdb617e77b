"""Constant: the same reward for everything. The control in which nothing is learnt.

    r = c

Advantages are all zero: whatever changes is due to the KL term, weight decay or the optimiser.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Need, Reward, Scores
from rlif.rollouts import RolloutGroup


class Constant(Reward):
    """Always `value`.

    Attributes:
        value: the reward.
    """

    needs: ClassVar = frozenset[Need]()
    formula: ClassVar = "c"
    paper: ClassVar = "-"
    cost: ClassVar = "none"
    failure: ClassVar = "a control: no group has variance, so there is no gradient"
    undefined: ClassVar = "never"

    type: Literal["constant"] = "constant"
    value: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return the value G times."""
        return np.full(group.size, self.value)
