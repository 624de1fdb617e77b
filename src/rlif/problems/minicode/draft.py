"""What a family of minicode problems produces: the task, its tests' inputs, and how to reason about it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

Slip = Callable[[int], int]
"""Passes every intermediate result of a derivation through; the identity for a careful author."""


def careful(value: int) -> int:
    """Return the value itself: the slip of an author who makes no mistakes."""
    return value


@dataclass(frozen=True, slots=True)
class Derivation:
    """A worked answer: intermediate results line by line, an optional check, and the program.

    The program is written in folded form (its constants are the results of the steps), which is what makes
    the steps worth writing down for a small model.
    """

    steps: tuple[str, ...]
    check: str
    code: str


class Task(Protocol):
    """One drawn problem of a family."""

    def key(self) -> tuple[int | str, ...]:
        """Return what makes two tasks the same problem, whatever their wording; decides the split."""
        ...

    def statement(self, wording: int) -> str:
        """Return the text of the problem; `wording` picks one of the family's phrasings."""
        ...

    def derive(self, slip: Slip) -> Derivation:
        """Work the task out; each intermediate result passes through `slip`."""
        ...

    def reference(self, value: Any) -> Any:
        """Return the right answer for one input, computed from the task and not from the derivation."""
        ...

    def inputs(self, rng: Random) -> list[Any]:
        """Return distinct inputs that tell wrong programs from right ones; the first three become public."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of task.

    Attributes:
        name: also part of problem ids.
        functional: True when programs define `f(argument)`; False when they read one line and print.
        argument: name of the function's parameter ("" for stdin).
        draw: makes a task of the given number of steps (2 easy, 3 medium, 4 hard).
        wordings: number of phrasings that `Task.statement` knows.
    """

    name: str
    functional: bool
    argument: str
    draw: Callable[[Random, int], Task]
    wordings: int = 2
