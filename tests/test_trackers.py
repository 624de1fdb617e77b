"""Trackers: one that is there is written to, and read by `rlif diagnose`; others are refused beforehand."""

import importlib.util
from pathlib import Path

import pytest

from rlif.config import RunConfig
from rlif.diagnostics.logs import read_log
from rlif.errors import UserError
from rlif.records import RunDir
from rlif.training.run import run
from rlif.training.trackers import check_trackers

TABLE = {
    "problems": {"name": "minicode", "limit": 4},
    "grpo": {"prompts_per_step": 1, "num_generations": 2, "max_completion_length": 16},
    "stages": [{"steps": 3, "reward": "self_certainty"}],
    "evaluation": {"every": 3, "samples": 1, "greedy": False, "problems": {"limit": 2}},
}


def test_a_tracker_nobody_knows_is_refused():
    with pytest.raises(UserError, match="Did you mean 'wandb'"):
        check_trackers(["wandbb"])


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="W&B is installed")
def test_a_tracker_without_its_package_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(UserError, match=r"report_to = 'wandb' cannot be used: .*pip install wandb"):
        run(RunConfig.model_validate(TABLE | {"report_to": ["wandb"]}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_transformers_own_words_are_left_to_it():
    check_trackers(["all", "none"])


@pytest.mark.slow
def test_tensorboard_gets_the_numbers_that_our_records_have(tmp_path: Path):
    pytest.importorskip("tensorboard")
    record: RunDir = run(RunConfig.model_validate(TABLE | {"report_to": ["tensorboard"]}), tmp_path / "run")
    [events] = (tmp_path / "run").rglob("*tfevents*")

    read = read_log(events)

    assert [step.step for step in read.steps] == [1, 2, 3]
    ours = [(step.reward, step.length_mean) for step in record.steps()]
    assert [(step.reward, step.length_mean) for step in read.steps] == [
        pytest.approx(o, rel=1e-5) for o in ours
    ]
