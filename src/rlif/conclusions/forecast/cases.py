"""Recorded runs as cases of a forecast: what was known after k steps, and what became of them.

The event is `loss_step`: the first evaluation that has lost a tenth of the best before it, beyond chance. A
run in which that is seen by step k is left out, for it would be detected and not foretold. So a forecast
answers: it has not fallen by step k; will it by the end of its budget?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlif.conclusions.recorded import RecordedRun, recorded_runs
from rlif.diagnostics import Mode, diagnose
from rlif.diagnostics.health import mean
from rlif.diagnostics.performance import loss_step
from rlif.diagnostics.series import load
from rlif.diagnostics.stopping import History
from rlif.errors import UserError
from rlif.records import StepRecord, StudyDir

LOST = 0.1
"""Share of the best pass@1 whose loss is a fall."""

START = 3
"""Steps whose mean stands for the model before training: it has hardly moved by then."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One run after its first `known` steps.

    Attributes:
        id, reward: what it is.
        known: k, steps that have been seen.
        history: signals of those steps; none needs tests.
        alarm: whether `diagnose` without tests finds in them any mode of collapse but starvation.
        alignment: within-group AUROC of the reward as a predictor of passing, mean of the first three steps;
            NaN without tests.
        evaluated: steps of the evaluations after k, ascending, at least one; the last is the budget.
        fell_at: the evaluation by which it fell; None where it did not.
    """

    id: str
    reward: str
    known: int
    history: History
    alarm: bool
    alignment: float
    evaluated: tuple[int, ...]
    fell_at: int | None

    @property
    def fell(self) -> bool:
        """Whether it fell within its budget."""
        return self.fell_at is not None

    @property
    def budget(self) -> int:
        """Steps after k up to the last evaluation."""
        return self.evaluated[-1] - self.known

    @property
    def held(self) -> int:
        """Steps after k that it is known not to have fallen in: up to the evaluation before the fall."""
        if self.fell_at is None:
            return self.budget
        return max((step for step in self.evaluated if step < self.fell_at), default=self.known) - self.known


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """The cases of a study, and how many of its runs are none.

    Attributes:
        known: k, steps seen of each.
        cases: at least one.
        fallen_before: runs left out since they fell by step k.
        too_short: runs left out since they have fewer than k steps, or no evaluation after step k.
    """

    known: int
    cases: tuple[Case, ...]
    fallen_before: int
    too_short: int


def read_cases(directory: Path, known: int) -> Cases:
    """Return the cases of a study after `known` steps of each run.

    Raises:
        UserError: it is no study, or no run is left.
    """
    study = StudyDir(directory)
    runs = recorded_runs(directory)
    return select([(run, load(study.run_dir(run.id), None)[0]) for run in runs], known)


def read_studies(directories: Sequence[Path], known: int, judged: Path | None = None) -> list[Case]:
    """Return the cases of several studies together, to fit on.

    Args:
        directories: of the studies.
        known: k, steps seen of each run.
        judged: the study that will be forecast from them; None: a run is.

    Raises:
        UserError: one is given twice, or is the one judged; or as in `read_cases`.
    """
    given = set[Path]()
    for directory in directories:
        where = directory.resolve()
        if judged is not None and where == judged.resolve():
            raise UserError(
                f"{directory} would be judged by forecasts fitted on its own outcomes.",
                "Fit on another study, or leave --fitted-on out: then one reward is left out at a time.",
            )
        if where in given:
            raise UserError(f"{directory} is given twice: its runs would count double.", "Name it once.")
        given.add(where)
    return [case for directory in directories for case in read_cases(directory, known).cases]


def select(runs: Sequence[tuple[RecordedRun, Sequence[StepRecord]]], known: int) -> Cases:
    """Return the cases among runs, each given with its steps in ascending order.

    Raises:
        UserError: no run is left.
    """
    cases, fallen_before, too_short = list[Case](), 0, 0
    for run, steps in runs:
        evaluated = tuple(int(step) for step in run.steps if step > known)
        seen = [record for record in steps if record.step <= known]
        fell_at = loss_step([int(step) for step in run.steps], run.scores, LOST)
        if fell_at is not None and fell_at <= known:
            fallen_before += 1
        elif len(seen) < known or not evaluated:
            too_short += 1
        else:
            cases.append(_case(run, seen, evaluated, fell_at))
    if not cases:
        raise UserError(
            f"No run is left to forecast after {known} steps: {fallen_before} had fallen by then, "
            f"{too_short} have fewer steps or no evaluation after that.",
            "Take fewer steps: --steps 5",
        )
    return Cases(known, tuple(cases), fallen_before, too_short)


def _case(run: RecordedRun, seen: list[StepRecord], evaluated: tuple[int, ...], fell_at: int | None) -> Case:
    modes = {found.mode for found in diagnose(seen, [], use_tests=False).modes}
    return Case(
        id=run.id,
        reward=run.reward,
        known=len(seen),
        history=History.of(seen),
        alarm=bool(modes - {Mode.ADVANTAGE_STARVATION}),
        alignment=mean(np.array([record.reward_truth_auroc for record in seen[:START]])),
        evaluated=evaluated,
        fell_at=fell_at,
    )
