"""`model_token_stats` against the same model asked token by token, without padding."""

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.token_stats import completion_mask, model_token_stats, token_stats_reference

PROMPTS = [[11, 12, 13, 14], [21, 22], [31, 32, 33]]
COMPLETIONS = [[101, 102, 1], [103, 1], [104, 105, 106, 107]]  # the last is cut before EOS = 1
PAD, EOS = 2, 1
P, K = 4, 4


@pytest.fixture(scope="module")
def model():
    return tiny_llama(tiny_tokenizer(), attention_dropout=0.5)


@pytest.fixture
def batch():
    ids = torch.tensor(
        [
            [PAD] * (P - len(p)) + p + c + [PAD] * (K - len(c))
            for p, c in zip(PROMPTS, COMPLETIONS, strict=True)
        ]
    )
    mask = completion_mask(ids[:, -K:], EOS)
    attention_mask = torch.cat([(ids[:, :P] != PAD), mask], dim=1).long()
    return {
        "prompt_completion_ids": ids,
        "attention_mask": attention_mask,
        "completion_len": K,
        "mask": mask,
    }


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_agrees_with_token_by_token_recomputation(model, batch, batch_size):
    """Catches being one token off, padding that leaks in, and rows that mix."""
    stats = model_token_stats(model, **batch, temperature=0.7, batch_size=batch_size)
    assert stats.mask.sum(1).tolist() == [3, 2, 4]
    assert stats.temperature == 0.7
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        for t, token in enumerate(completion):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + completion[:t]])).logits[:, -1:]
            expected = token_stats_reference(logits, torch.tensor([[token]]), 0.7)
            for name in ("logprob", "entropy", "self_certainty", "max_prob", "margin"):
                got = getattr(stats, name)[row, t].item()
                assert got == pytest.approx(getattr(expected, name).item(), rel=1e-4, abs=1e-6), (
                    name,
                    row,
                    t,
                )
    assert (stats.logprob[~stats.mask] == 0).all()


def test_dropout_is_off_and_each_module_gets_its_mode_back(model, batch):
    model.train()
    model.model.layers[0].eval()  # a part someone froze stays frozen
    modes = [module.training for module in model.modules()]
    first, second = (model_token_stats(model, **batch) for _ in range(2))
    assert torch.equal(first.logprob, second.logprob)
    assert [module.training for module in model.modules()] == modes
    with torch.no_grad():  # and dropout would have shown: the model is back in training mode
        outputs = [model(batch["prompt_completion_ids"]).logits for _ in range(2)]
    assert not torch.equal(*outputs)
    model.eval()


def test_modes_come_back_after_an_error(model, batch):
    model.train()
    beyond = torch.full_like(batch["prompt_completion_ids"], 10**6)
    with pytest.raises(IndexError):
        model_token_stats(model, **(batch | {"prompt_completion_ids": beyond}))
    assert model.training
    model.eval()


def test_a_temperature_of_zero_is_the_users_mistake(model, batch):
    with pytest.raises(UserError, match="temperature must be positive and finite; got 0"):
        model_token_stats(model, **batch, temperature=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"completion_len": 8}, "between 1 and 7; got 8"),  # no prompt token left to predict from
        ({"completion_len": 0}, "got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"mask": torch.ones(3, 5).bool()}, r"mask \[3, 4\].*\[3, 5\]"),
        ({"attention_mask": torch.ones(3, 4)}, r"attention_mask must be \[3, 8\].*\[3, 4\]"),
        ({"prompt_completion_ids": torch.zeros(0, 8)}, "no rows"),
    ],
)
def test_mistakes_are_named(model, batch, change, message):
    with pytest.raises(ValueError, match=message):
        model_token_stats(model, **(batch | change))
