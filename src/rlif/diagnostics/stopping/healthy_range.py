"""Stop when length, entropy or reasoning leaves a range around its start: the ranges of `Thresholds`.

Two-sided, since certainty rewards have ended short and votes alone long. The policy to keep is the last one
that was nearer to its start than to a border, measured in ratios; a slow decline is old when it crosses.
"""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PlainSerializer

from rlif.diagnostics.series import Floats
from rlif.diagnostics.stopping.base import Advice, StoppingRule, Window
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.windows import last_true, policy_of, start_mean, trailing_mean
from rlif.diagnostics.thresholds import Thresholds

_T = Thresholds()

Low = Annotated[float, Field(ge=0, lt=1)]
High = Annotated[
    float,
    Field(gt=1),
    PlainSerializer(lambda x: x if math.isfinite(x) else "inf", return_type=float | str, when_used="json"),
]
"""Above 1; JSON has no number for infinity, so it is text there."""


class HealthyRange(StoppingRule):
    """Stop when a trailing mean lies outside [low, high] · (mean of the first `window` steps).

    Attributes:
        window: steps of either mean.
        length, entropy, reasoning: (low, high) of completion length, token entropy and reasoning share.
    """

    signals: ClassVar = (Signal.LENGTH_MEAN, Signal.ENTROPY, Signal.REASONING_SHARE)

    type: Literal["healthy_range"] = "healthy_range"
    window: Window = 5
    length: tuple[Low, High] = (_T.length_low, _T.length_high)
    entropy: tuple[Low, High] = (_T.entropy_low, _T.entropy_high)
    reasoning: tuple[Low, High] = (_T.share_lost, math.inf)

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return self.window + 1

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        ranges = dict(zip(self.signals, (self.length, self.entropy, self.reasoning), strict=True))
        ratios = {signal: self._ratio(history, signal) for signal in ranges}
        outside = np.zeros(len(history.steps), dtype=bool)
        well = np.ones(len(history.steps), dtype=bool)
        for signal, (low, high) in ranges.items():
            outside |= (ratios[signal] < low) | (ratios[signal] > high)
            well &= ~((ratios[signal] < math.sqrt(low)) | (ratios[signal] > math.sqrt(high)))

        def reason(row: int) -> str:
            return "; ".join(
                f"{signal} is {ratios[signal][row]:.2f} of its start (healthy: {low:g} to {high:g})"
                for signal, (low, high) in ranges.items()
                if ratios[signal][row] < low or ratios[signal][row] > high
            )

        return Advice(outside, policy_of(history.steps, last_true(well), self.window), reason)

    def _ratio(self, history: History, signal: Signal) -> Floats:
        """Return the trailing mean over the start [n]; NaN, which is outside of nothing, where undefined."""
        values = history.signal(signal)
        start = start_mean(values, self.window)
        with np.errstate(over="ignore"):  # infinitely far from a start next to 0 is outside
            return trailing_mean(values, self.window) / (start if start > 0 else math.nan)
