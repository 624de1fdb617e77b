"""Completions from a transformers model in this process."""

import logging
from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    DynamicCache,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from rlif.completions import completion_from_ids
from rlif.errors import UserError
from rlif.evaluation.models import context_length, eos_token_ids
from rlif.evaluation.sampling import Sampling
from rlif.problems.extraction import Extract, extract_code
from rlif.problems.prompts import Prompt, tokenize_prompts
from rlif.rollouts import Completion

_log = logging.getLogger(__name__)

_ROUND = 128
"""Tokens after which finished rows leave a batch. The longest answer decides how long a batch takes, and the
mean one, often a third as long, what it is worth; leaving too often would cost copies of the cache."""

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
        return [
            completion_from_ids(self.tokenizer, ids, self.eos_ids, self.extract, sampling.stop)
            for ids in self._sample(prompt_ids, sampling, seed)
        ]

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
        """Generate in rounds; rows that have ended are not carried into the next one."""
        width = max(len(ids) for ids in prompt_ids)
        pad = self._pad_id()
        device = self.model.device
        ids = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompt_ids], device=device)
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompt_ids], device=device)
        stopping = [_StopStrings(self.tokenizer, sampling.stop, width)] if sampling.stop else []
        drawn: list[list[int]] = [[] for _ in prompt_ids]
        rows, cache = list(range(len(prompt_ids))), None
        with _undisturbed(self.model, seed):
            while rows:
                so_far = ids.shape[1] - width
                output: Any = self.model.generate(  # pyright: ignore[reportCallIssue]
                    input_ids=ids,
                    attention_mask=mask,
                    past_key_values=cache,
                    generation_config=self._settings(sampling, min(_ROUND, sampling.max_tokens - so_far)),
                    stopping_criteria=StoppingCriteriaList(stopping),
                )
                for row, tokens in zip(rows, output.sequences[:, width:].tolist(), strict=True):
                    drawn[row] = tokens
                full = output.sequences.shape[1] - width >= sampling.max_tokens
                going = (
                    [] if full else [n for n, row in enumerate(rows) if not self._ended(drawn[row], sampling)]
                )
                rows, kept = [rows[n] for n in going], torch.tensor(going, device=device)
                if rows:
                    ids, cache = output.sequences[kept], _kept(output.past_key_values, kept)
                    mask = torch.nn.functional.pad(mask[kept], (0, ids.shape[1] - mask.shape[1]), value=1)
        return drawn

    def _ended(self, ids: list[int], sampling: Sampling) -> bool:
        """Whether an answer is complete, by the rule that it is cut by afterwards."""
        return completion_from_ids(self.tokenizer, ids, self.eos_ids, self.extract, sampling.stop).finished

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


def _kept(cache: Any, rows: torch.Tensor) -> DynamicCache | None:
    """Return the cache with these rows alone; None if it has no rows to choose: it is filled anew then."""
    if not isinstance(cache, DynamicCache):
        return None
    cache.batch_select_indices(rows)
    return cache


class _StopStrings(StoppingCriteria):
    """Ends a row whose text holds a stop string.

    It decodes the last tokens of a row, by the rule that completions are cut by afterwards, so both see the
    same text. (`stop_strings` of transformers goes by the vocabulary's spelling of each token.)
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str], width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width
        # A token holds a byte at least; a few more for those without text of their own.
        self.window = max(len(text.encode()) for text in stop) + 4

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Return for each row [B] whether it is ended; input_ids [B, T], the prompt included."""
        recent = input_ids[:, max(self.width, input_ids.shape[1] - self.window) :].tolist()
        ended = [any(stop in self._text(ids) for stop in self.stop) for ids in recent]
        return torch.tensor(ended, device=input_ids.device)

    def _text(self, ids: list[int]) -> Any:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@contextmanager
def _undisturbed(model: PreTrainedModel, seed: int) -> Generator[None]:
    """Run a generation with its own randomness, in evaluation mode; leave no trace in a model in training.

    `generate` fills what its settings leave open from the model's own generation settings (a top-k of 50, a
    repetition penalty): these are put aside. No gradients, but not `inference_mode`, whose tensors (a cached
    rotary table, say) could not take part in training afterwards.
    """
    modes = {module: module.training for module in model.modules()}
    settings = model.generation_config
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        model.generation_config = GenerationConfig()
        try:
            yield
        finally:
            model.generation_config = settings
            for module, mode in modes.items():
                module.training = mode
