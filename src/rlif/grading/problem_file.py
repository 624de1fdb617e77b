"""`ProblemFile`: the problems of a file that may be larger than memory.

LiveCodeBench's private tests are gigabytes once decompressed. Every line is read and checked at the start,
one at a time, so that what is wrong is known before anything is run; from then on a problem is read again
when it is asked for, and those asked for last are kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from rlif.errors import UserError
from rlif.problems.jsonl import BadLine, ProblemLine, read_lines, read_problem_at
from rlif.problems.types import Problem

KEPT_CHARACTERS = 1 << 28
"""Characters of tests that are kept in memory, not counting those of the problem in use."""


class ProblemFile:
    """The problems of a file by id, each read when it is needed.

    Where the tests of all problems are too large to be kept, samples of one problem are best graded one after
    the other.

    Args:
        path: problems in LiveCodeBench's row format.
        check: raises `UserError` for a problem that cannot be graded by.

    Attributes:
        bad_lines: lines that hold no problem to grade by.
        unreadable: the line of each problem among them whose id could be read.

    Raises:
        UserError: the file cannot be read.
    """

    def __init__(self, path: Path, check: Callable[[Problem], None]) -> None:
        self._path = path
        self._offsets: dict[str, int] = {}
        self._kept: OrderedDict[str, Problem] = OrderedDict()
        self._characters = 0
        self.bad_lines: list[BadLine] = []
        for line in read_lines(path):
            checked = _checked(line, check)
            if isinstance(checked, BadLine):
                self.bad_lines.append(checked)
            else:
                self._offsets[checked.problem.id] = checked.offset
                self._keep(checked.problem)
        self.unreadable = {
            bad.question_id: bad.number
            for bad in reversed(self.bad_lines)
            if bad.question_id is not None and bad.question_id not in self._offsets
        }

    @property
    def ids(self) -> list[str]:
        """The ids of the problems, in the file's order."""
        return list(self._offsets)

    def __contains__(self, question_id: object) -> bool:
        return question_id in self._offsets

    def __getitem__(self, question_id: str) -> Problem:
        problem = self._kept.get(question_id)
        if problem is None:
            problem = read_problem_at(self._path, self._offsets[question_id])
            self._keep(problem)
        self._kept.move_to_end(question_id)
        return problem

    def _keep(self, problem: Problem) -> None:
        self._kept[problem.id] = problem
        self._characters += _characters(problem)
        while self._characters > KEPT_CHARACTERS and len(self._kept) > 1:
            _, forgotten = self._kept.popitem(last=False)
            self._characters -= _characters(forgotten)


def _checked(line: ProblemLine | BadLine, check: Callable[[Problem], None]) -> ProblemLine | BadLine:
    if isinstance(line, ProblemLine):
        try:
            check(line.problem)
        except UserError as error:
            return BadLine(line.number, error.message.rstrip("."), line.problem.id)
    return line


def _characters(problem: Problem) -> int:
    return len(problem.statement) + sum(len(test.input) + len(test.output) for test in problem.tests)
