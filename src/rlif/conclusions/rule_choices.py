"""The strategies that are compared, and the settings that each may be tuned to."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rlif.conclusions.recorded import RecordedRun
from rlif.diagnostics.stopping import (
    ChangePoint,
    Consensus,
    Decline,
    FirstOf,
    FixedStep,
    HealthyRange,
    MaxReward,
    StoppingRule,
)

PEAKS = tuple(itertools.product((5, 10), (5, 10, 20)))  # window, patience


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to stop: one rule, or several settings of it of which the best on other runs is taken."""

    name: str
    candidates: tuple[StoppingRule, ...]


def strategies(runs: Sequence[RecordedRun]) -> list[Strategy]:
    """Return all that are compared; the fixed steps are those at which the runs were evaluated."""
    steps = sorted({int(step) for run in runs for step in run.steps})
    return [
        Strategy("never start", (FixedStep(steps=0),)),
        Strategy("train to the end", (FixedStep(steps=steps[-1] + 1),)),
        Strategy("fixed step", tuple(FixedStep(steps=step) for step in steps)),
        Strategy("max reward", tuple(MaxReward(window=w, patience=p) for w, p in PEAKS)),
        Strategy("consensus", tuple(Consensus(window=w, patience=p) for w, p in PEAKS)),
        Strategy("healthy range, as shipped", (HealthyRange(),)),
        Strategy(
            "healthy range", (HealthyRange(), _ranges(0.75, 0.6), _ranges(0.85, 0.75), _ranges(0.9, 0.85))
        ),
        Strategy("change point, as shipped", (ChangePoint(),)),
        Strategy(
            "change point",
            tuple(ChangePoint(drift=k, threshold=h) for k in (0.25, 0.5) for h in (4, 6, 8, 12)),
        ),
        Strategy("decline, as shipped", (Decline(),)),
        Strategy(
            "decline",
            tuple(Decline(window=w, threshold=z) for w in (20, 30, 50) for z in (0.5, 1, 1.5, 2)),
        ),
        Strategy("decline or range, as shipped", (FirstOf(),)),
    ]


def _ranges(length: float, other: float) -> HealthyRange:
    """Return ranges that are as wide up as down, in ratios."""
    return HealthyRange(length=(length, 1 / length), entropy=(other, 1 / other), reasoning=(other, math.inf))
