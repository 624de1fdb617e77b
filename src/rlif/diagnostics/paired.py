"""Two evaluations compared problem by problem, overall and by platform, difficulty and month."""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel

from rlif.diagnostics.bootstrap import difference_interval
from rlif.diagnostics.findings import Interval
from rlif.errors import UserError
from rlif.records import BenchmarkRecord

SETTINGS = ("data", "prompt", "grading", "samples", "temperature", "top_p", "max_tokens", "stop", "seed")
"""What two evaluations should share for their difference to be the models'."""


class PairedRow(BaseModel):
    """The shared problems of one group.

    Attributes:
        group: "all", or a dimension and its value.
        problems: their number.
        first, second: pass@1 on them. difference: first − second, paired over problems.
        better, worse: problems on which the first has a larger, a smaller share of right samples.
    """

    group: str
    problems: int
    first: float
    second: float
    difference: Interval
    better: int
    worse: int


class Paired(BaseModel):
    """The comparison.

    Attributes:
        problems: answered in both. first_only, second_only: answered in one alone, and not compared.
        rows: all problems first, then by group.
        unlike: settings in which the evaluations differ, with both values.
    """

    problems: int
    first_only: int
    second_only: int
    rows: list[PairedRow]
    unlike: dict[str, tuple[str, str]]


def pair(first: BenchmarkRecord, second: BenchmarkRecord) -> Paired:
    """Compare two evaluations on the problems that both answered.

    Raises:
        UserError: they share no problem.
    """
    shared = [i for i in first.correct if i in second.correct]
    if not shared:
        raise UserError(
            f"The evaluations of {first.model} on {first.data} and of {second.model} on {second.data} "
            "have no problem in common.",
            "Evaluate both on the same problems.",
        )
    settings = ((name, str(getattr(first, name)), str(getattr(second, name))) for name in SETTINGS)
    return Paired(
        problems=len(shared),
        first_only=len(first.correct) - len(shared),
        second_only=len(second.correct) - len(shared),
        rows=[_row(name, ids, first, second) for name, ids in _groups(shared, first)],
        unlike={name: (a, b) for name, a, b in settings if a != b},
    )


def _groups(shared: list[str], record: BenchmarkRecord) -> Iterator[tuple[str, list[str]]]:
    yield "all", shared
    known = set(shared)
    for dimension, scores in record.groups.items():
        for value, score in scores.items():
            if ids := [i for i in score.ids if i in known]:
                yield f"{dimension} {value}", ids


def _row(group: str, ids: list[str], first: BenchmarkRecord, second: BenchmarkRecord) -> PairedRow:
    a, b = (np.array([r.correct[i] / r.samples for i in ids]) for r in (first, second))
    return PairedRow(
        group=group,
        problems=len(ids),
        first=float(a.mean()),
        second=float(b.mean()),
        difference=difference_interval(a, b),
        better=int((a > b).sum()),
        worse=int((a < b).sum()),
    )
