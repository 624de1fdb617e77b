"""Each predictor, judged on runs it was not fitted on: without their reward, or on another study.

The reference of the skill is the base rate of the judged runs themselves: one hazard, fitted to what became
of them. No forecaster knows it, so the bar is high, and a base rate learnt elsewhere has a skill below 0. One
learnt without the reward judged is too low just where that reward falls: to beat that would be no merit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rlif.conclusions.forecast.cases import Case
from rlif.conclusions.forecast.features import BASE_RATE, PREDICTORS, Predictor
from rlif.conclusions.forecast.hazard import fit
from rlif.conclusions.forecast.scores import (
    Calibration,
    brier,
    brier_skill,
    calibration,
    concordance,
    log_loss,
    reliability,
)
from rlif.diagnostics.alignment import auroc
from rlif.diagnostics.series import Floats
from rlif.statistics.estimate import Estimate

FEWEST_RUNS = 10
"""Runs evaluated at a step for that step to have a line in the calibration of the time."""

Fold = tuple[Sequence[Case], Sequence[Case]]
"""Cases to fit on, and cases to judge on."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a predictor is worth; undefined is NaN.

    Attributes:
        predictor: its name. needs_tests: whether it does.
        runs: judged. fell: of them.
        brier, log_loss, auroc, concordance: see `scores`. skill: of the Brier score, over the base rate.
        within: concordance of pairs of runs with the same reward: does it foretell runs, or know rewards?
        reliability: by forecast of falling within the budget.
        timing: by step, forecast of having fallen by then.
    """

    predictor: str
    needs_tests: bool
    runs: int
    fell: int
    brier: float
    skill: Estimate
    log_loss: float
    auroc: float
    concordance: float
    within: float
    reliability: tuple[Calibration, ...]
    timing: tuple[Calibration, ...]

    @property
    def skilful(self) -> bool:
        """Whether it is better than the base rate beyond chance."""
        return self.skill.low > 0


def leave_one_reward_out(cases: Sequence[Case], predictors: Sequence[Predictor] = PREDICTORS) -> list[Row]:
    """Return a row for each predictor: the runs of a reward are forecast from those of all others.

    Of a single reward nothing can be left out: no row then.
    """
    rewards = sorted({case.reward for case in cases})
    if len(rewards) < 2:
        return []
    folds = [
        ([c for c in cases if c.reward != left_out], [c for c in cases if c.reward == left_out])
        for left_out in rewards
    ]
    return [_row(predictor, folds) for predictor in predictors]


def across_studies(
    fitted_on: Sequence[Case], cases: Sequence[Case], predictors: Sequence[Predictor] = PREDICTORS
) -> list[Row]:
    """Return a row for each predictor: the cases of one study are forecast from those of another."""
    return [_row(predictor, [(fitted_on, cases)]) for predictor in predictors]


def verdict(rows: Sequence[Row]) -> str:
    """Return a sentence on whether any predictor beats the base rate."""
    if not rows:
        return "Runs of one reward only: nothing can be left out to judge a forecast by."
    runs, fell = rows[0].runs, rows[0].fell
    if fell in (0, runs):
        which = "None" if fell == 0 else "All"
        return f"{which} of the {runs} runs fell later: no forecast can be judged by them."
    better = [row for row in rows if row.skilful]
    if not better:
        return (
            f"{fell} of {runs} runs fell later. Nothing is shown to foretell which better than the base rate "
            "does: go by that."
        )
    names = "; ".join(row.predictor for row in better)
    return f"{fell} of {runs} runs fell later. Shown to foretell which better than the base rate: {names}."


def _row(predictor: Predictor, folds: Iterable[Fold]) -> Row:
    forecasts = list(_forecasts(predictor, folds))
    cases = [forecast.case for forecast in forecasts]
    fell = np.array([case.fell for case in cases])
    p = np.array([forecast.probability for forecast in forecasts])
    reference = fit(cases, BASE_RATE.features)
    base = np.array([reference.probability(case, case.budget) for case in cases])
    hazard = np.array([forecast.hazard for forecast in forecasts])
    last = np.array([case.evaluated[-1] if case.fell_at is None else case.fell_at for case in cases])
    rewards = np.array([case.reward for case in cases])
    return Row(
        predictor=predictor.name,
        needs_tests=predictor.needs_tests,
        runs=len(cases),
        fell=int(fell.sum()),
        brier=brier(p, fell),
        skill=brier_skill(p, base, fell, rewards),
        log_loss=log_loss(p, fell),
        auroc=auroc(p, fell),
        concordance=concordance(hazard, last, fell),
        within=concordance(hazard, last, fell, rewards),
        reliability=tuple(reliability(p, fell)),
        timing=tuple(_timing(cases, hazard)),
    )


@dataclass(frozen=True, slots=True)
class _Forecast:
    """Of one run: hazard a step, and probability within its budget."""

    case: Case
    hazard: float
    probability: float


def _forecasts(predictor: Predictor, folds: Iterable[Fold]) -> Iterator[_Forecast]:
    for training, judged in folds:
        model = fit(training, predictor.features)
        for case in judged:
            yield _Forecast(case, model.hazard(case), model.probability(case, case.budget))


def _timing(cases: Sequence[Case], hazard: Floats) -> Iterator[Calibration]:
    """Yield the calibration at each step at which enough runs were evaluated; fallen runs stay fallen."""
    for step in sorted({step for case in cases for step in case.evaluated}):
        at = [i for i, case in enumerate(cases) if step in case.evaluated]
        if len(at) >= FEWEST_RUNS:
            p = np.array([-np.expm1(-hazard[i] * (step - cases[i].known)) for i in at])
            fallen = np.array([(cases[i].fell_at or np.inf) <= step for i in at])
            yield calibration(f"step {step}", p, fallen)
