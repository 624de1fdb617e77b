"""Mode `official`: LiveCodeBench's verdicts, program by program, beside those of mode `native`.

The verdicts of the micro-programs (`official_programs`) were compared with the checker's. With RLIF_LCB_DATA
set to a folder of `lcb_conformance.jsonl`, `lcb_public.jsonl` and `lcb_solutions.jsonl`, its verdicts on
those are compared too.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_cases import MAXIMUM, problem, read_cases

from rlif.errors import UserError
from rlif.grading import Mode, Verdict, VerdictStatus, grade, judge, official, program_for
from rlif.grading.compare import is_right
from rlif.problems.jsonl import load_jsonl
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Execution, Limits, Output, Program, RunStatus, Sandbox

ERROR_CODES = {
    None: {VerdictStatus.PASSED},
    -1: {VerdictStatus.TIMEOUT},
    -2: {VerdictStatus.WRONG_ANSWER},
    -3: {VerdictStatus.TIMEOUT},
    -4: {VerdictStatus.RUNTIME_ERROR, VerdictStatus.COMPILE_ERROR, VerdictStatus.NO_CODE},
    # The checker's process died or hung: its own failure.
    -5: {VerdictStatus.RUNTIME_ERROR, VerdictStatus.KILLED, VerdictStatus.TIMEOUT},
}
"""The checker's error codes, and the statuses that stand for them here."""


ACCEPTED_EARLIER = {"abc359_d"}
"""Problems with a program that calls `readline`, then `read`: it passed an earlier version of the checker."""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1, limits=Limits(seconds=10, cpu_seconds=5)) as sandbox:
        yield sandbox


# Micro-programs --------------------------------------------------------------------------------------------

CASES = {case.what: case for case in read_cases()}


@pytest.fixture(scope="module")
def verdicts(sandbox) -> dict[Mode, dict[str, Verdict]]:
    pairs = [(case.problem, case.code) for case in CASES.values()]
    return {mode: dict(zip(CASES, grade(pairs, sandbox, mode), strict=True)) for mode in Mode}


@pytest.mark.parametrize("what", CASES)
def test_a_program_has_the_verdict_of_the_mode(what, verdicts):
    assert verdicts[Mode.OFFICIAL][what].status == CASES[what].official
    assert verdicts[Mode.NATIVE][what].status == CASES[what].native


def test_each_micro_program_has_a_name_of_its_own():
    assert len(CASES) == len(read_cases())


def test_each_difference_in_the_docs_is_a_micro_program_with_these_verdicts():
    page = Path(__file__).parents[1] / "docs" / "grading_modes.md"
    rows = [line.strip("| ").split(" | ") for line in page.read_text("utf-8").splitlines()]
    differences = {row[0].replace("\\_", "_"): row[2:4] for row in rows if len(row) == 5}
    differences.pop("what")
    for what, stated in differences.items():
        assert stated == [CASES[what].official, CASES[what].native], what


# Comparison of printed texts -------------------------------------------------------------------------------

PASSED, WRONG, ERROR = VerdictStatus.PASSED, VerdictStatus.WRONG_ANSWER, VerdictStatus.RUNTIME_ERROR


@pytest.mark.parametrize(
    ("printed", "expected", "status"),
    [
        ("  7 \n\n", "7", PASSED),
        ("7", "7\n\n", PASSED),
        ("7\n8", "7\r\n8", PASSED),
        ("7 \n 8", "7\n8", PASSED),
        ("7\n\n8", "7\n8", WRONG),
        ("7 8", "7\n8", WRONG),
        ("7\x0b8", "7\n8", WRONG),
        ("7\u00a08", "7 8", PASSED),
        ("7.00", "7", PASSED),
        ("07", "7", PASSED),
        ("70E-1", "7", PASSED),
        (".7", "0.7", PASSED),
        ("7_0", "70", PASSED),
        ("\u0667", "7", PASSED),
        ("0x7", "7", WRONG),
        ("1,000", "1000", WRONG),
        ("0.1 0.2", "0.10  0.20", PASSED),
        ("0.10000001", "0.1", WRONG),
        ("-inf", "inf", WRONG),
        ("nan", "nan", PASSED),
        ("nan", "NaN", WRONG),
        ("sNaN", "7", ERROR),
        ("sNaN 1", "7", WRONG),
        ("8 sNaN", "7 7", WRONG),
        ("a  b", "a b", WRONG),
        ("A", "a", WRONG),
        ("a 1.0", "a 1", WRONG),
        ("\u00e9", "e\u0301", WRONG),
        (" \n", "", PASSED),
        ("0", "", WRONG),
        ("1e999999999999999999999", "inf", WRONG),
        ("\ud800", "7", WRONG),
        (None, "", WRONG),
    ],
)
def test_printed_texts(printed, expected, status):
    test = TestCase("", expected)
    assert official.status_of(printed, test) is status
    assert is_right(printed, test) == (status is PASSED)  # mode native differs in the word for sNaN alone


@pytest.mark.parametrize(
    ("returned", "expected", "status"),
    [
        ((1, 2), "[1, 2]", PASSED),
        ([(1, 2)], "[[1, 2]]", WRONG),
        (True, "1", PASSED),
        (1.0, "1", PASSED),
        (complex(1), "1", PASSED),
        ("1", "1", WRONG),
        (None, "null", PASSED),
        ({1: 2}, '{"1": 2}', WRONG),
        ([math.nan], "[NaN]", WRONG),
        (0.1 + 0.2, "0.3", WRONG),
        (10**400, "1.5", WRONG),
    ],
)
def test_returned_values(returned, expected, status):
    assert official.status_of(returned, TestCase("", expected, "functional")) is status


@given(st.text() | st.text("0123456789.eE+-_ \nsNaif"), st.text() | st.text("0123456789.eE+-_ \nsNaif"))
def test_the_modes_agree_on_printed_texts(printed, expected):
    test = TestCase("", expected)
    assert (official.status_of(printed, test) is PASSED) == is_right(printed, test)


def test_the_first_failing_test_is_the_last_in_mode_official(sandbox):
    echo = [(problem((("1", "1"), ("2", "0"), ("3", "3"))), "print(input())")]
    assert grade(echo, sandbox, Mode.OFFICIAL) == [Verdict(False, (True, False), VerdictStatus.WRONG_ANSWER)]
    assert grade(echo, sandbox)[0].tests == (True, False, True)
    assert grade(echo, sandbox, all_tests=False)[0].tests == (True, False)


# What neither mode admits ----------------------------------------------------------------------------------


def test_a_timeout_that_is_caught_is_a_timeout():
    catches = "try:\n    while True:\n        pass\nexcept BaseException:\n    pass\nprint(input())"
    ignores = (
        "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\ntime.sleep(9)\nprint(input())"
    )
    one = problem((("1", "1"),))
    with Sandbox(workers=1, limits=Limits(seconds=0.3, cpu_seconds=0.3)) as sandbox:
        for mode in Mode:
            found = grade([(one, catches), (one, ignores)], sandbox, mode)
            assert [verdict.status for verdict in found] == [VerdictStatus.TIMEOUT] * 2


def test_a_verdict_needs_a_result_for_each_test():
    two = problem((("1", "1"), ("2", "2")))
    for mode in Mode:
        with pytest.raises(UserError, match="has no tests"):
            judge(problem(()), Execution(RunStatus.OK, ()), mode)
        with pytest.raises(ValueError, match="shorter"):
            judge(two, Execution(RunStatus.OK, ()), mode)
        half = Execution(RunStatus.OK, (Output(RunStatus.OK, "1"), Output(RunStatus.NOT_RUN)))
        assert judge(two, half, mode) == Verdict(False, (True, False), VerdictStatus.KILLED)


def test_forged_results_are_no_answer(sandbox):
    forges = "import os\nos.write(3, bytes([0, 0, 0, 0, 3]) + b'\"2\"')\nprint(input())"
    two = problem((("1", "1"), ("2", "2")))
    assert not grade([(two, forges)], sandbox, Mode.OFFICIAL)[0].passed


# Programs and problems -------------------------------------------------------------------------------------


def test_all_inputs_go_to_one_process(sandbox):
    code = "import os\nprint(os.getpid())"
    [execution] = sandbox.run([Program(code, ("", ""), mode=Mode.OFFICIAL)])
    first, second = execution.outputs
    assert first.value == second.value


def test_only_a_mode_that_may_stop_compares_while_the_program_runs():
    maximum = problem(MAXIMUM)
    assert program_for(maximum, "").accept is None
    for options in ({"all_tests": False}, {"mode": Mode.OFFICIAL}):
        accept = program_for(maximum, "", **options).accept
        assert accept is not None
        assert accept(1, Output(RunStatus.OK, "7.0"))
        assert not accept(0, Output(RunStatus.OK, "7.0"))
        assert not accept(0, Output(RunStatus.TIMEOUT))


def test_literal_tests_are_for_mode_native():
    literal = Problem("p", "", "", "f", (TestCase("(1,)", "1", "literal"),), (), "cases")
    assert program_for(literal, "").inputs == ((1,),)
    with pytest.raises(UserError, match="knows no tests of kind 'literal'"):
        program_for(literal, "", Mode.OFFICIAL)


def test_a_malformed_expected_output_is_a_user_error_and_does_not_stop_the_sandbox(sandbox):
    echo = "def f(x):\n    return x"
    with pytest.raises(UserError, match="expected output of test 1"):
        grade([(problem((("1", "[1"),), "f"), echo)], sandbox, Mode.OFFICIAL)
    assert grade([(problem((("1", "1"),), "f"), echo)], sandbox, Mode.OFFICIAL)[0].passed


# The checker's own verdicts --------------------------------------------------------------------------------


def data_file(name: str) -> Path:
    folder = os.environ.get("RLIF_LCB_DATA")
    if folder is None:
        pytest.skip("RLIF_LCB_DATA is not set to a folder with the checker's verdicts")
    path = Path(folder, name)
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data_file(name).read_text("utf-8").splitlines()]


def conformance_problem(inputs: list[str], outputs: list[str], fn_name: str | None) -> Problem:
    return problem(tuple(zip(inputs, outputs, strict=True)), fn_name)


@pytest.mark.slow
def test_verdicts_measured_on_the_checker():
    differing: list[str] = []
    for seconds in (1, 2):  # by the clock, as in the checker: what counts is time asleep too
        timed = [row for row in rows("lcb_conformance.jsonl") if row["timeout_s"] == seconds]
        pairs = [(conformance_problem(**row["tests"]), row["code"]) for row in timed]
        with Sandbox(workers=1, limits=Limits(seconds=seconds, cpu_seconds=seconds)) as sandbox:
            found = grade(pairs, sandbox, Mode.OFFICIAL)
        for row, verdict in zip(timed, found, strict=True):
            # A program that catches the checker's alarm and goes on is wrong there, and over time here.
            statuses = ERROR_CODES[row["official"]["error_code"]]
            is_same = verdict.status in statuses or verdict.status is VerdictStatus.TIMEOUT
            if verdict.passed != row["official"]["passed"] or not is_same:
                differing.append(f"{row['name']}: {verdict}, checker {row['official']}")
    assert not differing


@pytest.mark.slow
def test_real_programs_pass_the_tests_that_they_passed_on_the_checker(sandbox):
    problems = {problem.id: problem for problem in load_jsonl(data_file("lcb_public.jsonl"))}
    accepted = [row for row in rows("lcb_solutions.jsonl") if row["graded"]]
    pairs = [(problems[row["question_id"]], row["code"]) for row in accepted]
    for mode in Mode:
        found = zip(accepted, grade(pairs, sandbox, mode, all_tests=False), strict=True)
        failed = {row["question_id"] for row, verdict in found if not verdict.passed}
        assert failed <= (ACCEPTED_EARLIER if mode is Mode.OFFICIAL else set())
