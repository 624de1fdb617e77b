"""LiveCodeBench's row format: one problem as a JSON object, read and written.

Fields read (those of the hub's `livecodebench/code_generation_lite`): `question_id`, `question_content`,
`starter_code`, `public_test_cases`, `private_test_cases`, `metadata`, `contest_date`, `platform` and
`difficulty`. Required are only the first two and the public tests. `metadata.func_name` names the function or
method to call.

Additions of ours, which LiveCodeBench's files do not have: the key `solution` (a program known to be right,
for self-checks), the test type "literal", and a test's `tolerance`.

All that is wrong with a row raises ValueError.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, get_args

from rlif.problems.private_tests import decode_private_tests
from rlif.problems.types import Problem, TestCase, TestKind

Row = dict[str, Any]


def parse_row(line: bytes) -> Row:
    """Return the object that a line holds."""
    row = json.loads(line.rstrip())  # of a line that is cut off, json then says so
    if not isinstance(row, dict):
        raise ValueError("expected a JSON object")
    return row


def problem_of(row: Row, hidden_tests: Sequence[TestCase], source: str) -> Problem:
    """Return the problem of a row, with hidden tests that are given: the row's own are not looked at."""
    public = _tests(_text(row, "public_test_cases"), "public_test_cases")
    entry_point = _entry_point(row)
    _check_kinds(public, entry_point)
    published = _published(_text(row, "contest_date", ""))
    return Problem(
        id=_text(row, "question_id"),
        statement=_text(row, "question_content"),
        starter_code=_text(row, "starter_code", ""),
        entry_point=entry_point,
        public_tests=public,
        hidden_tests=hidden_tests,
        source=source,
        date=published.date() if published else None,
        difficulty=_text(row, "difficulty", ""),
        solution=_text(row, "solution", "") or None,
        platform=_text(row, "platform", ""),
        time=published.time() if published else dt.time.min,
    )


def has_hidden_tests(row: Row) -> bool:
    """Tell whether a row has private tests, without decoding them."""
    return bool(_text(row, "private_test_cases", "").strip())


def hidden_tests_of(row: Row) -> tuple[TestCase, ...]:
    """Decode the private tests of a row."""
    tests = _tests(decode_private_tests(_text(row, "private_test_cases", "")), "private_test_cases")
    _check_kinds(tests, _entry_point(row))
    return tests


def row_of(problem: Problem) -> Row:
    """Return the row of a problem, private tests as plain JSON."""
    published = dt.datetime.combine(problem.date, problem.time).isoformat() if problem.date else ""
    row: Row = {
        "question_id": problem.id,
        "question_content": problem.statement,
        "starter_code": problem.starter_code,
        "platform": problem.platform,
        "difficulty": problem.difficulty,
        "contest_date": published,
        "public_test_cases": json.dumps([_test_row(test) for test in problem.public_tests]),
        "private_test_cases": json.dumps([_test_row(test) for test in problem.hidden_tests]),
        "metadata": json.dumps({"func_name": problem.entry_point} if problem.entry_point else {}),
    }
    return row | ({"solution": problem.solution} if problem.solution else {})


def _text(row: Row, key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if value is None:
        raise ValueError(f"{key} is missing")
    if not isinstance(value, str):
        raise ValueError(f"{key} is not a string but {type(value).__name__}")
    return value


def _entry_point(row: Row) -> str | None:
    metadata = json.loads(_text(row, "metadata", "{}") or "{}")
    if not isinstance(metadata, dict):
        raise ValueError("metadata is not a JSON object")
    return _text(metadata, "func_name") if metadata.get("func_name") else None


def _published(text: str) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _check_kinds(tests: Sequence[TestCase], entry_point: str | None) -> None:
    if entry_point is None and any(test.kind != "stdin" for test in tests):
        raise ValueError("metadata has no func_name, which functional tests need")


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


def _test_row(test: TestCase) -> Row:
    row: Row = {"input": test.input, "output": test.output, "testtype": test.kind}
    return row | ({"tolerance": test.tolerance} if test.tolerance else {})
