"""A data set checks itself: its own solutions must score 1, and no problem may be there twice."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rlif.problems.leaks import normalise
from rlif.problems.types import Problem


class Judged(Protocol):
    """What a grader says of a program; `rlif.grading.Verdict` is one."""

    @property
    def passed(self) -> bool:
        """Whether the program passes all tests."""
        ...

    @property
    def status(self) -> str:
        """Why it passed or failed, in one word."""
        ...


Grade = Callable[[Sequence[tuple[Problem, str]]], Sequence[Judged]]
"""Judges (problem, code) pairs, in order. Handed in, because grading stands above this room."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A problem whose own solution does not pass its tests, and the grader's word for why."""

    problem: Problem
    status: str


def self_check(problems: Iterable[Problem], grade: Grade) -> list[Failure]:
    """Grade the solution of every problem that has one; return the failures, none for a sound data set."""
    solved = [(problem, problem.solution) for problem in problems if problem.solution is not None]
    judged = zip(solved, grade(solved), strict=True)
    return [Failure(problem, str(verdict.status)) for (problem, _), verdict in judged if not verdict.passed]


def duplicates(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Return the groups of problems with the same statement, whatever its case and punctuation."""
    groups: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[normalise(f"{problem.statement}\n{problem.starter_code}")].append(problem)
    return [group for group in groups.values() if len(group) > 1]
