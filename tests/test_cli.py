"""The `rlif` command: what a user meets first, and one message with exit code 2 for each mistake."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rlif.cli import main
from rlif.rewards import ALL_REWARDS
from rlif.study.local import RunProgress, Stopped


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a good run file and a broken one, where the command is run."""
    (tmp_path / "run.toml").write_text('[[stages]]\nsteps = 1\nreward = "random"\n')
    (tmp_path / "broken.toml").write_text("[[stages]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rlif(monkeypatch: pytest.MonkeyPatch):
    """Run the command in this process; returns its exit code."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["rlif", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return run


@pytest.mark.parametrize("arguments", [["none.toml"], ["run.toml", "grpo.beta=-1"]])
def test_a_mistake_in_a_process_of_its_own(place: Path, arguments: list[str]):
    command = [sys.executable, "-m", "rlif", "train", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("rlif: ")
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("trian run.toml", "No such command 'trian'. Did you mean 'train'?"),
        ("train", "Missing argument 'RUN.toml'"),
        ("report --jsn", "No such option: --jsn"),
        ("quickstart --processes 0", "Invalid value for '--processes'"),
        ("train none.toml", "There is no file none.toml.\nGive the path of a run file"),
        ("train broken.toml", "broken.toml is not valid TOML"),
        ("train run.toml stages.0.reward=randm", "There is no reward 'randm'.\nDid you mean 'random'?"),
        ("train run.toml grpo.num_generations=1", "Input should be greater than or equal to 2 (got 1)"),
        ("train run.toml steps", "The override 'steps' is not of the form key=value."),
        ("report nowhere", "nowhere"),
        ("grade --problems none.jsonl --samples s.jsonl --out v.jsonl", "none.jsonl"),
        ("evaluate --model m --problems minicod", "no data set 'minicod'.\nDid you mean 'minicode'?"),
    ],
)
def test_a_mistake_gives_one_message_and_exit_code_2(
    place: Path, rlif, capsys: pytest.CaptureFixture[str], arguments: str, expected: str
):
    assert rlif(*arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert expected in printed.err
    assert {path.name for path in place.iterdir()} == {"run.toml", "broken.toml"}  # nothing half-written


def test_an_error_of_our_own_is_not_hidden(place: Path, monkeypatch: pytest.MonkeyPatch, rlif):
    """A missing module of rlif itself is a defect, not an extra to install."""
    monkeypatch.setitem(sys.modules, "rlif.cli.progress", None)
    with pytest.raises(ModuleNotFoundError, match=r"rlif\.cli\.progress"):
        rlif("train", "run.toml")


def test_version(rlif, capsys: pytest.CaptureFixture[str]):
    assert rlif("--version") == 0
    assert capsys.readouterr().out == version("rlif") + "\n"


def test_help_names_every_command(rlif, capsys: pytest.CaptureFixture[str]):
    assert rlif("--help") == 0
    shown = capsys.readouterr().out
    for command in ("quickstart", "train", "evaluate", "grade", "report", "rewards", "base"):
        assert f"\n  {command} " in shown


def test_rewards_as_json(rlif, capsys: pytest.CaptureFixture[str]):
    assert rlif("rewards", "--json") == 0
    assert [reward["type"] for reward in json.loads(capsys.readouterr().out)] == list(ALL_REWARDS)


class TestQuickstart:
    """What is said at the end of the study; the runs and the report themselves are tested elsewhere."""

    @pytest.fixture
    def ending(self, monkeypatch: pytest.MonkeyPatch):
        """Replace the study by one that ends like this."""
        module = sys.modules["rlif.cli.quickstart"]
        monkeypatch.setattr(module, "build_report", lambda path: path / "report.html")
        monkeypatch.setattr(module, "terminal_table", lambda path: "THE TABLE")

        def replace(*states: str, stopped: bool = False) -> None:
            def run_study(study, directory, processes, show):
                runs = [
                    RunProgress(f"r{i}", f"R{i}", state, 20, 40, "rlif", 0.25, f"({state}: why)")
                    for i, state in enumerate(states)
                ]
                show(runs)
                if stopped:
                    raise Stopped
                return runs

            monkeypatch.setattr(module, "run_study", run_study)

        return replace

    def test_all_complete(self, ending, rlif, capsys: pytest.CaptureFixture[str], place: Path):
        ending("complete", "complete")
        assert rlif("quickstart") == 0
        printed = capsys.readouterr().out
        assert "R1" in printed
        assert "20/40" in printed
        assert "0.250" in printed
        assert printed.endswith(f"THE TABLE\nReport: {place}/runs/quickstart/report.html\n")

    def test_some_failed(self, ending, rlif, capsys: pytest.CaptureFixture[str], place: Path):
        ending("complete", "failed")
        assert rlif("quickstart", "--out", "study") == 1
        printed = capsys.readouterr().out
        assert "Run 'r1' did not finish (failed). (failed: why)" in printed
        assert f"Report: {place}/study/report.html" in printed

    def test_all_failed(self, ending, rlif, capsys: pytest.CaptureFixture[str]):
        ending("failed", "failed")
        assert rlif("quickstart", "--out", "study") == 2
        printed = capsys.readouterr()
        assert printed.err == (
            "rlif: No run finished, so there is nothing to report.\nSee study/runs/*/log.txt.\n"
        )
        assert "Report:" not in printed.out

    def test_ctrl_c(self, ending, rlif, capsys: pytest.CaptureFixture[str]):
        ending("running", stopped=True)
        assert rlif("quickstart", "--out", "study") == 2
        assert capsys.readouterr().err == (
            "rlif: Stopped. Everything so far is in study.\nThe same command continues from there.\n"
        )
