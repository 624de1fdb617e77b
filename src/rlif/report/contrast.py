"""Two arms on the same problems, with an interval for other seeds where both have several runs."""

import math
from typing import Literal

from rlif.diagnostics import Comparison, Thresholds, TransferComparison, compare
from rlif.diagnostics.findings import Interval
from rlif.records import EvalRecord
from rlif.report.arms import Arm
from rlif.report.pooled import MODES, Mode, as_interval, scores, table
from rlif.statistics import crossed


def contrast(
    first: Arm,
    second: Arm,
    first_step: int | None = None,
    second_step: int | None = None,
    mode: Mode | None = None,
) -> Comparison | None:
    """Compare pass@1 of two arms, first − second; None where no pair of evaluations fits.

    Args:
        first: one arm.
        second: the other, or the same one at another step: then its runs are paired.
        first_step: which evaluation; None: the last step at which both were evaluated.
        second_step: the same of the second; None: that of the first.
        mode: of sampling; None: "sampled" where both have it.
    """
    mode = mode or _shared_mode(first, second)
    if mode is None:
        return None
    ours, theirs = _steps(first, mode), _steps(second, mode)
    at = max(ours & theirs, default=-1) if first_step is None else first_step
    beside = at if second_step is None else second_step
    if at not in ours or beside not in theirs:
        return None
    if min(len(first.runs), len(second.runs)) < 2:
        return compare(_of(first, mode), _of(second, mode), at, beside)
    a = scores([run.evals for run in first.runs], mode, at)
    b = scores([run.evals for run in second.runs], mode, beside)
    shared = [name for name in a if name in b]
    gap = crossed.difference(table(a, shared), table(b, shared), paired_seeds=first is second)
    found = as_interval(gap)
    return Comparison(
        mode=mode,
        problems=len(shared),
        first_step=at,
        second_step=beside,
        difference=found,
        outcome=_outcome(found),
    )


def transfer_contrast(arm: Arm, rlvr: Arm) -> TransferComparison:
    """Compare an arm whose last stage follows others with one on tests alone, at both equal budgets."""
    last = [record.step for record in arm.steps if record.stage == arm.steps[-1].stage]
    before = min(last) - 1
    found, mode = TransferComparison(rlif_steps=before), _shared_mode(arm, rlvr)
    if mode is None:
        return found
    ours, theirs = _steps(arm, mode), _steps(rlvr, mode)
    total = max((step for step in ours & theirs if step > before), default=None)
    on_tests = max((step for step in theirs if step > 0 and step + before in ours), default=None)
    if total is not None:
        found.equal_total = contrast(arm, rlvr, total)
    if on_tests is not None:
        found.equal_rlvr = contrast(arm, rlvr, on_tests + before, on_tests)
    return found


def _outcome(found: Interval) -> Literal["better", "worse", "equal", "undecided"]:
    if found.above_zero:
        return "better"
    if found.below_zero:
        return "worse"
    return "equal" if found.within(Thresholds().margin) else "undecided"


def _shared_mode(first: Arm, second: Arm) -> Mode | None:
    both = {record.mode for record in _judged(first)} & {record.mode for record in _judged(second)}
    return next((mode for mode in MODES if mode in both), None)


def _steps(arm: Arm, mode: Mode) -> set[int]:
    return {record.step for record in _of(arm, mode)}


def _of(arm: Arm, mode: Mode) -> list[EvalRecord]:
    return [record for record in _judged(arm) if record.mode == mode]


def _judged(arm: Arm) -> list[EvalRecord]:
    """Return the evaluations that tests judged."""
    return [record for record in arm.evals if math.isfinite(record.pass_at_1)]
