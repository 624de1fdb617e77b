"""Stop at the maximum of the training reward: what one would do who takes the reward for progress."""

from typing import ClassVar, Literal

from rlif.diagnostics.stopping.base import Advice, StoppingRule, Window
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.peak import past_peak


class MaxReward(StoppingRule):
    """Stop when the smoothed reward has not risen for some steps; keep the policy of its maximum.

    Attributes:
        window: steps of the trailing mean. patience: steps without a new maximum.
    """

    signals: ClassVar = (Signal.REWARD,)

    type: Literal["max_reward"] = "max_reward"
    window: Window = 5
    patience: Window = 10

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return self.window + self.patience

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        return past_peak(history, Signal.REWARD, self.window, self.patience)
