"""`token_stats_from_hidden` and `output_head`: statistics without logits, for every kind of output head."""

from typing import Any

import pytest
import torch
from test_token_stats import LargestBuffer, assert_same
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM

from rlif.errors import UserError
from rlif.token_stats import (
    hidden as hidden_module,
)
from rlif.token_stats import (
    model_token_stats,
    output_head,
    reducer,
    token_stats,
    token_stats_from_hidden,
    token_stats_reference,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


HIDDEN, WEIGHT, BIAS = random(2, 5, 16), random(300, 16, seed=1), random(300, seed=2)
TARGETS = torch.arange(10).reshape(2, 5) * 29


# --- from hidden states ----------------------------------------------------------------------------------


def test_one_matrix():
    expected = token_stats_reference(HIDDEN.double() @ WEIGHT.double().T, TARGETS, 0.8)
    got = token_stats_from_hidden(HIDDEN, WEIGHT, TARGETS, temperature=0.8)
    assert_same(got, expected, rtol=1e-5, atol=1e-6)  # the product itself is float32


def test_bias_scale_and_softcap_come_in_this_order():
    logits = 4.0 * torch.tanh(0.5 * (HIDDEN.double() @ WEIGHT.double().T + BIAS.double()) / 4.0)
    got = token_stats_from_hidden(HIDDEN, WEIGHT, TARGETS, BIAS, scale=0.5, softcap=4.0, temperature=0.8)
    assert_same(got, token_stats_reference(logits, TARGETS, 0.8), rtol=1e-5, atol=1e-6)


def test_a_padded_vocabulary_is_cut_off_by_a_slice():
    expected = token_stats(HIDDEN @ WEIGHT[:290].T, TARGETS)
    assert_same(token_stats_from_hidden(HIDDEN, WEIGHT[:290], TARGETS), expected, rtol=1e-6, atol=1e-6)


def test_half_precision_rounds_the_product_and_nothing_after_it():
    hidden, weight = HIDDEN.bfloat16(), WEIGHT.bfloat16()
    stats = token_stats_from_hidden(hidden, weight, TARGETS)
    assert stats.entropy.dtype == torch.float32
    product = torch.nn.functional.linear(hidden, weight)  # bfloat16, as in the model
    assert_same(stats, token_stats_reference(product, TARGETS), rtol=1e-6, atol=1e-12)


def test_autocast_is_what_the_model_would_do():
    with torch.autocast("cpu", torch.bfloat16):
        stats = token_stats_from_hidden(HIDDEN, WEIGHT, TARGETS)
    product = torch.nn.functional.linear(HIDDEN.bfloat16(), WEIGHT.bfloat16())
    assert_same(stats, token_stats_reference(product, TARGETS), rtol=1e-6, atol=1e-12)


def test_tokens_that_do_not_count_are_not_computed():
    mask = torch.tensor([[True, True, False, False, False], [True, True, True, True, False]])
    hidden = HIDDEN.masked_fill(~mask[..., None], torch.nan)
    stats = token_stats_from_hidden(hidden, WEIGHT, TARGETS.masked_fill(~mask, -100), mask=mask)
    everything = token_stats_from_hidden(HIDDEN, WEIGHT, TARGETS)
    assert_same(stats, everything._map(lambda a: a * mask), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_to_compute(shape):
    stats = token_stats_from_hidden(torch.zeros(*shape, 4), torch.zeros(5, 4), torch.zeros(shape).long())
    assert stats.entropy.shape == shape


def test_all_logits_are_never_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hidden_module, "BLOCK_LOGITS", 8 * 5000)
    monkeypatch.setattr(reducer, "CPU_CHUNK", 2 * 5000)
    weight = random(5000, 16)
    with LargestBuffer(weight) as largest:
        token_stats_from_hidden(random(4, 32, 16), weight, torch.zeros(4, 32, dtype=torch.long))
    assert largest.bytes <= 8 * 5000 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": torch.zeros(2, 3, 5)}, r"\[2, 3, 5\] and \[7, 4\]"),
        ({"hidden": torch.zeros(6, 4)}, r"\[6, 4\]"),
        ({"weight": torch.zeros(0, 4)}, "V > 0"),
        ({"targets": torch.full((2, 3), 7)}, "ids below V = 7; got 7"),
        ({"mask": torch.ones(3, 2).bool()}, r"and \[3, 2\]"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str):
    good = {
        "hidden": torch.zeros(2, 3, 4),
        "weight": torch.zeros(7, 4),
        "targets": torch.zeros(2, 3, dtype=torch.long),
    }
    with pytest.raises(ValueError, match=message):
        token_stats_from_hidden(**(good | change))


def test_a_temperature_of_zero_is_the_users_mistake():
    with pytest.raises(UserError, match="positive and finite; got 0"):
        token_stats_from_hidden(HIDDEN, WEIGHT, TARGETS, temperature=0.0)


# --- heads of transformers models ------------------------------------------------------------------------

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
FAMILIES: dict[str, tuple[dict[str, Any], float, float | None]] = {  # settings, scale, softcap
    "qwen2": ({}, 1.0, None),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 4}, 1.0, None),  # tied to the embeddings
    "phi": ({}, 1.0, None),  # with a bias
    "opt": ({"ffn_dim": 64, "word_embed_proj_dim": 32}, 1.0, None),
    "gemma2": ({"final_logit_softcapping": 5.0}, 1.0, 5.0),
    "gemma3_text": ({"final_logit_softcapping": 5.0}, 1.0, 5.0),
    "nanochat": ({"final_logit_softcapping": 3.0}, 1.0, 3.0),
    "cohere": ({"logit_scale": 0.25}, 0.25, None),
    "granite": ({"logits_scaling": 4.0}, 0.25, None),  # divides by it
    "hyperclovax": ({"logits_scaling": 4.0}, 4.0, None),  # multiplies by it
}


def family(name: str, **settings: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(name, **(SMALL | settings))
        return AutoModelForCausalLM.from_config(config).eval()


def agrees_with_its_logits(model: Any) -> None:
    """Statistics of completions of 5 tokens are those of the logits the model itself gives."""
    ids = torch.randint(1, 97, (3, 12), generator=torch.Generator().manual_seed(0))
    attention = torch.ones_like(ids)
    got = model_token_stats(model, ids, attention, 5, torch.ones(3, 5).bool(), 0.8, batch_size=2)
    with torch.no_grad():
        logits = model(ids, attention_mask=attention).logits[:, -6:-1]
    assert_same(got, token_stats_reference(logits, ids[:, -5:], 0.8), rtol=1e-4, atol=1e-5)


class Calls:
    """Counts calls of a model and keeps how many positions each gave logits of."""

    def __init__(self, model: Any) -> None:
        self.positions: list[int] = []
        model.register_forward_hook(lambda _, __, output: self.positions.append(output.logits.shape[1]))


@pytest.mark.parametrize("name", FAMILIES)
def test_heads_are_read_and_used(name: str):
    settings, scale, softcap = FAMILIES[name]
    model = family(name, **settings)
    head = output_head(model)
    assert (head.scale, head.softcap) == (scale, softcap)
    assert (head.bias is not None) == (name == "phi")
    calls = Calls(model)
    agrees_with_its_logits(model)
    # Two passes of ours, for logits of one position each; then the test's own.
    assert calls.positions == [1, 1, 12]


def test_minicpm_divides_by_a_number_its_configuration_works_out():
    ranks = {"q_lora_rank": 8, "kv_lora_rank": 8, "v_head_dim": 8}
    model = family("minicpm3", dim_model_base=8, qk_nope_head_dim=4, qk_rope_head_dim=4, **ranks)
    assert output_head(model).scale == 8 / 32
    agrees_with_its_logits(model)


def test_a_setting_nobody_knows_is_named():
    model = tiny_llama(tiny_tokenizer())
    model.config.logit_magic_multiplier = 3.0
    with pytest.raises(UserError, match=r"LlamaForCausalLM makes its logits.*logit_magic_multiplier = 3\.0"):
        output_head(model)


def test_a_special_output_layer_is_named():
    class Adapted(torch.nn.Linear):
        pass

    model = tiny_llama(tiny_tokenizer())
    model.lm_head = Adapted(32, 320)
    with pytest.raises(UserError, match="output layer is a Adapted"):
        output_head(model)


class Shifted(LlamaForCausalLM):
    """Does to its logits what no setting tells: its first tokens are ruled out."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        output.logits = output.logits.clone()
        output.logits[..., :3] = torch.finfo(torch.float32).min
        return output


def test_a_head_that_gives_other_logits_is_found_out_once(caplog: pytest.LogCaptureFixture):
    model = Shifted(tiny_llama(tiny_tokenizer()).config).eval()
    calls = Calls(model)
    ids = torch.randint(5, 97, (4, 12), generator=torch.Generator().manual_seed(0))

    def stats() -> Any:
        return model_token_stats(model, ids, torch.ones_like(ids), 5, torch.ones(4, 5).bool(), batch_size=2)

    first, second = stats(), stats()
    assert calls.positions == [1, 6, 6, 6, 6]  # the first pass was in vain
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "Shifted does something unknown to its logits"
    ]
    with torch.no_grad():
        logits = model(ids).logits[:, -6:-1]
    expected = token_stats(logits, ids[:, -5:])
    for stats_of_it in (first, second):
        torch.testing.assert_close(stats_of_it.logprob, expected.logprob, rtol=1e-4, atol=1e-5)


def test_a_diverged_model_is_not_taken_for_an_unknown_one(caplog: pytest.LogCaptureFixture):
    model = tiny_llama(tiny_tokenizer())
    model.model.norm.weight.data.fill_(torch.nan)
    ids = torch.full((2, 6), 7)
    stats = model_token_stats(model, ids, torch.ones_like(ids), 3, torch.ones(2, 3).bool())
    assert stats.entropy.isnan().all()
    assert not caplog.records


def test_a_peft_model_is_read_through():
    peft = pytest.importorskip("peft")
    model = tiny_llama(tiny_tokenizer())
    adapted = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    agrees_with_its_logits(adapted.eval())


def test_a_head_adapted_by_lora_is_left_to_the_model():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["lm_head"], init_lora_weights=False)
    model = peft.get_peft_model(tiny_llama(tiny_tokenizer()), config).eval()
    with pytest.raises(UserError, match="special kind"):
        output_head(model)
    agrees_with_its_logits(model)
