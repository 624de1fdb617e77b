"""`Sampling`, how completions are drawn, and `Generator`, what draws them."""

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

    Raises:
        UserError: a value out of its range, or several greedy samples (they would be equal).
    """

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0

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

    @property
    def mode(self) -> Literal["greedy", "sampled"]:
        """The word that evaluation records use."""
        return "greedy" if self.temperature == 0 else "sampled"


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
