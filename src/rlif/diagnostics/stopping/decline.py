"""Stop when the signs of thinking and agreement decline together: a trend test on several signals at once.

With t_i the t statistic of the least-squares slope of signal i over the last `window` steps,

    z = mean_i (sign_i · t_i),   signs: length +, reasoning rate +, agreement +, entropy −
    stop when z < −threshold

A trend over many steps is found long before a single signal leaves any range, and one-sidedly: answers that
grow longer and more certain *with* more agreement are what healthy runs look like. So an explosion of length
is not for this rule. The policy to keep is that at the start of the window.
"""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from rlif.diagnostics.series import Floats
from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.windows import policy_of, trend

SIGNS = {
    Signal.LENGTH_MEAN: 1,
    Signal.REASONING_RATE: 1,
    Signal.MAJORITY_SHARE: 1,
    Signal.ENTROPY: -1,
}


class Decline(StoppingRule):
    """Stop when length, reasoning, agreement and certainty decline on average over the last steps.

    Attributes:
        window: steps of the trend. fewest: steps before the first word, at most `window`. threshold: of z.
    """

    signals: ClassVar = tuple(SIGNS)

    type: Literal["decline"] = "decline"
    window: Annotated[int, Field(ge=5)] = 30
    fewest: Annotated[int, Field(ge=5)] = 10
    threshold: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _can_speak(self) -> Self:
        if self.fewest > self.window:
            raise ValueError(
                f"fewest = {self.fewest} steps do not fit into a window of {self.window}: the rule would "
                "never stop. Set both, as in window = 20, fewest = 10"
            )
        return self

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return self.fewest

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        trends = {
            signal: SIGNS[signal] * trend(history.signal(signal), self.window, self.fewest)
            for signal in history.recorded(self.signals)
        }
        z = _mean(list(trends.values()), len(history.steps))
        first = np.maximum(np.arange(len(z)) - self.window + 1, 0)

        def reason(row: int) -> str:
            parts = ", ".join(f"{name} {SIGNS[name] * t[row]:+.1f}" for name, t in trends.items())
            since = int(history.steps[first[row]])
            return f"trends since step {since}: z = {z[row]:.2f}, threshold −{self.threshold:g} (t: {parts})"

        return Advice(z < -self.threshold, policy_of(history.steps, first), reason)


def _mean(rows: list[Floats], steps: int) -> Floats:
    """Return the mean over the defined signals at each step, [n]; NaN where none is."""
    table = np.array(rows).reshape(len(rows), steps)
    known = np.isfinite(table)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(steps, np.nan), where=known.any(axis=0))
