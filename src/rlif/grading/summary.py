"""The numbers at the end of `rlif grade`: pass@k, how programs ended, which problems cost most."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rlif.grading.pass_at_k import bootstrap_ci, defined_ks, pass_at_k
from rlif.grading.types import VerdictStatus


@dataclass(slots=True)
class ProblemTally:
    """What is known of the programs of one problem.

    cpu_s: CPU seconds of all of them; NaN if that of any is not known.
    """

    programs: int = 0
    passed: int = 0
    timeouts: int = 0
    cpu_s: float = 0.0


@dataclass(slots=True)
class Tally:
    """Counts of verdicts, kept while they come: no verdict itself is held."""

    problems: dict[str, ProblemTally] = field(default_factory=dict[str, ProblemTally])
    statuses: Counter[VerdictStatus] = field(default_factory=Counter[VerdictStatus])

    def add(self, question_id: str, status: VerdictStatus, cpu_s: float) -> None:
        """Count one verdict; cpu_s is NaN when nobody measured it."""
        problem = self.problems.setdefault(question_id, ProblemTally())
        problem.programs += 1
        problem.passed += status is VerdictStatus.PASSED
        problem.timeouts += status is VerdictStatus.TIMEOUT
        problem.cpu_s += cpu_s
        self.statuses[status] += 1

    @property
    def programs(self) -> int:
        """The number of verdicts."""
        return self.statuses.total()


@dataclass(frozen=True, slots=True)
class PassAtK:
    """pass@k over the problems with at least k samples, of which there are `problems`.

    low, high: 95% interval over these problems.
    """

    k: int
    estimate: float
    low: float
    high: float
    problems: int


@dataclass(frozen=True, slots=True)
class ProblemCost:
    """CPU seconds a program of one problem takes in the mean, and how many of them timed out."""

    question_id: str
    programs: int
    mean_cpu_s: float
    timeouts: int


def pass_at_ks(problems: Iterable[ProblemTally]) -> list[PassAtK]:
    """Return pass@1, 2, 4, … up to the largest number of samples of a problem.

    Problems may have different numbers of samples. pass@k is undefined for one with fewer than k: it is left
    out of that k, so that estimates for different k may be over different problems.
    """
    tallies = list(problems)
    found: list[PassAtK] = []
    for k in defined_ks(max((tally.programs for tally in tallies), default=0)):
        rates = [pass_at_k(tally.programs, tally.passed, k) for tally in tallies if tally.programs >= k]
        low, high = bootstrap_ci(rates)
        found.append(PassAtK(k, sum(rates) / len(rates), low, high, len(rates)))
    return found


def costliest(tally: Tally, number: int) -> list[ProblemCost]:
    """Return the problems whose programs take most CPU time, and of those the first `number`."""
    costs = [
        ProblemCost(question_id, one.programs, one.cpu_s / one.programs, one.timeouts)
        for question_id, one in tally.problems.items()
        if not math.isnan(one.cpu_s)
    ]
    return sorted(costs, key=lambda cost: cost.mean_cpu_s, reverse=True)[:number]
