"""A whole run on two processes (gloo): records, evaluation, shards, and what a lost process leaves behind."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed_script_start import launch, start
from test_run import numbers, settings
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import AutoModelForCausalLM

from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.records import RunDir
from rlif.training.checkpoints import last_checkpoint, stage_directory
from rlif.training.run import run

pytestmark = pytest.mark.slow

SCRIPT = str(Path(__file__).with_name("distributed_script_run.py"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def run_file(directory: Path, table: dict[str, Any]) -> str:
    (directory / "run.json").write_text(json.dumps(table))
    return str(directory / "run.json")


def test_two_processes_evaluate_as_one_does(model: Path, tmp_path: Path) -> None:
    table = settings(model, stages=[{"steps": 2, "reward": "self_certainty"}], checkpoint_every=1)
    table["evaluation"] |= {"batch_size": 3}  # 4 problems x 2 samples: 3 batches, 2 and 1 of them
    launch(2, [SCRIPT, run_file(tmp_path, table), "ddp", str(tmp_path / "two")], tmp_path / "log")
    two = RunDir(tmp_path / "two")
    one = run(RunConfig.model_validate(table), tmp_path / "one")

    assert [step.step for step in two.steps()] == [1, 2]
    assert [(e.step, e.mode) for e in two.evals()] == [(s, m) for s in (0, 2) for m in ("sampled", "greedy")]
    for of_two, of_one in zip(two.evals()[:2], one.evals()[:2], strict=True):  # before the first step
        assert {**of_two.model_dump(), "seconds": 0} == {**of_one.model_dump(), "seconds": 0}

    # What two processes wrote, one does not continue.
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "0-self_certainty" / "checkpoint-2")
    with pytest.raises(UserError, match="written by 2 processes, and this run has 1"):
        run(RunConfig.model_validate(table), two.path)


@pytest.mark.fsdp2
def test_a_process_killed_in_a_sharded_run_costs_nothing_but_time(model: Path, tmp_path: Path) -> None:
    table = settings(model, ema_decay=0.5)
    table["stages"][0]["reward"] = {"type": "self_certainty", "scorer": "ema"}  # in shards of its own
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = [SCRIPT, run_file(tmp_path, table), "fsdp2", str(whole), str(killed)]
    processes = start(2, arguments, tmp_path / "log")
    metrics = killed / "metrics.jsonl"
    deadline = time.monotonic() + 400
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) >= 3):
        log = tmp_path / "log-0.txt"
        assert all(process.poll() is None for process in processes), log.read_text()[-3000:]
        assert time.monotonic() < deadline, "no third step of the second run"
        time.sleep(0.05)
    processes[1].kill()
    assert processes[0].wait(120) != 0  # the other one does not wait for ever
    processes[1].wait()

    launch(2, arguments, tmp_path / "again")

    assert numbers(killed) == numbers(whole)
    first, again = (last_checkpoint(stage_directory(RunDir(path), 0, "rlif")) for path in (whole, killed))
    assert first is not None
    assert again is not None
    for shards in ("rlif-ema-0.safetensors", "rlif-ema-1.safetensors"):  # the average, one file a process
        assert (again / shards).read_bytes() == (first / shards).read_bytes()
    assert (first / "pytorch_model_fsdp_0").is_dir()  # in shards
    weights = AutoModelForCausalLM.from_pretrained(first).state_dict()  # and whole, for the second stage
    assert all(np.isfinite(value.numpy()).all() for value in weights.values())


def test_the_command_starts_two_processes(model: Path, tmp_path: Path) -> None:
    table = settings(model, stages=[{"steps": 1, "reward": "self_certainty"}], truth=False)
    command = ["train", run_file(tmp_path, table), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "rlif", *command, "--launch", "accelerate", "--processes", "2"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Run: ") == 1  # the first process speaks for all
    checkpoint = last_checkpoint(stage_directory(RunDir(tmp_path / "run"), 0, "self_certainty"))
    assert checkpoint is not None
    assert json.loads((checkpoint / "rlif-complete").read_text()) == {"processes": 2}
