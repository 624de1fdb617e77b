"""Problems in LiveCodeBench's row format: one JSON object a line.

Fields read (those of the hub's `livecodebench/code_generation_lite`): `question_id`, `question_content`,
`starter_code`, `public_test_cases`, `private_test_cases`, `metadata`, `contest_date`, `platform` and
`difficulty`. Required are only the first two and the public tests. `metadata.func_name` names the function or
method to call.

Additions of ours, which LiveCodeBench's files do not have: the key `solution` (a program known to be right,
for self-checks), the test type "literal", and a test's `tolerance`.
"""

import base64
import binascii
import datetime as dt
import json
import pickletools
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rlif.errors import UserError
from rlif.problems.types import Problem, TestCase, TestKind

MAX_TESTS_BYTES = 1 << 30
"""Largest decompressed size of one problem's private tests; beyond it the row is refused."""


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """A problem and where it stands: the number of its line, from 1, and the offset of that line in bytes."""

    number: int
    offset: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used, and why; with the id of the problem meant, where it can be told."""

    number: int
    reason: str
    question_id: str | None = None


def load_jsonl(path: str | Path) -> list[Problem]:
    """Return the problems of a file, in its order.

    Raises:
        UserError: no such file, or a line that cannot be read; names file, line and what is wrong.
    """
    problems: list[Problem] = []
    for line in read_lines(path):
        if isinstance(line, BadLine):
            fix = "Each line is one problem in LiveCodeBench's row format."
            raise UserError(f"{path}, line {line.number}: {line.reason}.", fix)
        problems.append(line.problem)
    return problems


def read_lines(path: str | Path) -> Iterator[ProblemLine | BadLine]:
    """Yield what each line of a file holds; one problem is in memory at a time.

    A second line with the id of an earlier problem is bad.

    Raises:
        UserError: the file cannot be read.
    """
    path = Path(path)
    line_of: dict[str, int] = {}
    offset = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    read = _read_line(line, number, offset, source=path.stem)
                    if isinstance(read, ProblemLine):
                        first = line_of.setdefault(read.problem.id, number)
                        if first != number:
                            reason = f"question_id '{read.problem.id}' was there before, in line {first}"
                            read = BadLine(number, reason)
                    yield read
                offset += len(line)
    except OSError as error:
        raise UserError(f"Cannot read the problems file '{path}': {error.strerror}.") from error


def read_problem_at(path: Path, offset: int) -> Problem:
    """Return the problem whose line begins at that byte, as `read_lines` told it.

    Raises:
        UserError: it can no longer be read there.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return _problem(json.loads(file.readline()), source=path.stem)
    except (OSError, ValueError) as error:
        raise UserError(f"'{path}' has changed while it was being read: {error}.") from error


def dump_jsonl(problems: Iterable[Problem], path: str | Path) -> None:
    """Write problems in the same format, private tests as plain JSON."""
    with Path(path).open("w", encoding="utf-8") as file:
        for problem in problems:
            file.write(json.dumps(_row(problem)) + "\n")


def decode_private_tests(text: str) -> str:
    """Return the JSON behind a `private_test_cases` field: itself, or base64(zlib(pickle(JSON string))).

    Nothing is unpickled. A pickle is a program for a small machine, and one that holds a string needs none of
    the instructions that import, call or build: the string is read off as the only operand there is.

    Raises:
        ValueError: neither form, larger than `MAX_TESTS_BYTES`, or a pickle of anything but one string.
    """
    if not text.strip() or text.lstrip().startswith("["):
        return text
    try:
        packed = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, MAX_TESTS_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ValueError("private_test_cases is neither JSON nor base64 of a zlib stream") from error
    if not unpacker.eof:
        raise ValueError("private_test_cases is cut off, or decompresses to more than a gigabyte")
    return _pickled_string(data)


# Opcodes of Python's `pickletools`: those that carry a string, and those that only frame or remember it.
_STRINGS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_HARMLESS = {"PROTO", "FRAME", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "STOP"}


_MOST_OPCODES = 16
"""A pickled string has about five; counting them all could take hours if somebody meant it to."""


def _pickled_string(data: bytes) -> str:
    strings: list[str] = []
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
        if opcode.name in _STRINGS:
            strings.append(str(argument))
        elif opcode.name not in _HARMLESS or count > _MOST_OPCODES:
            raise ValueError(f"private_test_cases holds a pickle that is more than a string ({opcode.name})")
    if len(strings) != 1:
        raise ValueError(f"private_test_cases holds a pickle of {len(strings)} strings, not of one")
    return strings[0]


_ID = re.compile(rb'"question_id"\s*:\s*"([^"\\]*)"')


def _read_line(line: bytes, number: int, offset: int, source: str) -> ProblemLine | BadLine:
    try:
        return ProblemLine(number, offset, _problem(json.loads(line.rstrip()), source))
    except (ValueError, RecursionError) as error:
        found = _ID.search(line)  # not from the parsed row: most often the line is cut off
        return BadLine(number, str(error), found[1].decode("utf-8", "replace") if found else None)


def _problem(row: Any, source: str) -> Problem:
    if not isinstance(row, dict):
        raise ValueError("expected a JSON object")
    metadata = json.loads(_text(row, "metadata", "{}") or "{}")
    if not isinstance(metadata, dict):
        raise ValueError("metadata is not a JSON object")
    public = _tests(_text(row, "public_test_cases"), "public_test_cases")
    hidden = _tests(decode_private_tests(_text(row, "private_test_cases", "")), "private_test_cases")
    entry_point = _text(metadata, "func_name") if metadata.get("func_name") else None
    if entry_point is None and any(test.kind != "stdin" for test in public + hidden):
        raise ValueError("metadata has no func_name, which functional tests need")
    return Problem(
        id=_text(row, "question_id"),
        statement=_text(row, "question_content"),
        starter_code=_text(row, "starter_code", ""),
        entry_point=entry_point,
        public_tests=public,
        hidden_tests=hidden,
        source=source,
        date=_date(_text(row, "contest_date", "")),
        difficulty=_text(row, "difficulty", ""),
        solution=_text(row, "solution", "") or None,
        platform=_text(row, "platform", ""),
    )


def _text(row: dict[str, Any], key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if value is None:
        raise ValueError(f"{key} is missing")
    if not isinstance(value, str):
        raise ValueError(f"{key} is not a string but {type(value).__name__}")
    return value


def _date(text: str) -> dt.date | None:
    return dt.datetime.fromisoformat(text).date() if text else None


def _tests(text: str, key: str) -> tuple[TestCase, ...]:
    if not text.strip():
        return ()
    try:
        rows = json.loads(text)
        return tuple(_test(row) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{key}: {type(error).__name__}: {error}") from error


def _test(row: Any) -> TestCase:
    if not isinstance(row, dict):
        raise TypeError(f"expected a list of objects; got {type(row).__name__} in it")
    kind: TestKind = row.get("testtype", "stdin")
    if kind not in get_args(TestKind):
        raise ValueError(f"unknown testtype '{kind}'")
    return TestCase(str(row["input"]), str(row["output"]), kind, float(row.get("tolerance", 0.0)))


def _row(problem: Problem) -> dict[str, Any]:
    row: dict[str, Any] = {
        "question_id": problem.id,
        "question_content": problem.statement,
        "starter_code": problem.starter_code,
        "platform": problem.platform,
        "difficulty": problem.difficulty,
        "contest_date": f"{problem.date.isoformat()}T00:00:00" if problem.date else "",
        "public_test_cases": json.dumps([_test_row(test) for test in problem.public_tests]),
        "private_test_cases": json.dumps([_test_row(test) for test in problem.hidden_tests]),
        "metadata": json.dumps({"func_name": problem.entry_point} if problem.entry_point else {}),
    }
    return row | ({"solution": problem.solution} if problem.solution else {})


def _test_row(test: TestCase) -> dict[str, Any]:
    row: dict[str, Any] = {"input": test.input, "output": test.output, "testtype": test.kind}
    return row | ({"tolerance": test.tolerance} if test.tolerance else {})
