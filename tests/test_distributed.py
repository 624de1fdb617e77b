"""Two CPU processes (gloo): groups stay whole, or the configuration is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def launch(out: Path, *arguments: int) -> None:
    script = Path(__file__).with_name("distributed_script.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    done = subprocess.run(
        [*command, str(script), str(out), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_each_process_holds_whole_groups_and_all_of_them_are_recorded(tmp_path: Path) -> None:
    launch(tmp_path, 4, 4, 1)  # four completions on each process, groups of four

    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["sizes"] == [4, 4]
    assert len(set(seen["seeds"])) == 2
    np.testing.assert_allclose(seen["rewards"], seen["from_groups"], rtol=1e-5)


def test_a_group_that_would_lie_on_two_processes_is_refused_with_the_reason(tmp_path: Path) -> None:
    launch(tmp_path, 4, 8, 1)  # TRL accepts this: 2 x 4 completions are one group of eight

    for rank in (0, 1):
        message = (tmp_path / f"refused-{rank}").read_text()
        assert "split over processes" in message
        assert "multiple of 8" in message
