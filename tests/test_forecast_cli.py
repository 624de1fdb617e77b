"""`rlif study forecast` on a study directory."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from synthetic_study import write_seeded_study
from typer.testing import CliRunner

from rlif.cli.study import study_app


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of nine settings: 20 steps, evaluated every 5; certainty falls after a third of them."""
    return write_seeded_study(tmp_path_factory.mktemp("study"), seeds=2).path


def forecast(*arguments: Any) -> Any:
    return CliRunner().invoke(study_app, ["forecast", *map(str, arguments)])


@pytest.mark.parametrize("form", ["--json", "--markdown"])
def test_the_command_prints_what_predictors_are_worth(study: Path, form: str) -> None:
    printed = forecast(study, "--steps", 5, form)

    assert printed.exit_code == 0, printed.output
    if form == "--json":
        rows = {row["predictor"]: row for row in json.loads(printed.output)}
        assert rows["base rate"]["runs"] == 16  # two of the 18 have two stages
        assert rows["base rate"]["fell"] > 0
        assert rows["base rate"]["skilful"] is False
        assert rows["alignment"]["needs_tests"] is True
    else:
        assert "| base rate | 0." in printed.output
        assert "| early signals said | runs | mean forecast | fell |" in printed.output
        assert "fitted on the runs of all other rewards" in printed.output


def test_other_studies_may_be_fitted_on(study: Path, tmp_path: Path) -> None:
    others = [shutil.copytree(study, tmp_path / name) for name in ("one", "two")]
    given = [argument for other in others for argument in ("--fitted-on", other)]
    printed = forecast(study, "--steps", 5, *given, "--markdown")

    assert printed.exit_code == 0, printed.output
    assert "fitted on another study" in printed.output


def test_a_study_is_not_judged_by_itself_nor_counted_twice(study: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(study)
    other = shutil.copytree(study, tmp_path / "other")
    itself = forecast(study, "--steps", 5, "--fitted-on", alias)
    twice = forecast(study, "--steps", 5, "--fitted-on", other, "--fitted-on", tmp_path / "." / "other")

    assert "judged by forecasts fitted on its own outcomes" in str(itself.exception)
    assert "given twice: its runs would count double" in str(twice.exception)


def test_more_steps_than_runs_have_is_a_mistake(study: Path) -> None:
    printed = forecast(study, "--steps", 20)

    assert printed.exit_code != 0
    assert "No run is left to forecast after 20 steps" in str(printed.exception)
