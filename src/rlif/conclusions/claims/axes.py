"""C4: whether the size of the sample (both readings) and the temperature set the speed of collapse."""

import math

import numpy as np

from rlif.conclusions.claims.data import AXES, Results
from rlif.conclusions.claims.judging import Holds, compare, verdict_of
from rlif.conclusions.claims.scores import Run, lifetimes
from rlif.conclusions.claims.types import Evidence, Judgement, Rules, Unit, Verdict, claim
from rlif.statistics.estimate import Estimate
from rlif.statistics.hazard import hazard_trend, trend_p_value
from rlif.statistics.survival import kaplan_meier


@claim(
    "C4",
    "The speed of collapse depends on sample size (train set or rollouts) and on temperature.",
    "The hazard of losing {rules.fall:.0%} of the best pass@1 so far changes with temperature, and with "
    "train size or rollouts per prompt: log-rank test for trend in log2 of the setting, rewards as strata, "
    "permutation p-value, Holm over the three. No influence: the ratio of hazards for each doubling lies "
    "within 1/{rules.hazard_ratio:g} and {rules.hazard_ratio:g}.",
)
def speed(results: Results, rules: Rules) -> Judgement:
    """Judge C4 on the certainty arms that vary along an axis, all else as at the centre."""
    evidence = [_along(results, axis, name, rules) for axis, name in AXES.items()]
    comparisons = compare(evidence, Holds.MOSTLY, rules)
    train, rollouts, temperature = (c.verdict for c in comparisons)
    return Judgement(
        verdict=verdict_of([_either(train, rollouts), temperature], Holds.EVERYWHERE),
        headline=evidence[-1].estimate,
        quantity="ratio of the hazards of collapse for each doubling of the temperature",
        comparisons=comparisons,
        details=[_medians(results, axis, name, rules) for axis, name in AXES.items()],
        unit=Unit.RATIO,
    )


def _either(first: Verdict, second: Verdict) -> Verdict:
    """Return the verdict on "one of the two holds"."""
    for verdict in (Verdict.SUPPORTED, Verdict.UNDECIDED):
        if verdict in (first, second):
            return verdict
    return Verdict.NOT_SUPPORTED


def _along(results: Results, axis: str, name: str, rules: Rules) -> Evidence:
    runs = _varied(results, axis)
    if not runs:
        return Evidence(name, Estimate(), math.nan, math.nan, (), Unit.RATIO)
    steps, fallen = lifetimes(runs, rules.fall)
    x = np.log2([float(getattr(run, axis)) for run in runs])
    arms = np.array([run.arm for run in runs])
    trend = hazard_trend(steps, fallen, x, arms)
    margin = math.log(rules.hazard_ratio)
    return Evidence(
        name=name,
        estimate=trend,
        p_for=trend_p_value(steps, fallen, x, arms),
        p_against=max(trend.p_below(margin), trend.p_above(-margin)),
        runs=tuple(run.id for run in runs),
        unit=Unit.RATIO,
    )


def _varied(results: Results, axis: str) -> list[Run]:
    return [run for run in results.along(axis) if run.family == "certainty" and run.role == "intrinsic"]


def _medians(results: Results, axis: str, name: str, rules: Rules) -> str:
    """Return a sentence with the runs that fell at each level, and the median step; all on one budget."""
    runs = _varied(results, axis)
    if not runs:
        return f"No run varies the {name}."
    steps, fallen = lifetimes(runs, rules.fall)
    levels = np.array([float(getattr(run, axis)) for run in runs])
    parts: list[str] = []
    for level in np.unique(levels):
        at = levels == level
        median = kaplan_meier(steps[at], fallen[at]).median().estimate
        when = "" if math.isnan(median) else f", median step {median:.0f}"
        parts.append(f"{level:g}: {fallen[at].sum()} of {at.sum()}{when}")
    return f"Fallen by {name}: {'; '.join(parts)}."
