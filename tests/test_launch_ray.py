"""`rlif train --launch ray` on a cluster started and ended here: the run of one process, and its news."""

import json
from pathlib import Path

import pytest

from rlif.cli.launch import Launcher
from rlif.cli.train import train
from rlif.config import RunConfig
from rlif.records import RunDir
from rlif.training.run import run

pytestmark = pytest.mark.slow

SETTINGS = {
    "problems": {"name": "minicode", "limit": 4},
    "grpo": {"prompts_per_step": 1, "num_generations": 2, "max_completion_length": 16},
    "stages": [{"steps": 2, "reward": "self_certainty"}],
    "evaluation": {"every": 2, "samples": 1, "greedy": False, "problems": {"limit": 2}},
}


def numbers(place: RunDir) -> list[str]:
    """Everything that a run recorded but the times."""
    return [record.model_dump_json(exclude={"seconds"}) for record in [*place.steps(), *place.evals()]]


def test_it_trains_what_one_process_does_and_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'rlif[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    file = tmp_path / "run.json"
    file.write_text(json.dumps(SETTINGS))

    train(file, out=tmp_path / "ray", launch=Launcher.RAY)

    told = capsys.readouterr().out
    assert told.count("held-out pass@1") == 2  # before the first step and after the last
    run(RunConfig.model_validate(SETTINGS), tmp_path / "here")
    assert numbers(RunDir(tmp_path / "ray")) == numbers(RunDir(tmp_path / "here"))
