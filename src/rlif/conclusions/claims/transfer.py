"""C5: whether some steps on an intrinsic reward first make later training on tests any better."""

from collections.abc import Iterator

from rlif.conclusions.claims.data import Arm, Results
from rlif.conclusions.claims.judging import Holds, below, compare, verdict_of
from rlif.conclusions.claims.scores import LacksRuns, pooled
from rlif.conclusions.claims.types import Evidence, Judgement, Rules, claim
from rlif.statistics.equivalence import equivalence
from rlif.statistics.estimate import Estimate


@claim(
    "C5",
    "RLIF as initialisation does not improve later RLVR over starting from scratch.",
    "For every number of steps k on the intrinsic reward, pass@1 after it and tests is less than "
    "{rules.pass_at_1:g} above that of tests from the start, at equal total steps and at equal steps on "
    "tests. Improvement: above 0 in any comparison, Holm-corrected.",
)
def no_better_start(results: Results, rules: Rules) -> Judgement:
    """Judge C5; the details say which comparisons are equivalent both ways."""
    scratch, transfers = results.scratch(), _transfers(results)
    evidence = [e for transfer in transfers for e in _budgets(transfer, scratch, rules)]
    if not evidence:
        raise LacksRuns(
            "No run with tests after an intrinsic reward has the evaluations of tests from scratch."
        )
    comparisons = compare(evidence, Holds.EVERYWHERE, rules)
    equivalent = sum(equivalence(e.estimate, rules.pass_at_1, rules.alpha).equivalent for e in evidence)
    worse = sum(e.estimate.high < 0 for e in evidence)
    return Judgement(
        verdict=verdict_of((c.verdict for c in comparisons), Holds.EVERYWHERE),
        headline=_headline(transfers, scratch),
        quantity="pass@1 at equal total steps, RLIF → RLVR − RLVR, mean over k",
        comparisons=comparisons,
        details=[
            f"{equivalent} of {len(evidence)} comparisons are equivalent within ± {100 * rules.pass_at_1:g} "
            f"points (two one-sided tests); in {worse} RLIF first was worse (95%, not corrected)."
        ],
    )


def _transfers(results: Results) -> list[Arm]:
    """Return the runs with tests after an intrinsic reward, one arm for each k (and each reward before)."""
    runs = [run for run in results.runs if run.role == "transfer" and run.rlif_steps > 0]
    kinds = sorted({(run.rlif_steps, run.arm, run.variation) for run in runs})
    if not kinds:
        raise LacksRuns("There is no complete run with tests after an intrinsic reward.")
    return [
        Arm(
            f"{arm}, k = {k}",
            tuple(r for r in runs if (r.rlif_steps, r.arm, r.variation) == (k, arm, variation)),
        )
        for k, arm, variation in kinds
    ]


def _total(transfer: Arm, scratch: Arm) -> int | None:
    """Return the last step after the change of reward at which both were evaluated."""
    shared = set(transfer.steps) & set(scratch.steps)
    return max((step for step in shared if step > transfer.runs[0].rlif_steps), default=None)


def _budgets(transfer: Arm, scratch: Arm, rules: Rules) -> Iterator[Evidence]:
    """Yield the comparison at equal total steps and at equal steps on tests, where evaluations fit."""
    k = transfer.runs[0].rlif_steps
    on_tests = max((s for s in scratch.steps if s > 0 and s + k in transfer.steps), default=None)
    spans = {"total": _total(transfer, scratch), "steps on tests": on_tests}
    for what, step in spans.items():
        if step is not None:
            own, other = transfer.scores(step if what == "total" else step + k), scratch.scores(step)
            name = f"{transfer.name}, equal {what} ({step})"
            yield below(name, own.minus(other), rules.pass_at_1, (*own.run_ids, *other.run_ids))


def _headline(transfers: list[Arm], scratch: Arm) -> Estimate:
    fitting = {t: step for t in transfers if (step := _total(t, scratch)) is not None}
    if not fitting:
        return Estimate()
    step = min(fitting.values())
    return pooled([t.scores(step) for t in fitting if step in t.steps]).minus(scratch.scores(step))
