"""C1 to C3: what certainty rewards do in the course of training; each arm against itself and the control.

A rise or fall counts when the arm moved, and moved further than the random reward did between the same
steps: updates without any signal move a model too. Steps are searched, and the search is paid for.
"""

import math
from collections.abc import Sequence

import numpy as np

from rlif.conclusions.claims.data import Arm, Results
from rlif.conclusions.claims.judging import Holds, above, both, compare, one_of, verdict_of
from rlif.conclusions.claims.scores import Floats, LacksRuns, Run, lifetimes, pooled
from rlif.conclusions.claims.types import Evidence, Judgement, Rules, Unit, claim
from rlif.statistics import runs as over_runs
from rlif.statistics.estimate import Estimate
from rlif.statistics.survival import kaplan_meier

Span = tuple[int, int]
"""(later step, earlier step) of a change."""


@claim(
    "C1",
    "Certainty rewards give early gains in pass@1.",
    "For most certainty rewards there is a step in the first {rules.early:.0%} of the budget at which pass@1 "
    "is above the start, and has gained more than with a random reward; no gain: less than "
    "{rules.pass_at_1:g} at every such step. Bonferroni over steps, Holm over rewards.",
)
def early_gain(results: Results, rules: Rules) -> Judgement:
    """Judge C1."""
    arms, control = _certainty(results), results.control()
    spans = {
        arm.name: [(t, 0) for t in _shared(arm, control) if 0 < t <= rules.early * arm.last] for arm in arms
    }
    evidence = [_moved(arm, control, spans[arm.name], rules) for arm in arms]
    comparisons = compare(evidence, Holds.MOSTLY, rules)
    return Judgement(
        verdict=verdict_of((c.verdict for c in comparisons), Holds.MOSTLY),
        headline=_pooled(arms, spans, rules),
        quantity="gain in pass@1 at the best early step, mean over certainty rewards",
        comparisons=comparisons,
    )


@claim(
    "C2",
    "Then they collapse, inevitably.",
    "With every certainty reward, pass@1 at the end of the budget is below that of some earlier step, and "
    "has fallen further than with a random reward; no collapse: less than {rules.pass_at_1:g} lost since any "
    "step. Bonferroni over steps; refutations Holm-corrected over rewards.",
)
def collapse(results: Results, rules: Rules) -> Judgement:
    """Judge C2. What lies beyond the budget is not known; the details say how many runs fell within it."""
    arms, control = _certainty(results), results.control()
    spans = {arm.name: [(t, arm.last) for t in _shared(arm, control) if t < arm.last] for arm in arms}
    comparisons = compare(
        [_moved(arm, control, spans[arm.name], rules) for arm in arms], Holds.EVERYWHERE, rules
    )
    return Judgement(
        verdict=verdict_of((c.verdict for c in comparisons), Holds.EVERYWHERE),
        headline=_pooled(arms, spans, rules),
        quantity="pass@1 lost since the best step, mean over certainty rewards",
        comparisons=comparisons,
        details=[_lifetimes([run for arm in arms for run in arm.runs], rules)],
    )


@claim(
    "C3",
    "Outputs shorten and reasoning disappears on the way.",
    "From start to end of the budget, completions lose length, and fewer of them reason before the code, "
    "with most certainty rewards, both by a larger part than with a random reward; no loss: a part of less "
    "than {rules.loss:g}. Holm over rewards and both quantities.",
)
def shortening(results: Results, rules: Rules) -> Judgement:
    """Judge C3."""
    arms, control = _certainty(results), results.control()
    evidence = [
        _lost(name, signal, arm, control, rules)
        for arm in arms
        for name, signal in (("length", "length_mean"), ("reasoning", "reasoning_rate"))
    ]
    comparisons = compare(evidence, Holds.MOSTLY, rules)
    by_arm = [
        verdict_of([length.verdict, reasoning.verdict], Holds.EVERYWHERE)
        for length, reasoning in zip(comparisons[::2], comparisons[1::2], strict=True)
    ]
    lengths = [_losses(arm.runs, "length_mean") for arm in arms]
    return Judgement(
        verdict=verdict_of(by_arm, Holds.MOSTLY),
        headline=over_runs.mean(_by_seed(arms, lengths)),
        quantity="part of its length that a completion lost, mean over certainty rewards",
        comparisons=comparisons,
        unit=Unit.PERCENT,
    )


def _certainty(results: Results) -> list[Arm]:
    return results.arms(role="intrinsic", family="certainty")


def _shared(arm: Arm, control: Arm) -> list[int]:
    return sorted(set(arm.steps) & set(control.steps))


def _moved(arm: Arm, control: Arm, spans: Sequence[Span], rules: Rules) -> Evidence:
    """Return the evidence that an arm rose over one of the spans, by itself and against the control."""
    if not spans:
        raise LacksRuns(
            f"'{arm.name}' and the control share no evaluation between which it could have moved."
        )
    candidates: list[Evidence] = []
    for later, earlier in spans:
        own, other = arm.change(later, earlier), control.change(later, earlier)
        name = f"{arm.name}, step {later} − step {earlier}"
        itself = above(name, own.mean(), rules.pass_at_1, own.run_ids)
        beyond = above(name, own.minus(other), rules.pass_at_1, other.run_ids)
        candidates.append(both(itself, beyond))
    return one_of(candidates, rules)


def _pooled(arms: Sequence[Arm], spans: dict[str, list[Span]], rules: Rules) -> Estimate:
    """Return the largest mean change over the arms, with the interval of one that was picked."""
    shared = sorted(set[Span].intersection(*map(set, spans.values())))
    if not shared:
        return Estimate()
    level = 1 - rules.alpha / len(shared)
    changes = [pooled([arm.change(*span) for arm in arms]).mean(level) for span in shared]
    return max(changes, key=lambda change: change.estimate)


def _lost(name: str, signal: str, arm: Arm, control: Arm, rules: Rules) -> Evidence:
    """Return the evidence that an arm lost part of its length or reasoning, and more than the control."""
    own, other = _losses(arm.runs, signal), _losses(control.runs, signal)
    title, unit = f"{arm.name}, {name} lost", Unit.PERCENT
    itself = above(title, over_runs.mean(own), rules.loss, (run.id for run in arm.runs), unit)
    beyond = over_runs.difference(own, other)
    return both(itself, above(title, beyond, rules.loss, (run.id for run in control.runs), unit))


def _losses(runs: Sequence[Run], signal: str) -> Floats:
    """Return 1 − end / start of each run, [S]; NaN for a run that had nothing to lose."""
    ends = np.array([run.signal(signal)[[0, -1]] for run in runs])
    return 1 - ends[:, 1] / np.where(ends[:, 0] > 0, ends[:, 0], np.nan)


def _by_seed(arms: Sequence[Arm], values: Sequence[Floats]) -> Floats:
    """Return the mean over arms for each seed that all have: runs of one seed are no independent sample."""
    of_arm = [
        {run.seed: v for run, v in zip(a.runs, x, strict=True)} for a, x in zip(arms, values, strict=True)
    ]
    seeds = sorted(set[int].intersection(*map(set[int], of_arm)))
    return np.array([np.mean([values[seed] for values in of_arm]) for seed in seeds], dtype=float)


def _lifetimes(runs: Sequence[Run], rules: Rules) -> str:
    steps, fallen = lifetimes(runs, rules.fall)
    median = kaplan_meier(steps, fallen).median().estimate
    when = "" if math.isnan(median) else f", half of them by step {median:.0f}"
    dead = sum(not math.isnan(run.dead_step) for run in runs)
    return (
        f"{fallen.sum()} of {len(runs)} runs lost {rules.fall:.0%} of their best within the budget{when} "
        f"(Kaplan-Meier); {dead} went below 1% of right answers."
    )
