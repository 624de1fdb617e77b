"""`describe`: how many problems there are, from when, from where, how hard."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlif.problems.types import Problem


@dataclass(frozen=True, slots=True)
class Description:
    """Counts of a list of problems.

    Attributes:
        count: of all problems. undated: of those without a date.
        first, last: dates; None if no problem has one.
        platforms, difficulties, months: word -> problems; months as "2024-05", in order; "" where the data
            set says nothing.
        public_tests: number of public tests of each problem, in order.
    """

    count: int
    undated: int
    first: dt.date | None
    last: dt.date | None
    platforms: dict[str, int]
    difficulties: dict[str, int]
    months: dict[str, int]
    public_tests: tuple[int, ...]

    @property
    def headline(self) -> str:
        """Count and window: "880 problems, 2023-05-07 to 2025-01-04"."""
        window = f", {self.first} to {self.last}" if self.first else ""
        return f"{self.count:,} problem{'s' * (self.count != 1)}{window}"


def describe(problems: Sequence[Problem]) -> Description:
    """Count problems.."""
    dates = [problem.date for problem in problems if problem.date is not None]
    return Description(
        count=len(problems),
        undated=len(problems) - len(dates),
        first=min(dates, default=None),
        last=max(dates, default=None),
        platforms=_counted(problem.platform for problem in problems),
        difficulties=_counted(problem.difficulty for problem in problems),
        months=_counted(problem.date.isoformat()[:7] if problem.date else "" for problem in problems),
        public_tests=tuple(len(problem.public_tests) for problem in problems),
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
