"""How each signal moved over a run, and whether that alarms; no tests needed.

A signal alarms when both hold:

- *beyond noise*: the change-point test (`changepoint`) finds a shift. Its p-value allows for a look after
  every step, and is multiplied by the number of edges of healthy ranges that could be crossed (Bonferroni);
  it must not be above `Thresholds.noise`;
- *beyond what healthy runs do*: the signal has left its healthy range (`signals`) and is outside now. A run
  that learns moves its signals too, so noise alone is no measure.

Noise alone rarely does both, which is why 0.3 for the first leaves at most 5% of runs for the two together.
"""

import math
from collections.abc import Sequence

import numpy as np

from rlif.diagnostics.changepoint import Shift, shift
from rlif.diagnostics.findings import Direction, Trend
from rlif.diagnostics.onset import onset
from rlif.diagnostics.series import Series, series, window
from rlif.diagnostics.signals import SIGNALS, Signal
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import StepRecord


def trends(steps: Sequence[StepRecord], thresholds: Thresholds) -> dict[str, Trend]:
    """Return the trend of every signal that was recorded in at least `few_steps` steps.

    The reward's is that of the last stage: another stage has another reward on another scale.
    """
    recorded = {name: series(steps, name) for name in SIGNALS}
    recorded["reward"] = series([record for record in steps if record.stage == steps[-1].stage], "reward")
    recorded = {
        name: signal for name, signal in recorded.items() if len(signal.values) >= thresholds.few_steps
    }
    edges = sum(SIGNALS[name].edges for name, signal in recorded.items() if np.ptp(signal.values) > 0)
    return {name: trend(SIGNALS[name], values, thresholds, edges) for name, values in recorded.items()}


def trend(signal: Signal, recorded: Series, thresholds: Thresholds, edges: int = 1) -> Trend:
    """Return how a signal of at least two values moved from the start to the end of the run.

    Args:
        signal: which it is.
        recorded: its values.
        thresholds: what counts as how much.
        edges: of healthy ranges that are tested in this run; the p-value is multiplied by it.
    """
    values = recorded.values
    width = window(len(values))
    start, end = float(values[:width].mean()), float(values[-width:].mean())
    change = end - start
    found = shift(values)
    p = float(np.minimum(1.0, max(edges, 1) * found.p))
    moved = p <= thresholds.noise and found.z * change > 0
    low, high = signal.healthy(start, thresholds)
    outside = not low <= end <= high and (moved or signal.level)
    since = onset(recorded, low, high, width) if outside else None
    return Trend(
        name=signal.name,
        start=start,
        end=end,
        change=change,
        ratio=end / start if start else math.nan,
        z=found.z,
        p=p,
        direction=_direction(change, found, moved and abs(change) > thresholds.steady * abs(start)),
        alarming=since is not None,
        onset=since.step if since else None,
        onset_low=since.low if since else None,
        onset_high=since.high if since else None,
    )


def _direction(change: float, found: Shift, moved: bool) -> Direction:
    if math.isnan(found.z):
        return Direction.UNKNOWN
    if not moved:
        return Direction.STEADY
    return Direction.UP if change > 0 else Direction.DOWN
