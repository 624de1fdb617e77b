"""`rlif study` from the command line; runs are stand-ins (study_stand_in.py)."""

import sys
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
from study_stand_in_runs import STAND_IN, study_of

from rlif.cli import main
from rlif.records import RunDir
from rlif.study import runner
from rlif.study.config import load_study
from rlif.study.expand import expand
from rlif.study.local import processes_for
from rlif.study.schema import Resources


@pytest.fixture
def rlif(monkeypatch: pytest.MonkeyPatch):
    """Run `rlif study …` in this process; returns its exit code."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(sys.modules["rlif.cli.study"], "run_all", partial(runner.run_all, command=stand_in))

    def run(*arguments: str | Path) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["rlif", "study", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return run


def stand_in(run: RunDir, resources: Resources) -> tuple[str, ...]:
    return (str(STAND_IN), str(run.path))


def test_from_a_file_to_a_table(rlif, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file, out = tmp_path / "study.json", tmp_path / "out"
    file.write_text(study_of("works", "fails", retries=0).model_dump_json())
    assert rlif("run", file, "--out", out) == 1
    printed = capsys.readouterr()
    assert "No control with a random reward" not in printed.err
    assert "Fewer than three seeds for fails, works" in printed.err
    assert "fails: ValueError: out of luck" in printed.out
    assert f"rlif study retry {out}" in printed.out
    assert (out / "results.parquet").is_file()

    assert rlif("status", out) == 0
    assert "2 runs: 1 complete, 0 running, 1 failed" in capsys.readouterr().out

    (out / "runs/fails/mended").touch()
    assert rlif("retry", out) == 0
    assert "2 runs: 2 complete" in capsys.readouterr().out
    assert rlif("retry", out) == 2
    assert f"No run in {out} has failed." in capsys.readouterr().err

    assert rlif("export", out) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        str(out / "results.parquet"),
        str(out / "results.csv"),
    ]


@pytest.mark.parametrize("command", ["status", "export", "retry"])
def test_what_is_no_study_directory(rlif, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str):
    assert rlif(command, tmp_path) == 2
    assert "study.json cannot be read" in capsys.readouterr().err


def test_a_study_that_cannot_be_starts_nothing(rlif, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "study.json"
    file.write_text(study_of("one", base={"model": "/no/model"}).model_dump_json())
    assert rlif("run", file, "--out", tmp_path / "out") == 2
    assert "stages: is missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cores_are_divided_among_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert [processes_for(Resources(num_cpus=n)) for n in (1, 3, 16)] == [8, 2, 1]
    assert processes_for(Resources(num_gpus=1)) == 1


def test_the_quickstart_calls_its_runs_as_its_arms():
    runs = expand(load_study(Path(str(files("rlif") / "assets" / "quickstart.toml"))))
    assert [run.id for run in runs] == [run.arm for run in runs] == [run.config.name for run in runs]
    assert [run.id for run in runs][:2] == ["rlvr", "self-certainty"]
