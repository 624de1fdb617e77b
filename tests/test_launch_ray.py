"""`rlif train --launch ray`: what it refuses and how it ends, by stand-ins; and a run on a cluster here."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from rlif.cli.launch import Launcher, launch_with_ray
from rlif.cli.train import train
from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.records import RunDir, RunState, StepRecord, StopRecord
from rlif.sandbox import ray_connection
from rlif.study import cluster
from rlif.study.cluster import RayJob
from rlif.study.scheduler import Ending, Task
from rlif.training.run import Listener, run

SETTINGS = {
    "problems": {"name": "minicode", "limit": 4},
    "grpo": {"prompts_per_step": 1, "num_generations": 2, "max_completion_length": 16},
    "stages": [{"steps": 2, "reward": "self_certainty"}],
    "evaluation": {"every": 2, "samples": 1, "greedy": False, "problems": {"limit": 2}},
}


class StandIn:
    """A job that does `work` and has then ended."""

    exit_code: int | None = None

    def __init__(self, task: Task, work: Callable[[RunDir], int | None]) -> None:
        self.task, self.work = task, work

    def poll(self) -> Ending:
        self.exit_code = self.work(RunDir(self.task.directory))
        return Ending("its Ray worker was lost" if self.exit_code is None else f"exit code {self.exit_code}")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """What a pretended cluster, one node of 8 CPUs and 4 GPUs, was given to do."""
    node = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 4.0}}
    ray = SimpleNamespace(cluster_resources=lambda: node["Resources"], nodes=lambda: [node])
    monkeypatch.setattr(ray_connection, "connected", lambda address: nullcontext(ray))
    tasks: list[Task] = []

    def start(ray: Any, task: Task) -> StandIn:
        tasks.append(task)
        return StandIn(task, lambda directory: None)

    monkeypatch.setattr(cluster, "RayJob", start)
    return tasks


def launch(directory: Path, processes: int = 1, listener: Listener | None = None) -> None:
    launch_with_ray(["train", "run.toml"], directory, processes, listener or Listener())


def job_that(work: Callable[[RunDir], int | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "RayJob", lambda ray, task: StandIn(task, work))


def test_ray_is_given_the_same_command_and_a_lost_node_is_told(launched: list[Task], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ended early: its Ray worker was lost"):
        launch(tmp_path / "run", processes=2)

    [task] = launched
    assert task.arguments == ("-m", "rlif", "train", "run.toml")
    assert (task.num_cpus, task.num_gpus) == (2, 2)
    assert task.directory.is_dir()  # for its log


def test_what_no_node_can_hold_is_refused_before_it_waits(launched: list[Task], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"64 CPUs and 64 GPUs, and no node .* at most 8 and 4") as refused:
        launch(tmp_path / "run", processes=64)

    assert refused.value.fix == "Lower --processes, or add a node."
    assert not launched
    assert not (tmp_path / "run").exists()


def test_a_configuration_does_not_tell_ray_how_much_to_reserve(launched: list[Task], tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(SETTINGS))

    with pytest.raises(UserError, match=r"How many processes fsdp2\.yaml starts is not known") as refused:
        train(file, out=tmp_path / "run", launch=Launcher.RAY, accelerate_config=Path("fsdp2.yaml"))

    assert "--processes" in refused.value.fix
    assert not launched


@pytest.mark.usefixtures("launched")
class TestEnding:
    """What an earlier launch left in the directory decides nothing."""

    def test_a_refusal_is_not_the_success_of_an_earlier_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(directory: RunDir) -> int:
            with (directory.path / "log.txt").open("a") as log:
                log.write("Loading.\nrlif: It holds another run.\nChoose another.\nChildFailedError: …\n")
            return 2

        RunDir(tmp_path).write_status(RunState(state="complete", updated=1.0))
        (tmp_path / "log.txt").write_text("rlif: Said at an earlier launch.\n")
        job_that(refuse, monkeypatch)

        with pytest.raises(UserError, match="ended early: exit code 2") as failed:
            launch(tmp_path)

        assert "  rlif: It holds another run.\n  Choose another.\n" in failed.value.message
        assert "earlier launch" not in failed.value.message
        assert "Loading" not in failed.value.message
        assert not failed.value.fix  # the same command would be refused again

    def test_without_a_message_the_log_s_last_lines_are_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(directory: RunDir) -> int:
            (directory.path / "log.txt").write_text("".join(f"line {number}\n" for number in range(100)))
            return 1

        job_that(fail, monkeypatch)

        with pytest.raises(UserError) as failed:
            launch(tmp_path)

        shown = [line for line in failed.value.message.splitlines() if line.startswith("  ")]
        assert shown == [f"  line {number}" for number in range(88, 100)]

    @pytest.mark.parametrize(
        ("updated", "said"), [(1.0, "ended early: exit code 2"), (2.0, "Stopped. Everything so far is in")]
    )
    def test_only_this_launch_can_have_been_stopped(
        self, updated: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(directory: RunDir) -> int:
            directory.write_status(RunState(state="interrupted", updated=updated))
            return 2

        RunDir(tmp_path).write_status(RunState(state="interrupted", updated=1.0))
        job_that(stop, monkeypatch)

        with pytest.raises(UserError, match=said):
            launch(tmp_path)

    @pytest.mark.parametrize("exit_code", [0, 1, None])
    def test_success_is_the_exit_code_and_the_record(
        self, exit_code: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def work(directory: RunDir) -> int | None:
            directory.write_status(RunState(state="complete", updated=2.0))
            return exit_code

        job_that(work, monkeypatch)

        with nullcontext() if exit_code == 0 else pytest.raises(UserError, match="ended early"):
            launch(tmp_path)


@pytest.mark.usefixtures("launched")
def test_what_the_run_records_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    listener = Listener(
        on_step=lambda record: told.append(f"step {record.step}"),
        on_stop=lambda record: told.append(record.rule),
        on_total_steps=lambda total: told.append(f"of {total}"),
    )
    there = RunDir(tmp_path)
    there.create({})
    there.append_step(StepRecord(step=1, stage="a"))

    def work(directory: RunDir) -> int:
        directory.append_step(StepRecord(step=2, stage="a"))
        directory.append_stop(
            StopRecord(step=2, stage="a", rule="collapse", reason="x", action="stop", best=1, policy=2)
        )
        directory.write_status(RunState(state="complete", step=2, total_steps=2))
        return 0

    job_that(work, monkeypatch)
    launch(tmp_path, listener=listener)

    assert told == ["step 2", "collapse", "of 2"]


@pytest.mark.usefixtures("launched")
def test_ctrl_c_stops_and_a_second_one_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = MagicMock(exit_code=-9)
    job.poll.side_effect = [KeyboardInterrupt, KeyboardInterrupt, Ending("SIGKILL")]
    monkeypatch.setattr(cluster, "RayJob", lambda ray, task: job)

    with pytest.raises(UserError, match="ended early: SIGKILL"):
        launch(tmp_path)

    assert [call[0] for call in job.method_calls] == ["poll", "stop", "poll", "kill", "poll"]


@pytest.mark.slow
class TestCluster:
    """On a Ray cluster that is started and ended here."""

    @pytest.fixture(autouse=True)
    def _local(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("ray", reason="needs Ray: pip install 'rlif[ray]'")
        monkeypatch.setenv("RAY_ADDRESS", "local")

    def test_it_trains_what_one_process_does_and_is_followed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "run.json"
        file.write_text(json.dumps(SETTINGS))

        train(file, out=tmp_path / "ray", launch=Launcher.RAY)

        told = capsys.readouterr().out
        assert told.count("held-out pass@1") == 2  # before the first step and after the last
        run(RunConfig.model_validate(SETTINGS), tmp_path / "here")
        assert numbers(RunDir(tmp_path / "ray")) == numbers(RunDir(tmp_path / "here"))

    def test_a_job_that_never_had_a_place_is_ended(self, tmp_path: Path) -> None:
        with ray_connection.connected("local") as ray:
            everything = int(ray.cluster_resources()["CPU"])
            task = Task(("-c", "raise SystemExit"), tmp_path, tmp_path, num_cpus=everything + 1)
            job = RayJob(ray, task)
            assert job.poll() is None

            job.kill()

            assert job.poll() == Ending("it was stopped while it waited for a place on the cluster")


def numbers(place: RunDir) -> list[str]:
    """Everything that a run recorded but the times."""
    return [record.model_dump_json(exclude={"seconds"}) for record in [*place.steps(), *place.evals()]]
