"""What a claim is and what becomes of it: a sentence, a hypothesis in numbers, a test, a verdict.

@claim("U1", "Voting ends above self-certainty.", "pass@1 at the end: functional_majority − … > 0")
def voting_wins(results: Results, rules: Rules) -> Judgement: ...
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from rlif.conclusions.claims.data import Results
from rlif.conclusions.claims.scores import LacksRuns
from rlif.diagnostics.thresholds import Thresholds
from rlif.statistics.estimate import NAN, Estimate
from rlif.statistics.power import minimal_detectable_effect

_MARGIN = Thresholds().margin


class Verdict(StrEnum):
    """What the runs say of a claim. UNDECIDED: runs are missing, or the interval allows both."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    UNDECIDED = "undecided"


class Unit(StrEnum):
    """How an estimate is written."""

    POINTS = "points"  # a difference of shares, times 100
    PERCENT = "percent"  # a share of a starting value, times 100
    RATIO = "ratio"  # the logarithm of a ratio


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers behind the verdicts, stated before the study was run. Shares are fractions of one.

    Attributes:
        alpha: error rate of every verdict, families corrected.
        pass_at_1: smallest difference of pass@1 that matters: less is "no gain", "no fall", "no improvement".
            The margin of `rlif.diagnostics.Thresholds`.
        loss: smallest part of its length, or of its reasoning, that a run must lose to count as losing any.
        fall: a run has collapsed, for C4, when it lost this part of its best pass@1 so far, beyond chance.
        hazard_ratio: a setting that changes the rate of collapse by less, a doubling, has no influence.
        early: gains count as early up to this part of the budget.
    """

    alpha: float = 0.05
    pass_at_1: float = _MARGIN
    loss: float = 0.1
    fall: float = 0.1
    hazard_ratio: float = 1.25
    early: float = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison before correction for the others.

    Attributes:
        name: what is compared. estimate: of what the hypothesis speaks of. runs: it rests on.
        p_for: of the null "the hypothesis is false here". p_against: of "it is true here, by the margin".
        unit: of the estimate.
    """

    name: str
    estimate: Estimate
    p_for: float
    p_against: float
    runs: tuple[str, ...]
    unit: Unit = Unit.POINTS


@dataclass(frozen=True, slots=True)
class Comparison:
    """Evidence with its verdict; `p_for` and `p_against` are corrected where the family asks for it."""

    evidence: Evidence
    p_for: float
    p_against: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a claim's test returns.

    Attributes:
        verdict: of the claim. headline: the one estimate to quote, with its unit.
        quantity: what it is an estimate of. comparisons: all that the verdict rests on.
        details: sentences that a reader of the verdict should know.
    """

    verdict: Verdict
    headline: Estimate
    quantity: str
    comparisons: Sequence[Comparison]
    details: Sequence[str] = ()
    unit: Unit = Unit.POINTS


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim's verdict, with all that it rests on.

    Attributes:
        id, sentence, hypothesis: of the claim. verdict: on it.
        estimate: with interval, of `quantity`, in `unit`. detectable: the smallest true value of it that the
            study would have found 4 times in 5 (two-sided, 5%); NaN where unknown.
        runs: ids. comparisons: each with its own estimate and verdict. details: sentences.
    """

    id: str
    sentence: str
    hypothesis: str
    verdict: Verdict
    estimate: Estimate = field(default_factory=Estimate)
    quantity: str = ""
    unit: Unit = Unit.POINTS
    detectable: float = NAN
    runs: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def n_runs(self) -> int:
        """Number of runs that the verdict rests on."""
        return len(self.runs)


Test = Callable[[Results, Rules], Judgement]


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence about results, its hypothesis in numbers, and the test that decides."""

    id: str
    sentence: str
    hypothesis: str
    test: Test

    def __call__(self, results: Results | pl.DataFrame, rules: Rules | None = None) -> ClaimResult:
        """Judge results; UNDECIDED, with the reason, when they lack the runs.

        Raises:
            UserError: the table lacks columns.
        """
        results = Results(results) if isinstance(results, pl.DataFrame) else results
        rules = rules or Rules()
        hypothesis = self.hypothesis.format(rules=rules)
        try:
            found = self.test(results, rules)
        except LacksRuns as lack:
            return ClaimResult(self.id, self.sentence, hypothesis, Verdict.UNDECIDED, details=(str(lack),))
        runs = {run for comparison in found.comparisons for run in comparison.evidence.runs}
        return ClaimResult(
            id=self.id,
            sentence=self.sentence,
            hypothesis=hypothesis,
            verdict=found.verdict,
            estimate=found.headline,
            quantity=found.quantity,
            unit=found.unit,
            detectable=minimal_detectable_effect(found.headline),
            runs=tuple(sorted(runs)),
            comparisons=tuple(found.comparisons),
            details=(*found.details, *results.notes),
        )


def claim(id: str, sentence: str, hypothesis: str) -> Callable[[Test], Claim]:
    """Make a claim of a test function.

    Args:
        id: short name.
        sentence: the claim in words.
        hypothesis: the same in numbers: what is estimated, the margin, and when it counts as shown;
            "{rules.pass_at_1:g}" becomes the number that was used.
    """
    return lambda test: Claim(id, sentence, hypothesis, test)
