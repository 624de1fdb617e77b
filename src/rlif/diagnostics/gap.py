"""Reward against truth: reward hacking is the proxy rising while what it stands for falls.

For each stage by itself, since another stage has another reward on another scale. With held-out evaluations
the span runs from the stage's best evaluation to its end; without, first and last third are compared.
"""

import math
from collections.abc import Sequence

from rlif.diagnostics.findings import Gap
from rlif.diagnostics.performance import performance
from rlif.diagnostics.series import Series, noise, series
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import EvalRecord, StepRecord


def gaps(steps: Sequence[StepRecord], evals: Sequence[EvalRecord], t: Thresholds) -> list[Gap]:
    """Return one `Gap` for each stage long enough that has a reward and something that stands for truth."""
    found: list[Gap] = []
    for stage in dict.fromkeys(record.stage for record in steps):
        part = [record for record in steps if record.stage == stage]
        first, last = part[0].step, part[-1].step
        reward = series(part, "reward")
        if len(reward.values) < t.few_steps:
            continue
        # An evaluation after step s judges the policy that makes the completions of step s + 1.
        within = [record for record in evals if first - 1 <= record.step <= last]
        gap = _held_out(stage, reward, within, t) or _training(stage, reward, series(part, "pass_rate"), t)
        if gap is not None:
            found.append(gap)
    return found


def _held_out(stage: str, reward: Series, evals: Sequence[EvalRecord], t: Thresholds) -> Gap | None:
    truth = performance(evals)
    if truth is None or truth.evaluations < 3 or not truth.drop.above_zero:
        return None
    span = reward.between(truth.peak_step + 1, truth.end.step)
    change, z = _thirds(span)
    return Gap(
        stage=stage,
        from_step=truth.peak_step,
        to_step=truth.end.step,
        source="held-out pass@1",
        reward_change=change,
        reward_z=z,
        truth_change=-truth.drop.estimate,
        diverged=z >= t.z,
    )


def _training(stage: str, reward: Series, truth: Series, t: Thresholds) -> Gap | None:
    if len(truth.values) < t.few_steps:
        return None
    reward_change, reward_z = _thirds(reward)
    truth_change, truth_z = _thirds(truth)
    return Gap(
        stage=stage,
        from_step=int(reward.steps[0]),
        to_step=int(reward.steps[-1]),
        source="training pass rate",
        reward_change=reward_change,
        reward_z=reward_z,
        truth_change=truth_change,
        truth_z=truth_z,
        diverged=reward_z >= t.z and truth_z <= -t.z,
    )


def _thirds(signal: Series) -> tuple[float, float]:
    """Return last third − first third, and the same in standard errors; NaN when too short."""
    values = signal.values
    third = len(values) // 3
    if third == 0:
        return math.nan, math.nan
    change = float(values[-third:].mean() - values[:third].mean())
    error = noise(values) * math.sqrt(2 / third)
    return change, change / error if error > 0 else math.nan
