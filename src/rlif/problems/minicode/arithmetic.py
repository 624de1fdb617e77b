"""Arithmetic: compose steps on a number into a·x + b, and find a line through two points."""

from dataclasses import dataclass
from random import Random

from rlif.problems.minicode.draft import Derivation, Family, Slip

Step = tuple[str, int]
"""("add" | "sub" | "mul", amount)."""

_WORDS = (
    {"add": "add", "sub": "subtract", "mul": "multiply by"},
    {"add": "plus", "sub": "minus", "mul": "times"},
)


def draw_steps(rng: Random, count: int) -> tuple[Step, ...]:
    """Draw steps whose folded a and b stay within 0…40, some multiplying and some not."""
    while True:
        steps = tuple((rng.choice(("add", "sub", "mul", "mul")), rng.randint(2, 6)) for _ in range(count))
        a, b, smallest, largest = 1, 0, 0, 0
        for op, k in steps:
            a, b = apply_step((a, b), op, k)
            smallest, largest = min(smallest, b), max(largest, a, b)
        kinds = [op == "mul" for op, _ in steps]
        if smallest >= 0 and largest <= 40 and True in kinds and False in kinds and b > 0:
            return steps


def apply_step(state: tuple[int, int], op: str, k: int) -> tuple[int, int]:
    """Return (a, b) of a·x + b after one more step."""
    a, b = state
    return (a * k, b * k) if op == "mul" else (a, b + (k if op == "add" else -k))


def steps_text(steps: tuple[Step, ...], wording: int) -> str:
    """Return "multiply by 3, add 4" in one of two wordings."""
    return ", ".join(f"{_WORDS[wording][op]} {k}" for op, k in steps)


def derive_affine(steps: tuple[Step, ...], slip: Slip, name: str) -> tuple[list[str], int, int]:
    """Return one line a step with the state so far ("6x+8"), and the final a and b."""
    a, b, lines = 1, 0, list[str]()
    for op, k in steps:
        a, b = apply_step((a, b), op, k)
        a, b = (slip(a), slip(b) if b else 0) if op == "mul" else (a, slip(b))
        lines.append(f"{a}{name}+{b}")
    return lines, a, b


@dataclass(frozen=True, slots=True)
class Compose:
    """Steps applied to x, to be written as one expression."""

    steps: tuple[Step, ...]

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return tuple(x for step in self.steps for x in step)

    def statement(self, wording: int) -> str:
        """See `Task`."""
        text = steps_text(self.steps, wording)
        return f"Take x, then {text}." if wording == 0 else f"Return x {text}, from left to right."

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        lines, a, b = derive_affine(self.steps, slip, "x")
        return Derivation(tuple(lines), f"f(1)={a + b}", f"def f(x):\n    return {a}*x+{b}")

    def reference(self, value: int) -> int:
        """See `Task`."""
        for op, k in self.steps:
            value = value * k if op == "mul" else value + (k if op == "add" else -k)
        return value

    def inputs(self, rng: Random) -> list[int]:
        """See `Task`."""
        return rng.sample(range(-20, 50), 6)


@dataclass(frozen=True, slots=True)
class Line:
    """A line given by its values at two points."""

    a: int
    b: int
    x1: int
    x2: int

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return (self.a, self.b)

    def statement(self, wording: int) -> str:
        """See `Task`."""
        y1, y2 = self.reference(self.x1), self.reference(self.x2)
        if wording == 0:
            return f"f is a line with f({self.x1})={y1} and f({self.x2})={y2}."
        return f"A line goes through ({self.x1}, {y1}) and ({self.x2}, {y2})."

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        y1, y2 = self.reference(self.x1), self.reference(self.x2)
        dy, dx = slip(y2 - y1), self.x2 - self.x1
        a = slip(dy // dx)
        ax = slip(a * self.x1)
        b = slip(y1 - ax)
        steps = (
            f"{y2}-{y1}={dy}",
            f"{self.x2}-{self.x1}={dx}",
            f"{dy}/{dx}={a}",
            f"{a}*{self.x1}={ax}",
            f"{y1}-{ax}={b}",
        )
        return Derivation(steps, f"f({self.x2})={a * self.x2 + b}", f"def f(x):\n    return {a}*x+{b}")

    def reference(self, value: int) -> int:
        """See `Task`."""
        return self.a * value + self.b

    def inputs(self, rng: Random) -> list[int]:
        """See `Task`."""
        return rng.sample(range(-20, 50), 6)


def _draw_line(rng: Random, steps: int) -> Line:
    x1 = rng.randint(1, 3)
    return Line(rng.randint(2, 4 + steps), rng.randint(1, 5 * steps), x1, x1 + rng.randint(2, steps))


COMPOSE = Family("compose", True, "x", lambda rng, steps: Compose(draw_steps(rng, steps)))
LINE = Family("line", True, "x", _draw_line)
