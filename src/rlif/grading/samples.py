"""Files of sampled programs, as `rlif grade` takes them.

A record is `{"question_id", "code"}`, or LiveCodeBench's `{"question_id", "code_list": […]}`; other keys are
passed over. Records stand one a line, or in one JSON array as LiveCodeBench's runner writes them. The samples
of a question are numbered 0, 1, … in the order of the file. A sample that cannot be used keeps its number, so
that the others have the same when it has been mended.
"""

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlif.grading.json_records import Record, read_records
from rlif.grading.problem_file import ProblemFile
from rlif.problems.jsonl import BadLine

MAX_CODE_CHARACTERS = 1 << 20
"""Longest program; sites where such problems are posed take 64 kB."""

_MOST_SUGGESTIONS = 100
"""Unknown ids that are looked up among the known ones. It takes milliseconds for each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled program; index counts the samples of its question."""

    question_id: str
    index: int
    code: str


def read_samples(path: Path, problems: ProblemFile) -> Iterator[Sample | BadLine]:
    """Yield the samples of a file, and what of it cannot be graded; one record is in memory at a time.

    Raises:
        UserError: the file cannot be read.
    """
    known = _KnownIds(problems)
    following: Counter[str] = Counter()
    for record in read_records(path):
        if isinstance(record, BadLine):
            yield record
            continue
        try:
            question_id = _question_id(record.value)
            known.check(question_id)
        except ValueError as error:
            yield BadLine(record.number, str(error))
            continue
        yield from _samples(record, question_id, following[question_id])
        following[question_id] += len(_codes(record.value))


class _KnownIds:
    """Says what is the matter with an id that no problem to grade by has."""

    def __init__(self, problems: ProblemFile) -> None:
        self._problems = problems
        self._suggestions: dict[str, str] = {}

    def check(self, question_id: str) -> None:
        """Raise ValueError unless a problem has this id."""
        if question_id in self._problems:
            return
        line = self._problems.unreadable.get(question_id)
        if line is not None:
            raise ValueError(f"its problem could not be read ('{question_id}', line {line} of the problems)")
        if question_id not in self._suggestions and len(self._suggestions) < _MOST_SUGGESTIONS:
            near = difflib.get_close_matches(question_id, self._problems.ids, n=1)
            self._suggestions[question_id] = f". Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"unknown question_id '{question_id[:100]}'{self._suggestions.get(question_id, '')}")


def _question_id(row: Any) -> str:
    match row:
        case {"question_id": str(question_id)}:
            return question_id
        case {"question_id": int(question_id)} if not isinstance(question_id, bool):
            return str(question_id)
        case {"question_id": other}:
            raise ValueError(f"question_id is not a text but {type(other).__name__}")
        case _:
            raise ValueError("no object with a 'question_id'")


def _codes(row: dict[str, Any]) -> list[Any]:
    """Return the programs of a record; one that has none counts as having one that cannot be used."""
    codes = row.get("code_list", [row.get("code")])
    return codes if isinstance(codes, list) else [None]


def _samples(record: Record, question_id: str, first: int) -> Iterator[Sample | BadLine]:
    codes = _codes(record.value)
    for place, code in enumerate(codes):
        which = f" ({place + 1} of {len(codes)} in its code_list)" if len(codes) > 1 else ""
        if not isinstance(code, str):
            reason = "neither a text 'code' nor a list of texts 'code_list'"
        elif len(code) > MAX_CODE_CHARACTERS:
            reason = f"a program of {len(code):,} characters; at most {MAX_CODE_CHARACTERS:,} are accepted"
        else:
            yield Sample(question_id, first + place, code)
            continue
        yield BadLine(record.number, reason + which)
