"""The two styles of our own: the content of a chat message and the text for a base model, for each."""

import re

from rlif.problems.types import Problem, TestCase

_TASK = "Solve the following programming problem in Python."
_CHAT_ORDER = (
    "First reason briefly, step by step, about how to solve it. Then give one complete program in a single "
    "```python block, with every import and helper it needs."
)
# A base model continues text rather than obeying it: the heading says what the text is, and the opened
# sentence leaves reasoning, then a fenced block, as the natural way to go on.
_TEXT_HEADING = "Answer (brief reasoning, step by step, then the complete program in a ```python block):"
_TEXT_OPENING = "Let us think step by step."

_EXAMPLE_HEADING = re.compile(r"^\W*example|sample input", re.IGNORECASE | re.MULTILINE)


def bare(problem: Problem, chat: bool) -> str:
    """Return the statement and the starter code; as text for a base model, with a line end."""
    content = _join(problem.statement, problem.starter_code.rstrip())
    return content if chat else f"{content}\n"


def reason_then_code(problem: Problem, chat: bool) -> str:
    """Return the request for brief reasoning, then one program; as text, with the opening of an answer."""
    body = _join(problem.statement, _interface(problem), _starter(problem), _examples(problem))
    return _join(_TASK, body, _CHAT_ORDER if chat else f"{_TEXT_HEADING}\n{_TEXT_OPENING}")


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _interface(problem: Problem) -> str:
    if problem.entry_point is None:
        return "The program reads its input from standard input and prints the answer to standard output."
    method = "class Solution" in problem.starter_code
    what = "class `Solution` with the method" if method else "function"
    return f"The program defines the {what} `{problem.entry_point}`, which returns the answer."


def _starter(problem: Problem) -> str:
    code = problem.starter_code.rstrip()
    return f"It begins with this code:\n```python\n{code}\n```" if code else ""


def _examples(problem: Problem) -> str:
    """Return the public tests as text, unless the statement has examples of its own, as LiveCodeBench's do.

    "literal" tests are not shown either: such data sets (HumanEval) write the examples they mean to show into
    the statement, and showing further ones would change the benchmark.
    """
    if _EXAMPLE_HEADING.search(problem.statement):
        return ""
    return _join(*(_example(problem, test) for test in problem.public_tests if test.kind != "literal"))


def _example(problem: Problem, test: TestCase) -> str:
    if test.kind == "functional":
        arguments = ", ".join(test.input.strip().split("\n"))
        return f"Example: `{problem.entry_point}({arguments})` returns `{test.output.strip()}`."
    return (
        f"Example input:\n```\n{test.input.rstrip()}\n```\nExample output:\n```\n{test.output.rstrip()}\n```"
    )
