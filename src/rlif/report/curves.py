"""An arm as lines over steps, each with its interval.

A line is a mean over seeds with Student's t interval over seeds. That of pass@1 takes the problems as given:
all arms answer the same ones, so that what is hard for one is hard for all, and other problems would move all
lines together (the tables allow for them). A single run has the bootstrap interval over problems for pass@1
and none for the others. Long series are thinned to every n-th step, so that a page stays small.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from rlif.diagnostics.series import series
from rlif.report.arms import Arm
from rlif.report.chart import Line
from rlif.statistics import runs as over_runs

MOST_POINTS = 120

SIGNALS = {
    "pass_at_1": "Held-out pass@1",
    "reward": "Reward, on each one's own scale",
    "length_mean": "Completion length (tokens)",
    "reasoning_share": "Reasoning (share of tokens)",
    "entropy": "Token entropy (nats)",
}
SHARES = frozenset({"pass_at_1", "reasoning_share"})


def course(arm: Arm, name: str) -> Line:
    """Return one of `SIGNALS` of an arm over steps."""
    if name == "pass_at_1":
        return pass_at_1(arm)
    line = _signal(arm, name)
    return replace(line, parts=_parts(arm, line.x)) if name == "reward" else line


def pass_at_1(arm: Arm, start: int = 0) -> Line:
    """Return pass@1 of the sampled evaluations, or else of the greedy ones, over the steps since `start`."""
    mode = "sampled" if any(record.mode == "sampled" for record in arm.evals) else "greedy"
    judged = [r for r in arm.evals if r.mode == mode and r.step >= start and math.isfinite(r.pass_at_1)]
    judged = _thinned(judged)
    steps = [record.step for record in judged]
    if len(arm.runs) == 1:
        low, high = zip(*(record.pass_at_1_ci for record in judged), strict=True) if judged else ((), ())
        line = Line(steps, [record.pass_at_1 for record in judged], list(low), list(high))
    else:
        of_run = [{r.step: r.pass_at_1 for r in run.evals if r.mode == mode} for run in arm.runs]
        line = _over_runs(of_run, steps)
    return replace(line, x=[step - start for step in steps])


def onset(arm: Arm) -> int | None:
    """Return the step at which the first signal that needs no tests left its healthy range for good."""
    f = arm.findings
    watched = (*f.trends.values(), *f.probe.values())
    return min((signal.onset for signal in watched if signal.alarming and signal.onset), default=None)


def _signal(arm: Arm, name: str) -> Line:
    means = series(arm.steps, name)
    steps = _thinned(means.steps.tolist())
    if len(arm.runs) == 1:
        values = dict(zip(means.steps.tolist(), means.values.tolist(), strict=True))
        nothing = [math.nan] * len(steps)
        return Line(steps, [values[step] for step in steps], nothing, nothing)
    of_run = [{record.step: getattr(record, name) for record in run.steps} for run in arm.runs]
    return _over_runs(of_run, steps)


def _over_runs(of_run: Sequence[dict[int, float]], steps: list[int]) -> Line:
    found = [over_runs.mean(np.array([values[step] for values in of_run])) for step in steps]
    return Line([*steps], [e.estimate for e in found], [e.low for e in found], [e.high for e in found])


def _parts(arm: Arm, steps: Sequence[float]) -> tuple[int, ...]:
    """Return the indices of the steps at which another stage, and so another reward, begins."""
    stage = {record.step: record.stage for record in arm.steps}
    return tuple(
        i for i, (before, at) in enumerate(pairwise(steps), 1) if stage[int(before)] != stage[int(at)]
    )


def _thinned(points: list[Any]) -> list[Any]:
    """Return every n-th point, and the last, so that about `MOST_POINTS` remain."""
    every = -(-len(points) // MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]
