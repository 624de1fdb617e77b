"""Format: whether the completion holds a program that parses. A control beside rewards that look deeper.

    r = 1 if the extracted code is not empty and is syntactically valid Python, else 0

The program is parsed, never compiled to run and never run. It comes from a model and may be hostile (deep
nesting, NUL bytes, lone surrogates), so whatever the parser raises means that it does not parse.
"""

import ast
import warnings
from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Need, Reward, Scores
from rlif.rollouts import RolloutGroup

_MAX_CHARACTERS = 100_000  # parsing is linear, but with a large constant


class Format(Reward):
    """1 for a program that parses, else 0."""

    needs: ClassVar = frozenset[Need]()
    formula: ClassVar = "1[the completion holds Python that parses]"
    paper: ClassVar = "-"
    cost: ClassVar = "none"
    failure: ClassVar = "a control: saturates at 1, then gives no gradient"
    undefined: ClassVar = "never"

    type: Literal["format"] = "format"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones."""
        return np.array([_parses(completion.code) for completion in group.completions], dtype=np.float64)


def _parses(code: str) -> bool:
    if not code.strip() or len(code) > _MAX_CHARACTERS:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like
            ast.parse(code)
    except Exception:  # SyntaxError, ValueError, RecursionError, MemoryError, …
        return False
    return True
