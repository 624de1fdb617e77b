"""Files of problems: one row of LiveCodeBench's format a line, see `rlif.problems.rows`.

Every line is read once and none is kept: hidden tests stay in the file (`rlif.problems.lazy`).
"""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlif.errors import UserError
from rlif.problems.lazy import StoredTests
from rlif.problems.rows import has_hidden_tests, parse_row, problem_of, row_of
from rlif.problems.types import Problem


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A problem and the number of its line, from 1."""

    number: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used, and why; with the id of the problem meant, where it can be told."""

    number: int
    reason: str
    question_id: str | None = None


def load_jsonl(path: str | Path) -> list[Problem]:
    """Return the problems of a file, in its order. Their hidden tests are not decoded.

    Raises:
        UserError: no such file, or a line that cannot be read; names file, line and what is wrong.
    """
    return load_files([Path(path)])


def load_files(paths: Sequence[Path], source: str | None = None) -> list[Problem]:
    """Return the problems of several files as of one data set.

    Args:
        paths: in this order.
        source: name of the data set; by default each file's name.

    Raises:
        UserError: as `load_jsonl`; also for an id that is in two of the files.
    """
    problems: list[Problem] = []
    for path, line in read_files(paths, source):
        if isinstance(line, BadLine):
            fix = "Each line is one problem in LiveCodeBench's row format: `rlif problems check` names all."
            raise UserError(f"{path}, line {line.number}: {line.reason}.", fix)
        problems.append(line.problem)
    return problems


def read_files(
    paths: Sequence[Path], source: str | None = None
) -> Iterator[tuple[Path, ProblemLine | BadLine]]:
    """Yield what each line of several files holds. A line with the id of an earlier problem is bad.

    Raises:
        UserError: a file cannot be read.
    """
    place_of: dict[str, str] = {}
    for path in paths:
        for line in _read_lines(path, source or path.stem):
            if isinstance(line, ProblemLine):
                question_id = line.problem.id
                where = f"in line {line.number}" + (f" of {path}" if len(paths) > 1 else "")
                first = place_of.setdefault(question_id, where)
                if first != where:
                    line = BadLine(line.number, f"question_id '{question_id}' was there before, {first}")
            yield path, line


def read_lines(path: str | Path) -> Iterator[ProblemLine | BadLine]:
    """Yield what each line of a file holds, as `read_files`."""
    return (line for _, line in read_files([Path(path)]))


def dump_jsonl(problems: Iterable[Problem], path: str | Path) -> None:
    """Write problems in the same format, private tests as plain JSON."""
    with Path(path).open("w", encoding="utf-8") as file:
        for problem in problems:
            file.write(json.dumps(row_of(problem)) + "\n")


def _read_lines(path: Path, source: str) -> Iterator[ProblemLine | BadLine]:
    offset = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield _read_line(path, number, offset, line, source)
                offset += len(line)
    except OSError as error:
        raise UserError(f"Cannot read the problems file '{path}': {error.strerror}.") from error


_ID = re.compile(rb'"question_id"\s*:\s*"([^"\\]*)"')


def _read_line(path: Path, number: int, offset: int, line: bytes, source: str) -> ProblemLine | BadLine:
    try:
        row = parse_row(line)
        problem = problem_of(row, (), source)
        if has_hidden_tests(row):
            hidden = StoredTests(path.resolve(), number, offset, len(line), zlib.crc32(line), problem.id)
            problem = replace(problem, hidden_tests=hidden)
        return ProblemLine(number, problem)
    except (ValueError, RecursionError) as error:
        found = _ID.search(line)  # not from the parsed row: most often the line is cut off
        return BadLine(number, str(error), found[1].decode("utf-8", "replace") if found else None)
