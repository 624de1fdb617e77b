"""The first screen, a line for each reward without tests: use it? until when? what does it cost?

    yes        it gained over its start, and over the control where there is one (intervals exclude 0)
    no         it lost, is shown to gain nothing, or is worse than the control
    undecided  everything else; the reason says what is missing

The step to stop at is the peak where it fell afterwards (interval excludes 0), else the last one tried.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rlif.diagnostics import Comparison, Findings, Interval, Thresholds, Verdict
from rlif.diagnostics.findings import Performance
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.contrast import contrast
from rlif.report.costs import Cost, cost
from rlif.report.load import Study

LOST = (Verdict.COLLAPSED, Verdict.IMPROVED_THEN_FELL, Verdict.WORSENED)


class Use(StrEnum):
    """Whether to train on a reward."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the data say of one reward.

    Attributes:
        reason: of the answer, in a few words. until: the step to stop at; None without a gain.
        gain: of pass@1 from the start to that step, or to the end where there is none.
        control, tests: difference to these arms at that step; None where they were not evaluated then.
        later: change from that step to the end; None where that is the end.
    """

    arm: Arm
    use: Use
    reason: str
    until: int | None
    gain: Interval
    control: Comparison | None
    tests: Comparison | None
    later: Interval | None
    cost: Cost


def decisions(study: Study) -> list[Decision]:
    """Return a decision for each evaluated reward without tests: "yes" first, then by what it gained."""
    order = list(Use)
    arms = [arm for arm in study.with_role(Role.INTRINSIC) if arm.findings.performance is not None]
    found = [_decision(study, arm, arm.findings.performance) for arm in arms if arm.findings.performance]
    return sorted(found, key=lambda d: (order.index(d.use), -np.nan_to_num(d.gain.estimate, nan=-np.inf)))


def gained(f: Findings) -> bool:
    """Whether pass@1 rose from the start to the end, or to a peak that is allowed for having been picked."""
    p = f.performance
    return p is not None and (p.change.above_zero or p.gain.above_zero)


def _decision(study: Study, arm: Arm, p: Performance) -> Decision:
    fell = p.drop.above_zero and p.peak_step > p.start.step
    at = p.peak_step if fell else p.end.step
    gain = p.gain if fell else p.change
    control = contrast(arm, study.control, at) if study.control else None
    use, reason = _use(gain, p, control, study.control)
    return Decision(
        arm=arm,
        use=use,
        reason=reason,
        until=at if gain.above_zero else None,
        gain=gain if p.evaluations > 1 else Interval(),
        control=control,
        tests=contrast(arm, study.tests, at) if study.tests else None,
        later=-p.drop if fell else None,
        cost=cost(arm),
    )


def _use(gain: Interval, p: Performance, control: Comparison | None, name: Arm | None) -> tuple[Use, str]:
    if p.evaluations < 2:
        return Use.UNDECIDED, "it was evaluated only once"
    beside = name.label if name else "the control"
    if gain.above_zero:
        if control is None:
            return Use.YES, "it gains" if name else "it gains; there is no control to compare with"
        if control.difference.above_zero:
            return Use.YES, f"it gains, and more than {beside}"
        return Use.UNDECIDED, f"it gains, but is not shown to gain more than {beside}"
    if p.change.below_zero:
        return Use.NO, "it ends below its start"
    if control is not None and control.difference.below_zero:
        return Use.NO, f"it ends below {beside}"
    if gain.within(Thresholds().margin):
        return Use.NO, f"no gain beyond {100 * Thresholds().margin:g} points"
    return Use.UNDECIDED, "the interval allows a gain and a loss"
