"""Right or wrong: comparison rules, verdicts, pass@k; expectations by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.grading import VerdictStatus, bootstrap_ci, defined_ks, grade, judge, pass_at_k, program_for
from rlif.grading.compare import is_right, same_text, same_value
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Execution, Output, RunStatus, Sandbox

# Comparison ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ("6", "6", True),
        ("\n 6 \t\n\n", "6", True),
        ("6\n\n7", "6\n7", False),
        ("1\n2", "1 2", False),
        ("1   2", "1 2", True),  # as numbers
        ("a   b", "a b", False),  # but not as words
        ("1.0", "1", True),
        ("1e3", "1000", True),
        ("+5", "5", True),
        ("-0", "0", True),
        ("1_000", "1000", True),
        ("Infinity", "inf", True),
        ("0.3333333", "0.333333", False),
        ("x 1.0", "x 1", False),
        ("yes", "Yes", False),
        ("", "", True),
        ("NaN", "nan", False),
        ("sNaN", "1", False),
        ("1e999999999999999999999", "1", False),
        ("1 2 3", "1 2", False),
        ("1 \n 2", "1\n2", True),
        ("6\u20287", "6\u20287", True),
    ],
)
def test_printed_texts(actual, expected, same):
    assert same_text(actual, expected) is same


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ((1, 2), "[1, 2]", True),
        ([(1, 2), (3,)], "[[1, 2], [3]]", True),
        ([1, 2], "[2, 1]", False),
        ([], "[1]", False),
        (True, "1", True),
        (1.0, "1", True),
        ("1", "1", False),
        ("true", "true", False),
        (None, "null", True),
        (None, "[]", False),
        ({1: 2}, '{"1": 2}', False),
        ({"a": (1,)}, '{"a": [1]}', True),
        ({1, 2}, "[1, 2]", False),
        (math.nan, "NaN", False),
        ([math.nan], "[NaN]", False),
        (0.1 + 0.2, "0.3", False),
        (10**400, "1.5", False),
    ],
)
def test_functional_results(actual, expected, same):
    assert is_right(actual, TestCase("", expected, "functional")) is same


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance", "same"),
    [
        ((1, 2), "(1, 2)", 0, True),
        ([1, 2], "(1, 2)", 0, False),
        ([(1, 2)], "[[1, 2]]", 0, False),
        ({1, 2}, "{2, 1}", 0, True),
        (3, "3.0004", 1e-3, True),
        ([1.0, (2.0,)], "[1.0004, (1.9996,)]", 1e-3, True),
        ({"a": 1.1}, "{'a': 1.0}", 0.05, False),
        (1, "2", 5.0, False),  # ints are exact
        (10**400, "1.5", 1.0, False),
        (math.inf, "1e999", 1.0, True),
        (math.nan, "1.0", 1.0, False),
    ],
)
def test_literal_results(actual, expected, tolerance, same):
    assert is_right(actual, TestCase("", expected, "literal", tolerance)) is same


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(plain, plain, st.booleans())
def test_comparison_of_values_never_raises_and_is_symmetric(a, b, tuples_are_lists):
    assert same_value(a, b, 0.5, tuples_are_lists) == same_value(b, a, 0.5, tuples_are_lists)


@given(st.lists(st.integers() | st.tuples(st.integers())))
def test_a_value_equals_itself_unless_it_holds_nan(value):
    assert same_value(value, value)
    assert not same_value([*value, math.nan], [*value, math.nan])


@given(st.text(), st.text())
def test_comparison_of_texts_never_raises_and_is_symmetric(a, b):
    assert same_text(a, b) == same_text(b, a)
    assert same_text(a, a)


# Verdicts --------------------------------------------------------------------------------------------------


def problem(*tests: TestCase, entry_point: str | None = "f", hidden: tuple[TestCase, ...] = ()) -> Problem:
    return Problem("p", "", "", entry_point, tests, hidden, "test")


DOUBLE = problem(TestCase("[1]", "[2]", "functional"), hidden=(TestCase("[2, 3]", "[4, 6]", "functional"),))


def test_a_program_is_made_from_a_problem_s_inputs():
    program = program_for(DOUBLE, "code")
    assert (program.inputs, program.entry_point, program.prelude) == ((([1],), ([2, 3],)), "f", True)
    two = problem(TestCase('[1]\n"a b"', "0", "functional"))
    assert program_for(two, "").inputs == (([1], "a b"),)
    literal = program_for(problem(TestCase("((1, 2), {3})", "0", "literal")), "")
    assert (literal.inputs, literal.prelude) == ((((1, 2), {3}),), True)
    script = program_for(problem(TestCase("1\n", "2"), entry_point=None), "")
    assert (script.inputs, script.entry_point) == (("1\n",), None)


def executed(*outputs: Output) -> Execution:
    return Execution(RunStatus.OK, outputs)


@pytest.mark.parametrize(
    ("outputs", "tests", "status"),
    [
        ((Output(RunStatus.OK, [2]), Output(RunStatus.OK, [4, 6])), (True, True), "passed"),
        ((Output(RunStatus.OK, [2]), Output(RunStatus.OK, [])), (True, False), "wrong_answer"),
        ((Output(RunStatus.OK, []), Output(RunStatus.TIMEOUT)), (False, False), "wrong_answer"),
        ((Output(RunStatus.TIMEOUT), Output(RunStatus.NOT_RUN)), (False,), "timeout"),
        ((Output(RunStatus.RUNTIME_ERROR), Output(RunStatus.OK, [4, 6])), (False, True), "runtime_error"),
        ((Output(RunStatus.KILLED), Output(RunStatus.NOT_RUN)), (False,), "killed"),
    ],
)
def test_the_verdict_has_the_status_of_the_first_failed_test(outputs, tests, status):
    verdict = judge(DOUBLE, executed(*outputs))
    assert (verdict.tests, verdict.status, verdict.passed) == (tests, status, status == "passed")


def test_every_failed_run_has_a_verdict_of_the_same_name():
    for status in set(RunStatus) - {RunStatus.OK, RunStatus.NOT_RUN}:
        verdict = judge(DOUBLE, executed(Output(status), Output(RunStatus.NOT_RUN)))
        assert verdict.status == VerdictStatus(status.value)


def test_an_execution_of_other_inputs_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        judge(DOUBLE, executed(Output(RunStatus.OK, [2])))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (problem(TestCase("[1", "2", "functional")), "Problem 'p': test input"),
        (problem(TestCase("f()", "2", "literal")), "Problem 'p': test input"),
        (problem(TestCase("1", "2", "literal")), "not a tuple of arguments"),
        (problem(TestCase("1", "2", "stdin")), "a test of kind 'stdin'"),
    ],
)
def test_a_malformed_test_input_is_a_user_error(broken, message):
    with pytest.raises(UserError, match=message):
        program_for(broken, "")


def test_a_malformed_expected_output_and_a_problem_without_tests_are_user_errors():
    with pytest.raises(UserError, match="expected output of test 1"):
        judge(problem(TestCase("1", "[2", "functional")), executed(Output(RunStatus.OK, 2)))
    with pytest.raises(UserError, match="has no tests"):
        judge(problem(), executed())


def test_grading_many_programs():
    add = problem(TestCase("1 2\n", "3\n"), TestCase("4 5\n", "9.0\n"), entry_point=None)
    absolute = problem(TestCase("(-2,)", "2", "literal"), TestCase("(-2.0,)", "2.001", "literal", 0.01))
    pairs = [
        (add, "print(sum(map(int, input().split())))"),
        (DOUBLE, "class Solution:\n    def f(self, x: List[int]):\n        return tuple(2 * i for i in x)"),
        (absolute, "f = abs"),
        (add, "print(3)"),
        (add, ""),
        (DOUBLE, "import os\nos._exit(0)"),
        (
            DOUBLE,
            "class Liar:\n    def __eq__(self, other):\n        return True\ndef f(x):\n    return Liar()",
        ),
        (DOUBLE, "def f(x:"),
    ]
    with Sandbox(workers=2) as sandbox:
        verdicts = grade(pairs, sandbox)
    assert [str(verdict.status) for verdict in verdicts] == [
        *("passed", "passed", "passed", "wrong_answer", "no_code", "killed", "runtime_error", "compile_error")
    ]
    assert verdicts[3].tests == (True, False)


# pass@k ----------------------------------------------------------------------------------------------------


def test_pass_at_k_by_hand():
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(4, 2, 2) == pytest.approx(1 - 1 / 6)  # of 6 pairs one has no right sample
    assert pass_at_k(5, 4, 2) == 1.0
    assert pass_at_k(5, 0, 5) == 0.0
    assert math.isnan(pass_at_k(5, 5, 6))


@given(st.integers(1, 8), st.data())
@settings(max_examples=40)
def test_pass_at_k_is_the_mean_over_all_choices_of_k_samples(samples, data):
    correct, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    outcomes = [True] * correct + [False] * (samples - correct)
    solved = [any(chosen) for chosen in itertools.combinations(outcomes, k)]
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(solved) / len(solved))


@pytest.mark.parametrize(("samples", "correct", "k"), [(5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_impossible_counts_are_refused(samples, correct, k):
    with pytest.raises(ValueError, match="need 0 <= correct"):
        pass_at_k(samples, correct, k)


@pytest.mark.parametrize(("samples", "ks"), [(0, []), (1, [1]), (8, [1, 2, 4, 8]), (10, [1, 2, 4, 8, 10])])
def test_the_ks_that_are_reported(samples, ks):
    assert defined_ks(samples) == ks


def test_bootstrap_interval():
    rates = np.array([1.0] * 30 + [0.0] * 70)
    low, high = bootstrap_ci(rates)
    half_width = 1.96 * math.sqrt(0.3 * 0.7 / 100)  # normal approximation
    assert low == pytest.approx(0.3 - half_width, abs=0.02)
    assert high == pytest.approx(0.3 + half_width, abs=0.02)
    assert bootstrap_ci(rates) == (low, high)
    assert bootstrap_ci([0.5, 0.5]) == (0.5, 0.5)
    # None of 50: 0.929^50 = 2.5%, so a share of 7.1% would still give none that often. No certainty.
    assert bootstrap_ci([0.0] * 50) == (0.0, pytest.approx(0.0711, abs=1e-4))
    assert bootstrap_ci([1.0] * 50) == (pytest.approx(1 - 0.0711, abs=1e-4), 1.0)
    assert all(map(math.isnan, bootstrap_ci([]) + bootstrap_ci([1.0, math.nan])))
