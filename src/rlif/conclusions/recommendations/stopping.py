"""Whether to stop by the rule that comes with rlif, which needs no tests: claim C6, on these runs."""

from collections.abc import Sequence

from rlif.conclusions.claims import Results, Rules, Verdict
from rlif.conclusions.claims.scores import LacksRuns
from rlif.conclusions.claims.stopping import stopping_helps
from rlif.conclusions.recommendations.power import needed
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import listed, written

RULE = "the shipped rule says so (length, entropy or reasoning leave their healthy range)"


@question("stop", "Stop by a rule that needs no tests?")
def stopping(results: Results, rules: Rules) -> Sequence[Answer]:
    """Answer where it is shown to gain with certainty rewards and cost little elsewhere, or to do little."""
    claim = stopping_helps(results, rules)
    if not claim.comparisons:
        raise LacksRuns(*claim.details[:1])
    useful, *harmless = claim.comparisons
    estimate, advice, missing = claim.estimate, "", ""
    if claim.verdict is Verdict.SUPPORTED:
        others = listed([c.evidence.name.removesuffix(", stopped − end") for c in harmless], "and")
        advice = (
            f"Stop when {RULE}: over the certainty rewards that left pass@1 "
            f"{written(estimate)} above training on, and it cost little with {others}."
        )
    elif useful.verdict is Verdict.NOT_SUPPORTED:
        estimate = estimate.at(1 - 2 * rules.alpha)
        advice = (
            f"Expect little of stopping when {RULE}: over the certainty rewards it changed pass@1 by "
            f"{written(estimate)}, less than {100 * rules.pass_at_1:g}."
        )
    else:
        missing = needed(estimate, rules)
    return [
        Answer(
            estimate=estimate,
            against="training on to the end",
            advice=advice,
            needed=missing,
            runs=claim.runs,
            n_problems=len(results.arms("intrinsic", "certainty")[0].end().problems),
            caveat=claim.details[0],
        )
    ]
