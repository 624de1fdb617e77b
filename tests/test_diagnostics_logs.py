"""Training logs of other tools: what is found in each format, which column is taken, what is missing."""

import gzip
import importlib.util
import json
import math
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rlif.diagnostics import Alarm, Verdict
from rlif.diagnostics.logs import LogFormat, LogOptions, diagnose_log, read_log
from rlif.diagnostics.logs.coverage import COSTS
from rlif.diagnostics.logs.names import FIELDS, TOOLS
from rlif.diagnostics.signals import SIGNALS
from rlif.errors import UserError
from rlif.records import RunDir, StepRecord

LOGS = Path(__file__).parent / "logs"
sys.path.append(str(LOGS))

from make_logs import STEPS, course, trl_rows  # noqa: E402

TEXT_LOGS = {
    "trl-{}": LogFormat.TRAINER_STATE,
    "trl-{}/checkpoint-30/trainer_state.json": LogFormat.TRAINER_STATE,
    "verl-{}.log": LogFormat.CONSOLE,
    "verl-{}.jsonl": LogFormat.JSON,
    "openrlhf-{}.log": LogFormat.CONSOLE,
    "wandb-chart-{}.csv": LogFormat.CSV,
    "wandb-history-{}.jsonl": LogFormat.JSON,
}


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as the file's suffix says."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        path.write_text(json.dumps(rows))
    return path


def write_trackio(path: Path, runs: dict[str, list[dict[str, float]]]) -> Path:
    """Write a trackio project database; it counts its own calls as the step."""
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE metrics "
            "(id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT)"
        )
        for run, rows in runs.items():
            values = [("2026-01-05T10:00:00", run, i, json.dumps(row)) for i, row in enumerate(rows)]
            database.executemany(
                "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)", values
            )
    return path


def assert_right(path: Path, run: str, kind: LogFormat) -> None:
    """The numbers of `course`, and the verdict on them, were read from a log."""
    log = read_log(path)
    assert (log.format, log.rows, log.first_step, log.last_step) == (kind, STEPS, 1, STEPS)
    for record, truth in zip(log.steps, course(run), strict=True):
        assert record.step == truth["step"]
        assert record.length_mean == pytest.approx(truth["length"], abs=1e-4)
        assert record.entropy == pytest.approx(truth["entropy"], abs=1e-4)
        assert record.reward == pytest.approx(truth["reward"], abs=1e-4)
    found = diagnose_log(log)
    assert found.alarm is (Alarm.ALARM if run == "collapsing" else Alarm.QUIET)
    if run == "collapsing":
        length = found.trends["length_mean"]
        assert length.alarming
        assert 15 <= (length.onset or 0) <= 22  # it falls from step 10 on, and reaches 0.6 of its start at 19


@pytest.mark.parametrize("run", ["collapsing", "healthy"])
@pytest.mark.parametrize("name", TEXT_LOGS)
def test_a_log_of_each_tool(name: str, run: str):
    assert_right(LOGS / name.format(run), run, TEXT_LOGS[name])


@pytest.mark.parametrize("run", ["collapsing", "healthy"])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_exports_of_a_history(tmp_path: Path, run: str, suffix: str):
    rows = [
        {"run_name": "a", "timestamp": "2026-01-05", "step": 7 * i} | row
        for i, row in enumerate(trl_rows(run, "train/"))
    ]
    assert_right(write_table(tmp_path / f"export{suffix}", rows), run, LogFormat(suffix.removeprefix(".")))


@pytest.mark.parametrize("run", ["collapsing", "healthy"])
def test_a_trackio_database(tmp_path: Path, run: str):
    path = write_trackio(tmp_path / "grpo.db", {"run": trl_rows(run, "train/")})
    assert_right(path, run, LogFormat.TRACKIO)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the extra tensorboard")
@pytest.mark.parametrize("run", ["collapsing", "healthy"])
def test_event_files(tmp_path: Path, run: str):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path / "runs" / "Jan05"))
    for row in trl_rows(run, "train/"):
        step = int(row.pop("train/global_step"))
        for name, number in row.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=number)])
            writer.add_event(Event(step=step, summary=summary))
    writer.close()
    assert_right(tmp_path, run, LogFormat.TENSORBOARD)


def test_event_files_without_the_package_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    (tmp_path / "events.out.tfevents.1").write_bytes(b"x")
    with pytest.raises(UserError, match=r"pip install 'rlif\[tensorboard\]'"):
        read_log(tmp_path)


def test_our_own_run_directory(tmp_path: Path):
    run = RunDir(tmp_path)
    for s in course("collapsing"):
        record = StepRecord(step=int(s["step"]), stage="rlif", length_mean=s["length"], no_code=0.1)
        run.append_step(record)
    for path in (tmp_path, tmp_path / "metrics.jsonl"):
        log = read_log(path)
        assert log.format is LogFormat.RLIF
        assert log.steps == run.steps()
        assert diagnose_log(log).alarm is Alarm.ALARM


# Held-out scores


def test_verls_validation_becomes_evaluations():
    log = read_log(LOGS / "verl-collapsing.jsonl")
    assert [(e.step, e.samples) for e in log.evals] == [(0, 4), (10, 4), (20, 4), (30, 4)]
    assert [e.pass_at_1 for e in log.evals] == pytest.approx([0.4, 0.4, 0.225, 0.05])
    assert any("no interval" in line for line in log.missing)
    assert diagnose_log(log).verdict is Verdict.UNDECIDED  # nothing says over how many problems


def test_openrlhfs_evaluations():
    log = read_log(LOGS / "openrlhf-healthy.log")
    assert [(e.step, round(e.pass_at_1, 3)) for e in log.evals] == [(10, 0.4), (20, 0.432), (30, 0.465)]


def test_scores_on_several_data_sets_are_averaged(tmp_path: Path):
    rows = [
        {"step": 1, "val-core/a/acc/mean@1": 0.2, "val-core/b/acc/mean@1": 0.6},
        {"step": 2, "val-core/a/acc/mean@1": 0.9},  # on one alone: not comparable
    ]
    log = read_log(write_table(tmp_path / "log.json", rows))
    # b was scored less often than a, so a alone gives the longest series of one meaning
    assert [(e.step, e.pass_at_1) for e in log.evals] == [(1, 0.2), (2, 0.9)]
    rows[1]["val-core/b/acc/mean@1"] = 0.7
    log = read_log(write_table(tmp_path / "log.json", rows))
    assert [e.pass_at_1 for e in log.evals] == pytest.approx([0.4, 0.8])
    assert any("mean of 2 data sets" in note for note in log.notes)


def test_a_score_outside_zero_to_one_is_no_pass_rate(tmp_path: Path):
    rows = [{"step": i, "reward": 0.1, "val-core/a/reward/mean@1": -1.0 + i} for i in range(3)]
    log = read_log(write_table(tmp_path / "log.json", rows))
    assert log.evals == []
    assert any("not taken for a share of right answers" in note for note in log.notes)


# Which column is what


def test_the_docs_name_every_known_name():
    text = (LOGS.parents[1] / "docs" / "diagnose.md").read_text()
    names = {name for tool in ("TRL", "verl", "OpenRLHF") for known in TOOLS[tool].values() for name in known}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_known_name_is_a_field_of_a_step():
    for tool in TOOLS.values():
        assert tool.keys() <= set(FIELDS) <= StepRecord.model_fields.keys()


def test_the_costs_cover_every_signal_that_trainers_log_and_that_can_alarm():
    logged = {key for tool in ("TRL", "verl", "OpenRLHF") for key in TOOLS[tool]}
    assert {name for name, signal in SIGNALS.items() if signal.can_alarm} & logged <= COSTS.keys()


@pytest.mark.parametrize(
    ("tool", "field", "name"),
    [(tool, key, name) for tool, names in TOOLS.items() for key, known in names.items() for name in known],
)
def test_each_known_name_is_read_into_its_field(tmp_path: Path, tool: str, field: str, name: str):
    log = read_log(write_table(tmp_path / "log.json", [{"step": 3, name: 0.25}]))
    assert log.taken == {field: name}
    assert getattr(log.steps[0], field) == 0.25


def test_of_two_rewards_the_one_advantages_come_from_is_taken_and_the_other_named(tmp_path: Path):
    rows = [{"step": i, "critic/score/mean": 0.5, "critic/rewards/mean": 0.1 * i} for i in range(3)]
    log = read_log(write_table(tmp_path / "log.json", rows))
    assert log.taken["reward"] == "critic/rewards/mean"
    assert any("'critic/score/mean' could be meant too" in note for note in log.notes)


def test_mapping_goes_before_known_names(tmp_path: Path):
    rows = [{"update_no": 5 + i, "reward": 0.1, "my reward": 2.0, "len": 9.0, "test": 0.5} for i in range(3)]
    path = write_table(tmp_path / "log.csv", rows)
    options = LogOptions(
        mapping={"step": "update_no", "reward": "my reward", "length_mean": "len", "pass_at_1": "test"}
    )
    log = read_log(path, options)
    assert [(r.step, r.reward, r.length_mean) for r in log.steps] == [
        (5, 2.0, 9.0),
        (6, 2.0, 9.0),
        (7, 2.0, 9.0),
    ]
    assert [e.pass_at_1 for e in log.evals] == [0.5, 0.5, 0.5]
    assert log.ignored == ["reward"]


def test_a_mapping_that_does_not_fit_says_what_would(tmp_path: Path):
    path = write_table(tmp_path / "log.csv", [{"step": 1, "my_reward": 0.5}])
    with pytest.raises(UserError, match="Did you mean 'reward'"):
        LogOptions(mapping={"rewrd": "my_reward"})
    with pytest.raises(UserError, match="Did you mean 'my_reward'"):
        read_log(path, LogOptions(mapping={"reward": "my_rewards"}))


def test_without_a_known_metric_the_columns_are_listed(tmp_path: Path):
    path = write_table(tmp_path / "log.csv", [{"when": 1, "goodness": 0.5}])
    with pytest.raises(UserError, match="'when', 'goodness'") as caught:
        read_log(path)
    assert "--map reward=COLUMN" in str(caught.value)


def test_shares_in_percent_become_fractions_and_that_is_said(tmp_path: Path):
    rows = [{"step": i, "truncated": 3.0 + i, "kl": 3.0} for i in range(3)]
    log = read_log(write_table(tmp_path / "log.json", rows))
    assert [r.truncated for r in log.steps] == [0.03, 0.04, 0.05]
    assert log.steps[0].kl == 3.0  # no share: left as it is
    assert any("percent" in note for note in log.notes)


def test_components_of_a_reward_are_kept():
    record = read_log(LOGS / "trl-healthy").steps[0]
    assert record.rewards["self_certainty"].mean == record.reward
    assert math.isnan(record.rewards["self_certainty"].max)


def test_only_a_reward_cannot_be_quiet(tmp_path: Path):
    rows = [{"step": i, "reward": 0.1 * i} for i in range(20)]
    log = read_log(write_table(tmp_path / "log.json", rows))
    assert diagnose_log(log).alarm is Alarm.UNDECIDED
    assert len(log.missing) == 6
    assert "length collapse" in log.missing[0]


def test_stages_keep_rewards_apart(tmp_path: Path):
    """Self-certainty near 15, then tests: without the boundary the reward would seem to fall."""
    rows = [{"step": i, "reward": 15.0 if i < 20 else 0.01 * (i - 20)} for i in range(40)]
    path = write_table(tmp_path / "log.json", rows)
    assert diagnose_log(read_log(path)).trends["reward"].start == 15.0
    staged = diagnose_log(read_log(path, LogOptions(stage_at=(20,))))
    assert staged.trends["reward"].start == pytest.approx(0.01)  # the mean of 0, 0.01 and 0.02


# Several runs, several logs


def test_one_of_several_runs_must_be_chosen(tmp_path: Path):
    path = write_trackio(
        tmp_path / "p.db", {run: trl_rows(run, "train/") for run in ("collapsing", "healthy")}
    )
    with pytest.raises(UserError, match="2 runs") as caught:
        read_log(path)
    assert "--run 'collapsing'" in str(caught.value)
    with pytest.raises(UserError, match="Did you mean 'healthy'"):
        read_log(path, LogOptions(run="healty"))
    assert diagnose_log(read_log(path, LogOptions(run="healthy"))).alarm is Alarm.QUIET
    assert diagnose_log(read_log(path, LogOptions(run="collapsing"))).alarm is Alarm.ALARM


def test_a_wandb_chart_of_several_runs(tmp_path: Path):
    path = tmp_path / "chart.csv"
    path.write_text('"Step","a - b - reward","a - b - reward__MIN","c - reward"\n1,0.5,0.1,0.9\n')
    with pytest.raises(UserError, match="2 runs"):
        read_log(path)
    assert read_log(path, LogOptions(run="a - b")).steps[0].reward == 0.5
    assert read_log(path, LogOptions(run="c")).steps[0].reward == 0.9


def test_a_directory_with_several_logs_names_them(tmp_path: Path):
    for name in ("a.log", "b.csv"):
        shutil.copy(LOGS / "verl-healthy.log", tmp_path / name)
    with pytest.raises(UserError, match=r"2 logs:\n.*a\.log\n.*b\.csv"):
        read_log(tmp_path)
    (tmp_path / "b.csv").unlink()
    (tmp_path / "config.json").write_text("{}")  # no log
    assert read_log(tmp_path).path == tmp_path / "a.log"


def test_a_directory_with_one_table(tmp_path: Path):
    write_table(tmp_path / "export.parquet", trl_rows("healthy"))
    assert read_log(tmp_path).format is LogFormat.PARQUET


def test_the_newest_checkpoint_counts(tmp_path: Path):
    for step in (5, 30, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        state = {"log_history": [{"step": i, "reward": 0.5} for i in range(1, step + 1)]}
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state))
    assert read_log(tmp_path).last_step == 30


def test_a_compressed_log(tmp_path: Path):
    data = gzip.compress((LOGS / "verl-collapsing.log").read_bytes())
    path = tmp_path / "verl.log.gz"
    path.write_bytes(data)
    assert_right(path, "collapsing", LogFormat.CONSOLE)
    path.write_bytes(data[: len(data) // 2])  # still being written
    assert 1 < read_log(path).rows < STEPS
