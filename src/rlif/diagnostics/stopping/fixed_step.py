"""Stop after a fixed number of updates: what needs no signal, and what every other rule has to beat."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.history import History


class FixedStep(StoppingRule):
    """Stop after `steps` updates.

    Attributes:
        steps: of the policy to keep; 0 keeps the model at the start.
    """

    signals: ClassVar = ()

    type: Literal["fixed_step"] = "fixed_step"
    steps: Annotated[int, Field(ge=0)]

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return max(1, self.steps)  # the model at the start is praised after the first step, not before it

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        return Advice(
            stop=history.steps >= self.steps,
            best=np.minimum(history.steps, self.steps),
            reason=lambda row: f"step {history.steps[row]} of {self.steps}",
        )
