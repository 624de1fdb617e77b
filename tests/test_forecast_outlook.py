"""The forecast for one run: its chances, what it rests on, and when it says that it guesses."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_study import write_seeded_study
from test_forecast import case, study
from typer.testing import CliRunner

from rlif.cli import app
from rlif.cli.forecast import sentences
from rlif.conclusions.forecast import Case, Hazard, Predictor, fit, leave_one_reward_out, outlook
from rlif.conclusions.forecast.features import early_signals
from rlif.diagnostics.logs import read_log
from rlif.diagnostics.stopping import History, Signal
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


def plain_log(
    steps: int = 12, every: int = 1, stage_of: Callable[[int], str] = lambda s: ""
) -> list[StepRecord]:
    """What a trainer of others logs: length, which shrinks, and entropy."""
    return [
        StepRecord(step=s, stage=stage_of(s), length_mean=50 - s, entropy=0.3)
        for s in range(every, steps + 1, every)
    ]


def varied(reward: str, fell_at: int | None, correlation: float, **constant: Any) -> Case:
    """A run of which the length shrinks, and of whose reward the correlation with length is given."""
    shrinking = np.linspace(50, 45 + 5 * correlation, 10)
    return case(fell_at, reward, length_mean=shrinking, reward_length_corr=correlation, **constant)


def test_the_skill_is_that_of_the_forecaster_that_the_run_has():
    # What foretells the falls of LIKE is what the reward asks for, and this log does not have it.
    found = outlook(plain_log(), LIKE, (30,))
    length_and_entropy = Predictor("two", lambda case: early_signals(case)[:2])
    [two] = leave_one_reward_out(LIKE, [length_and_entropy])
    assert found.used == ("change of length_mean", "change of entropy")
    assert found.skill == two.skill
    assert found.skill.low < 0 < outlook(records(0.0), LIKE, (30,)).skill.low
    assert found.chances[0] == pytest.approx(chance_by(30, fit(LIKE, length_and_entropy.features)))
    assert "from these 2 features are NOT shown" in " ".join(sentences(found))


def chance_by(step: int, model: Hazard) -> float:
    """The chance of the plain log after step 10."""
    seen = History.of(plain_log(10))
    return model.probability(Case("", "", 10, seen, False, math.nan, (step,), None), step - 10)


def test_a_log_without_any_feature_is_given_the_base_rate():
    found = outlook([StepRecord(step=s, stage="", reward=0.5) for s in range(1, 11)], LIKE, (20, 30))
    assert found.used == ()
    assert len(found.missing) == 6
    assert found.chances == found.usual
    assert math.isnan(found.skill.estimate)
    assert "both columns are their base rate" in sentences(found)[1]


def test_a_signal_that_the_log_lacks_and_one_outside_of_all_runs_are_named():
    highest = max(float(c.history.signal(Signal.REWARD_LENGTH_CORR).mean()) for c in LIKE)
    within, beyond = (outlook(records(highest + off), LIKE, (30,)) for off in (-0.01, 0.01))
    assert (within.far, beyond.far) == ((), ("level of reward_length_corr",))
    assert beyond.missing == ("change of reasoning_rate", "level of zero_variance_groups")


def test_a_signal_in_which_all_those_runs_are_alike_has_no_say_and_is_named():
    like = [
        varied(r, 20 if r == "a" else None, c, zero_variance_groups=0.1)
        for r, c in zip("abc", (-0.5, 0, 0.5), strict=True)
    ]
    run = [r.model_copy(update={"zero_variance_groups": 0.9, "entropy": 0.3}) for r in records(0.0)]
    found = outlook(run, like, (30,))
    assert found.used == ("change of length_mean", "level of reward_length_corr")
    # Entropy and agreement were not recorded in those runs; groups without spread were as rare in all.
    assert found.idle == ("change of entropy", "change of majority_share", "level of zero_variance_groups")
    assert "so without a say: change of entropy" in " ".join(sentences(found))
    same = [r.model_copy(update={"zero_variance_groups": 0.1}) for r in run]
    assert "level of zero_variance_groups" not in outlook(same, like, (30,)).idle


def test_steps_beyond_the_budget_of_those_runs_are_a_guess():
    assert outlook(records(0.0), LIKE, (30, 50)).budget == 30
    assert sentences(outlook(records(0.0), LIKE, (30, 50)))[-1] == (
        "None of those runs was watched beyond step 30: what comes later is a guess."
    )
    assert "watched" not in " ".join(sentences(outlook(records(0.0), LIKE, (20, 30))))


def test_without_falls_the_chance_is_small_and_of_skill_nothing_is_said():
    like = [case(reward=r, reward_length_corr=c) for r, c in zip("aab", (0.1, 0.2, 0.3), strict=True)]
    found = outlook(records(0.0), like, (30,))
    assert 0 < found.chances[0] < 0.2
    assert math.isnan(found.skill.estimate)
    assert "cannot be told" in sentences(found)[1]


def test_too_few_steps_and_nothing_left_to_forecast_are_mistakes():
    with pytest.raises(UserError, match="has 4 steps, and the forecast needs 10"):
        outlook(records(0.0, steps=4), LIKE, (30,))
    with pytest.raises(UserError, match="Nothing is left to forecast after step 10"):
        outlook(records(0.0), LIKE, (5, 10))


def test_ten_records_are_not_ten_steps():
    with pytest.raises(UserError, match=r"1 of the first 10 steps are in the log[^$]*logging_steps=1"):
        outlook(plain_log(100, every=10), LIKE, (30,))
    with pytest.raises(UserError, match="The run has 9 steps"):
        outlook(plain_log(9, every=3), LIKE, (30,))
    # An evaluation before the first step is no step.
    assert outlook([StepRecord(step=0, stage=""), *plain_log(10)], LIKE, (30,)).known == 10


def test_a_long_log_arrives_in_blocks_and_is_refused(tmp_path: Path):
    log = tmp_path / "log.jsonl"
    rows = ({"step": s, "completions/mean_length": 50.0, "entropy": 0.3} for s in range(1, 2402))
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(UserError, match="5 of the first 10 steps are in the log"):
        outlook(read_log(log).steps, LIKE, (30,))


def test_the_first_steps_are_of_one_stage():
    with pytest.raises(UserError, match=r"of 2 stages \(rlif, rlvr\)"):
        outlook(plain_log(stage_of=lambda s: "rlif" if s <= 5 else "rlvr"), LIKE, (30,))
    later = plain_log(stage_of=lambda s: "rlif" if s <= 10 else "rlvr")
    assert outlook(later, LIKE, (30,)).known == 10


def sentence(low: float) -> str:
    found = outlook(records(0.0), LIKE, (30,))
    return " ".join(sentences(replace(found, skill=Estimate(0.3, low, 0.6))))


def test_it_says_whether_such_forecasts_can_be_trusted():
    assert "were better than the base rate, the last column: Brier skill 0.30 [0.10, 0.60]" in sentence(0.1)
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
    assert found["budget"] == 20
    shown = command(run, "--like", recorded, "--steps", 5, "--until", 20).output
    assert f"Learnt from {found['runs']} recorded runs, of which {found['fell']} fell" in shown


def test_a_study_given_twice_is_a_mistake(recorded: Path):
    run = sorted((recorded / "runs").iterdir())[0]
    printed = command(run, "--like", recorded, "--like", recorded / "runs" / "..", "--steps", 5)
    assert "given twice: its runs would count double" in str(printed.exception)
