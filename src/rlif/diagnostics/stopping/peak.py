"""What the two rules that stop after a peak share: a smoothed signal that has stopped rising."""

import numpy as np

from rlif.diagnostics.stopping.base import Advice
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.windows import policy_of, trailing_mean


def past_peak(history: History, signal: Signal, window: int, patience: int) -> Advice:
    """Stop when the mean of the last `window` steps has not exceeded its maximum for `patience` steps.

    The policy to keep is that in the middle of the window of the maximum.
    """
    smooth = trailing_mean(history.signal(signal), window)
    known = np.where(np.isfinite(smooth), smooth, -np.inf)
    highest = np.maximum.accumulate(known)
    rises = known > np.concatenate([[-np.inf], highest[:-1]])
    rows = np.arange(len(known))
    peak = np.maximum.accumulate(np.where(rises, rows, 0))
    return Advice(
        stop=(rows - peak >= patience) & np.isfinite(highest),
        best=policy_of(history.steps, peak, window),
        reason=lambda row: (
            f"{signal}, mean of {window} steps, has not risen above {highest[row]:.4g} for "
            f"{row - peak[row]} steps; it is {smooth[row]:.4g}"
        ),
    )
