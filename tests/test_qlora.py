"""QLoRA: the weights below the adapters in 4 bits, and what a stage then ends with."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from test_run import config, numbers
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation.models import load_model
from rlif.records import RunDir
from rlif.training.checkpoints import last_checkpoint, stage_directory
from rlif.training.run import run

IDS = torch.tensor([[5, 6, 7, 8]])
LORA = {"r": 4, "lora_alpha": 64, "load_in_4bit": True}
GRPO = {"learning_rate": 0.01, "prompts_per_step": 2, "num_generations": 4, "max_completion_length": 12}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny")
    tokenizer = tiny_tokenizer(chat=False)
    wide = tiny_llama(tokenizer, hidden_size=64, intermediate_size=128)  # bitsandbytes quantises 64 at a time
    wide.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def test_without_bitsandbytes_the_extra_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlif.evaluation.models.find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes") as refused:
        load_model(str(model), load_in_4bit=True)
    assert "rlif[qlora]" in str(refused.value)


needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="needs bitsandbytes: pip install 'rlif[qlora]'"
)


@needs_bitsandbytes
def test_linear_layers_are_rounded_to_4_bits_and_the_rest_is_not(model: Path) -> None:
    full, small = load_model(str(model)).model, load_model(str(model), load_in_4bit=True).model
    kinds = {name: weight.dtype for name, weight in small.named_parameters()}
    assert kinds["model.layers.0.mlp.up_proj.weight"] is torch.uint8
    assert kinds["model.embed_tokens.weight"] is torch.float32
    with torch.no_grad():
        exact, rounded = full(input_ids=IDS).logits, small(input_ids=IDS).logits
    assert 1e-3 < (exact - rounded).abs().mean() < exact.abs().mean()  # these weights are noise


@needs_bitsandbytes
def test_sampling_in_between_leaves_the_gradients_as_they_were(model: Path) -> None:
    """On some CPUs bitsandbytes repacks the weights in a pass without gradients, and then has none."""
    small: Any = load_model(str(model), load_in_4bit=True).model
    policy: Any = get_peft_model(small, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))

    def gradients() -> list[torch.Tensor]:
        policy.zero_grad()
        policy.train()(input_ids=IDS, labels=IDS).loss.backward()
        return [p.grad.clone() for p in policy.parameters() if p.requires_grad]

    before = gradients()
    with torch.no_grad():
        policy.eval()(input_ids=IDS)
    torch.testing.assert_close(gradients(), before)


@needs_bitsandbytes
@pytest.mark.slow
def test_a_stage_ends_with_the_adapter_merged_into_the_full_weights(model: Path, tmp_path: Path) -> None:
    stages: list[dict[str, Any]] = [
        {"steps": 2, "reward": {"type": "self_certainty", "scorer": "ema"}},
        {"steps": 1, "reward": "random"},
    ]
    record = run(config(model, lora=LORA, stages=stages, grpo=GRPO), tmp_path)

    assert [step.stage for step in record.steps()] == ["self_certainty", "self_certainty", "random"]
    checkpoint = last_checkpoint(stage_directory(RunDir(tmp_path), 0, "self_certainty"))
    assert checkpoint is not None
    merged = load_model(str(checkpoint / "merged")).model
    with torch.no_grad():
        adapted: Any = PeftModel.from_pretrained(load_model(str(model)).model, checkpoint)
        torch.testing.assert_close(merged(input_ids=IDS).logits, adapted(input_ids=IDS).logits)
        untrained = load_model(str(model)).model(input_ids=IDS).logits
    assert not torch.allclose(merged(input_ids=IDS).logits, untrained, atol=1e-3)


@needs_bitsandbytes
@pytest.mark.slow
def test_continued_it_ends_with_the_same_numbers(model: Path, tmp_path: Path) -> None:
    """TRL trains such adapters in bfloat16, and peft reads them back as float32: both have to be float32."""
    stages = [{"steps": 3, "reward": "self_certainty"}]
    settings = config(model, lora=LORA, stages=stages, grpo=GRPO, checkpoint_every=1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(settings, whole)
    shutil.copytree(whole, broken)
    stage = stage_directory(RunDir(broken), 0, "self_certainty")
    shutil.rmtree(stage / "checkpoint-3")

    run(settings, broken)

    assert numbers(broken) == numbers(whole)
    kinds = {
        weight.dtype for weight in load_file(stage / "checkpoint-3" / "adapter_model.safetensors").values()
    }
    assert kinds == {torch.float32}
