"""Stop when the programs of a group no longer agree more; agreement needs public inputs, no expected outputs.

Consensus is what majority rewards are paid for and what certainty rewards only hope for (FMV, 2604.15618, and
TTRL, 2504.16084, use it as the label).
"""

from typing import ClassVar, Literal

from rlif.diagnostics.stopping.base import Advice, StoppingRule, Window
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.peak import past_peak


class Consensus(StoppingRule):
    """Stop when the smoothed largest share of equal outputs has not risen for some steps.

    Attributes:
        window: steps of the trailing mean. patience: steps without a new maximum.
    """

    signals: ClassVar = (Signal.MAJORITY_SHARE,)

    type: Literal["consensus"] = "consensus"
    window: Window = 5
    patience: Window = 10

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return self.window + self.patience

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        return past_peak(history, Signal.MAJORITY_SHARE, self.window, self.patience)
