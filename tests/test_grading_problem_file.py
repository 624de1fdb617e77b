"""`ProblemFile`: everything is checked at the start, a bounded part is kept, the rest is read again."""

import base64
import json
import os
import pickle
import zlib
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.grading import Mode, problem_file
from rlif.grading.problem_file import ProblemFile
from rlif.grading.stream import check_gradable
from rlif.problems import jsonl
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


def test_few_problems_are_kept_and_the_others_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(problem_file, "KEPT_CHARACTERS", 25)  # two problems of ten
    offsets: list[int] = []

    def read_at(path: Path, offset: int) -> Problem:
        offsets.append(offset)
        return jsonl.read_problem_at(path, offset)

    monkeypatch.setattr(problem_file, "read_problem_at", read_at)
    lines = [row(name, (5 * name, 5 * name.upper())) for name in "abc"]
    problems = read(tmp_path, "", *lines)
    starts = [1, 2 + len(lines[0]), 3 + len(lines[0]) + len(lines[1])]
    asked = [problems[name].tests[0].output for name in "cbabc"]
    assert asked == ["CCCCC", "BBBBB", "AAAAA", "BBBBB", "CCCCC"]
    assert offsets == [starts[0], starts[2]]  # "b" and "c" were read last; "a" drove "c" out


def test_one_problem_larger_than_all_that_is_kept_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(problem_file, "KEPT_CHARACTERS", 5)
    problems = read(tmp_path, row("a", ("x" * 50, "y")), row("b", ("z", "z")))
    assert problems["a"].tests[0].input == "x" * 50
    assert problems["b"].tests[0].input == "z"


def test_a_file_that_changes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(problem_file, "KEPT_CHARACTERS", 0)
    problems = read(tmp_path, row("a", ("1", "1")), row("b", ("1", "1")))
    (tmp_path / "problems.jsonl").write_text("{}")
    with pytest.raises(UserError, match="has changed while"):
        problems["a"]
