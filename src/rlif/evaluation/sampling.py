"""`Sampling`, how completions are drawn, and `Generator`, what draws them."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rlif.errors import UserError
from rlif.problems.prompts import Prompt
from rlif.rollouts import Completion


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        samples: completions a prompt.
        temperature: logits are divided by it; 0 takes the most probable token (greedy).
        top_p: only the most probable tokens that together reach this probability are drawn from.
        max_tokens: longest completion, in tokens.
        seed: of the draws.
        stop: texts that end a completion, which is cut before them. None by default: LiveCodeBench's own
            runner stops at "###", which cuts an answer at its first Markdown heading of that level.

    Raises:
        UserError: a value out of its range, or several greedy samples (they would be equal).
    """

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UserError(f"samples must be at least 1; got {self.samples}.")
        if self.temperature < 0:
            raise UserError(f"temperature must be 0 (greedy) or positive; got {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p must be above 0 and at most 1; got {self.top_p}.")
        if self.max_tokens < 1:
            raise UserError(f"max_tokens must be at least 1; got {self.max_tokens}.")
        if self.mode == "greedy" and self.samples > 1:
            raise UserError(
                f"{self.samples} samples at temperature 0 would all be the same.",
                "Give a temperature above 0, or samples = 1.",
            )
        if isinstance(self.stop, str) or "" in self.stop:
            raise UserError(f"stop must be texts that are not empty; got {self.stop!r}.")

    @property
    def mode(self) -> Literal["greedy", "sampled"]:
        """The word that evaluation records use."""
        return "greedy" if self.temperature == 0 else "sampled"

    def fits(self, prompt_tokens: int, context: int | None) -> bool:
        """Return whether prompt and longest completion fit a context of so many tokens; None: no limit."""
        return context is None or prompt_tokens + self.max_tokens <= context

    def request_seed(self, prompt: int, sample: int = 0) -> int:
        """Return the seed of one sample of one prompt, for back ends that take one with each request.

        A function of the seed and the two indices alone, in 31 bits: some servers keep no more.
        """
        return random.Random(f"{self.seed}/{prompt}/{sample}").getrandbits(31)


class Generator(Protocol):
    """A back end that draws completions."""

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions) in any order, each prompt as soon as it is done.

        Args:
            prompts: all prompts. One that does not fit the model's context together with `max_tokens` is left
                out of what is yielded; it is never cut.
            sampling: how to draw. Equal prompts and sampling give equal completions, whatever is `done`.
            done: indices whose completions are known and not wanted again.
        """
        ...
