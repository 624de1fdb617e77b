"""From a problem and a code to a program, and from what it did to a verdict, by the rules of either mode."""

import json
from collections.abc import Sequence

from rlif.errors import UserError
from rlif.grading import official
from rlif.grading.compare import is_right, literal
from rlif.grading.types import Verdict, VerdictStatus
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Execution, Mode, Output, Program, RunStatus, Sandbox, Value


def program_for(problem: Problem, code: str, mode: Mode = Mode.NATIVE, all_tests: bool = True) -> Program:
    """Return the program that runs a code on the test inputs of a problem, public ones first.

    Args:
        problem: read as its tests' kinds say.
        code: the program's source.
        mode: by which the program is run; judge its execution by the same.
        all_tests: run all tests whatever comes out. Otherwise, and always in mode official, the program is
            ended at the first test that it fails.

    Raises:
        UserError: a test's input is not written as its kind says, or its kind is not known to the mode.
    """
    tests = problem.tests

    def accept(number: int, output: Output) -> bool:
        try:
            return _status_of(output, tests[number], mode) is VerdictStatus.PASSED
        except ValueError:  # `judge` will say so
            return False

    return Program(
        code,
        _inputs(problem, mode),
        problem.entry_point,
        prelude=problem.entry_point is not None,  # LiveCodeBench and HumanEval import names for functions
        mode=mode,
        accept=None if all_tests and mode is Mode.NATIVE else accept,
    )


def judge(problem: Problem, execution: Execution, mode: Mode = Mode.NATIVE) -> Verdict:
    """Compare what a program did on all tests with what was expected.

    Its status is that of the first test that failed. It ends with the last test that was run, in mode
    official with the first that failed.

    Raises:
        UserError: the problem has no tests, or an expected output is not written as its kind says.
        ValueError: the execution is not one of all the problem's tests.
    """
    if not problem.tests:
        raise UserError(f"Problem '{problem.id}' has no tests: nothing can be said of a program.")
    if mode is Mode.OFFICIAL and not all(map(official.can_read, problem.tests)):
        return Verdict(False, (False,), VerdictStatus.RUNTIME_ERROR)
    tests: list[bool] = []
    failure: VerdictStatus | None = None
    pairs = list(zip(problem.tests, execution.outputs, strict=True))
    for number, (test, output) in enumerate(pairs, start=1):
        if failure and (output.status is RunStatus.NOT_RUN or mode is Mode.OFFICIAL):
            break
        try:
            status = _status_of(output, test, mode)
        except ValueError as error:
            raise _malformed(problem, f"expected output of test {number}", error) from None
        tests.append(status is VerdictStatus.PASSED)
        if status is not VerdictStatus.PASSED:
            failure = failure or status
    return Verdict(failure is None, tuple(tests), failure or VerdictStatus.PASSED)


def grade(
    problem_codes: Sequence[tuple[Problem, str]],
    sandbox: Sandbox,
    mode: Mode = Mode.NATIVE,
    all_tests: bool = True,
) -> list[Verdict]:
    """Run and judge many (problem, code) pairs; an empty code gets NO_CODE without being run.

    mode and all_tests are those of `program_for`.

    Raises:
        UserError: a problem without tests or with a malformed one.
    """
    programs = (program_for(problem, code, mode, all_tests) for problem, code in problem_codes)
    verdicts: dict[int, Verdict] = {}
    for number, execution in sandbox.stream(programs):  # outputs may be large: judged and dropped one by one
        verdicts[number] = judge(problem_codes[number][0], execution, mode)
    return [verdicts[number] for number in range(len(problem_codes))]


def _status_of(output: Output, test: TestCase, mode: Mode) -> VerdictStatus:
    if output.status is RunStatus.NOT_RUN:
        return VerdictStatus.KILLED  # no failure was the reason
    if output.status is not RunStatus.OK:
        return VerdictStatus(output.status.value)
    if mode is Mode.OFFICIAL:
        return official.status_of(output.value, test)
    return VerdictStatus.PASSED if is_right(output.value, test) else VerdictStatus.WRONG_ANSWER


def _inputs(problem: Problem, mode: Mode) -> tuple[str, ...] | tuple[tuple[Value, ...], ...]:
    if problem.entry_point is None:
        return tuple(test.input for test in problem.tests)
    if mode is Mode.OFFICIAL and any(test.kind == "literal" for test in problem.tests):
        fix = "Use mode 'native'."
        raise UserError(f"Problem '{problem.id}': mode 'official' knows no tests of kind 'literal'.", fix)
    return tuple(_arguments(problem, test) for test in problem.tests)


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
