"""Sequences: pipelines on a list of numbers, and on a word read from standard input."""

from dataclasses import dataclass
from random import Random

from rlif.problems.minicode.arithmetic import Step, apply_step, draw_steps
from rlif.problems.minicode.draft import Derivation, Family, Slip

_LIST_WORDS = (
    {
        "skip": "drop the first {}",
        "add": "add {} to each",
        "sub": "subtract {} from each",
        "mul": "multiply each by {}",
    },
    {"skip": "skip {} items", "add": "plus {}", "sub": "minus {}", "mul": "times {}"},
)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps on a list: arithmetic on every item, and dropping items from the front."""

    steps: tuple[Step, ...]

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return tuple(x for step in self.steps for x in step)

    def statement(self, wording: int) -> str:
        """See `Task`."""
        text = ", ".join(_LIST_WORDS[wording][op].format(k) for op, k in self.steps)
        return f"Given a list xs, {text}." if wording == 0 else f"Pipeline on list xs: {text}."

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        a, b, skip, lines = 1, 0, 0, list[str]()
        for op, k in self.steps:
            if op == "skip":
                skip = slip(skip + k)
                lines.append(f"skip {skip}")
                continue
            a, b = apply_step((a, b), op, k)
            a, b = (slip(a), slip(b) if b else 0) if op == "mul" else (a, slip(b))
            lines.append(f"{a}v+{b}")
        code = f"def f(xs):\n    return [{a}*v+{b} for v in xs[{skip}:]]"
        return Derivation(tuple(lines), f"v=1: {a + b}", code)

    def reference(self, value: list[int]) -> list[int]:
        """See `Task`."""
        for op, k in self.steps:
            if op == "skip":
                value = value[k:]
            else:
                value = [v * k if op == "mul" else v + (k if op == "add" else -k) for v in value]
        return value

    def inputs(self, rng: Random) -> list[list[int]]:
        """See `Task`."""
        return [[rng.randint(-9, 9) for _ in range(size)] for size in (9, 12, 14, 10, 4, 16)]


def _draw_pipeline(rng: Random, steps: int) -> Pipeline:
    skips = [("skip", rng.randint(1, 4)) for _ in range(1 if steps == 2 else 2)]
    merged: list[Step] = [*draw_steps(rng, max(2, steps - 1))]
    for skip in skips:
        merged.insert(rng.randint(0, len(merged)), skip)
    return Pipeline(tuple(merged))


@dataclass(frozen=True, slots=True)
class Word:
    """Cut letters off a word, repeat it, and put marks behind it; each in several portions."""

    cuts: tuple[int, ...]
    repeats: tuple[int, ...]
    marks: tuple[int, ...]

    def key(self) -> tuple[int | str, ...]:
        """See `Task`."""
        return (*self.cuts, "cut", *self.repeats, "repeat", *self.marks)

    def statement(self, wording: int) -> str:
        """See `Task`."""
        if wording == 0:
            cut, repeat, mark = "remove the first {} letters", "repeat it {} times", "append {} marks '!'"
        else:
            cut, repeat, mark = "cut {} letters off the front", "write it {} times", "add {} times '!'"
        parts = [cut.format(k) for k in self.cuts] + [repeat.format(k) for k in self.repeats]
        parts += [mark.format(k) for k in self.marks]
        return f"Read a word, {', '.join(parts)}. Print it."

    def derive(self, slip: Slip) -> Derivation:
        """See `Task`."""
        lines = list[str]()

        def fold(portions: tuple[int, ...], sign: str) -> int:
            total = portions[0]
            for k in portions[1:]:
                result = slip(total * k if sign == "*" else total + k)
                lines.append(f"{total}{sign}{k}={result}")
                total = result
            return total

        cut, repeat, mark = fold(self.cuts, "+"), fold(self.repeats, "*"), fold(self.marks, "+")
        code = f"s = input()\nprint(s[{cut}:]*{repeat}+'!'*{mark})"
        return Derivation(tuple(lines), f"cut {cut}, times {repeat}, marks {mark}", code)

    def reference(self, value: str) -> str:
        """See `Task`."""
        for k in self.cuts:
            value = value[k:]
        for k in self.repeats:
            value = value * k
        return value + "!" * sum(self.marks)

    def inputs(self, rng: Random) -> list[str]:
        """See `Task`."""
        sizes = (9, 15, 20, 12, 7, 17)
        return ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size)) for size in sizes]


def _draw_word(rng: Random, steps: int) -> Word:
    portions = {2: (2, 2, 1), 3: (2, 2, 2), 4: (3, 2, 3)}[steps]
    cuts = tuple(rng.randint(1, 4) for _ in range(portions[0]))
    repeats = tuple(rng.randint(2, 4) for _ in range(portions[1]))
    marks = tuple(rng.randint(2, 6) for _ in range(portions[2]))
    return Word(cuts, repeats, marks)


PIPELINE = Family("pipeline", True, "xs", _draw_pipeline)
WORD = Family("word", False, "", _draw_word)
