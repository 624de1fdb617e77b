"""Take the program out of a model's answer, by LiveCodeBench's rule.

The rule (`lcb_runner/utils/extraction_utils.py`, repository at 28fef95): split the answer at newlines, call a
line that contains three backticks anywhere a fence, and take the lines between the *last two* fences. With
fewer than two fences there is no program.

It follows, and is kept because other rules give other scores, that:

- fences are not paired. With an odd number of them, as when a block is cut off at the length limit, the last
  two still count, so what is taken may be the prose between a closed block and the cut one;
- a block that opens and closes on one line is one fence, not two;
- what stands on the fence lines themselves (the language, text before the backticks) is dropped.
"""

from dataclasses import dataclass

FENCE = "```"


@dataclass(frozen=True, slots=True)
class Extraction:
    """The program found in an answer.

    Attributes:
        code: the program, without the fences; "" when there is none (or nothing between the fences).
        start: index of the first character of the opening fence's line; None with fewer than two fences.
    """

    code: str
    start: int | None


def extract_code(text: str) -> Extraction:
    """Return the text between the last two lines of `text` that contain three backticks."""
    lines = text.split("\n")
    fences = [i for i, line in enumerate(lines) if FENCE in line]
    if len(fences) < 2:
        return Extraction(code="", start=None)
    opening, closing = fences[-2:]
    start = sum(len(line) + 1 for line in lines[:opening])
    return Extraction(code="\n".join(lines[opening + 1 : closing]), start=start)
