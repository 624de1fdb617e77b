"""Random: a reward that knows nothing. The control every other reward has to beat.

    r ~ Bernoulli(p)   or   r ~ Uniform[0, 1)

Some models improve even on this (Spurious Rewards, arXiv 2506.10947), so a gain with another reward is
evidence for that reward only beside this one.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Need, Reward, Scores
from rlif.rollouts import RolloutGroup


class Random(Reward):
    """Independent draws, a function of the group's seed alone: the same run gives the same rewards.

    Attributes:
        distribution: "bernoulli" (0 or 1) or "uniform" on [0, 1).
        p: probability of a 1; used by "bernoulli" only.
    """

    needs: ClassVar = frozenset[Need]()
    formula: ClassVar = "Bernoulli(p), or uniform on [0, 1)"
    paper: ClassVar = "Spurious Rewards, arXiv 2506.10947"
    cost: ClassVar = "none"
    failure: ClassVar = "a control: what it gains is not due to the reward"
    undefined: ClassVar = "never"

    type: Literal["random"] = "random"
    distribution: Literal["bernoulli", "uniform"] = "bernoulli"
    p: Annotated[float, Field(ge=0, le=1)] = 0.5

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] draws."""
        draws = np.random.default_rng(group.seed).random(group.size)
        return draws if self.distribution == "uniform" else (draws < self.p).astype(np.float64)
