"""Rollout groups written by hand, for tests of rewards."""

from typing import Any

import numpy as np

from rlif.grading.types import Verdict, VerdictStatus
from rlif.problems.types import Problem, TestCase, TestKind
from rlif.rollouts import Completion, RolloutGroup, TokenStats
from rlif.sandbox.types import Execution, Output, RunStatus, Value


def problem(public: int = 2, hidden: int = 1, kind: TestKind = "stdin") -> Problem:
    """A problem with so many tests; what they say does not matter to any reward."""
    return Problem(
        id="p",
        statement="",
        starter_code="",
        entry_point=None if kind == "stdin" else "f",
        public_tests=(TestCase("", "", kind),) * public,
        hidden_tests=(TestCase("", "", kind),) * hidden,
        source="test",
    )


def stats(mask: Any, **values: Any) -> TokenStats:
    """Token statistics [G, T] with the given arrays; those not given are zero."""
    zeros = np.zeros(np.shape(mask), dtype=np.float32)
    arrays = {
        name: np.asarray(values.get(name, zeros))
        for name in ("logprob", "entropy", "self_certainty", "max_prob", "margin")
    }
    return TokenStats(**arrays, mask=np.asarray(mask, dtype=bool))


def execution(*outputs: Value | RunStatus) -> Execution:
    """What a program did: a value for each input, or the status it failed with."""
    made = tuple(Output(o) if isinstance(o, RunStatus) else Output(RunStatus.OK, o) for o in outputs)
    return Execution(next((o.status for o in made if o.status != RunStatus.OK), RunStatus.OK), made)


def verdict(*tests: bool) -> Verdict:
    """A verdict that passed or failed these tests."""
    return Verdict(all(tests), tests, VerdictStatus.PASSED if all(tests) else VerdictStatus.WRONG_ANSWER)


def completion(tokens: int = 0, code: str = "", **facts: Any) -> Completion:
    """A completion of so many tokens that holds this program."""
    return Completion(**({"text": code, "token_ids": (7,) * tokens, "code": code, "finished": True} | facts))


def group(size: int, **signals: Any) -> RolloutGroup:
    """A group of `size` empty completions that carries the given signals."""
    return RolloutGroup(**({"problem": problem(), "completions": (completion(),) * size} | signals))
