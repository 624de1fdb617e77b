"""`ProblemFile`: the problems of a file that may be larger than memory, each known to be gradable.

LiveCodeBench's private tests are gigabytes once decompressed. Every line is read and checked at the start,
one at a time, so that what is wrong is known before anything is run; from then on hidden tests are read again
when they are used, and those used last are kept (`rlif.problems.lazy`).
"""

from collections.abc import Callable
from pathlib import Path

from rlif.errors import UserError
from rlif.problems.jsonl import BadLine, ProblemLine, read_lines
from rlif.problems.lazy import UnreadableTests
from rlif.problems.types import Problem


class ProblemFile:
    """The problems of a file by id.

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
        self._problems: dict[str, Problem] = {}
        self.bad_lines: list[BadLine] = []
        for line in read_lines(path):
            checked = _checked(line, check)
            if isinstance(checked, BadLine):
                self.bad_lines.append(checked)
            else:
                self._problems[checked.problem.id] = checked.problem
        self.unreadable = {
            bad.question_id: bad.number
            for bad in reversed(self.bad_lines)
            if bad.question_id is not None and bad.question_id not in self._problems
        }

    @property
    def ids(self) -> list[str]:
        """The ids of the problems, in the file's order."""
        return list(self._problems)

    def __contains__(self, question_id: object) -> bool:
        return question_id in self._problems

    def __getitem__(self, question_id: str) -> Problem:
        return self._problems[question_id]


def _checked(line: ProblemLine | BadLine, check: Callable[[Problem], None]) -> ProblemLine | BadLine:
    if isinstance(line, ProblemLine):
        try:
            check(line.problem)
        except UnreadableTests as error:
            return BadLine(line.number, error.reason, line.problem.id)
        except UserError as error:
            return BadLine(line.number, error.message.rstrip("."), line.problem.id)
    return line
