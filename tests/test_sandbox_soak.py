"""Many programs, hostile ones among them, with and without workers killed from outside: a small soak."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "grading_soak.py"


def soak(figures: Path, *options: str) -> dict[str, object]:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *options, "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(figures.read_text())


@pytest.mark.slow
def test_every_program_gets_one_verdict_though_workers_are_killed(tmp_path):
    found = soak(tmp_path / "soak.json", "--programs", "300", "--kill-every", "0.2")
    assert found["programs"] == sum(found["statuses"].values()) == 300
    assert found["workers_hit"] > 0
    assert found["left"] == {"processes": 0, "files": 0, "descriptors": 0, "threads": 0}


@pytest.mark.slow
def test_hostile_programs_alone_get_no_honest_program_killed(tmp_path):
    found = soak(tmp_path / "soak.json", "--programs", "200", "--kill-every", "0")
    assert found["workers_hit"] == 0
    assert found["honest_killed"] == 0
