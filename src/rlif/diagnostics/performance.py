"""What became of held-out pass@1: start, peak and end with intervals, the verdict, the collapse step."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.bootstrap import best_minus, difference_interval
from rlif.diagnostics.findings import Collapse, Interval, Performance, Score, Verdict
from rlif.diagnostics.series import series, smooth
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import EvalRecord, StepRecord

Floats = NDArray[np.floating[Any]]
Mode = Literal["sampled", "greedy"]


def performance(evals: Sequence[EvalRecord]) -> Performance | None:
    """Return held-out performance over a run, from the sampled evaluations if there are any, else the greedy.

    Args:
        evals: ascending by step, one a step and mode.
    """
    mode: Mode = "sampled" if any(record.mode == "sampled" for record in evals) else "greedy"
    chosen = [record for record in evals if record.mode == mode and np.isfinite(record.pass_at_1)]
    if not chosen:
        return None
    scores = shared_scores(chosen)
    means = scores.mean(axis=1) if scores.size else np.array([record.pass_at_1 for record in chosen])
    peak = int(means.argmax())
    several = len(chosen) > 1 and scores.size > 0
    return Performance(
        mode=mode,
        evaluations=len(chosen),
        problems=scores.shape[1] if scores.size else chosen[-1].problems,
        samples=chosen[-1].samples,
        start=score_at(evals, chosen[0].step),
        peak=score_at(evals, chosen[peak].step),
        end=score_at(evals, chosen[-1].step),
        gain=best_minus(scores, 0) if several else Interval(),
        drop=best_minus(scores, -1) if several else Interval(),
        change=difference_interval(scores[-1], scores[0]) if several else Interval(),
    )


def verdict_of(found: Performance, t: Thresholds) -> Verdict:
    """Return the word for a run; the first line that holds decides, and intervals decide what holds.

    1. COLLAPSED: the drop from the peak excludes 0, and either the run lost `collapse_loss` of its peak and
       ended below its start (interval under 0), or it lost `collapse_half` of its peak.
    2. IMPROVED_THEN_FELL: gain to the peak and drop from it both exclude 0, and at least `fall_share` of the
       gain is lost.
    3. WORSENED: the change from start to end lies under 0. 4. IMPROVED: it lies above 0.
    5. UNCHANGED: it lies within ± margin.
    6. UNDECIDED: none of these; more problems or samples are needed.
    """
    gain, drop, change = found.gain, found.drop, found.change
    best = getattr(found.peak, found.mode).estimate
    lost = drop.estimate / best if best > 0 else 0.0
    if drop.above_zero and (lost >= t.collapse_half or (lost >= t.collapse_loss and change.below_zero)):
        return Verdict.COLLAPSED
    if gain.above_zero and drop.above_zero and drop.estimate >= t.fall_share * gain.estimate:
        return Verdict.IMPROVED_THEN_FELL
    if change.below_zero:
        return Verdict.WORSENED
    if change.above_zero:
        return Verdict.IMPROVED
    return Verdict.UNCHANGED if change.within(t.margin) else Verdict.UNDECIDED


def collapse(
    steps: Sequence[StepRecord], evals: Sequence[EvalRecord], found: Performance | None, t: Thresholds
) -> Collapse:
    """Return the Model Collapse Step in both readings; see `Collapse`."""
    training = series(steps, "pass_rate")
    accuracy = [list(zip(training.steps.tolist(), training.values.tolist(), strict=True))]
    decline = None
    if found is not None:
        judged = [r for r in evals if r.mode == found.mode and np.isfinite(r.pass_at_1)]
        accuracy.append([(r.step, r.pass_at_1) for r in judged])
        decline = decline_step([r.step for r in judged], shared_scores(judged))
    dead = [step for line in accuracy if (step := _first_below(line, t.dead)) is not None]
    return Collapse(accuracy_step=min(dead, default=None), decline_step=decline)


def decline_step(steps: Sequence[int], scores: Floats) -> int | None:
    """Return the step from which pass@1 fell for good: the peak of its smoothed course, if it fell at all.

    Args:
        steps: of E evaluations, ascending.
        scores: share of right samples [E, P]; the drop from the best to the last must exclude 0.
    """
    if len(steps) < 2 or not best_minus(scores, -1).above_zero:
        return None
    return steps[int(smooth(scores.mean(axis=1), 3).argmax())]


def loss_step(steps: Sequence[int], scores: Floats, share: float) -> int | None:
    """Return the first evaluation that has lost a share of the best before it, beyond chance.

    It looks only back, so that it can be the event of a survival analysis: `decline_step` looks ahead, and a
    longer budget could take it back.

    Args:
        steps: of E evaluations, ascending.
        scores: share of right samples [E, P].
        share: of the best, in (0, 1].
    """
    means = scores.mean(axis=1)
    for e in range(1, len(steps)):
        low_enough = means[e] <= (1 - share) * means[:e].max()
        if low_enough and best_minus(scores[: e + 1], -1).above_zero:
            return steps[e]
    return None


def shared_scores(evals: Sequence[EvalRecord]) -> Floats:
    """Return the share of right samples [E, P] on the problems that all E evaluations share."""
    shared = set[str].intersection(*(set(record.correct) for record in evals))
    ids = sorted(shared)
    return np.array([[record.correct[i] / record.samples for i in ids] for record in evals], dtype=float)


def score_at(evals: Sequence[EvalRecord], step: int) -> Score:
    """Return both modes' scores of the evaluation at a step, with length and reasoning of the sampled one."""
    by_mode = {record.mode: record for record in evals if record.step == step}
    described = by_mode.get("sampled") or by_mode["greedy"]
    return Score(
        step=step,
        sampled=_interval(by_mode.get("sampled")),
        greedy=_interval(by_mode.get("greedy")),
        length=described.length_mean,
        reasoning_share=described.reasoning_share,
    )


def _interval(record: EvalRecord | None) -> Interval:
    if record is None:
        return Interval()
    low, high = record.pass_at_1_ci
    return Interval(estimate=record.pass_at_1, low=low, high=high)


def _first_below(line: Sequence[tuple[int, float]], level: float) -> int | None:
    """Return the first step under a level; None if the line starts under it: it had nothing to lose."""
    if not line or line[0][1] < level:
        return None
    return next((step for step, value in line if value < level), None)
