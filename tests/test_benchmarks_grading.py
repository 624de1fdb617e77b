"""The benchmark of the grader runs as its docstring says, and measures what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_cpu_time_of_a_tree_counts_live_and_ended_descendants(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from process_tree import descendants, tree_cpu_s

    busy = "import time\nwhile time.process_time() < 0.1: pass\n"
    before = tree_cpu_s(os.getpid())
    subprocess.run([sys.executable, "-c", busy], check=True)
    ended = tree_cpu_s(os.getpid()) - before
    assert 0.09 < ended < 1
    code = busy + "print(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as alive:
        alive.stdout.readline()
        assert alive.pid in [process.pid for process in descendants(os.getpid())]
        assert 0.19 < tree_cpu_s(os.getpid()) - before < 2
        alive.communicate(b"\n")
    assert alive.pid not in [process.pid for process in descendants(os.getpid())]


@pytest.mark.slow
def test_the_benchmark_runs_without_any_data(tmp_path):
    figures = tmp_path / "figures.json"
    options = ["--size", "6", "--repeats", "1", "--processes", "1", "--json", str(figures)]
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / "grading.py"), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(figures.read_text())
    setups = {row["setup"]: row for row in found["setups"]}
    assert set(setups) == {"subprocess", "rlif official", "rlif native"}
    assert all(row["passed"] == row["programs"] for row in setups.values())
    assert {part["mode"] for part in found["breakdown"]} == {"native", "official"}
    assert all(part["fork"] > 0 for part in found["breakdown"])
