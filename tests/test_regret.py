"""What stopping rules are worth: replay, cross-fitted regret, tuning on other runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from rlif.conclusions.recorded import RecordedRun, recorded_runs
from rlif.conclusions.regret import Replay, regret_table
from rlif.conclusions.rule_choices import Strategy, strategies
from rlif.config import RunConfig
from rlif.diagnostics.stopping import FixedStep, History, MaxReward, Signal
from rlif.errors import UserError
from rlif.records import EvalRecord, RunDir, RunInfo, RunState, StepRecord, StopRecord, StudyDir, StudyInfo


def recorded(curve: list[float], reward: str = "a", rewards: Any = None, seed: int = 0) -> RecordedRun:
    """A run evaluated every 10 steps; each of its four problems scores as the curve says."""
    steps = np.arange(len(curve)) * 10
    rewards = np.arange(steps[-1]) if rewards is None else rewards
    history = History(np.arange(1, len(rewards) + 1), {Signal.REWARD: np.array(rewards, dtype=float)})
    scores = np.repeat(np.array(curve)[:, None], 4, axis=1)
    return RecordedRun(f"{reward}-s{seed}", reward, 1.0, seed, history, steps, tuple("wxyz"), scores)


def row(runs: list[RecordedRun], *rules: Any, left_out: str = "-") -> Any:
    found = regret_table(runs, [Strategy("tried", rules)], margin=0.05)
    return next(row for row in found if row.left_out == left_out)


RISES_AND_FALLS = [0.4, 0.6, 0.5, 0.1]


@pytest.mark.parametrize(
    ("step", "regret", "share", "false_alarms"),
    [
        (0, 0.2, 0.0, 1),  # it would have risen by 0.2
        (10, 0.0, 1.0, 0),  # the oracle
        (19, 0.0, 1.0, 0),  # the last evaluation before counts
        (20, 0.1, 0.5, 0),  # too late, which is no false alarm
        (99, 0.5, -1.5, 0),  # never: what is kept is the end
    ],
)
def test_regret_is_what_the_best_policy_had_more(
    step: int, regret: float, share: float, false_alarms: int
) -> None:
    found = row([recorded(RISES_AND_FALLS)] * 2, FixedStep(steps=step))

    assert found.regret.estimate == pytest.approx(regret)
    assert found.share_kept.estimate == pytest.approx(share)
    assert found.false_alarms == 2 * false_alarms
    assert found.gaining == 2
    assert found.gain_kept == (2 if share == 1 else 0)


def test_runs_without_a_gain_are_judged_by_what_is_lost() -> None:
    found = row([recorded([0.4, 0.3, 0.2])] * 2, FixedStep(steps=99))

    assert found.gaining == 0
    assert np.isnan(found.share_kept.estimate)
    assert found.others.estimate == pytest.approx(-0.2)
    assert found.harmed == 2
    assert not found.reached


def test_the_goal_needs_the_gain_of_nine_runs_in_ten_and_no_false_alarms() -> None:
    good, bad = recorded([0.4, 0.5, 0.6]), recorded([0.4, 0.6, 0.4])

    assert row([good] * 9 + [bad], FixedStep(steps=99)).reached
    assert not row([good] * 8 + [bad] * 2, FixedStep(steps=99)).reached
    assert not row([good] * 10, FixedStep(steps=0)).reached


def test_the_oracle_is_not_flattered_by_noise() -> None:
    # All policies are alike: the best of 20 noisy evaluations looks 5 points better, and is not.
    rng = np.random.default_rng(0)
    naive, honest = list[float](), list[float]()
    for _ in range(40):
        scores = rng.binomial(4, 0.5, size=(20, 64)) / 4
        run = recorded([0.5] * 20)
        run = RecordedRun(run.id, "a", 1.0, 0, run.history, run.steps, tuple(map(str, range(64))), scores)
        naive.append(scores.mean(axis=1).max() - 0.5)
        honest.append(float(Replay(run).best_from[0].mean()) - 0.5)

    assert np.mean(naive) > 0.04
    assert abs(np.mean(honest)) < 0.01


def test_a_setting_is_judged_only_on_runs_it_was_not_chosen_on() -> None:
    # Each reward has its own best step, 10 or 20: what is best for one is worst for the other.
    early = [recorded([0.2, 0.8, 0.2], "early", seed=seed) for seed in range(2)]
    late = [recorded([0.2, 0.2, 0.8], "late", seed=seed) for seed in range(2)]
    rules = FixedStep(steps=10), FixedStep(steps=20)

    assert row([*early, *late], *rules, left_out="reward").regret.estimate == pytest.approx(0.6)


def test_tuning_takes_no_setting_with_false_alarms_where_there_is_one_without() -> None:
    # Step 10 has the smaller mean regret, 0.6 / 4, but stops one run of four on its way up.
    runs = [recorded([0.2, 0.8, 0.5], seed=seed) for seed in (0, 1)]
    runs = [run for run in runs for _ in range(3)] + [recorded([0.2, 0.2, 0.8], seed=seed) for seed in (0, 1)]

    found = row(runs, FixedStep(steps=10), FixedStep(steps=20), left_out="seed")

    assert found.setting == "steps 20"
    assert found.false_alarms == 0


def test_what_has_one_value_only_is_not_left_out() -> None:
    rules = FixedStep(steps=10), FixedStep(steps=20)
    found = regret_table([recorded(RISES_AND_FALLS, name) for name in "ab"], [Strategy("tried", rules)])

    assert [row.left_out for row in found] == ["reward"]


def test_a_rule_stops_where_its_signal_says() -> None:
    rewards = [1.0] * 8 + [5.0] + [1.0] * 21  # the record of step 9 is of the policy after 8 updates
    found = row([recorded(RISES_AND_FALLS, rewards=rewards)] * 2, MaxReward(window=1, patience=5))

    assert found.stopped == 2
    assert found.regret.estimate == pytest.approx(0.2)  # the evaluation before is that of the start


def study(directory: Path, runs: dict[str, Any]) -> None:
    """A study of runs of two steps, evaluated at 0 and 2 on the problems p, q, r and what a run adds."""
    place = StudyDir(directory)
    place.create(StudyInfo(name="tiny", runs=[RunInfo(id=name) for name in runs]))
    for name, options in runs.items():
        stages = [{"steps": 2, "reward": reward} for reward in options.get("rewards", ["random"])]
        config = RunConfig.model_validate(
            {
                "problems": {"name": "minicode"},
                "evaluation": {"problems": {"name": "minicode"}},
                "stages": stages,
            }
        )
        run: RunDir = place.run_dir(name)
        run.create(config.model_dump(mode="json"))
        run.write_status(RunState(state=options.get("state", "complete")))
        if "action" in options:
            ended = {"step": 2, "stage": "random", "rule": "r", "reason": "", "best": 0, "policy": 0}
            run.append_stop(StopRecord.model_validate(ended | {"action": options["action"]}))
        for step in (1, 2):
            run.append_step(StepRecord(step=step, stage="random", reward=step))
        for step in (0, 2):
            correct = dict.fromkeys(["p", "q", "r", *options.get("problems", [])], step)
            run.append_eval(
                EvalRecord(
                    step=step,
                    stage="random",
                    mode="sampled",
                    samples=4,
                    temperature=1,
                    max_tokens=8,
                    problems=len(correct),
                    correct=correct,
                )
            )


def test_complete_runs_of_one_stage_are_read_on_their_common_problems(tmp_path: Path) -> None:
    study(
        tmp_path,
        {
            "whole": {"problems": ["s"]},
            "running": {"state": "running"},
            "two-stages": {"rewards": ["random", "unit_tests"]},
            "other": {},
        },
    )

    runs = recorded_runs(tmp_path)

    assert [run.id for run in runs] == ["whole", "other"]
    assert runs[0].problems == ("p", "q", "r")
    assert runs[0].scores.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5]]
    assert runs[0].history.signal(Signal.REWARD).tolist() == [1, 2]
    assert [run.kept(1) for run in runs] == [0, 0]
    assert [strategy.name for strategy in strategies(runs)][:2] == ["never start", "train to the end"]


def test_runs_that_a_rule_ended_are_left_out_and_those_it_warned_of_are_not(tmp_path: Path) -> None:
    actions = {"plain": {}, **{action: {"action": action} for action in ("warn", "stop", "rollback")}}
    study(tmp_path / "some", actions)
    study(tmp_path / "all", {"rollback": {"action": "rollback"}})

    assert [run.id for run in recorded_runs(tmp_path / "some")] == ["plain", "warn"]
    with pytest.raises(UserError, match="that no rule ended"):
        recorded_runs(tmp_path / "all")


def test_a_study_without_complete_runs_says_what_to_do(tmp_path: Path) -> None:
    study(tmp_path, {"running": {"state": "running"}})

    with pytest.raises(UserError, match="rlif study run"):
        recorded_runs(tmp_path)


@pytest.mark.parametrize("form", ["--markdown", "--json"])
def test_the_command_prints_the_table(tmp_path: Path, form: str) -> None:
    from rlif.cli.study_stopping import stopping

    study(tmp_path, {"one": {}, "two": {}})
    app = typer.Typer()
    app.command()(stopping)
    printed = CliRunner().invoke(app, [str(tmp_path), form])

    assert printed.exit_code == 0, printed.output
    if form == "--json":
        rows = {row["strategy"]: row for row in json.loads(printed.output)}
        assert rows["never start"]["regret"]["estimate"] == pytest.approx(0.5)
        assert rows["train to the end"]["reached"]
    else:
        assert "| never start | - | 2 of 2 | 50.0 [50.0, 50.0] | 0 of 2 | 0.00 |" in printed.output
