"""Verdicts do not hang on the load: the small version of `benchmarks/grading_load.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "grading_load.py"


@pytest.mark.slow
def test_programs_under_their_limit_are_right_and_those_over_it_time_out_whatever_the_load(tmp_path):
    """The busy processes outnumber the cores: a program waits for longer than its limit of wall time."""
    figures = tmp_path / "load.json"
    options = ["--limit", "0.5", "--shares", "0.2", "0.78", "1.3", "--busy", "0", "6", "--repeats", "1"]
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *options, "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    seen = json.loads(figures.read_text())
    decided = [one for one in seen if one["expected"]]
    assert {one["busy"] for one in decided} == {0, 6}
    assert {one["mode"] for one in decided} == {"native", "official"}
    assert {one["expected"] for one in decided} == {"ok", "timeout"}
    assert all(set(one["statuses"]) == {one["expected"]} for one in decided)
