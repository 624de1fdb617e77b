"""A device that is too small: the knobs, with what the planner says that each would need."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.main import get_command

from rlif.cli import app
from rlif.cli.memory_advice import memory_advice
from rlif.cli.train import train
from rlif.config import RunConfig, load_run_config
from rlif.errors import UserError
from rlif.training.failures import DeviceFull, user_error
from rlif.training.trainer import IntrinsicGRPOTrainer

ROOT = Path(__file__).parent.parent
TABLE: dict[str, Any] = {
    "model": "minicode-base",
    "problems": {"name": "minicode", "limit": 4},
    "grpo": {"prompts_per_step": 2, "num_generations": 8, "max_completion_length": 64},
    "stages": [{"steps": 1, "reward": "random"}],
    "evaluation": {"problems": {"limit": 2}, "samples": 1, "greedy": False},
}


def gigabytes(text: str) -> dict[str, float]:
    """Change -> what it would need."""
    return {what: float(number) for what, number in re.findall(r"^  (.+): ([\d.e+]+) GB$", text, re.M)}


def test_every_change_is_smaller_than_what_did_not_fit():
    told = memory_advice(RunConfig.model_validate(TABLE), memory=0.5e9, is_gpu=False)
    needs = re.search(r"it needs ([\d.]+) GB of 0.5 GB", told)
    assert needs
    changes = gigabytes(told)
    assert {"grpo.per_device_train_batch_size = 1", "grpo.gradient_checkpointing = true"} <= set(changes)
    assert all(amount <= float(needs[1]) for amount in changes.values())


def test_a_run_that_should_have_fitted_is_made_smaller_all_the_same():
    told = memory_advice(RunConfig.model_validate(TABLE), memory=80e9, is_gpu=True)
    assert "of 80 GB" in told
    assert gigabytes(told)


def test_of_a_model_that_is_not_known_here_nothing_is_said():
    assert not memory_advice(RunConfig.model_validate(TABLE | {"model": "someone/something"}), 1e9, True)


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp2"),
        ({"ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, "zero2"),
        ({"ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "zero3"),
    ],
)
def test_it_reckons_with_what_is_shared_out(
    variables: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch
):
    config = RunConfig.model_validate(TABLE | {"model": "Qwen/Qwen2.5-Coder-7B"})
    alone = memory_advice(config, 10e9, True, processes=2)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shared = memory_advice(config, 10e9, True, processes=2)
    assert (
        gigabytes(shared)["grpo.gradient_checkpointing = true"]
        < gigabytes(alone)["grpo.gradient_checkpointing = true"]
    )
    assert any(f"accelerate/{word}.yaml" in what for what in gigabytes(alone))
    assert not any(f"accelerate/{word}.yaml" in what for what in gigabytes(shared))


@pytest.mark.parametrize("processes", [1, 2])
def test_every_change_is_one_that_rlif_train_takes(processes: int, tmp_path: Path):
    table = TABLE | {"model": "Qwen/Qwen2.5-Coder-7B"}
    file = tmp_path / "run.json"
    file.write_text(json.dumps(table))
    changes = gigabytes(memory_advice(RunConfig.model_validate(table), 10e9, True, processes))

    settings = [what.replace(" = ", "=") for what in changes if not what.startswith("rlif ")]
    for setting in settings:
        load_run_config(file, [setting])
    assert "lora.r=16" in settings
    commands = [what.split()[2:] for what in changes if what.startswith("rlif train ")]
    assert len(commands) == {1: 1, 2: 3}[processes]
    for options in commands:
        with get_command(app).commands["train"].make_context("train", [str(file), *options]) as context:  # type: ignore[attr-defined]
            assert (ROOT / context.params["accelerate_config"]).is_file()
            assert context.params["processes"] == {1: 8, 2: 2}[processes]


def test_rlif_train_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_room(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(IntrinsicGRPOTrainer, "train", no_room)
    file = tmp_path / "run.json"
    file.write_text(RunConfig.model_validate(TABLE).model_dump_json())
    with pytest.raises(UserError, match=r"Tried to allocate 2\.00 GiB") as told:
        train(file, out=tmp_path / "run")
    assert "By `rlif plan` it needs" in str(told.value)


def test_a_cpu_out_of_memory_is_the_same():
    error = RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried 1 bytes")
    assert isinstance(user_error(error), DeviceFull)


def test_of_a_run_with_adapters_weights_are_not_shared_out_but_held_in_4_bits():
    config = RunConfig.model_validate(TABLE | {"model": "Qwen/Qwen2.5-Coder-7B", "lora": {"r": 16}})
    told = memory_advice(config, 10e9, True, processes=2)
    needs, changes = re.search(r"it needs ([\d.]+) GB", told), gigabytes(told)
    assert needs
    # float32 weights of 6.5e9 parameters in layers, at 0.516 bytes instead of 4
    assert float(needs[1]) - changes["lora.load_in_4bit = true"] == pytest.approx(22.7, abs=0.5)
    assert not [what for what in changes if "fsdp2" in what or "zero3" in what]
