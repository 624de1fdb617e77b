"""Grades many samples without holding them, their problems or their verdicts in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rlif.errors import UserError
from rlif.grading.judge import judge, program_for
from rlif.grading.problem_file import ProblemFile
from rlif.grading.samples import Sample
from rlif.grading.types import Verdict
from rlif.problems.types import Problem
from rlif.sandbox import Execution, Mode, Output, RunStatus, Sandbox
from rlif.sandbox.inside import codec


@dataclass(frozen=True, slots=True)
class Graded:
    """A sample, what its program did, and the verdict."""

    sample: Sample
    execution: Execution
    verdict: Verdict


def grade_stream(
    samples: Iterable[Sample],
    problems: ProblemFile,
    sandbox: Sandbox,
    mode: Mode = Mode.NATIVE,
    all_tests: bool = True,
) -> Iterator[Graded]:
    """Run and judge samples, each as soon as a worker is free; yield them as they finish.

    Args:
        samples: taken a few ahead of the workers; their problems are all in `problems`.
        problems: checked by `check_gradable`.
        sandbox: runs the programs.
        mode: whose rules decide.
        all_tests: run a program on all tests, even when it has failed one.
    """
    running: dict[int, tuple[Sample, Problem]] = {}

    def programs():
        for number, sample in enumerate(samples):
            problem = problems[sample.question_id]
            running[number] = sample, problem
            yield program_for(problem, sample.code, mode, all_tests)

    for number, execution in sandbox.stream(programs()):
        sample, problem = running.pop(number)
        yield Graded(sample, execution, judge(problem, execution, mode))


def check_gradable(problem: Problem, mode: Mode = Mode.NATIVE) -> None:
    """Raise UserError unless a problem has tests, each written as its kind says and fit for the sandbox."""
    if not problem.tests:
        raise UserError(f"Problem '{problem.id}' has no tests: nothing can be said of a program.")
    try:
        program = program_for(problem, "", mode)
        for given in program.inputs:
            given.encode("utf-8", "surrogateescape") if isinstance(given, str) else codec.dumps(list(given))
        if problem.entry_point is not None:  # a text expected on standard output cannot be malformed
            nothing = tuple(Output(RunStatus.OK, "") for _ in program.inputs)
            judge(problem, Execution(RunStatus.OK, nothing), Mode.NATIVE)
    except UnicodeEncodeError:
        raise UserError(f"Problem '{problem.id}': a test input cannot be written in UTF-8.") from None
    except (TypeError, RecursionError) as error:
        raise UserError(f"Problem '{problem.id}': a test cannot be sent to the sandbox: {error}.") from None
