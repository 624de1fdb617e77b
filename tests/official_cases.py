"""Programs with their verdicts in mode official and in mode native: the files of `official_programs`, read.

A file holds blocks of this form; a program without tests of its own answers MAXIMUM, and one that is called
without a name is called `f`:

    === what the case is about
    official wrong_answer, native passed[, calls gcd]
    "an input" -> "the output expected"
    ---
    the program
"""

import json
from dataclasses import dataclass
from pathlib import Path

from rlif.grading import VerdictStatus
from rlif.problems.types import Problem, TestCase

MAXIMUM = (("3\n4 9 2\n", "9\n"), ("2\n7 5\n", "7\n"))
"""Print the largest of the numbers in the second line."""

_FOLDER = Path(__file__).with_name("official_programs")


@dataclass(frozen=True)
class Case:
    """A program, its verdicts, its inputs with the outputs expected, and its entry point if it has one."""

    what: str
    code: str
    official: VerdictStatus
    native: VerdictStatus
    tests: tuple[tuple[str, str], ...] = MAXIMUM
    entry_point: str | None = None

    @property
    def problem(self) -> Problem:
        return problem(self.tests, self.entry_point)


def problem(tests: tuple[tuple[str, str], ...], entry_point: str | None = None) -> Problem:
    kind = "functional" if entry_point else "stdin"
    cases = tuple(TestCase(given, expected, kind) for given, expected in tests)
    return Problem("p", "", "", entry_point, cases, (), "cases")


def read_cases() -> list[Case]:
    """Return the cases of all files."""
    return [
        _case(block, is_functional=path.stem == "functional")
        for path in sorted(_FOLDER.glob("*.txt"))
        for block in path.read_text("utf-8").removeprefix("=== ").split("\n=== ")
    ]


def _case(block: str, is_functional: bool) -> Case:
    head, code = block.split("\n---\n", 1)
    what, verdicts, *lines = head.split("\n")
    words = dict(item.split(" ") for item in verdicts.split(", "))
    tests = tuple(tuple(map(json.loads, line.split(" -> "))) for line in lines)
    entry_point = words.get("calls", "f") if is_functional else None
    official, native = VerdictStatus(words["official"]), VerdictStatus(words["native"])
    return Case(what, code, official, native, tests or MAXIMUM, entry_point)
