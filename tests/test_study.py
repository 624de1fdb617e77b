"""Studies: reading them, and running their runs as processes that finish, fail, die or are stopped.

The processes are stand-ins that write records as training does, and behave as the run's name says.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.records import Role, RunDir, StudyDir
from rlif.study import local
from rlif.study.config import StudyConfig, load_study, merged
from rlif.study.local import RunProgress, Stopped, run_study

STUDY = """
name = "two"
description = "Two rewards."

[base]
model = "tiny"
grpo = {learning_rate = 1e-4, num_generations = 4}

[[runs]]
id = "rlvr"
label = "Tests"
role = "verifiable"
change.stages = [{steps = 3, reward = "unit_tests"}]

[[runs]]
id = "random"
label = "Random"
role = "control"
change = {stages = [{steps = 2, reward = "random"}], grpo = {learning_rate = 1e-3}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


class TestMerged:
    def test_tables_are_merged_at_every_depth_and_anything_else_is_replaced(self):
        base = {"a": 1, "table": {"x": 1, "y": {"p": 1, "q": 2}}, "list": [1, 2]}
        change = {"table": {"y": {"q": 3}, "z": 4}, "list": [5], "b": 2}
        assert merged(base, change) == {
            "a": 1,
            "table": {"x": 1, "y": {"p": 1, "q": 3}, "z": 4},
            "list": [5],
            "b": 2,
        }

    def test_a_table_and_a_value_replace_each_other(self):
        assert merged({"reward": "random"}, {"reward": {"type": "random"}}) == {"reward": {"type": "random"}}
        assert merged({"reward": {"type": "random"}}, {"reward": "random"}) == {"reward": "random"}

    def test_neither_side_is_changed(self):
        base, change = {"table": {"x": 1}}, {"table": {"y": 2}}
        merged(base, change)
        assert (base, change) == ({"table": {"x": 1}}, {"table": {"y": 2}})


class TestLoadStudy:
    def test_a_run_is_the_base_with_its_changes_on_top(self, study_file):
        study = load_study(study_file(STUDY))
        rlvr, random = (study.run_config(run) for run in study.runs)
        assert (rlvr.name, rlvr.model, rlvr.total_steps, rlvr.grpo.learning_rate) == ("rlvr", "tiny", 3, 1e-4)
        assert (random.name, random.grpo.learning_rate, random.grpo.num_generations) == ("random", 1e-3, 4)

    def test_what_study_json_says(self, study_file):
        info = load_study(study_file(STUDY)).info()
        assert (info.name, info.description) == ("two", "Two rewards.")
        assert [(run.id, run.label, run.role) for run in info.runs] == [
            ("rlvr", "Tests", Role.VERIFIABLE),
            ("random", "Random", Role.CONTROL),
        ]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('id = "random"', 'id = "rlvr"', "two runs with the id 'rlvr'"),
            ('id = "random"', 'id = "../x"', "runs.1.id: it names a directory"),
            ('id = "random"', 'id = ""', "runs.1.id: it names a directory"),
            ('id = "random"', "", "runs.1.id: is missing"),
            ('role = "control"', 'role = "controll"', "'control', 'transfer' or 'mixture' (got 'controll')"),
            ('label = "Random"', 'lable = "Random"', "runs.1: unknown key 'lable'. Did you mean 'label'?"),
            ("description", "descripton", "unknown key 'descripton'. Did you mean 'description'?"),
            ("change = {", "change = {seeds = 1, ", "run 'random' of study 'two' cannot be used:\n"
             "  the file: unknown key 'seeds'. Did you mean 'seed'?"),
            ('"unit_tests"', '"unit_test"', "run 'rlvr' of study 'two' cannot be used:\n"
             "  stages.0.reward: There is no reward 'unit_test'.\nDid you mean 'unit_tests'?"),
            ("num_generations = 4", "num_generations = 1", "grpo.num_generations: Input should be greater"),
            ("[base]", "[base", "is not valid TOML"),
        ],
    )  # fmt: skip
    def test_mistakes(self, study_file, old: str, new: str, expected: str):
        assert old in STUDY
        with pytest.raises(UserError) as caught:
            load_study(study_file(STUDY.replace(old, new)))
        assert expected in str(caught.value)

    def test_files_without_runs(self, study_file, tmp_path: Path):
        with pytest.raises(UserError, match="runs: is missing"):
            load_study(study_file('name = "empty"'))
        with pytest.raises(UserError, match="runs: needs at least one entry"):
            load_study(study_file('name = "empty"\nruns = []'))
        with pytest.raises(UserError, match="There is no file"):
            load_study(tmp_path / "no.toml")


STAND_IN = """
import os, signal, sys, time
from rlif.records import EvalRecord, RunDir, RunState, StepRecord

run = RunDir(sys.argv[1])
behaviour = run.config()["name"]
if behaviour == "refuses":
    sys.exit("rlif: There is no model 'tiny'.")

def say(state, step=0, error=""):
    run.write_status(RunState(state=state, step=step, total_steps=2, stage="s", error=error, pid=os.getpid()))

def stop(*_):
    say("interrupted", 1)
    sys.exit(1)

signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else stop)
say("running")
if behaviour == "fails" and not os.environ.get("MENDED"):
    say("failed", 1, "ValueError: out of luck")
    sys.exit(1)
while behaviour in ("hangs", "stubborn") and not os.environ.get("MENDED"):
    time.sleep(0.01)
for step in (1, 2):
    run.append_step(StepRecord(step=step, stage="s"))
for mode, score in (("sampled", 0.25), ("greedy", 0.5)):
    run.append_eval(EvalRecord(step=2, stage="s", mode=mode, samples=1, temperature=1, max_tokens=8,
                               problems=4, pass_at_1=score))
say("complete", 2)
"""


class StandIn:
    """Takes the place of `rlif train`; remembers which runs were started."""

    def __init__(self, script: Path) -> None:
        self.script, self.started = script, list[str]()
        self.processes: list[subprocess.Popen[bytes]] = []
        script.write_text(STAND_IN)

    def start(self, run: RunDir) -> subprocess.Popen[bytes]:
        self.started.append(run.path.name)
        process = subprocess.Popen([sys.executable, str(self.script), str(run.path)], start_new_session=True)
        self.processes.append(process)
        return process


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in = StandIn(tmp_path / "stand_in.py")
    monkeypatch.setattr(local, "_start", stand_in.start)
    monkeypatch.setattr(local, "POLL_SECONDS", 0.02)
    yield stand_in
    for process in stand_in.processes:
        process.kill()
        process.wait()


def study_of(*behaviours: str) -> StudyConfig:
    runs = [{"id": name, "label": name.title(), "role": "control"} for name in behaviours]
    base = {"stages": [{"steps": 2, "reward": "random"}]}
    return StudyConfig.model_validate({"name": "stand-in", "base": base, "runs": runs})


def nothing(runs: Sequence[RunProgress]) -> None:
    """Show nothing."""


class Interrupt:
    """Presses Ctrl-C as soon as every run says that it is running."""

    def __call__(self, runs: Sequence[RunProgress]) -> None:
        if all(run.state == "running" for run in runs):
            raise KeyboardInterrupt


class TestRunStudy:
    def test_all_runs_complete(self, stand_in: StandIn, tmp_path: Path):
        study = study_of("one", "two")
        shown: list[list[RunProgress]] = []
        runs = run_study(study, tmp_path / "study", 1, lambda runs: shown.append(list(runs)))
        done = RunProgress(
            "one", "One", state="complete", step=2, total_steps=2, stage="s", pass_at_1=0.25, error=""
        )
        assert runs[0] == done
        assert [(run.id, run.state) for run in runs] == [("one", "complete"), ("two", "complete")]
        place = StudyDir(tmp_path / "study")
        assert place.info() == study.info()
        assert place.run_dir("two").config() == study.run_config(study.runs[1]).model_dump(mode="json")
        # One at a time: the second waits until the first is complete.
        assert [run.state for run in shown[0]] == ["starting", "waiting"]
        assert all(first.state == "complete" for first, second in shown if second.state != "waiting")

    def test_failures_are_told_and_stop_nobody_and_can_be_continued(
        self, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        study = study_of("fails", "refuses", "works")
        fails, refuses, works = run_study(study, tmp_path / "study", 2, nothing)
        assert (fails.state, fails.step, fails.error) == ("failed", 1, "ValueError: out of luck")
        assert refuses.state == "failed"
        assert refuses.error == f"it ended with exit code 1; see {tmp_path}/study/runs/refuses/log.txt"
        assert works.state == "complete"
        assert stand_in.started == ["fails", "refuses", "works"]

        monkeypatch.setenv("MENDED", "1")
        shown: list[list[str]] = []
        again = run_study(
            study, tmp_path / "study", 1, lambda runs: shown.append([run.state for run in runs])
        )
        assert stand_in.started[3:] == ["fails", "refuses"]  # and not what was complete
        assert [run.state for run in again] == ["complete", "failed", "complete"]
        assert shown[0] == ["starting", "waiting", "complete"]  # whatever they said the last time

    def test_a_killed_run_is_reported_as_failed(self, stand_in: StandIn, tmp_path: Path):
        def kill(runs: Sequence[RunProgress]) -> None:
            if runs[0].state == "running":
                os.kill(stand_in.processes[0].pid, signal.SIGKILL)

        [run] = run_study(study_of("hangs"), tmp_path / "study", 1, kill)
        assert run.state == "failed"
        assert run.error == f"it ended with SIGKILL; see {tmp_path}/study/runs/hangs/log.txt"

    def test_ctrl_c_stops_the_runs_which_can_be_continued(
        self, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        study = study_of("hangs")
        with pytest.raises(Stopped):
            run_study(study, tmp_path / "study", 1, Interrupt())
        assert stand_in.processes[0].returncode == 1  # it ended, and not by a signal
        status = StudyDir(tmp_path / "study").run_dir("hangs").read_status()
        assert status
        assert (status.state, status.step) == ("interrupted", 1)

        monkeypatch.setenv("MENDED", "1")
        [run] = run_study(study, tmp_path / "study", 1, nothing)
        assert run.state == "complete"

    def test_a_second_ctrl_c_leaves_no_run_behind(
        self, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def pressed_while_waiting(process: object) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(subprocess.Popen, "wait", pressed_while_waiting)
            with pytest.raises(Stopped):
                run_study(study_of("stubborn"), tmp_path / "study", 1, Interrupt())
        assert stand_in.processes[0].wait(10) == -signal.SIGKILL

    def test_an_error_of_our_own_leaves_no_run_behind(self, stand_in: StandIn, tmp_path: Path):
        def stumble(runs: Sequence[RunProgress]) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run_study(study_of("hangs"), tmp_path / "study", 1, stumble)
        assert stand_in.processes[0].wait(10) == -signal.SIGKILL

    def test_a_directory_of_another_study_is_refused_before_anything_starts(
        self, stand_in: StandIn, tmp_path: Path
    ):
        RunDir(tmp_path / "study/runs/one").create({"name": "one", "seed": 7})
        with pytest.raises(UserError, match="already holds a run with another configuration"):
            run_study(study_of("one"), tmp_path / "study", 1, nothing)
        assert not stand_in.started


def test_a_run_is_started_as_rlif_train_and_what_it_prints_is_kept(tmp_path: Path):
    run = RunDir(tmp_path / "runs" / "bad")
    run.create({"name": "bad", "stages": []})
    process = local._start(run)
    assert process.wait() == 2
    assert "stages: needs at least one entry" in (run.path / "log.txt").read_text()
