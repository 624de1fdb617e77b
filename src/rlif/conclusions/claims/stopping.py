"""C6: whether the recommendation works: stop when the rule that comes with rlif says so.

The rule is `rlif.diagnostics.stopping.DEFAULT_RULE` with its shipped settings; it sees every training step
and nothing of any test. Nothing is tuned on the runs that judge it: `rlif.conclusions.regret` does that, with
runs left out.
"""

import math
from collections.abc import Sequence

import numpy as np

from rlif.conclusions.claims.data import Results
from rlif.conclusions.claims.judging import Holds, above, compare, verdict_of
from rlif.conclusions.claims.scores import LacksRuns, Run, Table, change, pooled
from rlif.conclusions.claims.types import Evidence, Judgement, Rules, claim


def kept_step(run: Run) -> int:
    """Return the last evaluation at or before what the rule keeps; the last of all where it never stops."""
    if math.isnan(run.stop_step):
        return run.last
    return max(step for step in run.evaluations if step <= max(run.stop_step, min(run.evaluations)))


@claim(
    "C6",
    "Actionable recommendations follow.",
    "Keeping the policy that the shipped rule keeps, which needs no tests, leaves pass@1 above training on "
    "to the end, on average over the certainty rewards; and with each consensus reward and with tests it "
    "costs less than {rules.pass_at_1:g}. Refutations Holm-corrected.",
)
def stopping_helps(results: Results, rules: Rules) -> Judgement:
    """Judge C6; the details say what stopping left of the peak."""
    arms = results.arms(role="intrinsic", family="certainty")
    gained = pooled([_stopped(arm.runs) for arm in arms])
    if not gained.runs:
        raise LacksRuns("The certainty rewards have no seed in common.")
    useful = above("certainty rewards, stopped − end", gained.mean(), rules.pass_at_1, gained.run_ids)
    comparisons = compare([useful, *_harmless(results, rules)], Holds.EVERYWHERE, rules)
    return Judgement(
        verdict=verdict_of((c.verdict for c in comparisons), Holds.EVERYWHERE),
        headline=gained.mean(),
        quantity="pass@1 where the rule stopped − at the end, mean over certainty rewards",
        comparisons=comparisons,
        details=[_regret([run for arm in arms for run in arm.runs])],
    )


def _harmless(results: Results, rules: Rules) -> list[Evidence]:
    """Return the evidence that the rule costs less than the margin where training on is right.

    Without it, a rule that stops everything at once would pass. Training on tests must be there.
    """
    healthy = results.arms(role="verifiable")
    if results.has(role="intrinsic", family="consensus"):
        healthy += results.arms(role="intrinsic", family="consensus")
    evidence: list[Evidence] = []
    for arm in healthy:
        table = _stopped(arm.runs)
        cost = table.mean()
        evidence.append(
            Evidence(
                name=f"{arm.name}, stopped − end",
                estimate=cost,
                p_for=cost.p_above(-rules.pass_at_1),
                p_against=cost.p_below(-rules.pass_at_1),
                runs=table.run_ids,
            )
        )
    return evidence


def _stopped(runs: Sequence[Run]) -> Table:
    """Return scores where the rule stopped less scores at the end."""
    return change(runs, kept_step, lambda run: run.last)


def _regret(runs: Sequence[Run]) -> str:
    """Return a sentence on what stopping and training on left of each run's best evaluation."""
    curves = [np.array([np.mean(list(e.scores.values())) for e in run.evaluations.values()]) for run in runs]
    stopped = [
        curve[list(run.evaluations).index(kept_step(run))] for run, curve in zip(runs, curves, strict=True)
    ]
    best = np.array([curve.max() for curve in curves])
    lost, kept_on = best - stopped, best - [curve[-1] for curve in curves]
    early = sum(kept_step(run) < run.last for run in runs)
    return (
        f"The rule stopped {early} of {len(runs)} runs. Below the best evaluation of the run (picked, so "
        f"flattered): {100 * lost.mean():.1f} points where it stopped, {100 * kept_on.mean():.1f} at the end."
    )
