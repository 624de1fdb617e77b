"""Control flow: where a chain of steps crosses a threshold, and a loop over common multiples."""

import math
from dataclasses import dataclass
from random import Random

from rlif.problems.minicode.arithmetic import Step, steps_text
from rlif.problems.minicode.draft import Derivation, Family, Slip

_OVER, _NOT_OVER = "big", "small"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Apply increasing steps to n and compare with a limit; the program compares n itself."""

    steps: tuple[Step, ...]
    threshold: int

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return (*(x for step in self.steps for x in step), self.threshold)

    def statement(self, wording: int) -> str:
        """See `Task`."""
        limit = self._apply(self.threshold)
        return (
            f"Read n. Take n, then {steps_text(self.steps, wording)}. "
            f"Print {_OVER} if it is over {limit}, else {_NOT_OVER}."
        )

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        limit, lines = self._apply(self.threshold), list[str]()
        for op, k in reversed(self.steps):
            sign = {"add": "-", "sub": "+", "mul": "/"}[op]
            undone = slip(limit // k if op == "mul" else limit + (k if op == "sub" else -k))
            lines.append(f"{limit}{sign}{k}={undone}")
            limit = undone
        code = f"n = int(input())\nprint('{_OVER}' if n > {limit} else '{_NOT_OVER}')"
        return Derivation(tuple(lines), f"n={limit}: {_NOT_OVER}", code)

    def reference(self, value: str) -> str:
        """See `Task`."""
        return _OVER if self._apply(int(value)) > self._apply(self.threshold) else _NOT_OVER

    def inputs(self, rng: Random) -> list[str]:
        """See `Task`: the numbers around the threshold are among them, or any nearby answer would pass."""
        near = [self.threshold, self.threshold + 1, self.threshold - 1, self.threshold + 2]
        far = [n for n in rng.sample(range(-30, 100), 6) if n not in near][:2]
        values = near + far
        rng.shuffle(values)
        return [str(n) for n in values]

    def _apply(self, value: int) -> int:
        for op, k in self.steps:
            value = value * k if op == "mul" else value + (k if op == "add" else -k)
        return value


def _draw_threshold(rng: Random, steps: int) -> Threshold:
    while True:
        chain = tuple((rng.choice(("add", "sub", "mul")), rng.randint(2, 6)) for _ in range(steps))
        task = Threshold(chain, rng.randint(1, 15))
        values = [task.threshold]
        for op, k in chain:
            values.append(values[-1] * k if op == "mul" else values[-1] + (k if op == "add" else -k))
        if min(values) >= 0 and max(values) <= 50 and any(op == "mul" for op, _ in chain):
            return task


@dataclass(frozen=True, slots=True)
class Multiples:
    """Sum the multiples of two numbers up to n; the loop steps by their least common multiple."""

    p: int
    q: int
    extra: int

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return (min(self.p, self.q), max(self.p, self.q))

    def statement(self, wording: int) -> str:
        """See `Task`."""
        if wording == 0:
            what = f"Sum the numbers from 1 to n that {self.p} and {self.q} divide, plus {self.extra}"
        else:
            what = f"Start at {self.extra}, add all i up to n divisible by {self.p} and {self.q}"
        return f"Read n. {what}. Print it."

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        large, small = max(self.p, self.q), min(self.p, self.q)
        multiple, lines = large, [f"{large}%{small}={large % small}"]
        while multiple % small:
            multiple += large
            lines.append(f"{multiple}%{small}={multiple % small}")
        step = slip(multiple)
        if step != multiple:
            lines[-1] = f"{step}%{small}=0"
        code = f"n = int(input())\nprint(sum(range({step}, n+1, {step}))+{self.extra})"
        return Derivation(tuple(lines), f"step {step}", code)

    def reference(self, value: str) -> str:
        """See `Task`."""
        numbers = range(1, int(value) + 1)
        return str(sum(i for i in numbers if i % self.p == 0 and i % self.q == 0) + self.extra)

    def inputs(self, rng: Random) -> list[str]:
        """See `Task`."""
        lcm = math.lcm(self.p, self.q)
        return [str(n) for n in (lcm, 3 * lcm + 1, 2 * lcm - 1, lcm - 1, *rng.sample(range(200, 400), 2))]


def _draw_multiples(rng: Random, steps: int) -> Multiples:
    while True:
        p, q = rng.randint(2, 4 + 3 * steps), rng.randint(2, 4 + 3 * steps)
        if p != q and math.lcm(p, q) // max(p, q) <= steps + 1 and math.lcm(p, q) <= 60:
            return Multiples(p, q, rng.randint(1, 15))


THRESHOLD = Family("threshold", False, "", _draw_threshold)
MULTIPLES = Family("multiples", False, "", _draw_multiples)
