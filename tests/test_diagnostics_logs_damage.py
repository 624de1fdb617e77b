"""Logs as they are found: restarted, cut off, full of NaN, huge, or no logs at all. Never a traceback."""

import gzip
import importlib.util
import json
import math
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlif.diagnostics import Alarm
from rlif.diagnostics.logs import Log, LogFormat, LogOptions, diagnose_log, json_log, read_log
from rlif.diagnostics.logs.content import read_content
from rlif.diagnostics.logs.steps import MOST_POINTS
from rlif.errors import UserError

LOGS = Path(__file__).parent / "logs"


def log_of(path: Path, *rows: dict[str, Any] | str) -> Log:
    """Read a JSONL log of rows; text stands for a line as it is."""
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return read_log(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def read(log: Log, name: str) -> list[float]:
    return [getattr(record, name) for record in log.steps]


# Steps


def test_after_a_restart_the_later_lines_count(path: Path):
    """Steps 1 to 5, resumed from step 2, now at 4: step 5 belongs to a policy that was thrown away."""
    first = [{"step": i, "reward": 1.0, "kl": 0.5} for i in range(1, 6)]
    log = log_of(path, *first, {"step": 3, "reward": 2.0}, {"step": 4, "reward": 2.0})
    assert read(log, "step") == [1, 2, 3, 4]
    assert read(log, "reward") == [1.0, 1.0, 2.0, 2.0]
    assert math.isnan(log.steps[2].kl)  # nothing is left of the first attempt
    assert any("go back 1 time " in note and "3 earlier" in note for note in log.notes)


def test_rows_of_one_step_are_merged(path: Path):
    log = log_of(path, {"step": 1, "reward": 1.0}, {"step": 1, "kl": 0.5}, {"step": 1, "reward": 3.0})
    assert (read(log, "reward"), read(log, "kl")) == ([3.0], [0.5])


def test_a_late_evaluation_is_no_restart(path: Path):
    score = "val-core/a/acc/mean@1"
    rows = [{"step": 1, "reward": 0.5}, {"step": 2, "reward": 0.5}, {"step": 1, score: 0.25}]
    log = log_of(path, *rows)
    assert read(log, "step") == [1, 2]
    assert [(e.step, e.pass_at_1) for e in log.evals] == [(1, 0.25)]


def test_scores_of_a_policy_that_was_thrown_away_go_with_it(path: Path):
    score = "val-core/a/acc/mean@1"
    first = [{"step": i, "reward": 0.5, score: 0.25} for i in (1, 2, 3)]
    log = log_of(path, *first, {"step": 2, "reward": 0.5})
    assert [e.step for e in log.evals] == [1, 2]


def test_gaps_are_no_steps(path: Path):
    log = log_of(path, *({"step": i, "reward": 0.5} for i in (10, 20, 500)))
    assert (log.rows, log.first_step, log.last_step) == (3, 10, 500)


def test_without_a_step_column_rows_are_counted_and_that_is_said(path: Path):
    log = log_of(path, {"reward": 0.1}, {"reward": 0.2})
    assert read(log, "step") == [1, 2]
    assert any("rows were counted" in note for note in log.notes)


def test_a_loggers_own_counter_does_not_stand_in_for_the_step(path: Path):
    """W&B's _step counts calls; the row without a global step has none."""
    rows = [{"_step": 30, "train/global_step": 10, "train/reward": 0.5}, {"_step": 31, "train/reward": 0.9}]
    assert read(log_of(path, *rows), "step") == [10]


@pytest.mark.parametrize("step", [-1, 1e30, math.nan, "soon", None, [3]])
def test_a_step_that_is_none_is_left_out(path: Path, step: Any):
    log = log_of(path, {"step": 1, "reward": 0.5}, {"step": step, "reward": 0.9})
    assert read(log, "step") == [1]


# Values


def test_values_that_are_no_numbers_are_undefined(path: Path):
    line = '{"step": 2, "reward": NaN, "kl": Infinity, "entropy": "0.5", "loss": true, "grad_norm": 1e200}'
    log = log_of(
        path, {"step": 1, "reward": 0.5, "kl": 0.1, "entropy": 0.4, "loss": 0.0, "grad_norm": 1.0}, line
    )
    second = log.steps[1]
    assert second.entropy == 0.5
    assert all(math.isnan(getattr(second, name)) for name in ("reward", "kl", "loss", "grad_norm"))


def test_a_metric_that_ends_in_nan_is_pointed_out(path: Path):
    rows = [{"step": i, "kl": 0.1, "reward": 0.5 if i < 30 else math.nan} for i in range(60)]
    log = log_of(path, *rows)
    assert "reward: no finite value after step 29; judged as it stood then." in log.notes
    assert not any(note.startswith("kl") for note in log.notes)


def test_lines_that_are_no_json_are_left_out_and_counted(path: Path):
    log = log_of(path, {"step": 1, "reward": 0.5}, "Traceback (most recent call last):", '{"step": 2, "rewa')
    assert log.rows == 1
    assert "Lines left out because they hold no JSON object: 2." in log.notes


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"\xef\xbb\xbfstep;reward;length_mean\r\n1;0.5;100\r\n2; 0.6 ;oops\r\n3")
    log = read_log(path)
    assert read(log, "step") == [1, 2]
    assert read(log, "reward") == [0.5, 0.6]
    assert math.isnan(log.steps[1].length_mean)


def test_a_quote_that_never_ends(tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text('"step","reward"\n"1","0.5"\n"2","0.6\n')
    assert read(read_log(path), "reward") == [0.5, 0.6]


def test_colours_and_prefixes_in_a_console_log(tmp_path: Path):
    path = tmp_path / "job.log"
    path.write_text(
        "\x1b[36m(TaskRunner pid=7)\x1b[0m step:1 - critic/rewards/mean:0.5 - actor/lr:np.float64(1e-06)\n"
        "step:2 - critic/rewards/mean:-0.25 - actor/entropy:nan\n"
        "the model wrote: step:3 - nothing\n" + "x" * 2_000_000 + "step:9 - critic/rewards/mean:1\n"
    )
    log = read_log(path)
    assert read(log, "reward") == [0.5, -0.25]
    assert log.steps[0].learning_rate == 1e-6
    assert math.isnan(log.steps[1].entropy)


# Size


def test_a_long_log_is_averaged_in_blocks_that_do_not_span_stages(tmp_path: Path):
    n = 10 * MOST_POINTS
    path = tmp_path / "log.csv"
    pl.DataFrame({"step": range(n), "reward": [0.0] * 15 + [1.0] * (n - 15)}).write_csv(path)
    log = read_log(path, LogOptions(stage_at=(15,)))
    assert len(log.steps) == MOST_POINTS + 1
    assert read(log, "reward")[:3] == [0.0, 0.0, 1.0]  # blocks of 10: 0-9, 10-14, 15-24
    assert read(log, "step")[:3] == [9, 14, 24]
    assert (log.rows, log.first_step, log.last_step) == (n, 0, n - 1)


def million(kind: str, path: Path) -> None:
    """Write a run of a million steps whose length collapses in the middle; one damaged line in the JSONL."""
    n = 1_000_000
    noise = np.random.default_rng(0).normal(size=n)
    steps = np.arange(n)
    length = np.where(steps < n // 2, 200.0, 40.0) + noise
    frame = pl.DataFrame(
        {"step": steps, "reward": noise, "entropy": 0.4 + 0.01 * noise, "length_mean": length}
    )
    if kind == "csv":
        frame.write_csv(path)
    else:
        frame.write_ndjson(path)
        with path.open("a") as file:
            file.write('{"step": 1000000, "rew')


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_million_rows_take_under_three_seconds(tmp_path: Path, kind: str):
    path = tmp_path / f"log.{kind}"
    million(kind, path)
    before = time.process_time()  # of all threads: an upper bound on what an idle machine needs
    log = read_log(path)
    found = diagnose_log(log)
    assert time.process_time() - before < 3
    assert log.rows == 1_000_000
    assert found.alarm is Alarm.ALARM
    assert found.trends["length_mean"].onset == pytest.approx(500_000, abs=5000)


# What is no log


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("log.csv", b"", "is empty"),
        ("log.jsonl", b" \n\n", "is empty"),
        ("log.log", bytes(range(256)) * 50, "no log that rlif knows"),
        ("log.txt", b"Dear diary,\nno metrics today.\n", "No known metric"),
        ("log.jsonl", b'{"step": 1, "text": "no numbers"}\n', "No known metric"),
        ("log.parquet", b"PAR1 and then nothing", "damaged parquet"),
        ("log.db", b"SQLite format 3\0 and then nothing", "not a trackio database"),
        ("trainer_state.json", b'{"log_history": [{"st', "not JSON, or cut off"),
        ("log.json", b"[" * 100_000, "no log that rlif knows"),
        ("log.csv", b"9," * 3_000_000, "no log that rlif knows"),
        ("log.jsonl", b'{"step": 1, "reward": 0.5, "text": "' + b"x" * 5_000_000, "No known metric"),
        ("log.json.gz", b"\x1f\x8b\x08 damaged", "is damaged"),
    ],
)
def test_a_file_that_is_no_log_gets_one_message(tmp_path: Path, name: str, data: bytes, says: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_log(path)


def test_a_place_without_logs(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist"):
        read_log(tmp_path / "none")
    with pytest.raises(UserError, match="holds no log"):
        read_log(tmp_path)
    with pytest.raises(UserError, match="holds no log of the format parquet"):
        read_log(LOGS / "trl-healthy", LogOptions(format=LogFormat.PARQUET))


def test_another_programs_database(tmp_path: Path):
    with sqlite3.connect(tmp_path / "history.db") as database:
        database.execute("CREATE TABLE urls (id INTEGER)")
    with pytest.raises(UserError, match="not a trackio database"):
        read_log(tmp_path / "history.db")


def test_a_wrong_format_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="no log of the format console"):
        read_log(LOGS / "wandb-chart-healthy.csv", LogOptions(format=LogFormat.CONSOLE))


def test_a_file_too_large_is_refused_even_if_it_was_packed_small(tmp_path: Path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0" * 100_000))
    assert len(read_content(path)) == 100_000
    with pytest.raises(UserError, match="more than"):
        read_content(path, most=50_000)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the extra tensorboard")
@given(content=st.binary(max_size=100))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_event_files(tmp_path: Path, content: bytes):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    with pytest.raises(UserError):  # a damaged file, or one without a metric
        read_log(path)


# Fuzz

SEEDS = sorted(p for p in LOGS.rglob("*") if p.suffix in {".log", ".jsonl", ".csv", ".json"})


def judged_or_refused(path: Path) -> None:
    """Reading a file ends in findings or in one message, whatever it holds."""
    try:
        log = read_log(path)
    except UserError:
        return
    steps = [record.step for record in log.steps]
    assert steps == sorted(set(steps))
    diagnose_log(log).model_dump_json()


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.data())
def test_fuzz_damaged_logs(tmp_path: Path, data: st.DataObject):
    """Real logs with pieces cut out, doubled, or replaced by junk."""
    seed = data.draw(st.sampled_from(SEEDS))
    content = seed.read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 3000)))
        piece = data.draw(
            st.one_of(
                st.binary(max_size=20),
                st.just(content[start:end] * 2),
                st.sampled_from(
                    [b"", b"NaN", b"-1", b"1e400", b'"', b"\n", b",", b"{", b"]", b"\0", b"9" * 30]
                ),
            )
        )
        content = content[:start] + piece + content[end:]
    path = tmp_path / seed.name
    path.write_bytes(content)
    judged_or_refused(path)


@FUZZ
@given(data=st.data())
def test_fuzz_long_json_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject):
    """Long logs are read in chunks by polars, and line by line where that fails: all numbers must arrive."""
    monkeypatch.setattr(json_log, "_LONG", 3)
    monkeypatch.setattr(json_log, "_CHUNK", 4)
    junk = st.sampled_from(
        ["oops", '{"step": 1, "rew', "[1]", "{}", '{"text": "a"}', '{"step": null}', "null"]
    )
    good = st.builds(
        lambda step, reward, kl: f'{{"step": {step}, "data": {{"reward": {reward}, "kl": {kl}}}}}',
        st.integers(0, 99),
        st.sampled_from(["1", "0.5", "-2.5"]),
        st.sampled_from(["NaN", "null", '"x"', "[]", "-Infinity", "3"]),
    )
    lines = [f'{{"step": {i}, "data": {{"reward": {i}, "kl": 0.5}}}}' for i in range(100, 120)]
    lines = data.draw(st.lists(st.one_of(good, junk), max_size=12)) + lines
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines))
    judged_or_refused(path)
    tail = read_log(path).steps[-20:]
    assert [(r.step, r.reward, r.kl) for r in tail] == [(i, i, 0.5) for i in range(100, 120)]


VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
)
KEYS = st.sampled_from(
    (
        *("step", "_step", "train/global_step", "reward", "kl", "entropy", "truncated", "rewards/a/mean"),
        *("response_length", "run_name", "val-core/a/acc/mean@2", "data", "r - reward", "pass_rate", ""),
    )
)


@FUZZ
@given(rows=st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=30), suffix=st.sampled_from("jc"))
def test_fuzz_rows_of_any_values(tmp_path: Path, rows: list[dict[str, Any]], suffix: str):
    path = tmp_path / "log"
    if suffix == "j":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        names = sorted({name for row in rows for name in row})
        lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
        path.write_text("\n".join(lines), errors="replace")
    judged_or_refused(path)


@FUZZ
@given(
    content=st.binary(max_size=300), name=st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "a.log", "a.gz"])
)
def test_fuzz_junk(tmp_path: Path, content: bytes, name: str):
    path = tmp_path / name
    path.write_bytes(content)
    judged_or_refused(path)
