"""Running a study's runs as processes that finish, fail, die, hang or are stopped.

The processes are stand-ins (study_stand_in.py) that write records as training does, and behave as the run's
name says.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from study_stand_in_runs import STAND_IN, study_of

from rlif.errors import UserError
from rlif.records import RunDir, StudyDir
from rlif.study import runner
from rlif.study.attempts import Attempts
from rlif.study.expand import expand, study_info
from rlif.study.local import LocalJob, LocalScheduler, RunProgress, Stopped
from rlif.study.progress import study_progress
from rlif.study.runner import run_all, train_command
from rlif.study.scheduler import Task, ending_of, start_process
from rlif.study.schema import Resources, StudyConfig


class Recording(LocalScheduler):
    """Remembers what it started, and leaves nothing running."""

    def __init__(self, processes: int = 2) -> None:
        super().__init__(processes)
        self.jobs: list[LocalJob] = []

    def start(self, task: Task) -> LocalJob:
        self.jobs.append(super().start(task))
        return self.jobs[-1]

    @property
    def started(self) -> list[str]:
        return [job.task.directory.name for job in self.jobs]


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)
    scheduler = Recording()
    yield scheduler
    for job in scheduler.jobs:
        job.kill()
        job.process.wait()


def nothing(runs: Sequence[RunProgress]) -> None:
    """Show nothing."""


def run_with(
    scheduler: LocalScheduler,
    study: StudyConfig,
    directory: Path,
    show: Callable[[Sequence[RunProgress]], None] = nothing,
    only: Sequence[str] | None = None,
) -> list[RunProgress]:
    return run_all(study, directory, scheduler, show, only, lambda run, _: (str(STAND_IN), str(run.path)))


def press_ctrl_c(runs: Sequence[RunProgress]) -> None:
    """Press Ctrl-C as soon as every run says that it is running."""
    if all(run.state == "running" for run in runs):
        raise KeyboardInterrupt


def test_all_runs_complete(scheduler: Recording, tmp_path: Path):
    study, shown = study_of("one", "two"), list[list[RunProgress]]()
    scheduler.processes = 1
    runs = run_with(scheduler, study, tmp_path / "study", lambda runs: shown.append(list(runs)))
    done = RunProgress(
        "one", "One", state="complete", step=2, total_steps=2, stage="s", pass_at_1=0.625, error=""
    )
    assert runs[0] == done
    assert [(run.id, run.state) for run in runs] == [("one", "complete"), ("two", "complete")]
    place, planned = StudyDir(tmp_path / "study"), expand(study)
    assert place.info() == study_info(study, planned)
    assert place.run_dir("two").config() == planned[1].config.model_dump(mode="json")
    # One at a time: the second waits until the first is complete.
    assert [run.state for run in shown[0]] == ["starting", "waiting"]
    assert all(first.state == "complete" for first, second in shown if second.state != "waiting")


def test_what_the_numbers_depend_on_is_written_once(scheduler: Recording, tmp_path: Path):
    run_with(scheduler, study_of("one"), tmp_path)
    path = tmp_path / "environment.json"
    written = json.loads(path.read_text())
    assert written["versions"]["python"].startswith("3.")
    assert written["machine"]["cores"] == os.cpu_count()
    assert written["isolation"] == ["bwrap"]
    path.write_text(json.dumps({**written, "versions": {"python": "2.7"}}))
    with pytest.warns(UserWarning, match="versions changed since the study began"):
        run_with(scheduler, study_of("one"), tmp_path)
    assert json.loads(path.read_text())["versions"] == {"python": "2.7"}


def test_seeds_are_the_outer_loop(scheduler: Recording, tmp_path: Path):
    scheduler.processes = 1
    run_with(scheduler, study_of("one", "two", seeds=2), tmp_path)
    assert [name.rsplit("-", 1)[0] for name in scheduler.started] == ["one-s0", "two-s0", "one-s1", "two-s1"]


def test_a_run_that_is_complete_is_not_run_again(scheduler: Recording, tmp_path: Path):
    run_with(scheduler, study_of("one"), tmp_path)
    again = run_with(scheduler, study_of("one", "two"), tmp_path)
    assert scheduler.started == ["one", "two"]
    assert [run.state for run in again] == ["complete", "complete"]


class TestFailures:
    def test_are_told_tried_again_and_stop_nobody(self, scheduler: Recording, tmp_path: Path):
        study = study_of("fails", "refuses", "works", retries=2)
        fails, refuses, works = run_with(scheduler, study, tmp_path)
        assert (fails.state, fails.step, fails.error) == ("failed", 0, "ValueError: out of luck")
        # What the user has to mend would end so again.
        assert refuses.error == f"it ended with exit code 2; see {tmp_path}/runs/refuses/log.txt"
        assert works.state == "complete"
        assert sorted(scheduler.started) == ["fails"] * 3 + ["refuses", "works"]
        assert Attempts(tmp_path).last_errors() == {"fails": fails.error, "refuses": refuses.error}

    def test_can_be_continued_alone(
        self, scheduler: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        study = study_of("fails", "works", "other", retries=0)
        run_with(scheduler, study, tmp_path, only=["fails", "works"])
        monkeypatch.setenv("MENDED", "1")
        shown: list[list[str]] = []
        again = run_with(
            scheduler, study, tmp_path, lambda runs: shown.append([r.state for r in runs]), ["fails"]
        )
        assert scheduler.started == ["fails", "works", "fails"]
        assert [run.state for run in again] == ["complete", "complete", "waiting"]
        assert shown[0] == ["starting", "complete", "waiting"]  # whatever it said the last time
        assert Attempts(tmp_path).last_errors() == {}

    def test_a_killed_run_is_reported_as_failed(self, scheduler: Recording, tmp_path: Path):
        def kill(runs: Sequence[RunProgress]) -> None:
            if runs[0].state == "running":
                os.kill(scheduler.jobs[-1].process.pid, signal.SIGKILL)

        [run] = run_with(scheduler, study_of("hangs", retries=1), tmp_path, kill)
        assert (run.state, scheduler.started) == ("failed", ["hangs", "hangs"])
        assert run.error == f"it ended with SIGKILL; see {tmp_path}/runs/hangs/log.txt"
        assert [(run.state, run.error) for run in study_progress(StudyDir(tmp_path))] == [
            ("failed", run.error)
        ]


class TestStopping:
    def test_ctrl_c_stops_the_runs_which_can_be_continued(
        self, scheduler: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        study = study_of("hangs")
        with pytest.raises(Stopped):
            run_with(scheduler, study, tmp_path, press_ctrl_c)
        assert scheduler.jobs[0].process.returncode == 1  # it ended, and not by a signal
        assert [run.state for run in study_progress(StudyDir(tmp_path))] == ["interrupted"]

        monkeypatch.setenv("MENDED", "1")
        [run] = run_with(scheduler, study, tmp_path)
        assert run.state == "complete"

    def test_a_second_ctrl_c_leaves_no_run_behind(
        self, scheduler: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def pressed_while_waiting(seconds: float) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:

            def show(runs: Sequence[RunProgress]) -> None:
                if runs[0].state == "running":
                    patch.setattr(time, "sleep", pressed_while_waiting)
                    raise KeyboardInterrupt

            with pytest.raises(Stopped):
                run_with(scheduler, study_of("stubborn"), tmp_path, show)
        assert scheduler.jobs[0].process.wait(10) == -signal.SIGKILL

    def test_an_error_of_our_own_leaves_no_run_behind(self, scheduler: Recording, tmp_path: Path):
        def stumble(runs: Sequence[RunProgress]) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_with(scheduler, study_of("hangs"), tmp_path, stumble)
        assert scheduler.jobs[0].process.wait(10) == -signal.SIGKILL


class TestSharedDirectory:
    def test_a_run_of_other_settings_is_refused_before_anything_starts(
        self, scheduler: Recording, tmp_path: Path
    ):
        RunDir(tmp_path / "runs/one").create({"name": "one", "seed": 7})
        with pytest.raises(UserError, match="already holds a run with another configuration"):
            run_with(scheduler, study_of("one"), tmp_path)
        assert not scheduler.started

    def test_a_second_runner_is_refused(self, scheduler: Recording, tmp_path: Path):
        with runner.alone(tmp_path), pytest.raises(UserError, match="Another process runs the study"):
            run_with(scheduler, study_of("one"), tmp_path)

    def test_a_process_that_a_killed_runner_left_behind_is_waited_for(
        self, scheduler: Recording, tmp_path: Path
    ):
        study = study_of("hangs", "works")
        place = RunDir(tmp_path / "runs/hangs")
        place.create(expand(study)[0].config.model_dump(mode="json"))
        left = start_process(Task((str(STAND_IN), str(place.path)), place.path, tmp_path))
        try:
            while place.read_status() is None:
                time.sleep(0.02)

            def show(runs: Sequence[RunProgress]) -> None:
                assert runs[0].state in ("running", "complete")
                if runs[1].state == "complete":
                    (place.path / "mended").touch()

            runs = run_with(scheduler, study, tmp_path, show)
        finally:
            left.kill()
            left.wait()
        assert [run.state for run in runs] == ["complete", "complete"]
        assert scheduler.started == ["works"]

    def test_and_stopped_with_the_others(self, scheduler: Recording, tmp_path: Path):
        study, place = study_of("hangs"), RunDir(tmp_path / "runs/hangs")
        place.create(expand(study)[0].config.model_dump(mode="json"))
        left = start_process(Task((str(STAND_IN), str(place.path)), place.path, tmp_path))
        try:
            while place.read_status() is None:
                time.sleep(0.02)
            with pytest.raises(Stopped):
                run_with(scheduler, study, tmp_path, press_ctrl_c)
            assert left.wait(10) == 1
        finally:
            left.kill()


def runner_process(study: StudyConfig, directory: Path) -> subprocess.Popen[bytes]:
    """Start a runner of its own, which can be killed."""
    program = """
import sys
from pathlib import Path
from rlif.study import runner
from rlif.study.local import LocalScheduler
from rlif.study.schema import StudyConfig
runner.POLL_SECONDS = 0.02
study = StudyConfig.model_validate_json(sys.argv[1])
command = lambda run, _: (sys.argv[3], str(run.path))
runner.run_all(study, Path(sys.argv[2]), LocalScheduler(2), lambda runs: None, None, command)
"""
    arguments = [study.model_dump_json(), str(directory), str(STAND_IN)]
    environment = {**os.environ, "STAND_IN_PAUSE": "0.1"}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], env=environment)


@pytest.mark.slow
def test_a_study_whose_runner_and_runs_are_killed_ends_as_one_that_was_not(
    scheduler: Recording, tmp_path: Path
):
    study = study_of("one", "two", "three", seeds=2, steps=5)
    run_with(scheduler, study, tmp_path / "quiet")
    place = StudyDir(tmp_path / "killed")
    for number in range(4):
        process = runner_process(study, place.path)
        time.sleep(1 + 0.3 * number)
        process.kill()
        process.wait()
        if number % 2:
            for run in expand(study):
                status = place.run_dir(run.id).read_status()
                if status and status.state == "running":
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(status.pid, signal.SIGKILL)
    assert runner_process(study, place.path).wait(30) == 0
    for run in expand(study):
        quiet, killed = StudyDir(tmp_path / "quiet").run_dir(run.id), place.run_dir(run.id)
        assert killed.metrics_path.read_text() == quiet.metrics_path.read_text()
        assert killed.evals_path.read_text() == quiet.evals_path.read_text()


def test_a_run_is_started_as_rlif_train_and_what_it_prints_is_kept(tmp_path: Path):
    run = RunDir(tmp_path / "runs" / "bad")
    run.create({"name": "bad", "stages": []})
    task = Task(train_command(run, Resources()), run.path, tmp_path)
    process = start_process(task)
    assert process.wait() == 2
    assert ending_of(2, task).hopeless
    assert "stages: needs at least one entry" in (run.path / "log.txt").read_text()


def test_a_run_on_several_gpus_is_started_by_accelerate(tmp_path: Path):
    arguments = train_command(RunDir(tmp_path), Resources(num_gpus=8, accelerate=("--use_fsdp",)))
    assert " ".join(arguments) == (
        "-m accelerate.commands.launch --num_processes 8 --use_fsdp "
        f"-m rlif train {tmp_path}/config.json --out {tmp_path}"
    )
