"""A run directory may be killed or read at any moment: nothing half-written is ever seen."""

import json
import math
import resource
from pathlib import Path

import polars as pl
import pytest

from rlif.errors import UserError
from rlif.records import (
    EvalRecord,
    RewardSummary,
    Role,
    RunDir,
    RunInfo,
    RunState,
    StepRecord,
    StopRecord,
    StudyDir,
    StudyInfo,
)
from rlif.records.files import append_line, read_jsonl, write_atomic

DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.create({"model": "m", "seed": 1})
    return run


def evaluation(step: int, mode: str = "sampled") -> EvalRecord:
    fields = {"step": step, "stage": "a", "mode": mode, "samples": 2, "temperature": 1.0, "max_tokens": 9}
    return EvalRecord.model_validate(fields | {"problems": 1, "pass_at_1": 0.5, "correct": {"p": 1}})


def test_what_is_appended_is_read_back(run: RunDir) -> None:
    record = StepRecord(step=1, stage="a", reward=0.5, rewards={"x": RewardSummary(mean=1.0)}, tokens=7)
    run.append_step(record)
    run.append_eval(evaluation(0))
    [read] = run.steps()
    assert (read.step, read.stage, read.reward, read.rewards["x"].mean, read.tokens) == (1, "a", 0.5, 1.0, 7)
    assert run.evals()[0].correct == {"p": 1}


def test_undefined_numbers_are_null_in_the_file_and_nan_in_memory(run: RunDir) -> None:
    run.append_step(StepRecord(step=1, stage="a", reward=math.inf, seconds={"total": math.nan}))
    line = json.loads(run.metrics_path.read_text())
    assert line["kl"] is None
    assert line["reward"] is None
    [read] = run.steps()
    assert math.isnan(read.kl)
    assert math.isnan(read.seconds["total"])


def test_a_field_of_a_newer_rlif_survives(run: RunDir) -> None:
    append_line(run.metrics_path, '{"step": 1, "stage": "a", "novelty": 3}')
    assert run.steps()[0].model_dump()["novelty"] == 3


def test_a_line_cut_at_any_byte_is_not_seen_and_is_replaced_by_the_next(run: RunDir) -> None:
    run.append_step(StepRecord(step=1, stage="ä"))
    whole = run.metrics_path.read_bytes()
    run.append_step(StepRecord(step=2, stage="ä"))
    both = run.metrics_path.read_bytes()
    for end in range(len(whole), len(both) - 1):
        run.metrics_path.write_bytes(both[:end])
        assert [record.step for record in run.steps()] == [1]
        run.append_step(StepRecord(step=3, stage="a"))
        assert [record.step for record in run.steps()] == [1, 3]
    run.metrics_path.write_bytes(both[:-1])  # all but the line end: the object is whole
    run.append_step(StepRecord(step=3, stage="a"))
    assert [record.step for record in run.steps()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "is not JSON"),
        ("[1]", "holds list"),
        ('{"stage": "a"}', "'step'"),
        ('{"step": "x", "stage": "a"}', "'step'"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_damaged_line_is_named(run: RunDir, line: str, said: str) -> None:
    run.metrics_path.write_text(f'{{"step": 1, "stage": "a"}}\n{line}\n{{"step": 3, "stage": "a"}}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2") as error:
        run.steps()
    assert said in error.value.message
    assert error.value.fix


def test_truncate_after_drops_what_came_later_and_keeps_the_rest_byte_by_byte(run: RunDir) -> None:
    for step in (1, 2, 3):
        run.append_step(StepRecord(step=step, stage="a"))
        run.write_rollouts(step, [{"step": step, "text": "t"}])
    for step in (0, 2, 3):
        run.append_eval(evaluation(step))
    first_two = b"".join(run.metrics_path.read_bytes().splitlines(keepends=True)[:2])
    run.truncate_after(2)
    assert run.metrics_path.read_bytes() == first_two
    assert [record.step for record in run.evals()] == [0, 2]
    assert run.rollout_steps() == [1, 2]


def test_a_run_is_not_overwritten_by_another(run: RunDir) -> None:
    run.create({"seed": 1, "model": "m"})  # the same: a resumed run
    with pytest.raises(UserError, match="another configuration"):
        run.create({"model": "m", "seed": 2})
    assert run.config() == {"model": "m", "seed": 1}


def test_nothing_recorded_yet_is_empty_but_no_run_is_an_error(run: RunDir, tmp_path: Path) -> None:
    assert run.steps() == []
    assert run.evals() == []
    assert run.read_status() is None
    assert run.rollout_steps() == []
    with pytest.raises(UserError, match="not a run directory"):
        RunDir(tmp_path / "nowhere").steps()


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_json_file_is_named(run: RunDir, content: str) -> None:
    run.config_path.write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        run.config()


def test_status_is_replaced(run: RunDir) -> None:
    run.write_status(RunState(state="running", step=1))
    run.write_status(RunState(state="failed", step=2, error="no disk"))
    status = run.read_status()
    assert status is not None
    assert (status.state, status.step, status.error) == ("failed", 2, "no disk")
    run.status_path.write_text('{"state": "asleep"}')
    with pytest.raises(UserError, match="state"):
        run.read_status()


def test_rollouts_keep_types_and_survive_hostile_text(run: RunDir) -> None:
    rows = [
        {"step": 5, "group": 0, "text": "\ud800 \x00 ünï", "reward": 1, "passed": None, "extra": [1]},
        {"step": 5, "group": 1, "text": "", "reward": math.nan, "passed": True, "extra": [2]},
    ]
    assert run.write_rollouts(5, rows).name == "step-000005.parquet"
    frame = run.rollouts(5)
    assert frame["text"].to_list() == ["? \x00 ünï", ""]
    assert frame["passed"].to_list() == [None, True]
    assert frame.schema["reward"] == pl.Float64
    (run.rollouts_path / "step-000005.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="step-000005"):
        run.rollouts(5)


def test_a_full_disk_leaves_whole_lines_and_says_so(run: RunDir) -> None:
    run.append_step(StepRecord(step=1, stage="a"))
    before = run.metrics_path.read_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stands in for the end of the disk: the kernel writes a part, then refuses.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        with pytest.raises(UserError, match="cannot be written") as error:
            run.append_step(StepRecord(step=2, stage="a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "it continues" in error.value.fix
    assert run.metrics_path.read_bytes() == before


def test_a_failed_replacement_keeps_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_atomic(path, b"old")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(UserError, match="cannot be written"):
            write_atomic(path, b"newer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_blank_lines_do_not_count_but_do_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"a": 1}\n\n{"a": 2}')
    assert [(line.number, line.value["a"]) for line in read_jsonl(path)] == [(2, 1), (4, 2)]


def test_a_study_yields_the_runs_that_were_started(tmp_path: Path) -> None:
    study = StudyDir(tmp_path)
    infos = [RunInfo.model_validate({"id": "a-1", "role": "control", "seed": 3}), RunInfo(id="b-2")]
    study.create(StudyInfo(name="s", runs=infos))
    study.run_dir("a-1").create({})
    [(info, run)] = study.runs()
    assert (info.id, info.role, info.model_dump()["seed"]) == ("a-1", Role.CONTROL, 3)
    assert run.path == tmp_path / "runs" / "a-1"


@pytest.mark.parametrize(
    "wrong", [{"id": "../../etc"}, {"id": "a/b"}, {"id": ""}, {"id": "a", "role": "boss"}]
)
def test_a_wrong_entry_of_a_study_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"name": "s", "runs": [wrong]}))
    with pytest.raises(UserError, match=r"study\.json: 'runs\.0"):
        StudyDir(tmp_path).info()


def test_a_missing_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"study\.json"):
        StudyDir(tmp_path).info()


@pytest.mark.parametrize("kind", [StepRecord, EvalRecord])
def test_every_field_is_explained_in_the_docs(kind: type[StepRecord] | type[EvalRecord]) -> None:
    text = DOCS.read_text()
    assert [name for name in kind.model_fields if f"`{name}`" not in text] == []


def test_what_a_stopping_rule_said_is_read_back_and_dropped_with_its_step(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.create({})
    assert run.stops() == []
    said = [
        StopRecord(step=step, stage="a", rule="r", reason="x", action=action, best=3, policy=policy)
        for step, action, policy in ((4, "warn", 4), (6, "rollback", 2))
    ]
    for record in said:
        run.append_stop(record)
    assert run.stops() == said

    run.truncate_after(5)

    assert run.stops() == said[:1]


def test_a_setting_that_is_new_and_not_set_does_not_make_it_another_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.create({"steps": [{"n": 1}]})
    run.create({"steps": [{"n": 1, "new": None}], "newer": None})
    with pytest.raises(UserError, match="another configuration"):
        run.create({"steps": [{"n": 1, "new": 0}]})
