"""From a problem and a code to a program, and from what it did to a verdict."""

import json
from collections.abc import Sequence

from rlif.errors import UserError
from rlif.grading.compare import is_right, literal
from rlif.grading.types import Verdict, VerdictStatus
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Execution, Program, RunStatus, Sandbox, Value


def program_for(problem: Problem, code: str) -> Program:
    """Return the program that runs a code on all test inputs of a problem, public ones first.

    Raises:
        UserError: a test's input is not written as its kind says.
    """
    if problem.entry_point is None:
        return Program(code, tuple(test.input for test in problem.tests))
    return Program(
        code,
        tuple(_arguments(problem, test) for test in problem.tests),
        problem.entry_point,
        prelude=True,  # both LiveCodeBench and HumanEval put typing's and such names in scope
    )


def judge(problem: Problem, execution: Execution) -> Verdict:
    """Compare what a program did on all tests with what was expected.

    Its status is that of the first test that failed.

    Raises:
        UserError: the problem has no tests, or an expected output is not written as its kind says.
        ValueError: the execution is not one of all the problem's tests.
    """
    if not problem.tests:
        raise UserError(f"Problem '{problem.id}' has no tests: nothing can be said of a program.")
    tests: list[bool] = []
    status = VerdictStatus.PASSED
    for number, (test, output) in enumerate(zip(problem.tests, execution.outputs, strict=True), start=1):
        try:
            right = output.status is RunStatus.OK and is_right(output.value, test)
        except ValueError as error:
            raise _malformed(problem, f"expected output of test {number}", error) from None
        if not right and status is VerdictStatus.PASSED:
            is_wrong = output.status is RunStatus.OK
            status = VerdictStatus.WRONG_ANSWER if is_wrong else VerdictStatus(output.status.value)
        tests.append(right)
    return Verdict(status is VerdictStatus.PASSED, tuple(tests), status)


def grade(problem_codes: Sequence[tuple[Problem, str]], sandbox: Sandbox) -> list[Verdict]:
    """Run and judge many (problem, code) pairs; an empty code gets NO_CODE without being run.

    Raises:
        UserError: a problem without tests or with a malformed one.
    """
    executions = sandbox.run(program_for(problem, code) for problem, code in problem_codes)
    return [judge(problem, done) for (problem, _), done in zip(problem_codes, executions, strict=True)]


def _arguments(problem: Problem, test: TestCase) -> tuple[Value, ...]:
    """Return the positional arguments that a test's input stands for."""
    try:
        if test.kind == "functional":
            return tuple(json.loads(line) for line in test.input.strip().split("\n"))
        if test.kind == "literal":
            arguments = literal(test.input)
            if isinstance(arguments, tuple):
                return arguments
            raise ValueError("not a tuple of arguments")
    except ValueError as error:
        raise _malformed(problem, f"test input {test.input[:60]!r}", error) from None
    raise UserError(f"Problem '{problem.id}' has an entry point but a test of kind '{test.kind}'.")


def _malformed(problem: Problem, what: str, error: ValueError) -> UserError:
    return UserError(f"Problem '{problem.id}': {what} cannot be read: {error}.")
