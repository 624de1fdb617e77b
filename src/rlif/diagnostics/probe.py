"""The probe: have the answers to the *same* problems changed since the first evaluation? It needs no tests.

Training steps answer other problems each time, and much of what moves their means is the problems.
Evaluations ask the same ones with the same seed. So each later evaluation e = 1, 2, … is compared with the
first, 0, over the P problems that both answered, in completion length and in the share of completions that
reason:

    d_i = value of problem i at e − its value at 0        t = mean(d) / (s_d / √P),   P − 1 degrees of freedom

(paired t-test; Student 1908). Records of older runs have no values by problem. Of a share they have the mean
r over n = problems × samples completions: z = (r_e − r_0) / √(r (1 − r) (1/n_e + 1/n_0)), r over both. That
is conservative, since its variance counts the spread between problems too, which pairing takes out. Of length
they have no variance, and nothing is said of it.

Looking after every evaluation is allowed for by alpha spending (Lan and DeMets 1983), with weights that need
no last look: since Σ 1 / (e (e + 1)) = 1, look e takes that part of the permitted errors. With p_e the
one-sided p-value in the direction of the change,

    p = p_e · e (e + 1) · (edges of healthy ranges that could be crossed)

and a run without any change shows p ≤ α towards such an edge at *any* look with a chance of at most α
(Bonferroni). A signal alarms when it is outside its healthy range at the last evaluation, and p ≤ `NOISE` at
a look since it left.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from scipy.special import ndtr, stdtr

from rlif.diagnostics.findings import Direction, ProbeTrend
from rlif.diagnostics.series import Floats
from rlif.records import EvalRecord

HEALTHY = {"length_mean": (0.9, 1.6), "reasoning_rate": (0.85, math.inf)}
"""Signal -> the range, as multiples of its first value, that healthy runs stay in; see docs/diagnose.md."""

NOISE = 0.05
"""The largest p of a change that is not noise: at most this share of unchanged runs ever alarms."""

FEW_PROBLEMS = 8
"""Nothing is said of fewer shared problems: their differences are too far from normal for a t-test."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A signal at two evaluations: means over the problems that both answered, and how clearly they differ.

    Attributes:
        start, end: the means. problems: how many. paired: whether problem by problem.
        z: (end − start) in standard errors. p: one-sided, in the direction of z, for this look alone.
    """

    start: float
    end: float
    problems: int
    paired: bool
    z: float
    p: float

    def side(self, low: float, high: float) -> int:
        """Return where the end lies: −1 below low · start, 1 above high · start, 0 between."""
        return int(self.end > high * self.start) - int(self.end < low * self.start)


def probe(evals: Sequence[EvalRecord]) -> dict[str, ProbeTrend]:
    """Return how each signal moved from the first evaluation to the last; only those that can be compared.

    Args:
        evals: ascending by step, one a step and mode. The sampled ones count, or without any the greedy.
    """
    mode = "sampled" if any(record.mode == "sampled" for record in evals) else "greedy"
    chosen = [record for record in evals if record.mode == mode]
    looks = {name: dict(_looks(chosen, name)) for name in HEALTHY}
    seen = {name: shifts for name, shifts in looks.items() if shifts}
    edges = sum(math.isfinite(edge) for name in seen for edge in HEALTHY[name])
    return {name: _trend(name, chosen[0].step, shifts, edges) for name, shifts in seen.items()}


def shift(first: EvalRecord, later: EvalRecord, name: str) -> Shift | None:
    """Return how a signal differs between two evaluations; None where they cannot be compared.

    Args:
        first: the reference.
        later: of the same policy after training.
        name: of `HEALTHY`.
    """
    if (first.temperature, first.max_tokens) != (later.temperature, later.max_tokens):
        return None  # another stage may cut later: its completions are longer, whatever the policy does
    if first.samples < 1 or later.samples < 1:
        return None  # others' logs do not say how many
    before, after = _of_problems(first, name), _of_problems(later, name)
    if not (before and after):
        return _unpaired(first, later) if name == "reasoning_rate" else None
    shared = [i for i in before if i in after and math.isfinite(before[i] + after[i])]
    if len(shared) < FEW_PROBLEMS:
        return None
    return _paired(np.array([before[i] for i in shared]), np.array([after[i] for i in shared]))


def _looks(evals: Sequence[EvalRecord], name: str) -> Iterator[tuple[int, Shift]]:
    for later in evals[1:]:
        found = shift(evals[0], later, name)
        if found is not None:
            yield later.step, found


def _of_problems(record: EvalRecord, name: str) -> dict[str, float]:
    if name == "length_mean":
        return record.lengths
    return {i: count / record.samples for i, count in record.reasoned.items()}


def _paired(before: Floats, after: Floats) -> Shift:
    """Return the paired t-test of values [P] then and now."""
    differences = after - before
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(len(differences))
    t = float(mean / error) if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
    p = float(stdtr(len(differences) - 1, -abs(t)))
    return Shift(float(before.mean()), float(after.mean()), len(differences), True, t, p)


def _unpaired(first: EvalRecord, later: EvalRecord) -> Shift | None:
    """Return the test of two proportions that takes all completions as independent."""
    n, m = first.problems * first.samples, later.problems * later.samples
    start, end = first.reasoning_rate, later.reasoning_rate
    same = first.problems == later.problems >= FEW_PROBLEMS
    if not (same and math.isfinite(start + end)):
        return None
    pooled = (n * start + m * end) / (n + m)
    error = math.sqrt(max(0.0, pooled * (1 - pooled)) * (1 / n + 1 / m))
    z = (end - start) / error if error > 0 else 0.0
    return Shift(start, end, first.problems, False, z, float(ndtr(-abs(z))))


def _trend(name: str, first_step: int, shifts: dict[int, Shift], edges: int) -> ProbeTrend:
    """Return what the looks so far, by step, say together."""
    steps, last = list(shifts), shifts[max(shifts)]
    p = [min(1.0, s.p * look * (look + 1) * edges) for look, s in enumerate(shifts.values(), start=1)]
    sides = [s.side(*HEALTHY[name]) for s in shifts.values()]
    outside = len(list(takewhile(lambda side: side == sides[-1] != 0, reversed(sides))))
    clearest = min(p[-outside:]) if outside else p[-1]
    moved = clearest <= NOISE
    alarming = outside > 0 and moved
    onset = steps[-outside] if alarming else None
    return ProbeTrend(
        name=name,
        start=last.start,
        end=last.end,
        change=last.end - last.start,
        ratio=last.end / last.start if last.start else math.nan,
        z=last.z,
        p=clearest,
        direction=Direction.STEADY if not moved else Direction.UP if last.z > 0 else Direction.DOWN,
        alarming=alarming,
        onset=onset,
        onset_low=None if onset is None else [first_step, *steps][-outside - 1],
        onset_high=onset,
        step=steps[-1],
        evaluations=len(steps) + 1,
        problems=last.problems,
        paired=last.paired,
    )
