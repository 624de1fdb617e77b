"""Completions from vLLM in this process.

vLLM is imported only here, and only when wanted. It draws each request with a seed of its own, so what is
drawn does not depend on how requests are batched, up to the rounding of the kernels that serve a batch.
"""

import importlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rlif.completions import completion_from_ids
from rlif.errors import UserError, missing_extra
from rlif.evaluation.dtype import Dtype
from rlif.evaluation.models import model_source
from rlif.evaluation.sampling import Sampling
from rlif.problems.extraction import Extract, extract_code
from rlif.problems.prompts import Prompt, tokenize_prompts
from rlif.rollouts import Completion

_CHUNK = 64
"""Prompts handed over at a time: enough to keep a GPU busy, few enough that a kill loses little."""


class VLLMGenerator:
    """Draws completions with an engine of vLLM.

    Prompts are handed over as token ids, made as for every other model in this process.

    Args:
        llm: a `vllm.LLM`; see `load_vllm`.
        extract: the rule that finds the program in an answer.
    """

    def __init__(self, llm: Any, extract: Extract = extract_code) -> None:
        self.llm, self.extract = llm, extract
        self.tokenizer: Any = llm.get_tokenizer()
        self.context: int = llm.llm_engine.model_config.max_model_len

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions); see `rlif.evaluation.sampling.Generator`."""
        prompt_ids = tokenize_prompts(self.tokenizer, prompts)
        wanted = [
            index
            for index, ids in enumerate(prompt_ids)
            if index not in done and sampling.fits(len(ids), self.context)
        ]
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            requests = self.llm.generate(
                [{"prompt_token_ids": prompt_ids[index]} for index in chunk],
                [_sampling_params(sampling, index) for index in chunk],
                use_tqdm=False,
            )
            for index, request in zip(chunk, requests, strict=True):
                outputs = sorted(request.outputs, key=lambda output: output.index)
                yield index, [self._completion(output, sampling) for output in outputs]

    def _completion(self, output: Any, sampling: Sampling) -> Completion:
        ids = list(output.token_ids)
        # What ended it: a stop string is named, EOS is not, and is the last id.
        ended_by_token = output.finish_reason == "stop" and not isinstance(output.stop_reason, str)
        eos_ids = set(ids[-1:]) if ended_by_token else set[int]()
        return completion_from_ids(self.tokenizer, ids, eos_ids, self.extract, sampling.stop)


def load_vllm(name: str, dtype: Dtype = "auto") -> Any:
    """Return a `vllm.LLM` of a model by alias, directory or hub id.

    Raises:
        UserError: vLLM is not installed, there is no such model, or vLLM cannot load it.
    """
    vllm = _vllm()
    source = model_source(name)
    try:
        return vllm.LLM(model=source, dtype=dtype)
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"vLLM cannot load '{name}': {reason}",
            "Its own settings are those of `vllm serve`: serve the model with it, and give --endpoint.",
        ) from error


def _sampling_params(sampling: Sampling, prompt: int) -> Any:
    """Return settings for nothing but temperature and top-p sampling, or greedy search."""
    return _vllm().SamplingParams(
        n=sampling.samples,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop=list(sampling.stop),
        seed=sampling.request_seed(prompt),  # sample i gets this seed + i
    )


def _vllm() -> Any:
    try:
        return importlib.import_module("vllm")
    except ImportError:
        raise missing_extra("vllm", "vllm") from None
