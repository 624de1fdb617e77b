"""`GenerationTap`: what generation saw is what a forward pass over the finished completions would see."""

from pathlib import Path
from typing import Any

import pytest
import torch
from test_trainer import train
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.rewards import Random, SelfCertainty
from rlif.rollouts import TokenStats
from rlif.token_stats import GenerationTap, completion_mask, model_token_stats, tap

EOS, PAD = 1, 2
PROMPTS = [[11, 12], [21, 22, 23, 24], [31, 32, 33]]
NAMES = ("logprob", "entropy", "self_certainty", "max_prob", "margin")


@pytest.fixture
def model() -> Any:
    return tiny_llama(tiny_tokenizer(), initializer_range=0.1)


def generate(model: Any, eos: list[int], **settings: Any) -> list[list[int]]:
    """Sample a completion of at most 20 tokens for each prompt."""
    width = max(map(len, PROMPTS))
    ids = torch.tensor([[PAD] * (width - len(p)) + p for p in PROMPTS])
    torch.manual_seed(0)
    settings = {"max_new_tokens": 20, "do_sample": True, "eos_token_id": eos, "pad_token_id": PAD} | settings
    drawn = model.generate(input_ids=ids, attention_mask=(ids != PAD).long(), **settings)[:, width:]
    return [row[keep].tolist() for row, keep in zip(drawn, completion_mask(drawn, eos), strict=True)]


def by_a_forward_pass(model: Any, completions: list[list[int]], temperature: float) -> TokenStats:
    width, length = max(map(len, PROMPTS)), max(map(len, completions))
    ids = torch.full((len(PROMPTS), width + length), PAD)
    attention = torch.zeros_like(ids)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, completions, strict=True)):
        span = slice(width - len(prompt), width + len(completion))
        ids[row, span], attention[row, span] = torch.tensor(prompt + completion), 1
    return model_token_stats(model, ids, attention, length, attention[:, width:].bool(), temperature)


def assert_agree(got: TokenStats | None, expected: TokenStats) -> None:
    assert got is not None
    assert torch.equal(got.mask, expected.mask)
    assert got.temperature == expected.temperature
    for name in NAMES:
        torch.testing.assert_close(getattr(got, name), getattr(expected, name), rtol=1e-5, atol=1e-5)


# 320 logits a token: everything at the end; a few steps at a time; every step.
@pytest.mark.parametrize("buffer", [2**21, 3 * 3 * 320, 0])
def test_agrees_with_the_forward_pass(model: Any, buffer: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tap, "BUFFERED_LOGITS", buffer)
    eos = [EOS, *range(100, 130)]  # frequent enough that completions end at different steps
    with GenerationTap(model, eos, 0.7) as listener:
        completions = generate(model, eos)
    assert len({len(c) for c in completions}) > 1
    assert_agree(listener.stats(PROMPTS, completions), by_a_forward_pass(model, completions, 0.7))
    assert listener.reason == ""


def test_sees_the_model_itself_behind_temperature_penalties_and_top_p(model: Any):
    settings = {"temperature": 1.7, "top_k": 5, "top_p": 0.8, "repetition_penalty": 1.3, "min_new_tokens": 3}
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS], **settings)
    assert_agree(listener.stats(PROMPTS, completions), by_a_forward_pass(model, completions, 1.0))


def test_works_without_a_cache(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS], use_cache=False)
    assert_agree(listener.stats(PROMPTS, completions), by_a_forward_pass(model, completions, 1.0))


def test_a_peft_model_is_tapped_inside():
    peft = pytest.importorskip("peft")
    model = tiny_llama(tiny_tokenizer(), initializer_range=0.1)
    config = peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config).eval()
    with GenerationTap(adapted, [EOS]) as listener:
        completions = generate(adapted, [EOS])
    assert_agree(listener.stats(PROMPTS, completions), by_a_forward_pass(adapted, completions, 1.0))


def test_hears_nothing_after_it_was_closed(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS])
    generate(model, [EOS])
    assert listener.stats(PROMPTS, completions) is not None
    assert not model._forward_hooks


# --- when it must not answer -----------------------------------------------------------------------------


def refused(listener: GenerationTap, completions: list[list[int]], prompts: list[list[int]] = PROMPTS) -> str:
    assert listener.stats(prompts, completions) is None
    return listener.reason


def test_other_completions_are_refused(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS])
    changed = [list(c) for c in completions]
    changed[1][3] += 1
    assert refused(listener, changed) == "the model was given other tokens than these"


def test_completions_in_another_order_are_refused(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS])
    assert "other tokens" in refused(listener, completions[::-1], PROMPTS[::-1])


def test_two_generations_are_refused(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        first = generate(model, [EOS])
        second = generate(model, [EOS])
    joined = [a + b for a, b in zip(first, second, strict=True)]
    assert "other tokens" in refused(listener, joined)


def test_beam_search_is_refused(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS], num_beams=2, do_sample=False)
    assert refused(listener, completions) == "the model was not called with all prompts as one batch"


def test_another_engine_is_refused(model: Any):
    with GenerationTap(model, [EOS]) as listener:
        pass
    assert refused(listener, [[5, 6], [7], [8]]) == "the model was called 0 times for 2 tokens"


def test_dropout_is_refused():
    model = tiny_llama(tiny_tokenizer(), attention_dropout=0.5).train()
    with GenerationTap(model, [EOS]) as listener:
        completions = generate(model, [EOS])
    assert "samples with dropout" in refused(listener, completions)


def test_tokens_after_an_end_are_refused(model: Any):
    with GenerationTap(model, [EOS, *range(100, 200)]) as listener:
        completions = generate(model, [EOS])
    assert any(100 <= token < 200 for c in completions for token in c[:-1])
    assert refused(listener, completions) == "a completion goes on after an end-of-sequence token"


def test_a_temperature_of_zero_is_the_users_mistake(model: Any):
    with pytest.raises(UserError, match="positive and finite; got 0"):
        GenerationTap(model, [EOS], 0.0)


# --- in the trainer --------------------------------------------------------------------------------------


class Passes:
    """Counts forward passes over more than one position: prefills, scoring and the trainer's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scored = 0
        from rlif.training import trainer

        def counted(*args: Any, **kwargs: Any) -> TokenStats:
            self.scored += 1
            return model_token_stats(*args, **kwargs)

        monkeypatch.setattr(trainer, "model_token_stats", counted)


def test_the_trainer_needs_no_forward_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    passes = Passes(monkeypatch)
    tapped = train(tmp_path / "a", SelfCertainty()).rollouts
    assert passes.scored == 0
    scored = train(tmp_path / "b", SelfCertainty(), tap=False).rollouts
    assert passes.scored == 1
    assert tapped is not None
    assert scored is not None
    for a, b in zip(tapped.groups, scored.groups, strict=True):
        assert a.completions == b.completions
        assert a.token_stats is not None
        assert b.token_stats is not None
        for name in NAMES:
            left, right = (torch.from_numpy(getattr(s, name)) for s in (a.token_stats, b.token_stats))
            torch.testing.assert_close(
                left[:, : right.shape[1]], right[:, : left.shape[1]], rtol=1e-5, atol=1e-5
            )


def test_the_trainer_says_why_it_needs_one_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    passes = Passes(monkeypatch)
    monkeypatch.setattr(tap, "_dropout_layer", lambda model: "layers.0")
    train(tmp_path, SelfCertainty(), settings={"max_steps": 2})
    assert passes.scored == 2
    said = [record.message for record in caplog.records if record.name.startswith("rlif")]
    assert said == [
        "Token statistics take a forward pass of their own: the model samples with dropout (layers.0)."
    ]


def test_nothing_is_tapped_that_nobody_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: Any) -> None:
        raise AssertionError("tapped")

    monkeypatch.setattr(GenerationTap, "_see", fail)
    train(tmp_path, Random())


def test_undefined_statistics_are_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    stats = GenerationTap.stats

    def spoiled(self: GenerationTap, *args: Any) -> TokenStats | None:
        found = stats(self, *args)
        assert found is not None
        found.entropy[2, 0] = torch.nan
        return found

    monkeypatch.setattr(GenerationTap, "stats", spoiled)
    train(tmp_path, SelfCertainty())
    said = [record.message for record in caplog.records if record.name.startswith("rlif")]
    assert said == [
        "Step 0: The logits are NaN or infinite at 1 token(s) of 1 completion(s), "
        "first at completion 2, token 0: their statistics are NaN."
    ]
