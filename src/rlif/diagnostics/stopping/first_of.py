"""Stop when any of several rules does: a one-sided trend and two-sided ranges watch for different ends."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.change_point import ChangePoint
from rlif.diagnostics.stopping.consensus import Consensus
from rlif.diagnostics.stopping.decline import Decline
from rlif.diagnostics.stopping.fixed_step import FixedStep
from rlif.diagnostics.stopping.healthy_range import HealthyRange
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.max_reward import MaxReward

SimpleRule = Annotated[
    FixedStep | MaxReward | Consensus | HealthyRange | ChangePoint | Decline, Field(discriminator="type")
]
"""Any of the rules that stand for themselves, by its `type`."""


class FirstOf(StoppingRule):
    """Stop with the first of `rules`, and keep the earliest policy that any of them would keep.

    Attributes:
        rules: one or more.
    """

    signals: ClassVar = tuple(Signal)

    type: Literal["first_of"] = "first_of"
    rules: Annotated[tuple[SimpleRule, ...], Field(min_length=1)] = (Decline(), HealthyRange())

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return min(rule.fewest_steps for rule in self.rules)

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        advice = [rule.advise(history) for rule in self.rules]

        def reason(row: int) -> str:
            loud = [one for one in advice if one.stop[row]] or advice
            return "; ".join(one.reason(row) for one in loud)

        return Advice(
            stop=np.any([one.stop for one in advice], axis=0),
            best=np.min([one.best for one in advice], axis=0),
            reason=reason,
        )
