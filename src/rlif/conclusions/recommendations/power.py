"""What would decide a question: the effect these runs could have shown, and the seeds a smaller one takes."""

import math
from bisect import bisect_left

from rlif.conclusions.claims import Rules
from rlif.conclusions.claims.scores import Table
from rlif.statistics.estimate import Estimate
from rlif.statistics.power import Components, components, minimal_detectable_effect, planned

MOST_SEEDS = 100
"""Studies with more seeds an arm are not proposed."""


def needed(estimate: Estimate, rules: Rules, asked: int = 1) -> str:
    """Return what these runs would have shown, by a comparison that was one of `asked`."""
    detectable = minimal_detectable_effect(estimate, alpha=rules.alpha / asked)
    if math.isnan(detectable):
        return "Two seeds or more are needed for any interval."
    return f"These runs would have shown an effect of {100 * detectable:.1f} points 4 times in 5."


def needed_seeds(first: Table, second: Table, rules: Rules, asked: int = 1) -> str:
    """Return the same for a difference of two arms, with the seeds it takes to show the margin."""
    shown = needed(first.minus(second), rules, asked)
    variances = _of_difference(first, second)
    if math.isnan(variances.seed):
        return shown
    margin, problems = rules.pass_at_1, len(set(first.problems) & set(second.problems))
    alpha = rules.alpha / asked

    def precision(seeds: int) -> float:
        return -minimal_detectable_effect(planned(variances, seeds, problems), alpha=alpha)

    seeds = 2 + bisect_left(range(2, MOST_SEEDS), -margin, key=precision)
    if seeds == MOST_SEEDS:
        return f"{shown} {100 * margin:g} points take more than {MOST_SEEDS} seeds an arm, or more problems."
    return f"{shown} {100 * margin:g} points take about {seeds} seeds an arm."


def _of_difference(first: Table, second: Table) -> Components:
    """Return the variances that `planned` wants: of runs, mean of both; of problems, in the difference."""
    shared = sorted(set(first.problems) & set(second.problems))
    a, b = first.on(shared), second.on(shared)
    one, other = components(a), components(b)
    residual = (one.residual + other.residual) / 2
    gap = a.mean(axis=0) - b.mean(axis=0)
    noise = residual * (1 / len(a) + 1 / len(b))
    between = max(0.0, float(gap.var(ddof=1)) - noise) if len(gap) > 1 else math.nan
    return Components(seed=(one.seed + other.seed) / 2, problem=between, residual=residual)
