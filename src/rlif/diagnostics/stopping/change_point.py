"""Stop at a change point: a two-sided CUSUM on standardised signals (Page 1954), self-starting.

With x̄, s the mean and standard deviation of the values before t (Hawkins 1987, J. Quality Technology 19:189):

    T_t = √((t − 1)/t) · (x_t − x̄)/s,     U_t = Φ⁻¹(F_{t−2}(T_t))
    S⁺_t = max(0, S⁺_{t−1} + U_t − k),     S⁻_t = max(0, S⁻_{t−1} − U_t − k),     stop when either > h

Without a change the U_t are independent N(0, 1) from the third value on: no long baseline is needed to set h.
The change began after the last step at which the sum was 0. With several signals the policy to keep is that
of the earliest of those steps, over all sums: going back too far costs less than not far enough.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import ndtri, stdtr

from rlif.diagnostics.series import Floats
from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.windows import last_true, policy_of

Positive = Annotated[float, Field(gt=0)]


class ChangePoint(StoppingRule):
    """Stop when the level of length, reasoning, entropy or agreement has shifted, up or down.

    Attributes:
        drift: k; half the shift to detect, in standard deviations of one step.
        threshold: h. With k = 0.5 and no change the two sums of one signal pass 4 once in 168 steps, 5 once
            in 465 (and signals whose prompts differ from step to step have heavier tails than N(0, 1)).
    """

    signals: ClassVar = (
        Signal.LENGTH_MEAN,
        Signal.REASONING_SHARE,
        Signal.ENTROPY,
        Signal.MAJORITY_SHARE,
    )

    type: Literal["change_point"] = "change_point"
    drift: Positive = 0.5
    threshold: Positive = 6.0

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return 3

    def advise(self, history: History) -> Advice:
        """Return the advice after each step."""
        sums = {
            (signal, word): _cusum(sign * standardise(history.signal(signal)), self.drift)
            for signal in history.recorded(self.signals)
            for word, sign in (("rose", 1), ("fell", -1))
        }
        none = np.zeros(len(history.steps))
        highest = np.max([none, *sums.values()], axis=0)
        rows = np.arange(len(history.steps))
        quiet = np.min([rows, *(last_true(total == 0) for total in sums.values())], axis=0)

        def reason(row: int) -> str:
            if not sums:
                return "none of its signals is recorded"
            (signal, word), total = max(sums.items(), key=lambda item: item[1][row])
            return f"{signal} {word}: CUSUM {total[row]:.1f}, threshold {self.threshold:g}"

        return Advice(highest > self.threshold, policy_of(history.steps, quiet), reason)


def standardise(values: Floats) -> Floats:
    """Return the self-starting standardised values [n]; 0 for the first two, for NaN and without spread."""
    known = np.isfinite(values)
    x = values[known]
    before = np.arange(len(x))  # number of values before each
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (np.cumsum(x) - x) / before
        centred = x - x[:1]  # squares of differences, not of levels: less is lost to rounding
        square = np.cumsum(centred**2) - centred**2
        variance = (square - before * (mean - x[:1]) ** 2) / (before - 1)
        t = np.sqrt(before / (before + 1)) * (x - mean) / np.sqrt(np.maximum(variance, 0))
    defined = (before >= 2) & (variance > 1e-12 * (1e-12 + mean**2))
    scores = np.zeros(len(values))
    share = stdtr(np.maximum(before - 1, 1), np.where(defined, t, 0.0))
    scores[known] = ndtri(np.clip(share, 1e-6, 1 - 1e-6))  # one wild value does not sound the alarm alone
    return scores


def _cusum(scores: Floats, drift: float) -> Floats:
    """Return max(0, S + U − k) at each step, [n]."""
    total = np.cumsum(scores - drift)
    return total - np.minimum(np.minimum.accumulate(total), 0.0)
