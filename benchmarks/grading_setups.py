"""One way of grading, in a process of its own that waits to be told to run.

    python benchmarks/grading_setups.py SETUP PROCESSES PAIRS.pickle CHECKER_DIR

For each line on standard input it grades all the pairs once and answers with a line of JSON: `seconds` of
wall time, `cpu_s` of CPU time (of all it ever started, what still runs included), `passed` programs.
Each has warmed up before its first answer: a pool is started, modules are imported and compiled.
"""

import contextlib
import importlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from process_tree import tree_cpu_s
from programs import Pair

from rlif.grading import Mode, grade
from rlif.grading.compare import is_right
from rlif.problems.types import TestCase
from rlif.sandbox import Sandbox, Value

Run = Callable[[list[Pair]], int]
"""Grades pairs; returns how many programs passed."""

_TIMEOUT_S = 6
_WARM_UP = 8


@contextlib.contextmanager
def checker(processes: int, directory: str) -> Iterator[Run]:
    """The checker of PyPI's nvidia-livecodebench as its own command runs it.

    A pool of processes, in which each program gets a multiprocessing manager and a process of its own. All
    are forked from the command's process, which has imported `datasets` to read the problems.
    """
    sys.path.append(directory)
    importlib.import_module("livecodebench.benchmarks")
    with lean_checker(processes, directory) as run:
        yield run


@contextlib.contextmanager
def lean_checker(processes: int, directory: str) -> Iterator[Run]:
    """The same, in a process that has imported nothing but the checker: its forks are cheaper."""
    sys.path.append(directory)
    from livecodebench.evaluation.compute_code_generation_metrics import evaluate_generations

    def run(pairs: list[Pair]) -> int:
        samples = [
            {
                "input_output": json.dumps(
                    {
                        "inputs": [test.input for test in problem.tests],
                        "outputs": [test.output for test in problem.tests],
                        "fn_name": problem.entry_point,
                    }
                )
            }
            for problem, _ in pairs
        ]
        codes = [[code] for _, code in pairs]
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # its progress bar
            results, _ = evaluate_generations(
                samples, codes, num_process_evaluate=processes, timeout=_TIMEOUT_S
            )
        return sum(all(test > 0 for test in tests) for [tests] in results.values())

    yield run


@contextlib.contextmanager
def subprocess_run(processes: int, _directory: str) -> Iterator[Run]:
    """What people write first: `subprocess.run([sys.executable, …])` for each test. No isolation."""
    with ThreadPoolExecutor(processes) as executor:
        yield lambda pairs: sum(executor.map(_passes_in_subprocesses, pairs))


def rlif(mode: Mode) -> Callable[[int, str], contextlib.AbstractContextManager[Run]]:
    """This project's grader with all protections on, stopping at the first failure like the others."""

    @contextlib.contextmanager
    def setup(processes: int, _directory: str) -> Iterator[Run]:
        with Sandbox(processes) as sandbox:
            yield lambda pairs: sum(
                verdict.passed for verdict in grade(pairs, sandbox, mode, all_tests=False)
            )

    return setup


SETUPS = {
    "checker": checker,
    "checker, lean": lean_checker,
    "subprocess": subprocess_run,
    "rlif official": rlif(Mode.OFFICIAL),
    "rlif native": rlif(Mode.NATIVE),
}

_HEAD = """
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
from builtins import *
"""
_CALL = """
import json, sys
_owner = Solution() if "Solution" in globals() else sys.modules["__main__"]
print(json.dumps(_owner.{name}(*map(json.loads, sys.stdin.read().split("\\n")))))
"""


def _passes_in_subprocesses(pair: Pair) -> bool:
    problem, code = pair
    name = problem.entry_point
    source = _HEAD + code + _CALL.format(name=name) if name else code

    def passes(test: TestCase) -> bool:
        ended = subprocess.run(
            [sys.executable, "-c", source],
            input=test.input,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if ended.returncode:
            return False
        printed: Value = json.loads(ended.stdout) if name else ended.stdout
        return is_right(printed, test)

    return all(map(passes, problem.tests))


def main() -> None:
    name, processes, pairs_path, directory = sys.argv[1:]
    pairs: list[Pair] = pickle.loads(Path(pairs_path).read_bytes())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the checker lets some of what programs print through
    with SETUPS[name](int(processes), directory) as run:
        run(pairs[:_WARM_UP])
        for _ in sys.stdin:
            cpu_s, started = tree_cpu_s(os.getpid()), time.perf_counter()
            passed = run(pairs)
            seconds, cpu_s = time.perf_counter() - started, tree_cpu_s(os.getpid()) - cpu_s
            print(
                json.dumps({"seconds": seconds, "cpu_s": cpu_s, "passed": passed}), file=answers, flush=True
            )


if __name__ == "__main__":
    main()
