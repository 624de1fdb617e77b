"""`rlif problems show|stats|check|leaks`: what they print and how they exit."""

import base64
import zlib
from pathlib import Path
from typing import Any

import pytest
from hub_server import jsonl, row
from typer.testing import CliRunner

from rlif.cli.problems import problems_app
from rlif.errors import UserError


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_bytes(jsonl(list(rows)))
    return str(path)


@pytest.fixture
def three(tmp_path: Path) -> str:
    rows = [
        row("a-1"),
        row("b-2", contest_date="2024-02-10T00:00:00", difficulty="hard"),
        row("c-3", contest_date="", platform="leetcode", private_test_cases=""),
    ]
    return write(tmp_path / "three.jsonl", *rows)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(problems_app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def test_show_lists_or_prints_one(three: str):
    listing = run("show", three, "--difficulty", "easy")
    assert [line.split()[0] for line in listing.splitlines()[1:]] == ["a-1", "c-3"]
    text = run("show", three, "b-2")
    assert text.startswith("b-2  (three, atcoder, hard, 2024-02-10)\n\nRead n and print 2n + 2.\n")
    assert "Public test 1\n  input:\n    0\n  output:\n    0\n" in text
    assert text.endswith("1 public tests, 1 hidden.\n")


def test_hidden_tests_show_only_when_asked_for(three: str):
    assert "Hidden test" not in run("show", three, "a-1")
    assert "Hidden test 1\n  input:\n    10\n  output:\n    20\n" in run("show", three, "a-1", "--hidden")


def test_an_unknown_id_names_the_nearest(three: str):
    with pytest.raises(UserError, match=r"no problem 'b-1' among 3\.\nNear: b-2, a-1\."):
        run("show", three, "b-1")


def test_stats_counts(three: str):
    text = run("stats", three, "--hidden")
    assert text.startswith(f"{three}: 3 problems, 2024-01-06 to 2024-02-10\n1 without a date\n")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert rows[:2] == [["atcoder", "2"], ["leetcode", "1"]]
    assert rows[2:4] == [["easy", "2"], ["hard", "1"]]
    assert rows[4:7] == [["unknown", "1"], ["2024-01", "1"], ["2024-02", "1"]]
    assert rows[7:] == [["public", "1", "1", "1", "3"], ["hidden", "0", "1", "1", "2"]]
    assert "3 problems" not in run("stats", three, "--start", "2024-02-01")


def test_check_passes_a_sound_file(three: str):
    assert run("check", three) == (
        "3 problems, 2024-01-06 to 2024-02-10: sound, 0 of them with a solution. No faults.\n"
    )


def test_check_names_everything_that_is_wrong(tmp_path: Path):
    packed = base64.b64encode(zlib.compress(b"not a pickle")).decode()
    path = write(
        tmp_path / "p.jsonl",
        row("right-1", solution="print(2 * int(input()))"),
        row("wrong-2", solution="print(0)"),
        row("right-1"),
        row("packed-3", private_test_cases=packed),
        row("testless-4", public_test_cases="[]", private_test_cases=""),
        row("again", question_content="read N and print 2n + 1"),
        {"question_id": "cut"},
    )
    lines = run("check", path, code=1).splitlines()
    for fault, line in zip(
        [
            f"{path}, line 3: question_id 'right-1' was there before",
            f"{path}, line 7: public_test_cases is missing",
            f"{path}, line 4: problem 'packed-3': ",
            "Problem 'testless-4' has no tests",
            "the same statement: right-1, again",
            "problem 'wrong-2': its solution: wrong_answer",
            "3 problems, 2024-01-06 to 2024-01-06: sound, 2 of them with a solution. 6 faults.",
        ],
        lines,
        strict=True,
    ):
        assert line.startswith(fault)


def test_leaks_between_two_files_and_between_two_windows_of_one(tmp_path: Path, three: str):
    other = write(tmp_path / "other.jsonl", row("x", question_content="Read n and print 2n + 2."), row("y-9"))
    text = run("leaks", three, other, code=1)
    assert "same statement, similarity 1.00: train b-2 (2024-02-10), test x (2024-01-06)\n" in text
    assert text.endswith("1 of 2 test problems found in train.\n")
    text = run("leaks", three, three, "--train-end", "2024-01-31", "--test-start", "2024-02-01")
    assert text.endswith("None of 1 test problems found in train.\n")


@pytest.mark.slow
def test_minicode_is_sound():
    text = run("check", "minicode", "--split", "test")
    assert "128 of them with a solution. No faults." in text
