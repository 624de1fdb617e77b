"""The text a minicode base model is taught from: worked answers as people write them, not all of them right.

Real pre-training text shows the same task solved in many ways, with and without working, and with mistakes.
So does this corpus: `CorpusMix` says how much of each. Nothing in it knows of any reward; what a reward later
makes of a model taught this way is measured, not built in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from rlif.problems.minicode.draft import Derivation, Slip
from rlif.problems.minicode.generate import draw_tasks, to_problem
from rlif.problems.prompts import Prompt, build_prompt


@dataclass(frozen=True, slots=True)
class CorpusMix:
    """Shares of the ways of answering.

    Attributes:
        long: steps and a check before the program. short: steps only. The rest is the bare program.
        mistake: probability that an intermediate result is off; what follows builds on it.
        mistake_bare: the same for who writes no steps down, and slips more easily.
    """

    long: float = 0.3
    short: float = 0.4
    mistake: float = 0.05
    mistake_bare: float = 0.15


def answer(derivation: Derivation, style: str) -> str:
    """Write an answer in a style: "long", "short" or "bare"."""
    steps = ["Steps:", *derivation.steps]
    lines = {"long": [*steps, derivation.check], "short": steps, "bare": []}[style]
    return "\n".join([*lines, "```python", derivation.code, "```"])


def corpus(seed: int, mix: CorpusMix) -> Iterator[tuple[Prompt, str]]:
    """Yield (prompt, answer) pairs without end, on problems of the "base" split only."""
    rng = Random(f"corpus-{seed}")
    for drawn in draw_tasks("base", seed):
        u = rng.random()
        style = "long" if u < mix.long else "short" if u < mix.long + mix.short else "bare"
        prompt = build_prompt(to_problem(drawn, "base"), "bare", chat=True)
        mistake = mix.mistake_bare if style == "bare" else mix.mistake
        yield prompt, answer(drawn.task.derive(_slip(rng, mistake)), style)


def _slip(rng: Random, probability: float) -> Slip:
    def slip(value: int) -> int:
        if rng.random() >= probability:
            return value
        return max(0, value + rng.choice((-2, -1, 1, 2)))

    return slip
