"""The forecast for one run: its chances, what it rests on, and when it says that it guesses."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_study import write_seeded_study
from test_forecast import case, study
from typer.testing import CliRunner

from rlif.cli import app
from rlif.cli.forecast import sentences
from rlif.conclusions.forecast import Outlook, outlook
from rlif.errors import UserError
from rlif.records import StepRecord
from rlif.statistics.estimate import Estimate


def records(correlation: float, steps: int = 12) -> list[StepRecord]:
    """A run whose length, entropy and agreement stand still."""
    still = {"length_mean": 1.0, "entropy": 1.0, "majority_share": 1.0}
    return [
        StepRecord(step=s, stage="", reward_length_corr=correlation, **still) for s in range(1, steps + 1)
    ]


LIKE = study(effect=1.5, seed=0)
"""Twelve rewards, six runs each; those that dislike length fall."""


def test_a_run_like_those_that_fell_is_given_a_higher_chance():
    bad, good = (outlook(records(c), LIKE, (20, 30)) for c in (-0.8, 0.8))
    assert bad.chances[0] < bad.chances[1]  # later, more have fallen
    assert good.chances[1] < good.usual[1] < bad.chances[1]
    assert bad.usual == good.usual
    assert (bad.known, bad.runs, bad.fell) == (10, len(LIKE), sum(c.fell for c in LIKE))
    assert bad.skill.low > 0


def test_only_the_steps_that_were_fitted_on_are_looked_at():
    first, later = records(-0.5), records(-0.5)[:10] + records(0.9)[10:]
    assert outlook(first, LIKE, (30,)).chances == outlook(later, LIKE, (30,)).chances


def test_a_signal_that_the_log_lacks_and_one_far_outside_are_named():
    found = outlook(records(-50.0), LIKE, (30,))
    assert found.far == ("level of reward_length_corr",)
    assert found.missing == ("change of reasoning_rate", "level of zero_variance_groups")


def test_without_falls_the_chance_is_small_and_of_skill_nothing_is_said():
    found = outlook(records(0.0), [case(reward=r, reward_length_corr=0.1) for r in "aab"], (30,))
    assert 0 < found.chances[0] < 0.2
    assert math.isnan(found.skill.estimate)
    assert "cannot be told" in sentences(found)[1]


def test_too_few_steps_and_nothing_left_to_forecast_are_mistakes():
    with pytest.raises(UserError, match="has 4 steps, and the forecast needs 10"):
        outlook(records(0.0, steps=4), LIKE, (30,))
    with pytest.raises(UserError, match="Nothing is left to forecast after step 10"):
        outlook(records(0.0), LIKE, (5, 10))


def sentence(low: float) -> str:
    skill = Estimate(0.3, low, 0.6)
    return " ".join(sentences(Outlook(10, 40, 8, (30,), (0.5,), (0.2,), (), (), skill)))


def test_it_says_whether_such_forecasts_can_be_trusted():
    assert "were better than the base rate: Brier skill 0.30 [0.10, 0.60]" in sentence(0.1)
    assert "NOT shown to be better" in sentence(-0.1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seeded_study(tmp_path_factory.mktemp("study"), seeds=2).path


def command(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["forecast", *map(str, arguments)])


def test_the_command_forecasts_a_run_by_a_study(recorded: Path):
    run = sorted((recorded / "runs").iterdir())[0]
    printed = command(run, "--like", recorded, "--steps", 5, "--until", 20, "--json")
    assert printed.exit_code == 0, printed.output
    found = json.loads(printed.output)
    assert found["steps"] == [8, 11, 14, 17, 20]
    assert np.all(np.diff(found["chances"]) > 0)
    shown = command(run, "--like", recorded, "--steps", 5, "--until", 20).output
    assert f"Learnt from {found['runs']} recorded runs, of which {found['fell']} fell" in shown
