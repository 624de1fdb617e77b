"""Loading a model by directory, alias or hub id, and the message for each way it can fail."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation.models import load_model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_directory_loads_with_its_tokenizer(checkpoint: Path):
    model, tokenizer = load_model(str(checkpoint), "bfloat16")
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert tokenizer.eos_token == "</s>"
    assert "[assistant]" in tokenizer.chat_template


def test_a_damaged_checkpoint_is_named(checkpoint: Path):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=f"model in '{checkpoint}' cannot be read"):
        load_model(str(checkpoint))


def test_weights_of_another_architecture_are_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    save_file(
        {f"other.{k}": v for k, v in weights.items()}, checkpoint / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="lacks weights"):
        load_model(str(checkpoint))


def test_a_missing_tokenizer_is_named(checkpoint: Path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (checkpoint / name).unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load_model(str(checkpoint))


def test_a_model_that_cannot_end_is_refused(tmp_path: Path):
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    tiny_llama(tokenizer, eos_token_id=None).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no end-of-sequence token"):
        load_model(str(tmp_path))


def test_smollm2_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RLIF_MODELS", str(tmp_path))
    with pytest.raises(UserError, match="make smollm2"):
        load_model("smollm2")


def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(tmp_path: Path):
    with pytest.raises(UserError, match="is not a directory"):
        load_model(str(tmp_path / "nothing"))


def test_a_hub_id_that_cannot_be_fetched_suggests_an_alias(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="Did you mean 'smollm2'"):
        load_model("smolm2")
