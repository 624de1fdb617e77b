"""Turn a problem into a prompt, and prompts into token ids.

Two styles:

- "bare": the statement and the starter code, nothing else; for models taught on exactly that form;
- "rlif": asks for brief reasoning and then one program in a fenced block, which is the form whose length and
  reasoning share the diagnostics follow.

A prompt is what TRL accepts: a list of messages for a model with a chat template, plain text for one without.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

from rlif.errors import UserError, did_you_mean
from rlif.problems.types import Problem, TestCase

Prompt = str | list[dict[str, str]]
PromptStyle = Literal["bare", "rlif"]

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


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that prompts need."""

    def __call__(self, text: Any, /, **options: Any) -> Any:
        """Tokenise a list of texts; `["input_ids"]` of the result holds one list of ids a text."""
        ...

    def apply_chat_template(self, conversation: Any, /, **options: Any) -> Any:
        """Write messages as the text the model was taught on."""
        ...


def build_prompt(problem: Problem, style: PromptStyle, chat: bool) -> Prompt:
    """Return the prompt of a problem.

    Args:
        problem: what is asked.
        style: "bare" or "rlif".
        chat: True for a list of messages (the tokenizer has a chat template), False for plain text.

    Raises:
        UserError: unknown style.
    """
    if style == "bare":
        content = _join(problem.statement, problem.starter_code.rstrip())
        text = f"{content}\n"
    elif style == "rlif":
        body = _join(problem.statement, _interface(problem), _starter(problem), _examples(problem))
        content = _join(_TASK, body, _CHAT_ORDER)
        text = _join(_TASK, body, f"{_TEXT_HEADING}\n{_TEXT_OPENING}")
    else:
        raise UserError(f"There is no prompt style '{style}'.", did_you_mean(style, get_args(PromptStyle)))
    return [{"role": "user", "content": content}] if chat else text


def tokenize_prompts(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Return the token ids of each prompt, not padded and not cut.

    Messages go through the chat template, up to where the model's turn begins. A template writes the
    beginning-of-sequence token itself, so its text is tokenised without special tokens (no second one).
    Plain text gets the tokenizer's defaults.
    """
    return [_tokenize(tokenizer, prompt) for prompt in prompts]


def _tokenize(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


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
