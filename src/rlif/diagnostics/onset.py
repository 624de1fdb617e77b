"""From which step has a signal been outside its healthy range, and how sure is that step?

The onset is the first step of the last unbroken stretch outside, of the smoothed signal. Its 95% interval
comes from a moving-block bootstrap (Künsch 1989): residuals from the smoothed signal are drawn in blocks of
n^(1/3) neighbours, added to it again, and the onset is found anew; draws that end inside the range have none.
"""

from dataclasses import dataclass

import numpy as np

from rlif.diagnostics.series import Floats, Series, smooth

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Onset:
    """A step with its 95% interval."""

    step: int
    low: int
    high: int


def onset(signal: Series, low: float, high: float, width: int) -> Onset | None:
    """Return since when a signal has been outside [low, high]; None when it is inside at the end.

    Args:
        signal: at least one value.
        low: lower end of the range; may be −∞.
        high: upper end; may be ∞.
        width: of the moving average.
    """
    smoothed = smooth(signal.values, width)
    at = _first_of_last_stretch(smoothed, low, high)
    if at is None:
        return None
    rng = np.random.default_rng(0)
    residuals = signal.values - smoothed
    drawn = (
        _first_of_last_stretch(smooth(smoothed + _blocks(residuals, rng), width), low, high)
        for _ in range(RESAMPLES)
    )
    onsets = [index for index in drawn if index is not None] or [at]
    ends = np.quantile(onsets, [0.025, 0.975], method="nearest").astype(int)
    return Onset(
        int(signal.steps[at]), int(signal.steps[min(ends[0], at)]), int(signal.steps[max(ends[1], at)])
    )


def _first_of_last_stretch(values: Floats, low: float, high: float) -> int | None:
    inside = np.flatnonzero((values >= low) & (values <= high))
    first = int(inside[-1]) + 1 if len(inside) else 0
    return first if first < len(values) else None


def _blocks(residuals: Floats, rng: np.random.Generator) -> Floats:
    """Return n residuals drawn in blocks."""
    n = len(residuals)
    size = max(1, round(n ** (1 / 3)))
    starts = rng.integers(0, n - size + 1, -(-n // size))
    return residuals[(starts[:, None] + np.arange(size)).ravel()[:n]]
