"""`Problem` and `TestCase`: what every data set is turned into."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

TestKind = Literal["stdin", "functional", "literal"]


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test of a program.

    kind says how `input` and `output` are written (both are always text):

    - "stdin": the text given on standard input, the text expected on standard output;
    - "functional": LiveCodeBench's form, one JSON value a line for each positional argument, and one JSON
      value for the result;
    - "literal": the same as Python literals, `(arg, …)` and a value, for data sets whose arguments are
      tuples, sets or other values that JSON lacks (HumanEval).

    tolerance: absolute difference allowed between floats of "functional" and "literal" results.
    """

    __test__ = False  # not a pytest class

    input: str
    output: str
    kind: TestKind = "stdin"
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A programming problem with its tests.

    Attributes:
        id: unique within its data set.
        statement: what is asked, in plain text.
        starter_code: code the answer begins with ("" for stdin problems).
        entry_point: name of the function (or of the method of `class Solution`) to call; None for stdin.
        public_tests: tests a solver may see; their *inputs* serve the consensus rewards.
        hidden_tests: tests nobody but the grader sees. A program is right when it passes both. A tuple, or
            for problems of a file `rlif.problems.lazy.StoredTests`, which reads them when they are used.
        source: name of the data set it comes from.
        date: publication date, for date windows; None when unknown.
        time: time of day of the publication, where the data set tells it; 00:00 otherwise.
        difficulty: the data set's own word ("easy", "medium", "hard", …), or "".
        solution: a program known to be right, when the data set has one; used only by self-checks.
        platform: where the problem was published ("leetcode", "atcoder", …), or "".
    """

    id: str
    statement: str
    starter_code: str
    entry_point: str | None
    public_tests: tuple[TestCase, ...]
    hidden_tests: Sequence[TestCase] = field(hash=False)  # they may be gigabytes
    source: str
    date: dt.date | None = None
    difficulty: str = ""
    solution: str | None = None
    platform: str = ""
    time: dt.time = dt.time.min

    @property
    def tests(self) -> tuple[TestCase, ...]:
        """All tests in grading order: public, then hidden."""
        return (*self.public_tests, *self.hidden_tests)
