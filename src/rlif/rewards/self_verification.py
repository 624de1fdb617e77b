"""Self-verification: the model is asked whether its own program is right, and believed.

    r_i = 1 for an answer whose last line is "yes", 0 for "no"

URLVR (arXiv 2603.08660), whose prompt is written for one task (an arithmetic game) and whose parser takes a
stray "true" anywhere for a yes; ours asks about programs and takes the last line alone, as one word.
Anything else is not an answer: NaN by default, 0 as in URLVR's code with `unclear = "no"`.

A completion without a program is a "no" whatever the model says of it.
"""

import re
from typing import ClassVar, Literal

import numpy as np

from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem
from rlif.rewards.base import Need, Reward, Scores, verifications_of
from rlif.rollouts import Completion, RolloutGroup

_ANSWER = re.compile(r"\W*(?:(?:answer|verdict)\W+)?(yes|no)\W*", re.IGNORECASE)

_PROMPT = """\
Decide whether a Python program solves a problem.

Problem:
{statement}

Program:
```python
{code}
```

Check the program against the problem: what it reads, what it computes, what it prints or returns, and
the corner cases. Then answer on a line of its own with one word: yes if the program is right for every
input, no if it is not."""


def verification_prompt(problem: Problem, completion: Completion, chat: bool) -> Prompt:
    """Return the question to put to the model about one of its completions.

    Args:
        problem: what was asked.
        completion: the answer in question.
        chat: True for a list of messages, False for text that a base model continues.
    """
    text = _PROMPT.format(statement=problem.statement.strip(), code=completion.code.strip())
    return [{"role": "user", "content": text}] if chat else f"{text}\n\nCheck:\n"


def parse_verification(answer: str) -> bool | None:
    """Return whether an answer says yes; None unless its last line is one word, yes or no."""
    lines = answer.strip().splitlines()
    found = _ANSWER.fullmatch(lines[-1].strip()) if lines else None
    return None if found is None else found[1].lower() == "yes"


class SelfVerification(Reward):
    """1 for yes, 0 for no.

    Attributes:
        unclear: what an answer without a verdict is worth: "undefined" (NaN) or "no" (0).
    """

    needs: ClassVar = frozenset({Need.VERIFICATIONS})
    formula: ClassVar = "1[asked whether its own program is right, the model answers yes]"
    paper: ClassVar = "URLVR, arXiv 2603.08660"
    cost: ClassVar = "a second generation for each completion"
    failure: ClassVar = "the model learns to say yes"
    undefined: ClassVar = "the answer's last line is neither yes nor no"

    type: Literal["self_verification"] = "self_verification"
    unclear: Literal["undefined", "no"] = "undefined"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones."""
        worth = {True: 1.0, False: 0.0, None: np.nan if self.unclear == "undefined" else 0.0}
        answers = verifications_of(group)
        return np.array(
            [
                worth[parse_verification(answer)] if completion.code.strip() else 0.0
                for answer, completion in zip(answers, group.completions, strict=True)
            ],
            dtype=np.float64,
        )
