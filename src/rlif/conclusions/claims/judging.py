"""From comparisons to a verdict: both directions tested, families corrected, verdicts combined.

Each comparison is tested twice: for the hypothesis (p_for) and against it (p_against: the effect is smaller
than the margin). Neither shown is UNDECIDED. What is corrected follows from how comparisons make the claim:

- every one must hold: showing all of them needs no correction (an intersection-union test, Berger 1982), but
  one refutation among many is easily luck, so p_against is corrected by Holm's method;
- most must hold: a few false findings could decide either way, so both are corrected.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np

from rlif.conclusions.claims.types import Comparison, Evidence, Judgement, Rules, Unit, Verdict
from rlif.statistics.estimate import Estimate
from rlif.statistics.holm import holm


class Holds(StrEnum):
    """Where a claim must hold to be supported."""

    EVERYWHERE = "everywhere"
    MOSTLY = "mostly"


def above(
    name: str, estimate: Estimate, margin: float, runs: Iterable[str], unit: Unit = Unit.POINTS
) -> Evidence:
    """Return the evidence for "estimate > 0", and against it: "estimate < margin"."""
    return Evidence(name, estimate, estimate.p_above(), estimate.p_below(margin), tuple(runs), unit)


def below(
    name: str, estimate: Estimate, margin: float, runs: Iterable[str], unit: Unit = Unit.POINTS
) -> Evidence:
    """Return the evidence for "estimate < margin", and against it: "estimate > 0"."""
    return Evidence(name, estimate, estimate.p_below(margin), estimate.p_above(), tuple(runs), unit)


def both(shown: Evidence, second: Evidence) -> Evidence:
    """Return the evidence for two hypotheses at once, in the name of the first, with the runs of both.

    For: the larger p-value (intersection-union). Against: one refuted is enough, so the smaller, doubled.
    """
    return Evidence(
        name=shown.name,
        estimate=shown.estimate,
        p_for=float(np.maximum(shown.p_for, second.p_for)),
        p_against=float(np.minimum(1, 2 * np.minimum(shown.p_against, second.p_against))),
        runs=tuple(dict.fromkeys((*shown.runs, *second.runs))),
        unit=shown.unit,
    )


def one_of(evidence: Sequence[Evidence], rules: Rules) -> Evidence:
    """Return the evidence for a hypothesis that need hold at one of n places only (steps, say), from all n.

    For: the smallest p-value times n (Bonferroni). Against: all must be refuted, so the largest p-value
    (intersection-union). The largest estimate is quoted, among the places where it holds if there are any,
    with an interval of level 1 − α/n, since it was picked.
    """
    n = len(evidence)
    shown = [e for e in evidence if n * e.p_for < rules.alpha]
    best = max(shown or evidence, key=lambda e: e.estimate.estimate)
    return Evidence(
        name=best.name,
        estimate=best.estimate.at(1 - rules.alpha / n),
        p_for=float(np.minimum(1, n * np.min([e.p_for for e in evidence]))),
        p_against=float(np.max([e.p_against for e in evidence])),
        runs=best.runs,
        unit=best.unit,
    )


def alone(evidence: Evidence, rules: Rules) -> Judgement:
    """Return the judgement on a claim that rests on one comparison."""
    (found,) = compare([evidence], Holds.EVERYWHERE, rules)
    return Judgement(found.verdict, evidence.estimate, evidence.name, [found], unit=evidence.unit)


def compare(evidence: Sequence[Evidence], holds: Holds, rules: Rules) -> list[Comparison]:
    """Return each comparison with its verdict, p-values corrected as the module says."""
    p_for, p_against = [e.p_for for e in evidence], holm([e.p_against for e in evidence])
    if holds is Holds.MOSTLY:
        p_for = holm(p_for)
    return [
        Comparison(e, a, b, _verdict(a, b, rules.alpha))
        for e, a, b in zip(evidence, p_for, p_against, strict=True)
    ]


def verdict_of(verdicts: Iterable[Verdict], holds: Holds) -> Verdict:
    """Return the verdict on a claim that must hold everywhere, or mostly (in more than half the places)."""
    verdicts = list(verdicts)
    supported, refuted = (verdicts.count(v) for v in (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED))
    if holds is Holds.EVERYWHERE:
        if refuted:
            return Verdict.NOT_SUPPORTED
        return Verdict.SUPPORTED if verdicts and supported == len(verdicts) else Verdict.UNDECIDED
    if 2 * supported > len(verdicts):
        return Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if 2 * refuted > len(verdicts) else Verdict.UNDECIDED


def _verdict(p_for: float, p_against: float, alpha: float) -> Verdict:
    if p_for < alpha:
        return Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if p_against < alpha else Verdict.UNDECIDED
