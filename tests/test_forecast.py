"""Early prediction: cases, features, hazard, scores, and what is judged on runs not fitted on."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad

from rlif.conclusions.forecast import PREDICTORS, Case, across_studies, fit, leave_one_reward_out, verdict
from rlif.conclusions.forecast.cases import select
from rlif.conclusions.forecast.features import Predictor, change, demands, early_signals
from rlif.conclusions.forecast.hazard import _loss
from rlif.conclusions.forecast.scores import brier, brier_skill, concordance, log_loss, reliability
from rlif.conclusions.recorded import RecordedRun
from rlif.diagnostics.stopping import History, Signal
from rlif.errors import UserError
from rlif.records import StepRecord

NAMES = [predictor.name for predictor in PREDICTORS]


def case(fell_at: int | None = None, reward: str = "a", known: int = 10, **signals: Any) -> Case:
    """A run evaluated every 10 steps up to 30; signals are constants or one value a step."""
    steps = np.arange(1, known + 1)
    values = {Signal(name): np.broadcast_to(value, known).astype(float) for name, value in signals.items()}
    evaluated = tuple(step for step in (10, 20, 30) if step > known)
    return Case("run", reward, known, History(steps, values), False, math.nan, evaluated, fell_at)


def correlation(case: Case) -> list[float]:
    return [demands(case)[0]]


def study(effect: float, seed: int, rewards: int = 12, seeds: int = 6) -> list[Case]:
    """Runs whose hazard depends by `effect` on how much their reward dislikes length."""
    rng = np.random.default_rng(seed)
    cases = list[Case]()
    for reward in range(rewards):
        dislike = rng.normal()
        for _ in range(seeds):
            falls = 10 + rng.exponential(1 / (0.025 * np.exp(effect * dislike)))
            fell_at = next((step for step in (20, 30) if falls <= step), None)
            seen = -0.4 * dislike + rng.normal(0, 0.2, 10)
            noise = {name: rng.normal(1, 0.1, 10) for name in ("length_mean", "entropy", "majority_share")}
            cases.append(case(fell_at, f"reward {reward}", reward_length_corr=seen, **noise))
    return cases


# Cases: what was known, what became of it.


def recorded(curve: list[float], steps: int = 30) -> tuple[RecordedRun, list[StepRecord]]:
    """A run evaluated every 10 steps; each of its twenty problems scores as the curve says."""
    records = [
        StepRecord(step=s, stage="", length_mean=50, reward_truth_auroc=s / 10) for s in range(1, steps + 1)
    ]
    at = np.arange(len(curve)) * 10
    scores = np.repeat(np.array(curve)[:, None], 20, axis=1)
    run = RecordedRun("r", "a", 1.0, 0, History.of(records), at, tuple(map(str, range(20))), scores)
    return run, records


@pytest.mark.parametrize(
    ("curve", "fell_at", "held"),
    [
        ([0.5, 0.5, 0.5, 0.4], 30, 10),  # it held from 10 to 20, and fell before 30
        ([0.5, 0.5, 0.4, 0.5], 20, 0),  # that it came back does not undo the fall
        ([0.5, 0.5, 0.5, 0.5], None, 20),
        ([0.5, 0.5, 0.5, 0.46], None, 20),  # less than a tenth
    ],
)
def test_a_case_knows_between_which_steps_it_fell(curve: list[float], fell_at: int | None, held: int) -> None:
    [found] = select([recorded(curve)], 10).cases

    assert (found.fell_at, found.held, found.budget) == (fell_at, held, 20)


def test_a_forecast_sees_the_first_steps_only() -> None:
    [found] = select([recorded([0.5, 0.5, 0.5, 0.4])], 10).cases

    assert found.history.steps.tolist() == list(range(1, 11))
    assert found.alignment == pytest.approx(0.2)  # the mean of 0.1, 0.2 and 0.3


def test_what_fell_before_or_is_too_short_is_no_case() -> None:
    runs = [
        recorded([0.5, 0.5]),
        recorded([0.5, 0.3, 0.3]),
        recorded([0.5] * 3, steps=7),
        recorded([0.5] * 3),
    ]
    found = select(runs, 10)

    assert (len(found.cases), found.fallen_before, found.too_short) == (1, 1, 2)


def test_no_run_left_is_a_mistake_with_its_reason() -> None:
    with pytest.raises(UserError, match="after 10 steps: 1 had fallen by then, 1 have fewer steps"):
        select([recorded([0.5, 0.3, 0.3]), recorded([0.5, 0.5])], 10)


# Features.


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5), st.floats(-10, 10))
def test_a_change_is_that_of_the_line(noise: list[float], slope: float) -> None:
    # Adding a line of this slope over steps 1 to 5 adds four times the slope.
    steps, values = np.arange(1, 6), np.array(noise)

    added = change(steps, values + slope * steps) - change(steps, values)

    assert added == pytest.approx(4 * slope, abs=1e-9)


def test_the_six_features() -> None:
    step = np.arange(10)
    given_ = case(
        length_mean=64.5 - step,  # from 64.5 to 55.5, mean 60
        entropy=0.2,
        reasoning_rate=0.9 - 0.05 * step,
        majority_share=0.5 + 0.01 * step,
        reward_length_corr=-0.3,
        zero_variance_groups=np.where(step < 5, 0.0, 1.0),
    )
    assert early_signals(given_) == pytest.approx([-9 / 60, 0, -0.45, 0.09, -0.3, 0.5])


def test_signals_that_were_not_recorded_are_undefined() -> None:
    assert all(math.isnan(value) for value in early_signals(case()))
    two_values = [1.0, 2.0] + [math.nan] * 8
    assert math.isnan(early_signals(case(reasoning_rate=two_values))[2])


# The hazard.


def test_without_features_it_is_falls_over_steps_watched() -> None:
    # 99 runs watched for 20 steps and one that fell: (1 + half a fall) over about 2,000 steps.
    base = fit([case()] * 99 + [case(fell_at=30)], lambda case: [])

    assert base.hazard(case()) == pytest.approx(1.5 / 1995, rel=0.01)
    assert base.probability(case(), 20) == pytest.approx(1 - math.exp(-20 * base.hazard(case())))


def test_without_a_fall_it_is_half_a_fall() -> None:
    assert fit([case()] * 10, lambda case: []).hazard(case()) == pytest.approx(0.5 / 200)


def test_a_feature_that_no_run_has_or_all_share_changes_nothing() -> None:
    runs = [case(fell_at=20), case(), case()]
    base = fit(runs, lambda case: [])

    for value in (math.nan, 7.0):
        assert fit(runs, lambda case, v=value: [v]).hazard(runs[0]) == pytest.approx(base.hazard(runs[0]))


def test_a_run_without_the_signal_is_an_average_run() -> None:
    runs = study(effect=1.0, seed=0)
    model = fit(runs, correlation)

    assert model.hazard(case()) == pytest.approx(math.exp(model.intercept))
    assert model.weights[0] < -0.3  # the more a reward dislikes length, the sooner its runs fall


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    x, held, gap = rng.normal(size=(8, 2)), np.arange(8.0), np.array([0, 10, 0, 5, 0, 0, 10, 0.0])

    for at in (np.zeros(3), np.array([-3.0, 0.5, -1.0])):
        error = check_grad(lambda p: _loss(p, x, held, gap)[0], lambda p: _loss(p, x, held, gap)[1], at)
        assert error < 1e-5 * np.abs(_loss(at, x, held, gap)[1]).max()


# Scores, by hand.

P = np.array([0.8, 0.4, 0.1, 0.1])
FELL = np.array([True, False, True, False])


def test_brier_and_log_loss() -> None:
    assert brier(P, FELL) == pytest.approx((0.04 + 0.16 + 0.81 + 0.01) / 4)
    assert log_loss(P, FELL) == pytest.approx(-math.log(0.8 * 0.6 * 0.1 * 0.9) / 4)
    assert math.isnan(brier(P[:0], FELL[:0]))


def test_brier_skill_is_the_share_of_the_error_that_is_gone() -> None:
    base = np.full(4, 0.5)  # Brier score 0.25
    found = brier_skill(P, base, FELL, np.array(["a", "a", "b", "b"]))

    assert found.estimate == pytest.approx(1 - 0.255 / 0.25)
    # Drawn twice, "a" has an error of 0.1 of 0.25, "b" of 0.41: the ends of what can be drawn.
    assert (found.low, found.high) == pytest.approx((1 - 0.41 / 0.25, 1 - 0.1 / 0.25))


def test_no_interval_from_one_reward_and_no_skill_without_falls() -> None:
    one = brier_skill(P, np.full(4, 0.5), FELL, np.zeros(4))
    none = brier_skill(P, np.full(4, 0.5), np.zeros(4, dtype=bool), np.arange(4))

    assert one.estimate == pytest.approx(-0.02)
    assert math.isnan(one.low)
    assert math.isnan(none.estimate)


def test_concordance_compares_runs_of_which_one_fell_sooner() -> None:
    # Fell at 10 and 20, watched to 20 and to 5: the last was not watched long enough for any pair.
    hazard, last = np.array([0.1, 0.3, 0.2, 0.9]), np.array([10, 20, 20, 5])
    fell = np.array([True, True, False, False])

    # (10 before 20): wrong, (10 before censored at 20): wrong, (20 before censored at 20): right.
    assert concordance(hazard, last, fell) == pytest.approx(1 / 3)
    assert concordance(hazard, last, fell, np.array(["a", "b", "b", "a"])) == 1
    assert concordance(np.ones(4), last, fell) == 0.5
    assert math.isnan(concordance(hazard, last, np.zeros(4, dtype=bool)))


def test_reliability_puts_what_was_said_beside_what_happened() -> None:
    groups = reliability(P, FELL)

    assert [(g.group, g.runs) for g in groups] == [("10 to 25%", 2), ("25 to 50%", 1), ("50 to 100%", 1)]
    assert groups[0].predicted == pytest.approx(0.1)
    # Wilson for 1 of 2: (0.5 + z²/4 ± z √(1/8 + z²/16)) / (1 + z²/2), z = 1.96.
    z2 = 1.959964**2
    half = math.sqrt(z2 / 8 + z2**2 / 16) / (1 + z2 / 2)
    assert groups[0].observed.low == pytest.approx(0.5 - half)
    assert groups[0].observed.high == pytest.approx(0.5 + half)


# Judged on runs not fitted on.


def rows_by_name(rows: Any) -> dict[str, Any]:
    return {row.predictor: row for row in rows}


def test_a_planted_signal_is_found() -> None:
    rows = rows_by_name(leave_one_reward_out(study(effect=2.0, seed=1)))

    assert rows["early signals"].skilful
    assert rows["early signals"].auroc > 0.75
    assert not rows["changes"].skilful  # planted in what the reward asks for
    assert rows["base rate"].skill.estimate < 0  # it is judged by a base rate that knows the outcome
    assert verdict(list(rows.values())).endswith(
        "demands of the reward; early signals; early signals, alignment."
    )


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_is_planted_nothing_is_found(seed: int) -> None:
    rows = leave_one_reward_out(study(effect=0.0, seed=seed))

    assert not any(row.skilful for row in rows)
    assert "Nothing is shown" in verdict(rows)


def test_outcomes_of_other_runs_give_no_skill() -> None:
    runs = study(effect=2.0, seed=1)
    order = np.random.default_rng(0).permutation(len(runs))
    shuffled = [
        case(runs[j].fell_at, run.reward, **run.history.values) for run, j in zip(runs, order, strict=True)
    ]

    assert not rows_by_name(leave_one_reward_out(shuffled))["early signals"].skilful


def test_another_study_can_be_fitted_on() -> None:
    fitted_on, runs = study(effect=2.0, seed=1), study(effect=2.0, seed=2)
    rows = rows_by_name(across_studies(fitted_on, runs))
    found = rows["early signals"]

    assert found.skilful
    assert found.runs == len(runs)
    # Well made forecasts say what happens, in groups of chance and in time.
    assert all(g.observed.low <= g.predicted <= g.observed.high for g in (*found.reliability, *found.timing))
    assert [g.group for g in found.timing] == ["step 20", "step 30"]


def test_a_reward_is_never_judged_by_its_own_runs() -> None:
    # All runs of "a" fall, none of the others: whoever has seen "a" knows, nobody else can.
    runs = [case(30, "a") for _ in range(5)] + [case(None, name) for name in "bcde" for _ in range(5)]
    knows = Predictor("knows", lambda case: [float(case.reward == "a")])
    [row] = leave_one_reward_out(runs, [knows])
    [seen] = across_studies(runs, runs, [knows])

    assert row.auroc == 0
    assert seen.auroc == 1


def test_without_a_fall_nothing_can_be_judged() -> None:
    rows = leave_one_reward_out([case(None, reward) for reward in "aabb"])

    assert [row.predictor for row in rows] == NAMES
    assert all(math.isnan(x) for row in rows for x in (row.skill.estimate, row.auroc, row.concordance))
    assert verdict(rows) == "None of the 4 runs fell later: no forecast can be judged by them."


def test_of_one_reward_nothing_can_be_left_out() -> None:
    assert verdict(leave_one_reward_out([case(), case(20)])).startswith("Runs of one reward only")
