"""Alternation: one reward at a time, taking turns.

    r = r_k,   k = ⌊step / every⌋ mod K

    reward = { type = "alternation", rewards = ["self_certainty", "functional_majority"], every = 5 }

Scores are the reward's own: only one counts at a time, so nothing has to be put on a common scale. Its
`weight` is not used. Steps count the updates of the stage, from 0.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rlif.rewards.base import Reward, Scores
from rlif.rewards.combination import Combination
from rlif.rollouts import RolloutGroup


class Alternation(Combination):
    """The scores of the reward whose turn it is.

    Attributes:
        every: steps before the next reward has its turn.
    """

    formula: ClassVar = "r_k, k = ⌊step / every⌋ mod K"
    failure: ClassVar = "that of its worst reward, more slowly"
    undefined: ClassVar = "the reward whose turn it is is undefined"

    type: Literal["alternation"] = "alternation"
    every: Annotated[int, Field(ge=1)] = 1

    def at(self, step: int) -> Reward:
        """Return the reward that counts after `step` updates."""
        return self.rewards[step // self.every % len(self.rewards)]

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] scores of the reward whose turn it is."""
        return self.at(group.step)(group)

    def _reason(self, group: RolloutGroup, index: int) -> str:
        return self.at(group.step).why_undefined(group)[index]
