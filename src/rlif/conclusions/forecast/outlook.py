"""`outlook`: one run's chance of falling, step by step, from its first steps and recorded runs like it.

It is a statement about the runs fitted on: of runs whose first steps looked so, so many fell. The forecaster
sees the features that this run has and no others, and `skill` is of that very forecaster, for rewards that
are not among those runs. What it cannot weigh, since those runs show nothing of the kind, is named.
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
    RELATIVE_CHANGES,
    Predictor,
    early_signals,
)
from rlif.conclusions.forecast.hazard import fit
from rlif.conclusions.forecast.judge import leave_one_reward_out
from rlif.diagnostics.logs.steps import MOST_POINTS
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

ROUND_OFF = 1e-9
"""Features are shares and ratios; closer than this they are equal."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The forecast of one run.

    Attributes:
        known: steps that it rests on.
        runs, fell: recorded runs fitted on, and how many of them fell after as many steps.
        budget: the last step at which any of them was evaluated; what is said of later steps is a guess.
        steps: at which the chances are given.
        chances: of having lost a tenth of the best pass@1 by then, for this run.
        usual: the same for any of those runs, whatever its signals.
        used: features that have a say; without any the chances are the usual ones.
        missing: features that the run's log does not have.
        idle: features that have no say though they might matter: those runs lack them, or are all alike in
            them while this run differs.
        far: features with a say that are above or below all that the runs fitted on showed.
        skill: Brier skill of forecasts from the features that this run has, for rewards left out of the fit,
            with its 95% interval; NaN without such features, for a single reward, or where none fell.
    """

    known: int
    runs: int
    fell: int
    budget: int
    steps: tuple[int, ...]
    chances: tuple[float, ...]
    usual: tuple[float, ...]
    used: tuple[str, ...]
    missing: tuple[str, ...]
    idle: tuple[str, ...]
    far: tuple[str, ...]
    skill: Estimate


def outlook(records: Sequence[StepRecord], like: Sequence[Case], steps: Sequence[int]) -> Outlook:
    """Forecast a run.

    Args:
        records: of its first steps at least, ascending.
        like: cases to fit on, all after the same number of steps k.
        steps: at which to give the chance; those after step k count.

    Raises:
        UserError: the run has no record of each of its first k steps, or they are of two stages; or no step
            is left to forecast.
    """
    known = like[0].known
    history = History.of(_first(records, known))
    after = tuple(step for step in sorted(set(steps)) if step > known)
    if not after:
        raise UserError(f"Nothing is left to forecast after step {known}.", "Give a later --until.")
    run = Case("", "", known, history, False, math.nan, after, None)
    values = np.array(early_signals(run))
    has = np.flatnonzero(np.isfinite(values))
    predictor = Predictor("features of this run", lambda case: [early_signals(case)[i] for i in has])
    model, usual = fit(like, predictor.features), fit(like, BASE_RATE.features)
    used = has[model.scale > 0]
    table = np.array([early_signals(case) for case in like])
    # NaN is neither below nor above: a feature that some of those runs lack has the range of the others.
    below = np.any(table < values + ROUND_OFF, axis=0)
    above = np.any(table > values - ROUND_OFF, axis=0)
    outside = [i for i in has if not (below[i] and above[i])]
    return Outlook(
        known=known,
        runs=len(like),
        fell=sum(case.fell for case in like),
        budget=max(case.evaluated[-1] for case in like),
        steps=after,
        chances=tuple(model.probability(run, step - known) for step in after),
        usual=tuple(usual.probability(run, step - known) for step in after),
        used=tuple(NAMES[i] for i in used),
        missing=tuple(name for name, value in zip(NAMES, values, strict=True) if math.isnan(value)),
        idle=tuple(NAMES[i] for i in outside if i not in used),
        far=tuple(NAMES[i] for i in outside if i in used),
        skill=_skill(like, predictor) if len(used) else Estimate(),
    )


def _first(records: Sequence[StepRecord], known: int) -> list[StepRecord]:
    """Return the records of steps 1 to `known`, as the cases have them: all of them, of one stage."""
    seen = [record for record in records if 1 <= record.step <= known]
    last = max((record.step for record in records), default=0)
    if last < known:
        raise UserError(
            f"The run has {last} steps, and the forecast needs {known}.",
            "Wait for more steps, or take fewer: --steps 5",
        )
    if len(seen) < known:
        raise UserError(
            f"{len(seen)} of the first {known} steps are in the log, and the forecast needs every one.",
            "Log every step (in TRL: logging_steps=1). A log of over "
            f"{MOST_POINTS:,} rows is averaged in blocks: give its first {known} rows alone.",
        )
    stages = list(dict.fromkeys(record.stage for record in seen))
    if len(stages) > 1:
        raise UserError(
            f"The first {known} steps are of {len(stages)} stages ({', '.join(stages)}), with other rewards.",
            "Look at steps of the first alone: --steps 5",
        )
    return seen


def _skill(like: Sequence[Case], predictor: Predictor) -> Estimate:
    rows = leave_one_reward_out(like, [predictor])
    return rows[0].skill if rows else Estimate()
