"""Runs on a Ray cluster of two nodes, both on this machine: same records as here, whatever happens to a node.

The runs are stand-ins (study_stand_in.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from study_stand_in_runs import STAND_IN, study_of

from rlif.errors import UserError
from rlif.records import StudyDir
from rlif.study import runner
from rlif.study.cluster import RayScheduler
from rlif.study.expand import expand
from rlif.study.local import LocalScheduler, RunProgress, Stopped
from rlif.study.runner import run_all
from rlif.study.scheduler import Scheduler
from rlif.study.schema import StudyConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A head without room for runs, and two nodes of one CPU each."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'rlif[ray]'")
    from ray.cluster_utils import Cluster

    options = {"include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **options})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    yield cluster
    cluster.shutdown()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.05)


def run_on(
    scheduler: Scheduler, study: StudyConfig, directory: Path, show: Any = lambda runs: None
) -> list[RunProgress]:
    return run_all(study, directory, scheduler, show, None, lambda run, _: (str(STAND_IN), str(run.path)))


def records(study: StudyConfig, directory: Path) -> dict[str, tuple[str, str]]:
    place = StudyDir(directory)
    runs = {run.id: place.run_dir(run.id) for run in expand(study)}
    return {name: (run.metrics_path.read_text(), run.evals_path.read_text()) for name, run in runs.items()}


def test_the_same_records_as_on_this_machine(cluster: Any, tmp_path: Path):
    study = study_of("one", "two", "refuses", seeds=2)
    running: list[int] = []

    def show(runs: Sequence[RunProgress]) -> None:
        running.append(sum(run.state in ("starting", "running") for run in runs))

    there = run_on(RayScheduler(cluster.address), study, tmp_path / "ray", show)
    here = run_on(LocalScheduler(2), study, tmp_path / "here")
    assert [(run.id, run.state, run.step) for run in there] == [(run.id, run.state, run.step) for run in here]
    assert max(running) == 2  # as many as the cluster has CPUs
    works = study_of("one", "two", seeds=2)
    assert records(works, tmp_path / "ray") == records(works, tmp_path / "here")


def test_ctrl_c_stops_runs_on_the_cluster(cluster: Any, tmp_path: Path):
    def press(runs: Sequence[RunProgress]) -> None:
        if runs[0].state == "running":
            raise KeyboardInterrupt

    study = study_of("hangs")
    with pytest.raises(Stopped):
        run_on(RayScheduler(cluster.address), study, tmp_path, press)
    status = StudyDir(tmp_path).run_dir("hangs").read_status()
    assert status
    assert status.state == "interrupted"


def test_a_run_that_no_node_can_hold_is_refused(cluster: Any, tmp_path: Path):
    study = study_of("one", resources={"num_gpus": 8})
    with pytest.raises(
        UserError, match="takes 1 CPUs and 8 GPUs, and no node of the Ray cluster has as many"
    ):
        run_on(RayScheduler(cluster.address), study, tmp_path)


def test_a_node_that_is_lost_midway_is_survived(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    study = study_of("halfway-one", "halfway-two", seeds=2, steps=4)
    place, attempts = StudyDir(tmp_path / "ray"), tmp_path / "ray/attempts.jsonl"
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000)]

    def lose(runs: Sequence[RunProgress]) -> None:
        """Take a node away once three runs wait halfway; let all go on when it is missed."""
        if nodes and sum(run.state == "running" and run.step == 2 for run in runs) == 3:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        if attempts.exists() and "lost" in attempts.read_text():
            for run in runs:
                (place.run_dir(run.id).path / "mended").touch()

    runs = run_on(RayScheduler(cluster.address), study, tmp_path / "ray", lose)
    assert not nodes
    # The run that was there, and others that Ray was just placing there.
    assert "lost" in attempts.read_text()
    assert {run.state for run in runs} == {"complete"}
    monkeypatch.setenv("MENDED", "1")
    run_on(LocalScheduler(4), study, tmp_path / "here")
    assert records(study, tmp_path / "ray") == records(study, tmp_path / "here")
