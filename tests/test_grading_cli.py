"""`rlif grade` from outside: verdict lines, the summary, bad input, interruptions, exit codes."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from rlif.cli import app, grade_display
from rlif.errors import UserError
from rlif.grading import Mode, VerdictStatus
from rlif.grading.summary import Tally
from rlif.grading.verdict_file import Settings, VerdictFile

ADD = {
    "question_id": "add",
    "question_content": "Print the sum of two numbers.",
    "public_test_cases": json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}]),
    "private_test_cases": json.dumps(
        [
            {"input": "5 5", "output": "10", "testtype": "stdin"},
            {"input": "0 3", "output": "3", "testtype": "stdin"},
        ]
    ),
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
VERDICTS = {
    ("add", 0): ("passed", [True, True, True]),
    ("add", 1): ("wrong_answer", [True, False]),
    ("double", 0): ("passed", [True]),
    ("double", 1): ("no_code", [False]),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "problems.jsonl", ADD, DOUBLE)
    write(tmp_path / "samples.jsonl", *SAMPLES)
    return tmp_path


def write(path: Path, *rows: Any) -> None:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def arguments(files: Path, *options: str) -> list[str]:
    names = {"problems": "problems.jsonl", "samples": "samples.jsonl", "out": "verdicts.jsonl"}
    paths = [part for option, name in names.items() for part in (f"--{option}", str(files / name))]
    return ["grade", *paths, "--workers", "1", *options]  # an option given twice: the last one counts


def run_grade(files: Path, *options: str) -> Result:
    return CliRunner().invoke(app, arguments(files, *options), env={"COLUMNS": "200"})


def start_grade(files: Path, *options: str, code: str = "") -> "subprocess.Popen[str]":
    """Start the command in a process of its own, after running some code there."""
    program = f"import sys\nfrom rlif.cli import main\n{code}\nsys.argv[0] = 'rlif'\nmain()"
    command = [sys.executable, "-c", program, *arguments(files, *options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def verdicts(files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (files / "verdicts.jsonl").read_text().splitlines()]


def by_sample(files: Path) -> dict[tuple[str, int], tuple[str, list[bool]]]:
    """Return status and tests by sample, after seeing that there is one verdict each."""
    rows = verdicts(files)
    found = {(row["question_id"], row["index"]): (row["status"], row["tests"]) for row in rows}
    assert len(found) == len(rows)
    return found


def wait_for_verdicts(files: Path, number: int) -> None:
    deadline = time.monotonic() + 30
    path = files / "verdicts.jsonl"
    while not path.exists() or path.read_bytes().count(b"\n") < number:
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestVerdicts:
    def test_every_sample_gets_a_verdict_line(self, files: Path):
        result = run_grade(files)
        assert result.exit_code == 0, result.output
        assert by_sample(files) == VERDICTS
        for row in verdicts(files):
            assert list(row)[:5] == ["question_id", "index", "passed", "tests", "status"]
            assert row["passed"] == (row["status"] == "passed")
            assert (row["mode"], row["isolation"], row["timeout"]) == ("native", "bwrap", 6.0)

    def test_all_tests_are_run_on_request(self, files: Path):
        assert run_grade(files, "--all-tests").exit_code == 0
        assert by_sample(files) == VERDICTS | {("add", 1): ("wrong_answer", [True, False, True])}

    def test_mode_official(self, files: Path):
        """`open(0)` bypasses the imitated stdin of LiveCodeBench's checker, where nothing is to be read."""
        write(
            files / "samples.jsonl",
            *SAMPLES,
            {"question_id": "add", "code": "print(sum(map(int, open(0).read().split())))"},
        )
        assert run_grade(files, "--mode", "official").exit_code == 0
        found = by_sample(files)
        assert found.pop(("add", 2))[0] != "passed"
        assert found == VERDICTS
        assert {row["mode"] for row in verdicts(files)} == {"official"}

    def test_the_array_that_livecodebench_writes(self, files: Path):
        rows = [
            {
                "question_title": "Add",
                "question_id": "add",
                "output_list": ["…"],
                "code_list": [RIGHT_ADD, "print(3)"],
            },
            {"question_title": "Double", "question_id": "double", "code_list": [RIGHT_DOUBLE, ""]},
        ]
        (files / "samples.jsonl").write_text(json.dumps(rows, indent=4))
        assert run_grade(files).exit_code == 0
        assert by_sample(files) == VERDICTS

    def test_isolation_is_in_every_record(self, files: Path):
        with pytest.warns(UserWarning, match="does not protect"):
            assert run_grade(files, "--isolation", "process").exit_code == 0
        assert {row["isolation"] for row in verdicts(files)} == {"process"}

    def test_limits_reach_the_programs(self, files: Path):
        slow, large = "while True: pass", "x = bytes(300 << 20)\nprint(3)"
        write(files / "samples.jsonl", {"question_id": "add", "code_list": [slow, large]})
        assert run_grade(files, "--timeout", "0.2", "--memory", "200").exit_code == 0
        assert [by_sample(files)["add", i][0] for i in (0, 1)] == ["timeout", "memory_limit"]


class TestSummary:
    def test_the_table(self, files: Path):
        output = run_grade(files).stdout
        rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
        assert rows[0] == [
            "4 programs for 2 of 2 problems, 2 each; mode native, isolation bwrap",
        ]
        assert ["pass@1", "0.500", "0.500 to 0.500", "2"] in rows  # one right sample of two, for each problem
        assert ["pass@2", "1.000", "0.158 to 1.000", "2"] in rows  # 2 of 2, exact: 0.158^2 = 2.5%
        for status, count, share in (
            ("passed", "2", "50.0%"),
            ("wrong_answer", "1", "25.0%"),
            ("no_code", "1", "25.0%"),
        ):
            assert [status, count, share] in rows
        assert output.endswith(f"Verdicts: {files / 'verdicts.jsonl'}\n")
        assert output.isascii()

    def test_unequal_numbers_of_samples(self, files: Path):
        write(files / "samples.jsonl", *SAMPLES, {"question_id": "add", "code": RIGHT_ADD})
        output = run_grade(files).stdout
        assert "5 programs for 2 of 2 problems, 2 to 3 each" in output
        rows = [line.split() for line in output.splitlines()]
        assert ["pass@2", "1.000", "0.158", "to", "1.000", "2"] in rows
        assert ["pass@3", "1.000", "0.025", "to", "1.000", "1"] in rows
        assert "over the problems with at least k programs" in output

    def test_the_slowest_problems_come_first(self, files: Path):
        write(files / "samples.jsonl", *SAMPLES, {"question_id": "double", "code": "while True: pass"})
        output = run_grade(files, "--timeout", "0.3").stdout
        slowest = output[output.index("slowest") :].splitlines()[1:3]
        assert [line.split()[0] for line in slowest] == ["double", "add"]
        assert slowest[0].split()[-1] == "1"  # time-out

    def test_nothing_graded(self, files: Path):
        (files / "samples.jsonl").write_text("\n")
        result = run_grade(files)
        assert result.exit_code == 1
        assert "Nothing was graded" in result.output
        assert "pass@1" not in result.output
        assert verdicts(files) == []


class TestBadInput:
    def test_lines_are_named_and_the_rest_is_graded(self, files: Path):
        bad_problems = [
            '{"question_id": "broken", "question_content": "',
            {**ADD, "question_id": "testless", "public_test_cases": "[]", "private_test_cases": ""},
            {**ADD, "question_content": "the same id again"},
        ]
        write(files / "problems.jsonl", ADD, *bad_problems, DOUBLE)
        bad_samples = [
            '{"question_id": "ad", "code": "x"}',
            '{"code": "x"}',
            "[1]",
            '{"question_id": "broken", "code": "x"}',
            {"question_id": "testless", "code": "x"},
        ]
        write(files / "samples.jsonl", *bad_samples, *SAMPLES, {"question_id": "add", "code": 7})
        with (files / "samples.jsonl").open("ab") as file:
            file.write(b'{"question_id": "add", "code": "\xff"}\n{"question_id": "add", "cod')
        result = run_grade(files)
        assert result.exit_code == 1
        assert by_sample(files) == VERDICTS
        for file, number, reason in [
            ("problems", 2, "Unterminated string"),
            ("problems", 3, "Problem 'testless' has no tests"),
            ("problems", 4, "question_id 'add' was there before, in line 1"),
            ("samples", 1, "unknown question_id 'ad'. Did you mean 'add'?"),
            ("samples", 2, "no object with a 'question_id'"),
            ("samples", 3, "no object"),
            ("samples", 4, "its problem could not be read ('broken', line 2"),
            ("samples", 5, "its problem could not be read ('testless', line 3"),
            ("samples", 9, "neither a text 'code' nor a list"),
            ("samples", 10, "not UTF-8: byte 0xff"),
            ("samples", 11, "not JSON"),
        ]:
            assert re.search(rf"{file}\.jsonl, line {number}: .*{re.escape(reason)}", result.stderr)
        assert f"3 lines of {files / 'problems.jsonl'} could not be used" in result.stderr
        assert f"8 lines of {files / 'samples.jsonl'} could not be used" in result.stderr

    def test_a_mended_line_is_graded_and_no_other_again(self, files: Path):
        write(files / "samples.jsonl", {"question_id": "add", "code": None}, *SAMPLES)
        assert run_grade(files).exit_code == 1
        before = (files / "verdicts.jsonl").read_bytes()
        write(files / "samples.jsonl", {"question_id": "add", "code": "print(4)"}, *SAMPLES)
        assert run_grade(files).exit_code == 0
        after = (files / "verdicts.jsonl").read_bytes()
        assert after.startswith(before)
        assert after.count(b"\n") == before.count(b"\n") + 1
        assert by_sample(files)["add", 0] == ("wrong_answer", [False])

    def test_millions_of_bad_lines_do_not_hide_the_rest(self, files: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(grade_display, "_MOST_LINES", 3)
        write(files / "samples.jsonl", *["?"] * 10)
        result = run_grade(files)
        assert result.stderr.count(", line ") == 3
        assert "more lines like these are counted, but not named" in result.stderr
        assert "10 lines of" in result.stderr

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--isolation", "proces"], "Did you mean 'process'"),
            (["--timeout", "0"], "--timeout must be above 0 and at most 86400 seconds; got 0"),
            (["--timeout", "-1"], "got -1"),
            (["--timeout", "nan"], "got nan"),
            (["--timeout", "inf"], "got inf"),
            (["--mode", "official", "--all-tests"], "stops at the first test that fails"),
            (["--out", "samples.jsonl"], "is the samples file"),
            (["--out", "problems.jsonl"], "is the problems file"),
            (["--out", "."], "Is a directory"),
            (["--out", "samples.jsonl/verdicts.jsonl"], "cannot be written"),
            (["--out", "/dev/null"], "not a regular file"),
            (["--samples", "none.jsonl"], "Cannot read the samples file 'none.jsonl': No such file"),
            (["--problems", "none.jsonl"], "Cannot read the problems file 'none.jsonl': No such file"),
            (["--samples", "/dev/null"], "'/dev/null' are read more than once"),
            (["--problems", "."], "Cannot read the problems file '.': Is a directory"),
        ],
    )
    def test_mistakes_are_told_before_anything_is_written(
        self, files: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: str
    ):
        monkeypatch.chdir(files)
        before = {path: path.read_bytes() for path in files.iterdir()}
        result = run_grade(files, *options)
        assert isinstance(result.exception, UserError)
        assert expected in str(result.exception)
        assert {path: path.read_bytes() for path in files.iterdir()} == before

    @pytest.mark.parametrize("option", ["--workers", "--memory"])
    @pytest.mark.parametrize("value", ["0", "-1", "two", str(10**15)])
    def test_numbers_that_cannot_be(self, files: Path, option: str, value: str):
        result = run_grade(files, option, value)
        assert result.exit_code == 2
        assert f"Invalid value for '{option}'" in result.output

    def test_more_workers_than_cores_are_warned_of(self, files: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
        result = run_grade(files, "--workers", "2")
        assert result.exit_code == 0
        assert "--workers 2 is more than the cores here: no faster than --workers 1" in result.stderr
        assert by_sample(files) == VERDICTS


class TestGoingOn:
    def test_what_is_there_is_kept_and_not_made_again(self, files: Path):
        rows = [dict(zip(("question_id", "index"), key, strict=True)) for key in VERDICTS]
        done = rows[0] | {"passed": True, "tests": ["kept as it was"], "status": "passed"}
        (files / "verdicts.jsonl").write_text(json.dumps(done) + "\n" + json.dumps(rows[1])[:30])
        assert run_grade(files).exit_code == 0
        assert by_sample(files) == VERDICTS | {("add", 0): ("passed", ["kept as it was"])}
        before = (files / "verdicts.jsonl").read_bytes()
        result = run_grade(files)
        assert result.exit_code == 0
        assert "4 programs for 2 of 2 problems" in result.output
        assert (files / "verdicts.jsonl").read_bytes() == before

    def test_verdicts_on_other_samples_are_told(self, files: Path):
        assert run_grade(files).exit_code == 0
        write(files / "samples.jsonl", SAMPLES[0])
        result = run_grade(files)
        assert result.exit_code == 0
        assert "2 verdicts in" in result.stderr
        write(files / "samples.jsonl", {"question_id": "add", "code": "print(0)"})
        assert isinstance(error := run_grade(files).exception, UserError)
        assert "another program as sample 0 of 'add'" in str(error)

    def test_other_settings_are_refused(self, files: Path):
        assert run_grade(files).exit_code == 0
        assert isinstance(error := run_grade(files, "--mode", "official").exception, UserError)
        assert "made with --mode native, not with --mode official" in str(error)

    def test_a_file_in_use_is_refused(self, files: Path):
        settings = Settings(Mode.NATIVE, "bwrap", 6.0, 1024, all_tests=False)
        with VerdictFile(files / "verdicts.jsonl", settings):
            assert isinstance(error := run_grade(files).exception, UserError)
        assert "being written by another process" in str(error)

    def test_a_worker_that_dies_costs_one_verdict(self, files: Path):
        write(
            files / "samples.jsonl",
            {"question_id": "add", "code": "import time\ntime.sleep(5)"},
            *({"question_id": "add", "code": RIGHT_ADD} for _ in range(3)),
        )

        def kill_workers() -> None:
            for children in Path("/proc/self/task").glob("*/children"):
                for pid in children.read_text().split():
                    if b"bwrap" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(int(pid), signal.SIGKILL)

        timer = threading.Timer(1.0, kill_workers)
        timer.start()
        assert run_grade(files, "--timeout", "5").exit_code == 0
        timer.cancel()
        statuses = [by_sample(files)["add", i][0] for i in range(4)]
        assert statuses == ["killed", "passed", "passed", "passed"]

    def test_a_full_disk(self, files: Path):
        """Files of this process cannot grow beyond 600 bytes: room for two verdicts."""
        limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))"
        with start_grade(files, code=limit) as process:
            _, messages = process.communicate(timeout=60)
        assert process.returncode == 2
        assert messages == (
            f"rlif: Verdicts cannot be written to {files / 'verdicts.jsonl'}: File too large.\n"
            "Make room there, then give the same command again: it goes on from here.\n"
        )
        assert 0 < len(by_sample(files)) < len(VERDICTS)
        assert run_grade(files).exit_code == 0
        assert by_sample(files) == VERDICTS

    @pytest.mark.slow
    def test_killed_again_and_again(self, files: Path):
        code = f"import time\ntime.sleep(0.02)\n{RIGHT_ADD}"
        write(files / "samples.jsonl", {"question_id": "add", "code_list": [code] * 20})
        for enough in (3, 9):
            with start_grade(files) as process:
                wait_for_verdicts(files, enough)
                process.kill()
        assert len((files / "verdicts.jsonl").read_bytes().splitlines()) < 20
        assert run_grade(files).exit_code == 0
        assert by_sample(files) == {("add", i): ("passed", [True, True, True]) for i in range(20)}

    @pytest.mark.slow
    def test_ctrl_c(self, files: Path):
        write(
            files / "samples.jsonl",
            {"question_id": "add", "code_list": [RIGHT_ADD, "import time\ntime.sleep(30)", RIGHT_ADD]},
        )
        with start_grade(files, "--timeout", "20") as process:
            wait_for_verdicts(files, 1)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            _, messages = process.communicate(timeout=30)
        assert time.monotonic() - start < 5
        assert process.returncode == 2
        assert messages.splitlines()[-2:] == [
            "rlif: Stopped.",
            "What was written is whole; the same command goes on from there.",
        ]
        assert by_sample(files) == {("add", 0): ("passed", [True, True, True])}


def test_progress_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    """Resumed at 10 of 20; the first new one took 30 seconds, so that nine more take 4.5 minutes."""
    now = 100.0
    monkeypatch.setattr(grade_display.time, "monotonic", lambda: now)
    tally, written = Tally(), io.StringIO()
    tally.add("a", VerdictStatus.PASSED, 0.1)
    with grade_display.Progress(Console(file=written), done=10, total=20) as progress:
        now += 30.0
        progress.advance(tally)
        assert written.getvalue() == "Graded 11 of 20; 4.5 minutes left\n"
        now += 1.0
        progress.advance(tally)
    assert written.getvalue().count("\n") == 1
