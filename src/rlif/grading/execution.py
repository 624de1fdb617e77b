"""Run the programs of a step once, for every signal that comes from running them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlif.grading import Verdict, judge, program_for
from rlif.problems.types import Problem
from rlif.sandbox import Execution, RunStatus, Sandbox


@dataclass(frozen=True, slots=True)
class Executed:
    """What one program did.

    public: on the public inputs alone; all that consensus rewards may see. verdict: on all tests, or None.
    """

    public: Execution
    verdict: Verdict | None


def execute(
    problems: Sequence[Problem], programs: Sequence[str], sandbox: Sandbox, judge_all: bool
) -> list[Executed]:
    """Run each program on its problem's inputs, once.

    Args:
        problems: one for each program.
        programs: programs[i] answers problems[i].
        sandbox: entered.
        judge_all: also run the hidden inputs, and judge. Off, hidden tests are not touched.
    """
    known = problems if judge_all else [replace(problem, hidden_tests=()) for problem in problems]
    pairs = list(zip(known, programs, strict=True))
    # Models repeat themselves: a program sampled twice for one problem is run once.
    distinct = {(problem.id, code): (problem, code) for problem, code in pairs}
    runs = sandbox.run([program_for(problem, code) for problem, code in distinct.values()])
    results = {
        key: Executed(
            public=_public(execution, len(problem.public_tests)),
            verdict=judge(problem, execution) if judge_all else None,
        )
        for (key, (problem, _)), execution in zip(distinct.items(), runs, strict=True)
    }
    return [results[problem.id, code] for problem, code in pairs]


def _public(execution: Execution, count: int) -> Execution:
    outputs = execution.outputs[:count]
    # An execution has the status of its first input that failed.
    failed = any(output.status != RunStatus.OK for output in outputs)
    return replace(execution, outputs=outputs, status=execution.status if failed else RunStatus.OK)
