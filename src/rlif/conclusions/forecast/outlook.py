"""`outlook`: one run's chance of falling, step by step, from its first steps and recorded runs like it.

It is a statement about the runs fitted on: of runs whose first steps looked so, so many fell. Whether it
holds for a reward that is not among them is what `skill` says; a feature far outside of what they showed is
named, since there the model only guesses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlif.conclusions.forecast.cases import Case
from rlif.conclusions.forecast.features import (
    BASE_RATE,
    CHANGES,
    LEVELS,
    PREDICTORS,
    RELATIVE_CHANGES,
    early_signals,
)
from rlif.conclusions.forecast.hazard import FARTHEST, fit
from rlif.conclusions.forecast.judge import leave_one_reward_out
from rlif.diagnostics.stopping import History
from rlif.errors import UserError
from rlif.records import StepRecord
from rlif.statistics.estimate import Estimate

NAMES = tuple(
    f"{what} of {name}"
    for what, names in (("change", (*RELATIVE_CHANGES, *CHANGES)), ("level", LEVELS))
    for name in names
)
"""Of the features, in the order of `early_signals`."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The forecast of one run.

    Attributes:
        known: steps that it rests on.
        runs, fell: recorded runs fitted on, and how many of them fell after as many steps.
        steps: at which the chances are given.
        chances: of having lost a tenth of the best pass@1 by then, for this run.
        usual: the same for any of those runs, whatever its signals.
        missing: features that the run's log does not have: they say nothing.
        far: features farther out than in any sense the runs fitted on were (3 standard deviations).
        skill: Brier skill of such forecasts for rewards left out of the fit, with its 95% interval; NaN for
            a single reward, or where none fell.
    """

    known: int
    runs: int
    fell: int
    steps: tuple[int, ...]
    chances: tuple[float, ...]
    usual: tuple[float, ...]
    missing: tuple[str, ...]
    far: tuple[str, ...]
    skill: Estimate


def outlook(records: Sequence[StepRecord], like: Sequence[Case], steps: Sequence[int]) -> Outlook:
    """Forecast a run.

    Args:
        records: of its first steps at least, ascending.
        like: cases to fit on, all after the same number of steps.
        steps: at which to give the chance; those after the steps known count.

    Raises:
        UserError: the run has fewer steps than the cases were taken after, or no step is left to forecast.
    """
    known = like[0].known
    seen = list(records[:known])
    if len(seen) < known:
        raise UserError(
            f"The run has {len(seen)} steps, and the forecast needs {known}.",
            "Wait for more steps, or take fewer: --steps 5",
        )
    after = tuple(step for step in sorted(set(steps)) if step > seen[-1].step)
    if not after:
        raise UserError(f"Nothing is left to forecast after step {seen[-1].step}.", "Give a later --until.")
    run = Case("", "", known, History.of(seen), False, math.nan, after, None)
    model, usual = fit(like, early_signals), fit(like, BASE_RATE.features)
    values = np.array(early_signals(run))
    used = model.scale > 0
    spread = np.divide(np.abs(values - model.centre), model.scale, out=np.zeros_like(values), where=used)
    return Outlook(
        known=known,
        runs=len(like),
        fell=sum(case.fell for case in like),
        steps=after,
        chances=tuple(model.probability(run, step - seen[-1].step) for step in after),
        usual=tuple(usual.probability(run, step - seen[-1].step) for step in after),
        missing=tuple(name for name, value in zip(NAMES, values, strict=True) if math.isnan(value)),
        far=tuple(name for name, far in zip(NAMES, spread > FARTHEST, strict=True) if far),
        skill=_skill(like),
    )


def _skill(like: Sequence[Case]) -> Estimate:
    [predictor] = [one for one in PREDICTORS if one.features is early_signals]
    rows = leave_one_reward_out(like, [predictor])
    return rows[0].skill if rows else Estimate()
