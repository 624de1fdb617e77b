"""Whether the grader's verdicts are those of LiveCodeBench's checker, on a file of programs.

    pip install --no-deps --target CHECKER nvidia-livecodebench    (and numpy, tqdm beside it)
    python benchmarks/lcb_agreement.py --problems P.jsonl --solutions S.jsonl --checker CHECKER

Problems are rows of LiveCodeBench's format, solutions lines `{"question_id", "code"}`; a field `graded` (the
verdict on the hidden tests) is compared too where it is there. PyPI's package is an earlier version of the
checker than the one that mode official follows: its `sys.stdin` is a `StringIO`, which can be iterated over
and reads on where it stopped. The checker isolates nothing: give it no programs that you do not trust.
"""

import contextlib
import json
import os
import sys
from argparse import ArgumentParser
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rlif.grading import Mode, grade
from rlif.problems.jsonl import load_jsonl
from rlif.problems.types import Problem
from rlif.sandbox import Sandbox

_TIMEOUT_S = 6

Passed = list[bool]
"""Whether each program passes, in the order of the file."""


def checker(pairs: list[tuple[Problem, str]], directory: str) -> Passed:
    """Return the verdicts of the installed package, each found in a process of its own."""
    sys.path.append(directory)
    from livecodebench.evaluation.compute_code_generation_metrics import check_correctness

    return [_passes_checker(check_correctness, problem, code) for problem, code in pairs]


def _passes_checker(check_correctness: Any, problem: Problem, code: str) -> bool:
    sample = {
        "inputs": [test.input for test in problem.tests],
        "outputs": [test.output for test in problem.tests],
        "fn_name": problem.entry_point,
    }
    try:
        results, _ = check_correctness({"input_output": json.dumps(sample)}, code, _TIMEOUT_S, debug=False)
    except IndexError:  # the process that ran the program died
        return False
    return all(result > 0 for result in results)


def agreement(judged: dict[str, Passed]) -> Table:
    made = Table(title=f"verdicts on {len(next(iter(judged.values())))} programs")
    for column in ("", "and", "agree", "passed by the first alone", "passed by the second alone"):
        made.add_column(column, justify="left" if column in ("", "and") else "right")
    for (first, ours), (second, theirs) in combinations(judged.items(), 2):
        both = list(zip(ours, theirs, strict=True))
        counts = (sum(a == b for a, b in both), both.count((True, False)), both.count((False, True)))
        made.add_row(first, second, *map(str, counts))
    return made


def disagreements(rows: list[dict[str, Any]], judged: dict[str, Passed]) -> Table:
    made = Table(title="programs on which they disagree")
    for column in ("line", "problem", *judged):
        made.add_column(column)
    for number, (row, passed) in enumerate(
        zip(rows, zip(*judged.values(), strict=True), strict=True), start=1
    ):
        if len(set(passed)) > 1:
            made.add_row(str(number), row["question_id"], *("passed" if one else "-" for one in passed))
    return made


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=Path, required=True)
    parser.add_argument("--solutions", type=Path, required=True)
    parser.add_argument("--checker", help="folder that nvidia-livecodebench is in")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    problems = {problem.id: problem for problem in load_jsonl(options.problems)}
    rows = [json.loads(line) for line in options.solutions.read_text("utf-8").splitlines()]
    pairs = [(problems[row["question_id"]], row["code"]) for row in rows]
    judged: dict[str, Passed] = {}
    with Sandbox(options.workers) as sandbox:
        for mode in (Mode.OFFICIAL, Mode.NATIVE):
            verdicts = grade(pairs, sandbox, mode, all_tests=False)
            judged[f"rlif {mode}"] = [verdict.passed for verdict in verdicts]
    if options.checker:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            judged["checker"] = checker(pairs, options.checker)
    if all("graded" in row for row in rows):
        judged["graded"] = [row["graded"] for row in rows]
    console = Console()
    console.print(agreement(judged))
    judged.pop("graded", None)  # other tests: most of them differ there
    console.print(disagreements(rows, judged))


if __name__ == "__main__":
    main()
