"""How each signal moved over a run, and whether that alarms; no tests needed.

Rules are two-sided where collapsed runs have gone both ways: certainty rewards end short and sure, votes
alone end long and unsure.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from rlif.diagnostics.findings import Direction, Trend
from rlif.diagnostics.series import Series, noise, series, smooth, window
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import StepRecord

Range = tuple[float, float]


def _length(start: float, t: Thresholds) -> Range:
    return start * t.length_low, start * t.length_high


def _entropy(start: float, t: Thresholds) -> Range:
    return start * t.entropy_low, start * t.entropy_high


def _share(start: float, t: Thresholds) -> Range:
    return start * t.share_lost, math.inf


def _failure(start: float, t: Thresholds) -> Range:
    return -math.inf, start + t.rate_rise


def _starved(start: float, t: Thresholds) -> Range:
    return -math.inf, t.starved


def _any(start: float, t: Thresholds) -> Range:
    return -math.inf, math.inf


HEALTHY: dict[str, Callable[[float, Thresholds], Range]] = {
    "length_mean": _length,
    "entropy": _entropy,
    "reasoning_share": _share,
    "reasoning_rate": _share,
    "truncated": _failure,
    "no_code": _failure,
    "syntax_error": _failure,
    "zero_variance_groups": _starved,
    "reward": _any,
    "self_certainty": _any,
    "logprob": _any,
    "distinct_programs": _any,
    "majority_share": _any,
    "kl": _any,
    "pass_rate": _any,
    "label_accuracy": _any,
}
"""Signal -> its healthy range, given its mean at the start. A new signal is one line."""


def trends(steps: Sequence[StepRecord], thresholds: Thresholds) -> dict[str, Trend]:
    """Return the trend of every signal that was recorded in at least `few_steps` steps.

    The reward's is that of the last stage: another stage has another reward on another scale.
    """
    recorded = {name: series(steps, name) for name in HEALTHY}
    recorded["reward"] = series([record for record in steps if record.stage == steps[-1].stage], "reward")
    return {
        name: trend(name, signal, thresholds)
        for name, signal in recorded.items()
        if len(signal.values) >= thresholds.few_steps
    }


def trend(name: str, signal: Series, thresholds: Thresholds) -> Trend:
    """Return how a signal of at least two values moved from the start to the end of the run."""
    values = signal.values
    width = window(len(values))
    start, end = float(values[:width].mean()), float(values[-width:].mean())
    change = end - start
    error = noise(values) * math.sqrt(2 / width)
    z = change / error if error > 0 else math.copysign(math.inf, change) if change else 0.0
    low, high = HEALTHY[name](start, thresholds)
    smoothed = smooth(values, width)
    outside = (smoothed < low) | (smoothed > high)
    moved = abs(z) >= thresholds.z and abs(change) > thresholds.steady * abs(start)
    # A signal without noise to judge by, or back in its range at the end, does not alarm.
    alarming = bool(outside[-1]) and not low <= end <= high and (moved or HEALTHY[name] is _starved)
    return Trend(
        name=name,
        start=start,
        end=end,
        change=change,
        ratio=end / start if start else math.nan,
        z=z,
        direction=_direction(change, moved),
        alarming=alarming,
        onset=int(signal.steps[_last_run(outside)]) if alarming else None,
    )


def _direction(change: float, moved: bool) -> Direction:
    if math.isnan(change):
        return Direction.UNKNOWN
    if not moved:
        return Direction.STEADY
    return Direction.UP if change > 0 else Direction.DOWN


def _last_run(flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int:
    """Return the index at which the unbroken run of True at the end begins."""
    inside = np.flatnonzero(~flags)
    return int(inside[-1]) + 1 if len(inside) else 0
