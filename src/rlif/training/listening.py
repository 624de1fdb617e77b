"""`Listening`: token statistics of the policy from the passes in which it generates, where that is possible.

Everything else is left to a forward pass over the finished completions, and the log says why, once.
"""

import logging
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any, Self

from rlif.rollouts import TokenStats
from rlif.token_stats import GenerationTap, undefined_tokens
from rlif.token_stats.checks import undefined_message

_log = logging.getLogger(__name__)


class Listening:
    """A `GenerationTap` for each temperature, opened anew for every generation.

    Args:
        on: False: nothing is heard, and every request answered with None.
        eos_ids: the ids that end a completion.
    """

    def __init__(self, on: bool, eos_ids: Collection[int]) -> None:
        self.on, self.eos_ids = on, eos_ids
        self._taps: dict[float, GenerationTap] = {}
        self._said: set[str] = set()
        self._stack = ExitStack()

    def to(self, model: Any, temperatures: Collection[float]) -> Self:
        """Return the context in which this model generates; the temperatures are those of the statistics."""
        wanted = set(temperatures) if self.on else set[float]()
        self._taps = {temperature: GenerationTap(model, self.eos_ids, temperature) for temperature in wanted}
        return self

    def __enter__(self) -> Self:
        for tap in self._taps.values():
            self._stack.enter_context(tap)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def stats(
        self,
        prompt_ids: Sequence[Sequence[int]],
        completion_ids: Sequence[Sequence[int]],
        temperature: float,
    ) -> TokenStats | None:
        """Return what was heard of these completions [N, T], once; None if they have to be scored anew."""
        tap = self._taps.pop(temperature, None)
        if tap is None:
            return None
        stats = tap.stats(prompt_ids, completion_ids)
        if stats is None:
            self.say(f"Token statistics take a forward pass of their own: {tap.reason}.")
        return stats

    def check(self, stats: TokenStats, step: int) -> None:
        """Say so if some of them are undefined: their rewards will be."""
        if undefined := undefined_tokens(stats):
            _log.warning("Step %d: %s", step, undefined_message(undefined))

    def say(self, message: str) -> None:
        """Log a warning, the first time."""
        if message not in self._said:
            self._said.add(message)
            _log.warning(message)
