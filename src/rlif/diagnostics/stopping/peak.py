"""What the two rules that stop after a peak share: a smoothed signal that has stopped rising."""

import numpy as np

from rlif.diagnostics.stopping.base import Advice
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.windows import last_true, policy_of, trailing_mean


def past_peak(history: History, signal: Signal, window: int, patience: int) -> Advice:
    """Stop when the mean of the last `window` steps has not exceeded its maximum for `patience` steps.

    Steps without a value say nothing: they neither stop nor count as steps that did not rise. The policy to
    keep is that in the middle of the window of the maximum.
    """
    values = history.signal(signal)
    smooth = trailing_mean(values, window)
    seen = np.isfinite(values) & np.isfinite(smooth)
    known = np.where(seen, smooth, -np.inf)
    highest = np.maximum.accumulate(known)
    rises = known > np.concatenate([[-np.inf], highest[:-1]])
    peak = last_true(rises)
    count = np.cumsum(seen)
    since = count - count[peak]
    return Advice(
        stop=seen & (since >= patience),
        best=policy_of(history.steps, peak, window),
        reason=lambda row: (
            f"{signal}, mean of {window} steps, has not risen above {highest[row]:.4g} for "
            f"{since[row]} steps; it is {smooth[row]:.4g}"
        ),
    )
