"""The programs that the grader's benchmarks run: accepted programs and the public tests they pass.

From files, in LiveCodeBench's row format: problems as `rlif grade` takes them, and solutions as lines
`{"question_id", "code", "graded"}` of which those graded true are used. Without files: problems of minicode,
which come with their solutions, so that anyone can run the benchmarks.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from random import Random

from rlif.errors import UserError
from rlif.grading import program_for
from rlif.problems.jsonl import load_jsonl
from rlif.problems.minicode.generate import load_minicode
from rlif.problems.types import Problem
from rlif.sandbox import Sandbox

_HEAVY_S = 0.05
Pair = tuple[Problem, str]
"""A problem with its public tests, and a program that passes them."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--problems", type=Path, help="problems, JSONL in LiveCodeBench's row format")
    parser.add_argument("--solutions", type=Path, help='JSONL of {"question_id", "code", "graded"}')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures there too")


def load_pairs(options: Namespace, size: int) -> list[Pair]:
    """Return that many pairs, drawn by the seed; the same ones for the same seed."""
    if (options.problems is None) != (options.solutions is None):
        raise UserError("--problems and --solutions go together.")
    if options.problems is None:
        problems = load_minicode("test", size, options.seed)
        return [(_public(problem), problem.solution or "") for problem in problems]
    by_id = {problem.id: _public(problem) for problem in load_jsonl(options.problems)}
    rows = map(json.loads, options.solutions.read_text("utf-8").splitlines())
    accepted = [(by_id[row["question_id"]], row["code"]) for row in rows if row["graded"]]
    if len(accepted) < size:
        raise UserError(f"'{options.solutions}' has {len(accepted)} accepted programs, not {size}.")
    return Random(options.seed).sample(accepted, size)


def without_heavy(pairs: list[Pair]) -> list[Pair]:
    """Leave out the few programs that are busy for long themselves: they would be all that is measured."""
    with Sandbox(workers=1) as sandbox:
        executions = sandbox.run(program_for(problem, code) for problem, code in pairs)
    return [pair for pair, done in zip(pairs, executions, strict=True) if done.cpu_s < _HEAVY_S]


def describe(pairs: list[Pair], options: Namespace) -> str:
    tests = sum(len(problem.tests) for problem, _ in pairs)
    functional = sum(problem.entry_point is not None for problem, _ in pairs)
    source = options.problems.name if options.problems else "minicode"
    return f"{len(pairs)} accepted programs of {source} ({functional} functional), {tests} tests"


def _public(problem: Problem) -> Problem:
    return replace(problem, hidden_tests=())
