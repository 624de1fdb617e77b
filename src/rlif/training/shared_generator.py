"""Completions that several processes draw together.

`TransformersGenerator` draws a batch with a seed that follows from the prompts and the batch's number alone.
So it does not matter which process draws it: the completions are those that one process would draw.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import cast

from rlif.evaluation import Sampling
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.prompts import Prompt
from rlif.rollouts import Completion
from rlif.training.processes import of_each, processes

_DRAWN_ELSEWHERE = cast("Completion", None)
"""Stands for a completion until the process that draws it has sent it."""


class SharedOut(TransformersGenerator):
    """Each process draws its share of the batches, and all get all completions.

    For a model that each process has all of, and prompts that are the same on all.
    """

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions), once all processes have drawn theirs."""
        for shares in zip(*of_each(list(super().generate(prompts, sampling, done))), strict=True):
            index = shares[0][0]
            candidates = zip(*(completions for _, completions in shares), strict=True)
            yield index, [next(c for c in of_one if c is not _DRAWN_ELSEWHERE) for of_one in candidates]

    def _draw(self, prompt_ids: list[list[int]], sampling: Sampling, batch_number: int) -> list[Completion]:
        state = processes()
        if batch_number % state.num_processes != state.process_index:
            return [_DRAWN_ELSEWHERE] * len(prompt_ids)
        return super()._draw(prompt_ids, sampling, batch_number)


class InStep(TransformersGenerator):
    """Each process gives prompts of its own, all draw the completions of all, and each keeps its own.

    For a model in shards, of which no process can make a pass that the others do not make. It saves no time:
    every process makes the passes of all.
    """

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions) of this process's prompts; `done` is not looked at."""
        everyone = of_each((list(prompts), sampling))
        first = sum(len(theirs) for theirs, _ in everyone[: processes().process_index])
        everything = [prompt for theirs, _ in everyone for prompt in theirs]
        # Each process brings a seed of its own, and all have to draw the same: the first one's will do.
        for index, completions in super().generate(everything, everyone[0][1]):
            if first <= index < first + len(prompts):
                yield index - first, completions
