"""Completions from a transformers model in this process."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from rlif.completions import completion_from_ids
from rlif.errors import UserError
from rlif.evaluation.decoding import Decoding, StopStrings, decode, undisturbed
from rlif.evaluation.models import context_length, eos_token_ids
from rlif.evaluation.sampling import Sampling
from rlif.problems.extraction import Extract, extract_code
from rlif.problems.prompts import Prompt, tokenize_prompts
from rlif.rollouts import Completion

_log = logging.getLogger(__name__)

_PART_SEED = 15_485_863
"""Seeds of a batch's parts are so far apart: no multiple of 2 (torch on a CPU uses 32 bits of a seed)."""


class TransformersGenerator:
    """Draws completions in batches of similar prompt length, left-padded, with a key-value cache.

    Batches and their seeds depend on the prompts and the sampling alone. So a killed evaluation that starts
    again repeats exactly the batches it had not finished, and draws what it would have drawn. A batch that
    the device's memory does not hold is drawn in halves, each with a seed of its own; every batch is tried
    whole first, so that what is drawn does not depend on where the evaluation was started again.

    Args:
        model: on any device; may be in the middle of training: its mode and generation settings are put back.
        tokenizer: the model's.
        batch_size: completions drawn at a time; bounds memory.
        extract: the rule that finds the program in an answer.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int = 16,
        extract: Extract = extract_code,
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.extract = extract
        self.eos_ids = eos_token_ids(model, tokenizer)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions); see `rlif.evaluation.sampling.Generator`."""
        prompt_ids = tokenize_prompts(self.tokenizer, prompts)
        context = context_length(self.model)
        fitting = [index for index, ids in enumerate(prompt_ids) if sampling.fits(len(ids), context)]
        # Longest first: if memory is short, it is short at once.
        fitting.sort(key=lambda index: len(prompt_ids[index]), reverse=True)
        rows = [index for index in fitting for _ in range(sampling.samples)]
        drawn: dict[int, list[Completion]] = defaultdict(list)
        for number, start in enumerate(range(0, len(rows), self.batch_size)):
            batch = rows[start : start + self.batch_size]
            if all(index in done for index in batch):
                continue
            completions = self._draw([prompt_ids[index] for index in batch], sampling, number)
            for index, completion in zip(batch, completions, strict=True):
                drawn[index].append(completion)
                if len(drawn[index]) == sampling.samples and index not in done:
                    yield index, drawn.pop(index)

    def _draw(self, prompt_ids: list[list[int]], sampling: Sampling, batch_number: int) -> list[Completion]:
        """Return one completion for each prompt of a batch."""
        seed = sampling.seed * 1_000_003 + batch_number
        return [self._completion(ids, sampling) for ids in self._sample(prompt_ids, sampling, seed)]

    def _sample(
        self, prompt_ids: list[list[int]], sampling: Sampling, seed: int, first: int = 0
    ) -> list[list[int]]:
        """Return the token ids that follow each prompt, padded at the end.

        Args:
            prompt_ids: a batch, or a part of one.
            sampling: how to draw.
            seed: of the batch.
            first: row of the batch that the part begins with; gives the part a seed of its own.
        """
        try:
            return self._generate(prompt_ids, sampling, seed + first * _PART_SEED)
        except torch.OutOfMemoryError as error:
            if len(prompt_ids) == 1:
                raise UserError(
                    f"One completion of {sampling.max_tokens} tokens does not fit the device's memory.",
                    "Lower max_tokens, or use a smaller model or dtype.",
                ) from error
        torch.cuda.empty_cache()  # not in the handler: there the failed call still holds its tensors
        half = len(prompt_ids) // 2
        _log.warning("Out of memory: %d completions are drawn in halves.", len(prompt_ids))
        return [
            *self._sample(prompt_ids[:half], sampling, seed, first),
            *self._sample(prompt_ids[half:], sampling, seed, first + half),
        ]

    def _generate(self, prompt_ids: list[list[int]], sampling: Sampling, seed: int) -> list[list[int]]:
        width = max(len(ids) for ids in prompt_ids)
        decoding = Decoding(
            settings=lambda tokens: self._settings(sampling, tokens),
            max_tokens=sampling.max_tokens,
            stopping=[StopStrings(self.tokenizer, sampling.stop, width)] if sampling.stop else [],
            has_ended=lambda ids: self._completion(ids, sampling).finished,
        )
        with undisturbed(self.model, seed):
            return decode(self.model, prompt_ids, self._pad_id(), decoding)

    def _completion(self, ids: list[int], sampling: Sampling) -> Completion:
        return completion_from_ids(self.tokenizer, ids, self.eos_ids, self.extract, sampling.stop)

    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return pad if isinstance(pad, int) else min(self.eos_ids)

    def _settings(self, sampling: Sampling, tokens: int) -> GenerationConfig:
        """Return settings for nothing but temperature and top-p sampling, or greedy search."""
        drawing = {} if sampling.mode == "greedy" else {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
        }  # fmt: skip
        return GenerationConfig(
            do_sample=sampling.mode == "sampled",
            max_new_tokens=tokens,
            eos_token_id=sorted(self.eos_ids),
            pad_token_id=self._pad_id(),
            use_cache=True,
            return_dict_in_generate=True,
            **drawing,
        )
