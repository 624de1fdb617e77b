"""Run minicode programs in this process: they are our own, small and harmless."""

import contextlib
import io
import json
from typing import Any

from rlif.problems.types import Problem


def results(code: str, functional: bool, inputs: list[Any]) -> list[Any]:
    """What our own small program returns, or prints, for each input; the exception's type if it raises."""
    found: list[Any] = []
    for value in inputs:
        printed = io.StringIO()
        namespace: dict[str, Any] = {"input": lambda value=value: value}
        try:
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
                found.append(namespace["f"](value) if functional else printed.getvalue())
        except Exception as error:
            found.append(type(error))
    return found


def passes(problem: Problem, code: str) -> bool:
    functional = problem.entry_point is not None
    read = json.loads if functional else lambda text: text.rstrip("\n")
    expected = [json.loads(test.output) if functional else test.output for test in problem.tests]
    return results(code, functional, [read(test.input) for test in problem.tests]) == expected
