"""What tests are worth: the part of their gain that comes without them, and whether to begin without them."""

from collections.abc import Sequence

from rlif.conclusions.claims import Results, Rules, Verdict
from rlif.conclusions.claims.scores import LacksRuns, Table, aligned
from rlif.conclusions.claims.transfer import no_better_start
from rlif.conclusions.recommendations.power import needed
from rlif.conclusions.recommendations.ranking import common_step
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import Unit, number, written
from rlif.statistics.ratio import ratio


@question("without_tests", "What is lost by having no tests?")
def without_tests(results: Results, rules: Rules) -> Sequence[Answer]:
    """Give the gain of the best intrinsic reward as a part of that with tests, where both are shown."""
    arms, scratch = results.arms(role="intrinsic"), results.scratch()
    step = common_step([*arms, scratch])
    tests = scratch.change(step, 0)
    gains = {arm.name: arm.change(step, 0) for arm in arms}
    best = max(sorted(gains), key=lambda name: float(gains[name].values.mean()))
    gain = gains[best]
    part = ratio(*aligned([gain, tests]), level=1 - rules.alpha / len(arms))
    told = part.low > 0
    advice = (
        f"Without tests, count on {written(part, Unit.PERCENT)} of their gain: by step {step} {best} gained "
        f"{number(gain.mean().estimate)} points, tests {number(tests.mean().estimate)}."
    )
    return [
        Answer(
            estimate=part,
            unit=Unit.PERCENT,
            against=scratch.name,
            advice=advice if told else "",
            needed="" if told else _not_told(gain, tests, rules, len(arms)),
            runs=[*gain.run_ids, *tests.run_ids],
            n_problems=len(set(gain.problems) & set(tests.problems)),
            caveat=f"{best} was picked as the best of {len(arms)}; both gains are since the start.",
        )
    ]


def _not_told(gain: Table, tests: Table, rules: Rules, asked: int) -> str:
    """Return what it would take, of whichever of the two gains is not shown."""
    of_tests = tests.mean(1 - rules.alpha / asked)
    if of_tests.low > 0:
        return f"The gain without tests is not shown. {needed(gain.mean(), rules, asked)}"
    return f"The gain with tests is not shown. {needed(of_tests, rules, asked)}"


@question("begin", "Begin with an intrinsic reward, and switch to tests later?")
def begin(results: Results, rules: Rules) -> Sequence[Answer]:
    """Answer from the comparisons of claim C5: each number of first steps, at equal total and test steps."""
    claim = no_better_start(results, rules)
    if not claim.comparisons:
        raise LacksRuns(*claim.details[:1])
    asked = len(claim.comparisons)
    evidence = max((c.evidence for c in claim.comparisons), key=lambda e: e.estimate.estimate)
    estimate = evidence.estimate.at(1 - rules.alpha / asked)
    advice, missing = "", ""
    if estimate.low > 0:
        advice = (
            f"Begin without tests ({evidence.name}): pass@1 was {written(estimate)} above that of tests from "
            "the start."
        )
    elif claim.verdict is Verdict.SUPPORTED:
        estimate = evidence.estimate.at(1 - 2 * rules.alpha)
        advice = (
            f"Train on tests from the start: in none of {asked} comparisons did it help by "
            f"{100 * rules.pass_at_1:g} points to begin without them; the best ({evidence.name}) gave "
            f"{written(estimate)}."
        )
    else:
        missing = needed(estimate, rules, asked)
    return [
        Answer(
            estimate=estimate,
            against=results.scratch().name,
            advice=advice,
            needed=missing,
            runs=claim.runs,
            n_problems=len(results.scratch().end().problems),
            caveat=claim.details[0],
        )
    ]
