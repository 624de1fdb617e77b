"""`rlif grade` on small files: verdict lines, resuming, bad lines, exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlif.cli import app
from rlif.errors import UserError

ADD = {
    "question_id": "add",
    "question_content": "Print the sum of two numbers.",
    "public_test_cases": json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}]),
    "private_test_cases": json.dumps([{"input": "5 5", "output": "10", "testtype": "stdin"}]),
    "metadata": "{}",
}
DOUBLE = {
    "question_id": "double",
    "question_content": "Double each number.",
    "public_test_cases": json.dumps([{"input": "[1, 2]", "output": "[2, 4]", "testtype": "functional"}]),
    "private_test_cases": "",
    "metadata": json.dumps({"func_name": "double"}),
}
RIGHT_ADD = "print(sum(map(int, input().split())))"
RIGHT_DOUBLE = "class Solution:\n    def double(self, x: List[int]):\n        return [2 * i for i in x]"
SAMPLES = [
    {"question_id": "add", "code_list": [RIGHT_ADD, "print(3)"]},
    {"question_id": "double", "code": RIGHT_DOUBLE},
    {"question_id": "double", "code": ""},
]
VERDICTS = [
    {"question_id": "add", "index": 0, "passed": True, "tests": [True, True], "status": "passed"},
    {"question_id": "add", "index": 1, "passed": False, "tests": [True, False], "status": "wrong_answer"},
    {"question_id": "double", "index": 0, "passed": True, "tests": [True], "status": "passed"},
    {"question_id": "double", "index": 1, "passed": False, "tests": [False], "status": "no_code"},
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (ADD, DOUBLE)))
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SAMPLES))
    return tmp_path


def run_grade(files: Path, *options: str):
    arguments = ["--problems", "problems.jsonl", "--samples", "samples.jsonl", "--out", "verdicts.jsonl"]
    paths = [str(files / name) if name.endswith(".jsonl") else name for name in arguments]
    return CliRunner().invoke(app, ["grade", *paths, *options], env={"COLUMNS": "120"})


def verdicts(files: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (files / "verdicts.jsonl").read_text().splitlines()]


def test_every_sample_gets_a_verdict_line_in_order(files):
    result = run_grade(files)
    assert result.exit_code == 0, result.output
    assert verdicts(files) == VERDICTS
    rows = [line.split("│")[1:4] for line in result.output.splitlines() if line.count("│") == 4]
    table = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert table["pass@1"] == ["0.500", "0.500 to 0.500"]  # each problem has one right sample of two
    assert table["pass@2"] == ["1.000", "1.000 to 1.000"]
    assert [table[status][0] for status in ("passed", "wrong_answer", "no_code")] == ["2", "1", "1"]


def test_an_interrupted_run_is_continued(files):
    done = json.dumps({**VERDICTS[0], "tests": ["kept as it was"]})
    (files / "verdicts.jsonl").write_text(done + "\n" + json.dumps(VERDICTS[1])[:40])
    assert run_grade(files).exit_code == 0
    assert verdicts(files) == [json.loads(done), *VERDICTS[1:]]
    before = (files / "verdicts.jsonl").read_bytes()
    assert run_grade(files).exit_code == 0
    assert (files / "verdicts.jsonl").read_bytes() == before


def test_bad_sample_lines_are_named_and_the_rest_is_graded(files):
    bad = [
        '{"question_id": "ad", "code": "x"}',
        '{"code": "x"}',
        '{"question_id": "add"}',
        "[1]",
        '{"question_id": "ad',
    ]
    samples = files / "samples.jsonl"
    samples.write_text("\n".join(bad[:4]) + "\n" + samples.read_text() + bad[4])
    result = run_grade(files)
    assert result.exit_code == 1
    assert verdicts(files) == VERDICTS
    for number, reason in [
        (1, "unknown question_id 'ad'. Did you mean 'add'?"),
        (2, "no object with a 'question_id'"),
        (3, "neither a text 'code' nor a list"),
        (4, "no object"),
        (8, "not a JSON line"),
    ]:
        assert f"line {number}: {reason}" in result.output


def test_user_errors(files):
    def error(*options: str) -> str:
        result = run_grade(files, *options)
        assert isinstance(result.exception, UserError)
        return str(result.exception)

    assert "not available yet" in error("--mode", "official")
    assert "Did you mean 'process'" in error("--isolation", "proces")
    (files / "verdicts.jsonl").write_text('{"question_id": "add"}\n{"question_id": "add"}\n')
    assert "line 1 is no verdict: it has no 'status'" in error()
    (files / "samples.jsonl").unlink()
    assert "Cannot read the samples file" in error()
