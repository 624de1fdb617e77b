"""Completions from vLLM: what is asked of it, checked with an engine that has its interface and a tiny model.

`FakeLLM` and `FakeParams` take the arguments that vLLM 0.33 documents, and nothing else. Where vLLM itself is
installed, the last test runs it.
"""

import importlib.util
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.backends import BackendName, make_generator
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.evaluation.vllm_generator import VLLMGenerator
from rlif.problems.prompts import Prompt

PROMPTS: list[Prompt] = ["def", "print(int(input()))\n", "Let us think", [{"role": "user", "content": "x"}]]
GREEDY = Sampling(max_tokens=12)
SAMPLED = Sampling(samples=3, temperature=1.0, top_p=0.9, max_tokens=12, seed=5)


@dataclass(kw_only=True)
class FakeParams:
    """The fields of `vllm.SamplingParams` that rlif may use."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = 16
    stop: str | list[str] | None = None
    seed: int | None = None


@dataclass
class FakeLLM:
    """`vllm.LLM`, its answers drawn by transformers; a request's tokens end as vLLM's do, EOS included."""

    model: str
    dtype: str = "auto"
    calls: list[tuple[list[Any], list[FakeParams]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not Path(self.model).is_dir():
            raise ValueError(f"no {self.model}\nand a long trace")
        self.tokenizer = tiny_tokenizer()
        self.inner = TransformersGenerator(tiny_llama(self.tokenizer), self.tokenizer, batch_size=1)
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=64))

    def get_tokenizer(self) -> Any:
        return self.tokenizer

    def generate(
        self, prompts: list[Any], sampling_params: list[FakeParams], *, use_tqdm: bool = True
    ) -> list[Any]:
        assert not use_tqdm
        assert len(prompts) == len(sampling_params)
        self.calls.append((prompts, sampling_params))
        return [
            SimpleNamespace(outputs=self._outputs(prompt["prompt_token_ids"], params))
            for prompt, params in zip(prompts, sampling_params, strict=True)
        ]

    def _outputs(self, ids: list[int], params: FakeParams) -> list[Any]:
        outputs = [self._output(ids, params, index) for index in range(params.n)]
        random.Random(0).shuffle(outputs)
        return outputs

    def _output(self, ids: list[int], params: FakeParams, index: int) -> Any:
        sampling = Sampling(
            1, params.temperature, params.top_p, params.max_tokens or 0, (params.seed or 0) + index
        )
        stop = tuple(params.stop or ())
        [completion] = self.inner._draw([ids], sampling, 0)
        tokens, reason, because = completion.token_ids, "stop" if completion.finished else "length", None
        for n in range(1, len(tokens) + 1):
            text = self.tokenizer.decode(tokens[:n], skip_special_tokens=True)
            if hit := [s for s in stop if s in text]:
                tokens, reason, because = tokens[:n], "stop", hit[0]
                break
        return SimpleNamespace(index=index, token_ids=tokens, finish_reason=reason, stop_reason=because)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("vllm")
    module.LLM, module.SamplingParams = FakeLLM, FakeParams
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.fixture
def generator(fake: None, tmp_path: Path) -> VLLMGenerator:
    return VLLMGenerator(FakeLLM(str(tmp_path)))


def test_greedy_completions_are_those_of_transformers(generator: VLLMGenerator):
    expected = dict(generator.llm.inner.generate(PROMPTS, GREEDY))
    assert dict(generator.generate(PROMPTS, GREEDY)) == expected


def test_an_answer_that_ended_is_finished_and_keeps_its_eos(generator: VLLMGenerator):
    long = Sampling(temperature=1.0, max_tokens=60)
    completions = [completion for _, (completion,) in generator.generate(["def"] * 10, long)]
    eos = generator.tokenizer.eos_token_id
    ended = [completion.token_ids[-1] == eos for completion in completions]
    assert ended == [completion.finished for completion in completions]
    assert set(ended) == {True, False}


def test_one_request_a_prompt_with_its_own_seed(generator: VLLMGenerator):
    answers = dict(generator.generate(PROMPTS, SAMPLED))
    [(_, params)] = generator.llm.calls
    assert [(p.n, p.temperature, p.top_p, p.max_tokens) for p in params] == [(3, 1.0, 0.9, 12)] * 4
    assert len({p.seed for p in params}) == 4
    assert all(len(set(samples)) > 1 for samples in answers.values())


def test_what_is_done_is_not_drawn_again_and_does_not_change_the_rest(generator: VLLMGenerator):
    whole = dict(generator.generate(PROMPTS, SAMPLED))
    rest = dict(generator.generate(PROMPTS, SAMPLED, done={0, 2}))
    assert rest == {index: whole[index] for index in (1, 3)}
    assert len(generator.llm.calls[-1][0]) == 2


def test_a_prompt_too_long_is_left_out(generator: VLLMGenerator):
    assert sorted(dict(generator.generate(["def", "x y " * 40, "x"], GREEDY))) == [0, 2]


def test_prompts_are_handed_over_in_chunks_and_yielded_after_each(
    generator: VLLMGenerator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rlif.evaluation.vllm_generator._CHUNK", 3)
    answers = generator.generate(PROMPTS, GREEDY)
    next(answers)
    assert [len(prompts) for prompts, _ in generator.llm.calls] == [3]
    assert len(list(answers)) == 3
    assert [len(prompts) for prompts, _ in generator.llm.calls] == [3, 1]


def test_a_stop_string_ends_and_is_cut(generator: VLLMGenerator):
    ((_, (whole,)),) = generator.generate(["def"], GREEDY)
    stop = whole.text[3:5]
    ((_, (cut,)),) = generator.generate(["def"], Sampling(max_tokens=12, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finished
    assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]
    assert generator.llm.calls[-1][1][0].stop == [stop]


def test_the_back_end_is_made_from_a_directory(fake: None, tmp_path: Path):
    backend = make_generator(BackendName.VLLM, str(tmp_path))
    assert (backend.chat, backend.context) == (True, 64)
    assert (backend.model, backend.tokenizer) == (None, None)
    assert str(tmp_path) in backend.identity


def test_what_vllm_cannot_load_is_told_in_its_words(fake: None):
    with pytest.raises(UserError, match=r"vLLM cannot load 'some/model': no some/model\n"):
        make_generator(BackendName.VLLM, "some/model")


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_extra_is_named():
    with pytest.raises(UserError, match=r"rlif\[vllm\]"):
        make_generator(BackendName.VLLM, "minicode-base")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_itself_draws_what_transformers_draws():
    here = make_generator(BackendName.TRANSFORMERS, "minicode-base")
    there = make_generator(BackendName.VLLM, "minicode-base")
    prompts: list[Prompt] = [[{"role": "user", "content": f"Write f(x) = {n} * x."}] for n in range(4)]
    own = dict(here.generator.generate(prompts, GREEDY))
    assert dict(there.generator.generate(prompts, GREEDY)) == own
    sampled = dict(there.generator.generate(prompts, SAMPLED))
    assert sampled == dict(there.generator.generate(prompts, SAMPLED))
