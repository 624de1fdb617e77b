"""Two runs on the same held-out problems, and whether RLIF before RLVR was worth it."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from rlif.diagnostics.bootstrap import difference_interval
from rlif.diagnostics.findings import Comparison, Interval
from rlif.diagnostics.performance import shared_scores
from rlif.diagnostics.thresholds import Thresholds
from rlif.errors import UserError
from rlif.records import EvalRecord, StepRecord

Mode = Literal["sampled", "greedy"]


class TransferComparison(BaseModel):
    """RLIF -> RLVR against RLVR alone, at two equal budgets; None where no pair of evaluations fits.

    Attributes:
        rlif_steps: steps spent before the stage with tests.
        equal_total: both after the same number of steps in all: is RLIF worth its steps?
        equal_rlvr: both after the same number of steps *on tests*: is the RLIF policy a better start?
    """

    rlif_steps: int
    equal_total: Comparison | None = None
    equal_rlvr: Comparison | None = None


def compare(
    first: Sequence[EvalRecord],
    second: Sequence[EvalRecord],
    first_step: int | None = None,
    second_step: int | None = None,
    thresholds: Thresholds | None = None,
) -> Comparison:
    """Compare pass@1 of two runs, paired over the problems both were judged on.

    Args:
        first: evaluations of one run.
        second: evaluations of the other.
        first_step: which evaluation of the first run; None: its last.
        second_step: the same for the second.
        thresholds: `margin` says what counts as equal.

    Raises:
        UserError: there is no evaluation at such a step, or none in a mode that both share.
    """
    mode = _shared_mode(first, second)
    a, b = _at(first, mode, first_step), _at(second, mode, second_step)
    scores = shared_scores([a, b])
    difference = difference_interval(scores[0], scores[1]) if scores.size else Interval()
    return Comparison(
        mode=mode,
        problems=scores.shape[1] if scores.size else 0,
        first_step=a.step,
        second_step=b.step,
        difference=difference,
        outcome=_outcome(difference, (thresholds or Thresholds()).margin),
    )


def compare_transfer(
    steps: Sequence[StepRecord],
    evals: Sequence[EvalRecord],
    rlvr_evals: Sequence[EvalRecord],
    thresholds: Thresholds | None = None,
) -> TransferComparison:
    """Compare a run whose last stage follows others (RLIF -> RLVR) with one that began with tests (RLVR).

    Args:
        steps: training steps of the run with several stages.
        evals: its evaluations.
        rlvr_evals: evaluations of the run on tests alone.
        thresholds: as in `compare`.
    """
    last = [record.step for record in steps if record.stage == steps[-1].stage]
    before = min(last) - 1 if last else 0
    mode = _shared_mode(evals, rlvr_evals)
    ours, theirs = _steps(evals, mode), _steps(rlvr_evals, mode)
    total = max((s for s in ours & theirs if s > before), default=None)
    on_tests = max((s for s in theirs if s > 0 and s + before in ours), default=None)
    found = TransferComparison(rlif_steps=before)
    if total is not None:
        found.equal_total = compare(evals, rlvr_evals, total, total, thresholds)
    if on_tests is not None:
        found.equal_rlvr = compare(evals, rlvr_evals, on_tests + before, on_tests, thresholds)
    return found


def _outcome(d: Interval, margin: float) -> Literal["better", "worse", "equal", "undecided"]:
    if d.above_zero:
        return "better"
    if d.below_zero:
        return "worse"
    return "equal" if d.within(margin) else "undecided"


def _shared_mode(first: Sequence[EvalRecord], second: Sequence[EvalRecord]) -> Mode:
    modes = {record.mode for record in first} & {record.mode for record in second}
    if not modes:
        raise UserError(
            "The two runs have no evaluation in the same sampling mode.",
            "Evaluate both with the same settings.",
        )
    return "sampled" if "sampled" in modes else "greedy"


def _steps(evals: Sequence[EvalRecord], mode: Mode) -> set[int]:
    return {record.step for record in evals if record.mode == mode}


def _at(evals: Sequence[EvalRecord], mode: Mode, step: int | None) -> EvalRecord:
    found = {record.step: record for record in evals if record.mode == mode}
    wanted = max(found) if step is None else step
    if wanted not in found:
        known = ", ".join(str(known) for known in sorted(found))
        raise UserError(f"There is no {mode} evaluation at step {wanted}.", f"There are: {known}.")
    return found[wanted]
