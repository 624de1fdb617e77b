"""What a study will take: work counted by hand, time from records, GPUs by formula."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from rlif.cli import main
from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.records import EvalRecord, RunDir, RunState, StepRecord
from rlif.study.config import load_study
from rlif.study.hardware import Device
from rlif.study.measured import measured_speed
from rlif.study.plan import make_plan
from rlif.study.schema import StudyConfig
from rlif.study.shapes import ModelShape
from rlif.study.work import Work, work_of

ROOT = Path(__file__).parents[1]
QUIET_CORE = Device("a quiet core", 8e9, 60e9, 10e9, 1.5e-3, 0.7e-3, 2e-5, 2e-5, is_gpu=False)


def config_of(**settings: Any) -> RunConfig:
    """Ten steps of 2 x 4 completions; evaluated every four steps on 5 problems, 3 samples and greedy."""
    return RunConfig.model_validate(
        {
            "stages": [{"steps": 10, "reward": "random"}],
            "grpo": {"prompts_per_step": 2, "num_generations": 4},
            "evaluation": {"every": 4, "samples": 3, "problems": {"limit": 5}},
            **settings,
        }
    )


class TestWork:
    def test_of_one_stage(self):
        # Evaluated at 0, 4, 8 and, where the stage ends, 10.
        assert work_of(config_of()) == Work(steps=10, evaluations=4, completions=80, evaluated=4 * 5 * 4)

    def test_stages_with_settings_of_their_own(self):
        stages = [
            {"steps": 4, "reward": "random"},
            {"steps": 2, "reward": "random", "grpo": {"num_generations": 8}},
        ]
        assert work_of(config_of(stages=stages)) == Work(6, 3, 4 * 8 + 2 * 16, 3 * 20)

    def test_without_the_truth_as_much_is_sampled_and_nothing_judged(self):
        assert work_of(config_of(truth=False)) == work_of(config_of())


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two complete runs, one twice as slow; a third is not complete, a fourth of another model."""
    for name, model, state, pace in (
        ("a", "m", "complete", 1.0),
        ("b", "m", "complete", 2.0),
        ("c", "m", "running", 9.0),
        ("d", "other", "complete", 9.0),
    ):
        run = RunDir(tmp_path / "runs" / name)
        run.create(config_of(model=model).model_dump(mode="json"))
        for step in (1, 2):
            run.append_step(StepRecord(step=step, stage="s", tokens=80 * step, seconds={"total": 8 * pace}))
        run.append_eval(
            EvalRecord(
                step=2,
                stage="s",
                mode="sampled",
                samples=3,
                temperature=1,
                max_tokens=8,
                problems=5,
                seconds=15 * pace,
            )
        )
        run.write_status(RunState(state=state, seconds=41 * pace))
    return tmp_path


class TestSpeed:
    def test_is_the_median_of_complete_runs_of_the_model(self, records: Path):
        speed = measured_speed("m", [records])
        assert speed
        assert (speed.train_s, speed.eval_s, speed.start_s, speed.tokens) == (1.5, 1.5, 15, 10)
        assert speed.source == "measured: 2 complete runs of m"

    def test_of_a_model_never_run_is_not_known(self, records: Path):
        assert measured_speed("new", [records, records / "nowhere"]) is None

    def test_a_damaged_record_is_left_out(self, records: Path):
        (records / "runs/a/metrics.jsonl").write_text("}\n}\n")
        speed = measured_speed("m", [records])
        assert speed
        assert speed.train_s == 2


def study_of(**settings: Any) -> StudyConfig:
    base = config_of(model="m").model_dump(mode="json", exclude={"name", "seed"})
    runs = [{"id": "random", "label": "Random", "role": "control"}]
    return StudyConfig.model_validate({"name": "s", "base": base, "runs": runs, "seeds": 3, **settings})


class TestPlan:
    def test_time_on_cpus(self, records: Path):
        plan = make_plan(study_of(), 2, [records])
        seconds = 15 + 80 * 1.5 + 80 * 1.5
        assert [planned.budget.seconds for planned in plan.runs] == [seconds] * 3
        assert plan.cpu_hours == pytest.approx(3 * seconds / 3600)
        assert plan.wall_hours == pytest.approx(1.5 * seconds / 3600)
        assert plan.gpu_hours == 0
        assert plan.assumptions == ["measured: 2 complete runs of m"]

    def test_a_run_alone_takes_its_own_time_however_many_would_fit(self, records: Path):
        plan = make_plan(study_of(), 100, [records])
        assert plan.wall_hours == pytest.approx(255 / 3600)

    def test_an_unknown_speed_is_nan(self, tmp_path: Path):
        plan = make_plan(study_of(), 1, [tmp_path])
        assert math.isnan(plan.wall_hours)
        assert plan.assumptions == [
            "unknown: the shape of m, and no earlier run of it; time is not estimated"
        ]


class TestGpus:
    def test_what_does_not_fit_is_refused(self):
        grpo = {"prompts_per_step": 64, "num_generations": 16, "max_completion_length": 4096}
        base = config_of(model="Qwen/Qwen2.5-Coder-7B-Instruct", grpo=grpo)
        dumped = base.model_dump(mode="json", exclude={"name", "seed"})
        with pytest.raises(UserError, match=r"needs about \d+ GB on each GPU, and a h100 has 80"):
            make_plan(study_of(base=dumped, resources={"num_gpus": 8}), 1)

    def test_an_unknown_gpu(self):
        with pytest.raises(UserError, match="'h1000' is not known"):
            make_plan(study_of(resources={"num_gpus": 1, "gpu": "h1000"}), 1)


class TestCores:
    def test_without_earlier_runs_the_machine_is_measured_once_a_model(self):
        asked: list[tuple[int, int]] = []

        def measure(shape: ModelShape, rows: int, threads: int) -> Device:
            asked.append((rows, threads))
            return QUIET_CORE

        base = config_of(model="smollm2").model_dump(mode="json", exclude={"name", "seed"})
        plan = make_plan(study_of(base=base), 1, (), measure)
        assert asked == [(8, 1)]
        assert all(planned.budget.seconds > 0 for planned in plan.runs)
        assert any("a quiet core" in line for line in plan.assumptions)


def test_the_shipped_plans_keep_to_their_budgets():
    claims = make_plan(load_study(ROOT / "studies/claims.toml"), 2, (), lambda *_: QUIET_CORE)
    assert claims.wall_hours < 2
    qwen = make_plan(load_study(ROOT / "studies/livecodebench-qwen.toml"), 1)
    assert all(1 < planned.budget.seconds / 3600 < 24 for planned in qwen.runs)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], records: Path):
    path = records / "study.json"
    path.write_text(study_of().model_dump_json())
    arguments = ["rlif", "study", "plan", str(path), "--records", str(records), "--processes", "2", "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert (len(printed["runs"]), printed["parallel"]) == (3, 2)
    assert printed["runs"][0]["seconds"] == 255
    assert printed["runs"][0]["memory"] is None  # unknown, not 0
