"""Take the program out of a model's answer, by LiveCodeBench's rules.

The rules (`lcb_runner/utils/extraction_utils.py`, repository at 28fef95) depend on the style of the prompt:

- an answer to a question (`extract_code`): split it at newlines, call a line that contains three backticks
  anywhere a fence, and take the lines between the *last two* fences. With fewer than two fences there is no
  program;
- the continuation of a base model (`extract_continuation`): all of it is the program.

It follows from the first, and is kept because other rules give other scores, that:

- fences are not paired. With an odd number of them, as when a block is cut off at the length limit, the last
  two still count, so what is taken may be the prose between a closed block and the cut one;
- a block that opens and closes on one line is one fence, not two;
- what stands on the fence lines themselves (the language, text before the backticks) is dropped;
- `<think>` and `</think>` mean nothing: a reasoning model whose thoughts are cut off is judged by the last
  two fences of its thoughts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rlif.problems.prompts import OFFICIAL_STOP, PromptStyle

FENCE = "```"


@dataclass(frozen=True, slots=True)
class Extraction:
    """The program found in an answer.

    Attributes:
        code: the program, without the fences; "" when there is none (or nothing between the fences).
        start: index of the character where the program begins, the line of its opening fence included; None
            when there is none. What comes before it is reasoning.
    """

    code: str
    start: int | None


Extract = Callable[[str], Extraction]
"""A rule that takes the program out of the text of an answer."""


def extract_code(text: str) -> Extraction:
    """Return the text between the last two lines of `text` that contain three backticks."""
    lines = text.split("\n")
    fences = [i for i, line in enumerate(lines) if FENCE in line]
    if len(fences) < 2:
        return Extraction(code="", start=None)
    opening, closing = fences[-2:]
    start = sum(len(line) + 1 for line in lines[:opening])
    return Extraction(code="\n".join(lines[opening + 1 : closing]), start=start)


def extract_continuation(text: str) -> Extraction:
    """Return the text up to the official stop string, without white space around it.

    A base model goes on after the program, with a question of its own making. The official runner stops there
    while generating; here it is cut again, so that the program is the same whether or not generation stopped.
    """
    code = text.split(OFFICIAL_STOP, 1)[0].strip()
    return Extraction(code=code, start=0 if code else None)


def extraction_of(style: PromptStyle) -> Extract:
    """Return the rule for answers to prompts of a style."""
    return extract_continuation if style == "lcb-base" else extract_code
