"""Starting a run on several processes: the command, the shipped configurations, what is refused."""

import json
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.commands.launch import (
    _validate_launch_command,  # pyright: ignore[reportPrivateUsage]
    launch_command_parser,
)
from datasets import Dataset
from test_trl_contract import config
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import TrainerControl

from rlif.cli import launch
from rlif.cli.launch import accelerate_command
from rlif.cli.train import train
from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.models import load_model
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.records import RunDir, RunState
from rlif.rewards import Random
from rlif.training import callbacks, shared_generator
from rlif.training.callbacks import CheckpointCallback, StopOnSignal
from rlif.training.checkpoints import (
    WHOLE,
    check_processes,
    last_checkpoint,
    mark_whole,
    model_directory,
)
from rlif.training.failures import user_error
from rlif.training.grpo_args import grpo_config
from rlif.training.run import run
from rlif.training.shared_generator import InStep, SharedOut
from rlif.training.trainer import IntrinsicGRPOTrainer

CONFIGS = Path(__file__).parent.parent / "configs" / "accelerate"


def parsed(command: list[str]) -> Namespace:
    """What accelerate itself makes of a command."""
    assert command[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    return _validate_launch_command(launch_command_parser().parse_args(command[3:]))[0]


def test_two_processes_without_a_gpu_are_started_by_torch() -> None:
    arguments = parsed(accelerate_command(["train", "run.toml", "--out", "d"], 2, None, gpu=False))

    assert (arguments.num_processes, arguments.multi_gpu, arguments.mixed_precision) == (2, True, "no")
    assert arguments.training_script == "rlif"
    assert arguments.training_script_args == ["train", "run.toml", "--out", "d"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ddp", {"multi_gpu": True}),
        ("fsdp2", {"use_fsdp": True, "fsdp_version": 2, "fsdp_state_dict_type": "FULL_STATE_DICT"}),
        ("zero2", {"use_deepspeed": True, "zero_stage": 2}),
        ("zero3", {"use_deepspeed": True, "zero_stage": 3, "zero3_save_16bit_model": True}),
    ],
)
def test_accelerate_reads_the_shipped_configurations(name: str, expected: dict[str, Any]) -> None:
    arguments = parsed(accelerate_command(["train", "run.toml"], 4, CONFIGS / f"{name}.yaml", gpu=True))

    assert {key: getattr(arguments, key) for key in expected} == expected
    assert arguments.num_processes == 4  # the option goes before the file's 8
    assert arguments.mixed_precision == "no"  # grpo.bf16 decides


def test_every_shipped_configuration_is_tested() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == {"ddp", "fsdp2", "zero2", "zero3"}


def test_a_missing_configuration_is_named() -> None:
    with pytest.raises(UserError, match=r"no accelerate configuration nowhere.yaml"):
        accelerate_command([], 2, Path("nowhere.yaml"), gpu=False)


def test_processes_without_a_launcher_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[[stages]]\nsteps = 1\nreward = "random"\n')
    with pytest.raises(UserError, match="nothing is launched"):
        train(tmp_path / "run.toml", processes=2)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit(2)", "ended early: exit code 2; its message is above"),
        ("import shutil; shutil.copy('now.json', 'status.json'); raise SystemExit(2)", "Stopped. Everything"),
    ],
    ids=["an earlier launch", "this one"],
)
def test_who_was_stopped_is_told_from_who_failed(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "accelerate_command", lambda *_, gpu: [sys.executable, "-c", script])
    RunDir(tmp_path).write_status(RunState(state="interrupted", updated=1.0))
    (tmp_path / "now.json").write_text(RunState(state="interrupted", updated=2.0).model_dump_json())

    with pytest.raises(UserError, match=said):
        launch.launch_with_accelerate(["train", "run.toml"], tmp_path, 2, None)


def table(**grpo: Any) -> RunConfig:
    return RunConfig.model_validate({"stages": [{"steps": 1, "reward": "random"}], "grpo": grpo})


def test_more_processes_than_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"8 groups .* cannot be shared by 16 processes") as refused:
        grpo_config(table(), 0, tmp_path, processes=16)
    assert "multiple of 16" in str(refused.value)


def test_gradient_accumulation_shares_out_whole_groups(tmp_path: Path) -> None:
    settings = grpo_config(table(prompts_per_step=8, per_device_train_batch_size=4), 0, tmp_path, processes=2)

    # 64 completions a step: 32 a process, sampled at a time, trained on 4 at a time.
    assert settings.gradient_accumulation_steps == settings.steps_per_generation == 8
    assert settings.per_device_train_batch_size * settings.steps_per_generation % 8 == 0


def test_settings_of_the_optimiser_reach_trl(tmp_path: Path) -> None:
    config = table(gradient_checkpointing=True, bf16=True, extra={"optim": "adamw_bnb_8bit"})

    settings = grpo_config(config, 0, tmp_path, processes=1)

    assert settings.optim == "adamw_bnb_8bit"
    assert settings.bf16
    assert settings.gradient_checkpointing


def test_a_checkpoint_says_how_many_processes_wrote_it(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-2"
    checkpoint.mkdir()
    mark_whole(checkpoint)
    assert json.loads((checkpoint / WHOLE).read_text()) == {"processes": 1}
    assert last_checkpoint(tmp_path) == checkpoint
    check_processes(checkpoint)

    (checkpoint / WHOLE).write_text('{"processes": 4}')
    with pytest.raises(UserError, match="written by 4 processes, and this run has 1") as refused:
        check_processes(checkpoint)
    assert "--num_processes 4" in str(refused.value)


def test_a_checkpoint_from_before_it_said_so_is_one_process_s(tmp_path: Path) -> None:
    (tmp_path / WHOLE).touch()
    check_processes(tmp_path)


class Rank:
    """One of two processes, for what runs in this one."""

    num_processes = 2

    def __init__(self, index: int) -> None:
        self.process_index = index
        self.is_main_process = index == 0


SAMPLING = Sampling(samples=2, temperature=1.0, max_tokens=5, seed=3)
PROMPTS = ["Add one.", "Double it, please.", "Print hello.", "x"]


def generator(kind: type[TransformersGenerator]) -> TransformersGenerator:
    tokenizer = tiny_tokenizer(chat=False)
    return kind(tiny_llama(tokenizer), tokenizer, batch_size=3)


def test_processes_that_share_out_the_batches_draw_what_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = dict(generator(TransformersGenerator).generate(PROMPTS, SAMPLING))
    sent: list[Any] = []

    class Sent(Exception):
        pass

    def send(mine: Any) -> list[Any]:
        sent.append(mine)
        raise Sent

    monkeypatch.setattr(shared_generator, "of_each", send)
    for index in (0, 1):
        monkeypatch.setattr(shared_generator, "processes", lambda index=index: Rank(index))
        with pytest.raises(Sent):
            list(generator(SharedOut).generate(PROMPTS, SAMPLING))
    monkeypatch.setattr(shared_generator, "of_each", lambda mine: sent)

    drawn = [sum(c is not None for _, of_one in share for c in of_one) for share in sent]
    assert drawn == [5, 3]  # of 8, in batches of 3: the first and third, and the second
    assert dict(generator(SharedOut).generate(PROMPTS, SAMPLING)) == alone


def test_processes_in_step_each_keep_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = dict(generator(TransformersGenerator).generate(PROMPTS, SAMPLING))
    other = Sampling(samples=2, temperature=1.0, max_tokens=5, seed=4)
    given = [(PROMPTS[:1], SAMPLING), (PROMPTS[1:], other)]
    monkeypatch.setattr(shared_generator, "of_each", lambda mine: given)
    drawn: list[Any] = []
    for index in (0, 1):
        monkeypatch.setattr(shared_generator, "processes", lambda index=index: Rank(index))
        drawn.append(dict(generator(InStep).generate(*given[index])))

    assert drawn[0] == {0: alone[0]}
    assert drawn[1] == {0: alone[1], 1: alone[2], 2: alone[3]}  # with the seed of the first process


def test_one_process_that_is_asked_to_stop_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(callbacks, "any_of_all", lambda flag: asked.append(flag) or True)
    control: Any = TrainerControl()
    stop = StopOnSignal()

    stop.on_step_end(None, None, control)  # type: ignore[arg-type]

    assert asked == [False]  # it was another process that got the signal
    assert control.should_training_stop
    assert stop.requested


def test_the_signal_that_a_launcher_passes_on_is_not_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "processes", lambda: Rank(0))
    with StopOnSignal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        monkeypatch.setattr(callbacks, "_SAME_REQUEST_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_lost_process_is_told_from_a_defect() -> None:
    lost = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: reset")
    assert "Another process of this run is gone" in str(user_error(lost))
    assert user_error(RuntimeError("shape mismatch")) is None


def test_an_8_bit_optimiser_without_its_package_names_the_extra() -> None:
    told = user_error(ImportError("You need to install `bitsandbytes` in order to use its optimizers"))
    assert "rlif[qlora]" in str(told)
    assert user_error(ImportError("No module named 'numpy'")) is None


def test_out_of_memory_names_what_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(IntrinsicGRPOTrainer, "train", no_room)
    with pytest.raises(UserError, match=r"Tried to allocate 2\.00 GiB") as told:
        run(table(prompts_per_step=1, num_generations=2), tmp_path / "run")

    knobs = ("per_device_train_batch_size", "max_completion_length", "gradient_checkpointing", "bf16")
    assert all(f"grpo.{knob}" in str(told.value) for knob in knobs)
    status = RunDir(tmp_path / "run").read_status()
    assert status is not None
    assert status.state == "failed"


def test_a_lora_adapter_is_merged_for_the_next_stage(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    tokenizer = tiny_tokenizer(chat=False)
    trainer = IntrinsicGRPOTrainer(
        model=tiny_llama(tokenizer),
        reward_funcs=Random(),
        args=config(tmp_path, max_steps=2, learning_rate=0.1),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(r=2, target_modules="all-linear"),
    )
    trainer.add_callback(CheckpointCallback(trainer, offset=0, every=1))
    trainer.train()
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint is not None

    model, _ = load_model(str(model_directory(checkpoint)))

    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        learnt = trainer.model.eval()(input_ids=ids).logits
        np.testing.assert_allclose(model(input_ids=ids).logits, learnt, atol=1e-4)
        assert not np.allclose(tiny_llama(tokenizer)(input_ids=ids).logits, learnt, atol=1e-2)
