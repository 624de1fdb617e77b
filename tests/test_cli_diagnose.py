"""`rlif diagnose` as a user runs it: what it prints, exit codes, and following a log that grows."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlif.cli import main
from rlif.cli.diagnose_display import finding_line
from rlif.cli.diagnose_watch import watch_log
from rlif.diagnostics import Alarm, Findings
from rlif.diagnostics.logs import Log, LogOptions
from rlif.errors import UserError

LOGS = Path(__file__).parent / "logs"
RLIF = "from rlif.cli import main; main()"


@pytest.fixture
def rlif(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in this process; returns its exit code and what it printed on either stream."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlif", "diagnose", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


def test_a_collapse_is_told_with_its_evidence_and_what_the_log_lacks(rlif):
    code, out, _ = rlif(str(LOGS / "verl-collapsing.log"))
    assert code == 0
    assert "ALARM: signs of collapse" in out
    assert "completion length in tokens fell from 213 to 39.9" in out
    assert "length_mean = response_length/mean" in out
    assert "advantage starvation cannot be seen" in out
    row = next(line for line in out.splitlines() if line.strip().startswith("length_mean"))
    assert row.split()[:8] == ["length_mean", "213", "39.9", "down", "×0.19", "160", "to", "341"]
    assert "length collapse since step 16" in out


def test_without_tests_held_out_scores_are_not_looked_at(rlif):
    path = str(LOGS / "verl-collapsing.log")
    told = json.loads(rlif(path, "--json")[1])["findings"]
    without = json.loads(rlif(path, "--json", "--without-tests")[1])["findings"]
    assert told["performance"]["evaluations"] == 4
    assert without["performance"] is None
    assert without["mode"] == told["mode"] == "length_collapse"


def test_the_probe_has_a_table_of_its_own_and_is_named_while_watching(rlif, tmp_path: Path):
    """A run without tests, of which only the evaluations were kept: reasoning fades on the same problems."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 1, "stage": "a"}\n')
    settings = {"stage": "a", "mode": "sampled", "samples": 4, "temperature": 1.0, "max_tokens": 9}
    with (run / "evals.jsonl").open("w") as file:
        for step, counts in ((0, [4, 4, 2] * 4), (5, [2, 3, 0] * 4)):
            reasoned = {f"p{i}": count for i, count in enumerate(counts)}
            file.write(json.dumps(settings | {"step": step, "problems": 12, "reasoned": reasoned}) + "\n")

    code, out, _ = rlif(str(run), "--without-tests", "--fail-on-alarm")

    assert code == 1
    assert "On the same 12 problems the share of completions that reason" in out
    row = out[out.index("on the same problems") :].splitlines()[1]
    assert row.split() == [
        "reasoning_rate",
        "83.3%",
        "41.7%",
        "down",
        "×0.50",
        "from",
        "70.8%",
        "5",
        "(0",
        "to",
        "5)",
    ]
    _, found = next(r for r in watch_log(run, LogOptions(), 0.01) if isinstance(r, tuple))
    assert "83.3% → 41.7% since step 5" in finding_line(found)


def test_a_healthy_run_is_quiet(rlif):
    code, out, _ = rlif(str(LOGS / "trl-healthy"), "--fail-on-alarm")
    assert code == 0
    assert "quiet: no sign of collapse" in out


def test_fail_on_alarm(rlif):
    assert rlif(str(LOGS / "trl-collapsing"), "--fail-on-alarm")[0] == 1


def test_json(rlif):
    code, out, _ = rlif(str(LOGS / "openrlhf-collapsing.log"), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["findings"]["alarm"] == "alarm"
    assert told["columns"]["entropy"] == "entropy_loss"
    assert (told["rows"], told["format"]) == (30, "console")


def test_options_reach_the_reader(rlif, tmp_path: Path):
    path = tmp_path / "log.csv"
    path.write_text("n,mine,other\n" + "".join(f"{i},{200 if i < 50 else 20},1\n" for i in range(100)))
    code, out, _ = rlif(
        str(path), "--map", "length_mean=mine", "--map", "step=n", "--format", "csv", "--verbose"
    )
    assert code == 0
    assert "ALARM" in out
    assert "Not used: other" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.log"], "does not exist"),
        ([str(LOGS / "trl-healthy"), "--map", "reward"], "Write --map reward=COLUMN"),
        ([str(LOGS / "trl-healthy"), "--map", "rewrd=x"], "Did you mean 'reward'"),
        ([str(LOGS / "trl-healthy"), "--run", "mine"], "has no run 'mine'"),
        ([str(LOGS / "trl-healthy"), "--watch", "--every", "0"], "--every must be above 0"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(rlif, arguments: list[str], says: str):
    code, out, err = rlif(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def steps(length: float, first: int, last: int) -> str:
    return "".join(
        json.dumps({"step": i, "response_length": length + i % 3}) + "\n" for i in range(first, last)
    )


def test_watching_yields_each_change_of_the_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The log appears, fills, gains nothing new, collapses; every sleep is one turn of this story."""
    path = tmp_path / "log.jsonl"

    def story() -> Iterator[None]:
        path.write_text("")
        yield
        path.write_text(steps(200, 0, 3))
        yield
        path.write_text(steps(200, 0, 40))
        yield
        path.write_text(steps(200, 0, 41))
        yield
        path.write_text(steps(200, 0, 41) + steps(20, 41, 80))
        yield

    turns = story()

    def sleep(_: float) -> None:
        if next(turns, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    readings: list[tuple[Log, Findings] | UserError] = []
    with pytest.raises(KeyboardInterrupt):
        readings.extend(watch_log(path, LogOptions(), every=1))
    errors = [str(reading) for reading in readings if isinstance(reading, UserError)]
    alarms = [reading[1].alarm for reading in readings if not isinstance(reading, UserError)]
    assert ["does not exist" in errors[0], "is empty" in errors[1]] == [True, True]
    assert alarms == [Alarm.UNDECIDED, Alarm.QUIET, Alarm.ALARM]


@pytest.mark.slow
def test_watching_a_live_file_until_ctrl_c(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    path.write_text(steps(200, 0, 40))
    command = [sys.executable, "-c", RLIF, "diagnose", str(path), "--watch", "--every", "0.1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "quiet" in process.stdout.readline()
        with path.open("a") as file:
            file.write(steps(20, 40, 80))
        line = process.stdout.readline()
        assert line.startswith("step 79: ALARM")
        assert "completion length in tokens 201 → 21" in line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_watching_ends_on_an_alarm_if_asked(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    path.write_text(steps(200, 0, 40) + steps(20, 40, 80))
    command = [sys.executable, "-c", RLIF, "diagnose", str(path), "--watch", "--fail-on-alarm", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["findings"]["alarm"] == "alarm"
