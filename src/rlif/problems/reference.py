"""`run_references`: what a data set's own solutions return, computed in a process of their own.

The solutions are trusted code, as trusted as the data set; the process is there for the time limit, for what
they print, and so that nothing they change stays.
"""

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rlif.errors import UserError

SECONDS_A_PROBLEM = 60
SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Reference:
    """A solution and what to call it with.

    Attributes:
        id: of its problem.
        code: defines `name`.
        name: of the function.
        inputs: each the arguments of one call, as the literal of a tuple.
    """

    id: str
    code: str
    name: str
    inputs: tuple[str, ...]


def run_references(references: Sequence[Reference]) -> list[list[str | None]]:
    """Return the result of every call as a literal; None for one that cannot be written as such.

    Raises:
        UserError: a solution raises an exception or takes longer than a minute; names its problem.
    """
    given = "".join(f"{json.dumps(asdict(reference))}\n" for reference in references)
    # The order of a set of strings, and so of a list made of one, is the same every time.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"The data set's own solutions took more than {SECONDS} seconds.") from None
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for reference, answer in zip(references, answers, strict=False):
        if isinstance(answer, str):
            raise UserError(f"Problem '{reference.id}': its own solution fails: {answer}.")
    if len(answers) < len(references):
        raise UserError(f"Problem '{references[len(answers)].id}': its own solution ends the process.")
    return answers


def literal_of(value: Any) -> str | None:
    """Return a value as a Python literal; None if it is not one (NaN, an object) or too long to be."""
    try:
        text = repr(value)
        return text if repr(ast.literal_eval(text)) == text else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # ValueError: integers of 4,300 digits too
        return None


def _main() -> None:
    """Answer each line of standard input with a list of results, or a text that says what went wrong."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        task = json.loads(line)
        signal.alarm(SECONDS_A_PROBLEM)  # ends the process: a solution may catch what a handler raises
        try:
            answer: Any = _results(task["code"], task["name"], task["inputs"])
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)


def _results(code: str, name: str, inputs: list[str]) -> list[str | None]:
    namespace: dict[str, Any] = {"__name__": "reference"}
    exec(code, namespace)
    return [literal_of(namespace[name](*ast.literal_eval(given))) for given in inputs]


if __name__ == "__main__":
    _main()
