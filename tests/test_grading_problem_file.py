"""`ProblemFile`: everything is checked at the start."""

import base64
import json
import os
import pickle
import zlib
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.grading import Mode
from rlif.grading.problem_file import ProblemFile
from rlif.grading.stream import check_gradable
from rlif.problems import lazy
from rlif.problems.types import Problem, TestCase


def row(question_id: str, *tests: tuple[str, str], **others: str) -> str:
    kind = "functional" if "metadata" in others else "stdin"
    cases = [{"input": given, "output": expected, "testtype": kind} for given, expected in tests]
    return json.dumps(
        {"question_id": question_id, "question_content": "", "public_test_cases": json.dumps(cases), **others}
    )


def read(tmp_path: Path, *rows: str) -> ProblemFile:
    path = tmp_path / "problems.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return ProblemFile(path, check_gradable)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_wrong_is_known_at_the_start_and_the_rest_can_be_used(tmp_path: Path):
    pickled = pickle.dumps(Malicious(tmp_path / "owned"))
    problems = read(
        tmp_path,
        row("good", ("1", "2")),
        row("malicious", ("1", "2"), private_test_cases=base64.b64encode(zlib.compress(pickled)).decode()),
        row("good", ("3", "4")),
        row("testless"),
        row("input", ("1\n]", "2"), metadata='{"func_name": "f"}'),
        row("output", ("1", "2 3"), metadata='{"func_name": "f"}'),
        row("surrogate", ("\ud800", "2")),
        row("nested", ("[" * 200 + "]" * 200, "2"), metadata='{"func_name": "f"}'),
        row("very nested", ("[" * 9999 + "]" * 9999, "2"), metadata='{"func_name": "f"}'),
        row("cut off", ("1", "2"))[:-20],
        row("also good", ("[1]", "2"), metadata='{"func_name": "f"}'),
    )
    assert not (tmp_path / "owned").exists()
    assert problems.ids == ["good", "also good"]
    assert problems["good"].tests == (TestCase("1", "2"),)
    reasons = {line.number: line.reason for line in problems.bad_lines}
    assert list(reasons) == list(range(2, 11))
    for number, reason in [
        (2, "more than a string"),
        (3, "question_id 'good' was there before, in line 1"),
        (4, "'testless' has no tests"),
        (5, "test input '1\\n]' cannot be read"),
        (6, "expected output of test 1 cannot be read"),
        (7, "cannot be written in UTF-8"),
        (8, "nested over 100 levels"),
        (9, "recursion"),
        (10, "Unterminated string"),
    ]:
        assert reason in reasons[number]
    names = ["malicious", "testless", "input", "output", "surrogate", "nested", "very nested", "cut off"]
    assert problems.unreadable == dict(zip(names, [2, 4, 5, 6, 7, 8, 9, 10], strict=True))


def test_mode_official_knows_no_literals(tmp_path: Path):
    test = TestCase("(1,)", "{2}", "literal")
    problem = Problem("f", "", "", "f", (test,), (), source="own")
    check_gradable(problem)
    with pytest.raises(UserError, match="knows no tests of kind 'literal'"):
        check_gradable(problem, Mode.OFFICIAL)


def test_a_file_that_changes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lazy, "KEPT_CHARACTERS", 0)
    private = json.dumps([{"input": "1", "output": "1", "testtype": "stdin"}])
    rows = [row(name, ("1", "1"), private_test_cases=private) for name in "ab"]
    problems = read(tmp_path, *rows)
    (tmp_path / "problems.jsonl").write_text("{}")
    with pytest.raises(UserError, match="has changed since"):
        _ = problems["a"].tests
