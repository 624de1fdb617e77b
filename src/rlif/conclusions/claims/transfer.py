"""C5: whether some steps on an intrinsic reward first make later training on tests any better.

k is the steps that were made: a stopping rule may end the stages before tests at another step in each run.
"""

from collections.abc import Iterator

from rlif.conclusions.claims.data import Arm, Results
from rlif.conclusions.claims.judging import Holds, below, compare, verdict_of
from rlif.conclusions.claims.scores import LacksRuns, Table, pooled
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
            f"points (two one-sided tests); in {worse} RLIF first was worse (95%, not corrected).",
            *_left_out(transfers, scratch),
        ],
    )


def _transfers(results: Results) -> list[Arm]:
    """Return the runs with tests after an intrinsic reward, one arm for each k (and each reward before).

    Its runs are those of the same settings: where a rule chose k, it is one arm with several of them.
    """
    runs = [run for run in results.runs if run.role == "transfer" and run.rlif_steps > 0]
    if not runs:
        raise LacksRuns("There is no complete run with tests after an intrinsic reward.")
    arms = list[Arm]()
    for name, variation in sorted({(run.arm, run.variation) for run in runs}):
        alike = tuple(run for run in runs if (run.arm, run.variation) == (name, variation))
        ks = [run.rlif_steps for run in alike]
        arms.append(Arm(f"{name}, k = {_span(ks)}", alike))
    return sorted(arms, key=_switch)


def _span(values: list[int]) -> str:
    """Return "10", or "10 to 20" where the values differ."""
    return " to ".join(map(str, sorted({min(values), max(values)})))


def _switch(transfer: Arm) -> int:
    """Return the step by which all runs had come to tests."""
    return max(run.rlif_steps for run in transfer.runs)


def _total(transfer: Arm, scratch: Arm) -> int | None:
    """Return the last step after the change of reward at which both were evaluated."""
    shared = set(transfer.steps) & set(scratch.steps)
    return max((step for step in shared if step > _switch(transfer)), default=None)


def _on_tests(transfer: Arm, scratch: Arm) -> int | None:
    """Return the most steps on tests after which both were evaluated."""
    shared = set(scratch.steps).intersection(
        *({step - run.rlif_steps for step in run.evaluations} for run in transfer.runs)
    )
    return max((step for step in shared if step > 0), default=None)


def _budgets(transfer: Arm, scratch: Arm, rules: Rules) -> Iterator[Evidence]:
    """Yield the comparison at equal total steps and at equal steps on tests, where evaluations fit."""
    pairs = list[tuple[str, Table, int]]()
    if (total := _total(transfer, scratch)) is not None:
        pairs.append((f"total ({total})", transfer.scores(total), total))
    if (spent := _on_tests(transfer, scratch)) is not None:
        own = transfer.scores(lambda run: run.rlif_steps + spent)
        pairs.append((f"steps on tests ({spent})", own, spent))
    for what, own, step in pairs:
        other = scratch.scores(step)
        name = f"{transfer.name}, equal {what}"
        yield below(name, own.minus(other), rules.pass_at_1, (*own.run_ids, *other.run_ids))


def _left_out(transfers: list[Arm], scratch: Arm) -> list[str]:
    """Return a sentence on the arms that no evaluation of tests from scratch fits, if there are any."""
    names = [t.name for t in transfers if _total(t, scratch) is None and _on_tests(t, scratch) is None]
    return [f"Left out, no evaluation of tests from scratch fits: {'; '.join(names)}."] if names else []


def _headline(transfers: list[Arm], scratch: Arm) -> Estimate:
    """Return the mean over arms of the difference at equal total steps, each at its own last step."""
    fitting = {t: step for t in transfers if (step := _total(t, scratch)) is not None}
    if not fitting:
        return Estimate()
    after = pooled([t.scores(step) for t, step in fitting.items()])
    return after.minus(pooled([scratch.scores(step) for step in fitting.values()]))
