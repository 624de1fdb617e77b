"""From records to findings: known effects are found, and nothing is found where nothing happened."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from synthetic_study import SCRIPTS, Script, eval_records, piecewise, step_records, write_run

from rlif.diagnostics import (
    Alarm,
    Direction,
    Findings,
    Interval,
    Thresholds,
    Verdict,
    compare,
    compare_transfer,
    diagnose,
)
from rlif.diagnostics.bootstrap import best_minus, difference_interval, resampled_means
from rlif.diagnostics.evidence import number, percent, points
from rlif.diagnostics.findings import Performance, Score
from rlif.diagnostics.performance import verdict_of
from rlif.diagnostics.series import noise, smooth
from rlif.errors import UserError
from rlif.records import EvalRecord, Role, RunDir, StepRecord

STEPS, EVERY = 40, 5


def records(script: Script, seed: int = 0) -> tuple[list[StepRecord], list[EvalRecord]]:
    rng = np.random.default_rng(seed)
    difficulty = np.random.default_rng(7).beta(0.8, 1.0, 96)
    return step_records(script, STEPS, rng), eval_records(script, STEPS, EVERY, rng, difficulty)


def evaluations(*counts: dict[str, int], samples: int = 2) -> list[EvalRecord]:
    """Evaluations at steps 0, 5, 10, … with the given number of right samples for each problem."""
    return [
        EvalRecord(
            step=5 * i,
            stage="a",
            mode="sampled",
            samples=samples,
            temperature=1.0,
            max_tokens=8,
            problems=len(correct),
            pass_at_1=float(np.mean(list(correct.values()))) / samples,
            correct=correct,
        )
        for i, correct in enumerate(counts)
    ]


# Bootstrap


def test_a_difference_that_is_the_same_everywhere_has_no_width() -> None:
    found = difference_interval(np.array([0.75, 0.5, 1.0]), np.array([0.5, 0.25, 0.75]))
    assert (found.estimate, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_resampling_is_reproducible_and_keeps_policies_paired() -> None:
    scores = np.array([[0.0, 1.0, 0.5], [0.5, 1.5, 1.0]])
    means = resampled_means(scores)
    assert np.array_equal(means, resampled_means(scores))
    assert np.allclose(means[:, 1] - means[:, 0], 0.5)


@given(npst.arrays(float, st.tuples(st.integers(2, 6), st.integers(2, 20)), elements=st.floats(0, 1)))
def test_best_minus_contains_its_estimate_and_does_not_mind_the_order_of_problems(scores: np.ndarray) -> None:
    found = best_minus(scores, -1)
    assert found.estimate >= 0
    assert found.low <= found.estimate + 1e-9
    assert found.high >= 0
    assert best_minus(scores[:, ::-1], -1).estimate == pytest.approx(found.estimate)


def test_the_peak_of_flat_runs_is_not_taken_for_a_gain() -> None:
    """Where nothing happens, the interval of "best − last" excludes 0 about as rarely as it should (2.5%)."""
    rng = np.random.default_rng(0)
    honest = naive = 0
    runs = 100
    for _ in range(runs):
        chance = rng.beta(0.7, 1.0, 64)
        scores = rng.binomial(4, chance, (8, 64)) / 4
        honest += best_minus(scores, -1).above_zero
        means = resampled_means(scores)
        naive += np.quantile(means.max(axis=1) - means[:, -1], 0.025) > 0
    assert honest / runs <= 0.06
    assert naive / runs > 0.15  # what it protects from


# Verdicts


def performance_of(
    start: float,
    peak: float,
    end: float,
    gain: tuple[float, float],
    drop: tuple[float, float],
    change: tuple[float, float],
) -> Performance:
    def score(step: int, value: float) -> Score:
        return Score(step=step, sampled=Interval(estimate=value))

    def interval(value: float, ends: tuple[float, float]) -> Interval:
        return Interval(estimate=value, low=ends[0], high=ends[1])

    return Performance(
        mode="sampled",
        evaluations=9,
        problems=96,
        samples=8,
        start=score(0, start),
        peak=score(10, peak),
        end=score(40, end),
        gain=interval(peak - start, gain),
        drop=interval(peak - end, drop),
        change=interval(end - start, change),
    )


@pytest.mark.parametrize(
    ("word", "performance"),
    [
        # a fifth of the peak lost and below the start
        (Verdict.COLLAPSED, performance_of(0.4, 0.5, 0.3, (0.05, 0.15), (0.1, 0.3), (-0.15, -0.05))),
        # half of the peak lost, although not shown to be below the start
        (Verdict.COLLAPSED, performance_of(0.1, 0.4, 0.15, (0.2, 0.4), (0.2, 0.3), (-0.02, 0.12))),
        (Verdict.IMPROVED_THEN_FELL, performance_of(0.4, 0.5, 0.44, (0.05, 0.15), (0.02, 0.1), (0.01, 0.08))),
        # only a tenth of the gain lost
        (Verdict.IMPROVED, performance_of(0.4, 0.6, 0.58, (0.1, 0.3), (0.01, 0.03), (0.1, 0.25))),
        (Verdict.IMPROVED, performance_of(0.4, 0.5, 0.5, (0.05, 0.15), (-0.05, 0.05), (0.05, 0.15))),
        # below the start, but less than a fifth lost
        (Verdict.WORSENED, performance_of(0.4, 0.41, 0.36, (-0.03, 0.05), (0.01, 0.09), (-0.07, -0.01))),
        (Verdict.UNCHANGED, performance_of(0.4, 0.42, 0.4, (-0.03, 0.05), (-0.03, 0.05), (-0.03, 0.03))),
        # nothing shown, and too wide to call it unchanged
        (Verdict.UNDECIDED, performance_of(0.4, 0.45, 0.4, (-0.03, 0.1), (-0.03, 0.1), (-0.08, 0.08))),
        # a fall from the peak alone is luck of the peak until the interval says otherwise
        (Verdict.UNDECIDED, performance_of(0.4, 0.6, 0.1, (-0.1, 0.5), (-0.01, 0.9), (-0.8, 0.2))),
    ],
)
def test_intervals_decide_the_verdict(word: Verdict, performance: Performance) -> None:
    assert verdict_of(performance, Thresholds()) is word


@pytest.mark.parametrize(
    ("name", "verdict", "alarm"),
    [
        ("rlvr", Verdict.IMPROVED, Alarm.QUIET),
        ("self_certainty", Verdict.COLLAPSED, Alarm.ALARM),
        ("functional_majority", Verdict.IMPROVED, Alarm.QUIET),
        ("rlif_rlvr", Verdict.IMPROVED, Alarm.QUIET),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_known_effects_are_found(name: str, verdict: Verdict, alarm: Alarm, seed: int) -> None:
    found = diagnose(*records(SCRIPTS[name], seed))
    assert (found.verdict, found.alarm) == (verdict, alarm)


def test_runs_in_which_nothing_happens_are_left_in_peace() -> None:
    found = [diagnose(*records(SCRIPTS["random"], seed)) for seed in range(30)]
    assert sum(f.alarm is Alarm.ALARM for f in found) == 0
    assert (
        sum(f.verdict not in (Verdict.UNCHANGED, Verdict.UNDECIDED) for f in found) <= 3
    )  # 2 x 2.5% expected
    assert not any(f.verdict is Verdict.COLLAPSED for f in found)


def test_a_collapse_is_described() -> None:
    found = diagnose(*records(SCRIPTS["self_certainty"]))
    assert found.performance is not None
    assert found.performance.peak_step in (5, 10, 15)
    assert found.collapse.decline_step in (5, 10, 15)
    assert found.collapse.accuracy_step is None  # it ended at 8%, not under 1%
    length = found.trends["length_mean"]
    assert length.direction is Direction.DOWN
    assert length.ratio == pytest.approx(17 / 60, abs=0.08)
    assert length.onset is not None
    assert 15 <= length.onset <= 30  # the script crosses 0.6 of the start at step 26
    assert [gap.diverged for gap in found.gaps] == [True]
    assert any("reward rose" in line for line in found.evidence)


@pytest.mark.parametrize(
    ("name", "curve", "direction"),
    [
        ("length", piecewise((0, 60), (1, 15)), Direction.DOWN),
        ("length", piecewise((0, 60), (1, 240)), Direction.UP),
        ("entropy", piecewise((0, 0.3), (1, 0.01)), Direction.DOWN),
        ("entropy", piecewise((0, 0.3), (1, 2.5)), Direction.UP),
        ("reasoning", piecewise((0, 0.5), (1, 0.05)), Direction.DOWN),
    ],
)
def test_alarms_are_two_sided_and_need_no_tests(name: str, curve: object, direction: Direction) -> None:
    script = Script("x", Role.INTRINSIC, piecewise((0, 0.4)), **{name: curve})  # type: ignore[arg-type]
    steps, _ = records(script)
    found = diagnose([step.model_copy(update={"pass_rate": math.nan}) for step in steps])
    field = {"length": "length_mean", "entropy": "entropy", "reasoning": "reasoning_share"}[name]
    assert found.trends[field].direction is direction
    assert found.trends[field].alarming
    assert found.alarm is Alarm.ALARM
    assert (found.verdict, found.verdict_source) == (Verdict.UNDECIDED, "nothing")


def test_a_signal_that_came_back_does_not_alarm() -> None:
    dip = Script("x", Role.INTRINSIC, piecewise((0, 0.4)), length=piecewise((0, 60), (0.5, 20), (1, 60)))
    assert not diagnose(records(dip)[0]).trends["length_mean"].alarming


def test_groups_without_spread_alarm_even_when_they_always_were() -> None:
    steps = [StepRecord(step=i, stage="a", zero_variance_groups=0.9 + 0.01 * (i % 2)) for i in range(1, 20)]
    found = diagnose(steps)
    assert found.alarm is Alarm.ALARM
    assert any("little is left to learn" in line for line in found.evidence)


# Collapse step, gap


def test_first_reading_of_the_collapse_step_is_accuracy_under_one_percent() -> None:
    steps = [StepRecord(step=i, stage="a", pass_rate=0.5 if i < 7 else 0.005) for i in range(1, 11)]
    assert diagnose(steps).collapse.accuracy_step == 7


def test_a_model_that_never_knew_has_not_collapsed() -> None:
    steps = [StepRecord(step=i, stage="a", pass_rate=0.0) for i in range(1, 11)]
    assert diagnose(steps).collapse.accuracy_step is None


def test_reward_and_truth_falling_together_is_no_divergence() -> None:
    falling = piecewise((0, 0.6), (1, 0.1))
    together = diagnose(*records(Script("x", Role.INTRINSIC, falling, reward=falling)))
    apart = diagnose(*records(Script("x", Role.INTRINSIC, falling, reward=piecewise((0, 1), (1, 2)))))
    assert [gap.diverged for gap in together.gaps] == [False]
    assert [gap.diverged for gap in apart.gaps] == [True]


def test_without_evaluations_the_training_pass_rate_stands_for_the_truth() -> None:
    steps, _ = records(SCRIPTS["self_certainty"])
    found = diagnose(steps)
    assert (found.verdict, found.verdict_source) == (Verdict.COLLAPSED, "training pass rate")
    assert [(gap.source, gap.diverged) for gap in found.gaps] == [("training pass rate", True)]


def test_a_change_of_reward_between_stages_is_not_a_trend() -> None:
    steps, evals = records(SCRIPTS["rlif_rlvr"])
    assert steps[0].reward > 2 > 1 > steps[-1].reward  # another scale in the second stage
    assert diagnose(steps, evals).trends["reward"].direction is not Direction.DOWN


# What it reads


def test_it_reads_a_directory_its_path_its_file_records_and_dictionaries(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    write_run(run, SCRIPTS["self_certainty"], STEPS, EVERY, seed=0)
    whole = diagnose(run)
    assert diagnose(str(run.path)) == whole
    assert diagnose(run.metrics_path) == whole
    assert diagnose(run.steps(), run.evals()) == whole
    rows = [record.model_dump() for record in run.steps()]
    assert diagnose(rows, [record.model_dump() for record in run.evals()]) == whole


def test_findings_survive_json() -> None:
    found = diagnose(*records(SCRIPTS["self_certainty"]))
    again = Findings.model_validate_json(found.model_dump_json())
    assert again.model_dump_json() == found.model_dump_json()
    assert again.evidence == found.evidence


def test_little_or_damaged_data_gives_little_but_no_error() -> None:
    assert diagnose([]).verdict is Verdict.UNDECIDED
    assert diagnose([{"step": 1, "entropy": 0.3}]).alarm is Alarm.UNDECIDED
    gaps = [{"step": i, "entropy": math.nan if i % 2 else 0.3, "length_mean": None} for i in range(30)]
    assert set(diagnose(gaps).trends) == {"entropy"}
    one = diagnose([], evaluations({"p": 1, "q": 2}))
    assert one.verdict is Verdict.UNDECIDED
    assert one.performance is not None
    assert math.isnan(one.performance.change.low)


def test_evaluations_without_a_shared_problem_decide_nothing() -> None:
    assert diagnose([], evaluations({"p": 0}, {"q": 2})).verdict is Verdict.UNDECIDED


def test_a_step_recorded_twice_counts_once_and_the_later_line_holds() -> None:
    rows = [{"step": i, "entropy": 0.3} for i in range(1, 11)]
    found = diagnose([{"step": 1, "entropy": 99.0}, *rows])
    assert found.steps == 10
    assert found.trends["entropy"].start == pytest.approx(0.3)


def test_a_wrong_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Record 2 is not a StepRecord: 'entropy'"):
        diagnose([{"step": 1}, {"step": 2, "entropy": "high"}])
    with pytest.raises(UserError, match="not a run directory"):
        diagnose(tmp_path / "nothing")


# Comparisons


def test_a_comparison_is_paired_and_antisymmetric() -> None:
    better = evaluations({f"p{i}": 2 if i % 2 else 1 for i in range(40)})
    worse = evaluations({f"p{i}": 1 if i % 2 else 0 for i in range(40)} | {"only here": 2})
    found, back = compare(better, worse), compare(worse, better)
    # Half a sample better on each shared problem: no width at all, although problems differ a lot.
    assert (found.difference.estimate, found.difference.low, found.difference.high) == (0.5, 0.5, 0.5)
    assert (found.outcome, found.problems) == ("better", 40)
    assert (back.outcome, back.difference.estimate) == ("worse", -0.5)


def test_equal_is_claimed_only_within_the_margin() -> None:
    same = evaluations({f"p{i}": i % 3 for i in range(30)})
    assert compare(same, same).outcome == "equal"
    few = evaluations({"p": 0, "q": 2}), evaluations({"p": 2, "q": 0})
    assert compare(*few).outcome == "undecided"


def test_an_evaluation_that_does_not_exist_is_an_error() -> None:
    some = evaluations({"p": 1}, {"p": 2})
    with pytest.raises(UserError, match="no sampled evaluation at step 7"):
        compare(some, some, first_step=7)
    with pytest.raises(UserError, match="same sampling mode"):
        compare(some, [])


def test_transfer_is_compared_at_equal_total_and_at_equal_steps_on_tests() -> None:
    steps = [StepRecord(step=i, stage="rlif" if i <= 10 else "rlvr") for i in range(1, 21)]
    transfer = evaluations(*[{"p": n, "q": n} for n in (0, 0, 1, 1, 2)])  # steps 0, 5, 10, 15, 20
    rlvr = evaluations(*[{"p": n, "q": n} for n in (0, 0, 0, 1, 1)])
    found = compare_transfer(steps, transfer, rlvr)
    assert found.rlif_steps == 10
    assert found.equal_total is not None
    assert found.equal_rlvr is not None
    assert (found.equal_total.first_step, found.equal_total.second_step) == (20, 20)
    assert (found.equal_rlvr.first_step, found.equal_rlvr.second_step) == (20, 10)
    assert found.equal_total.difference.estimate == 0.5
    assert found.equal_rlvr.difference.estimate == 1.0


def test_transfer_without_matching_evaluations_compares_nothing() -> None:
    steps = [StepRecord(step=i, stage="rlif" if i <= 3 else "rlvr") for i in range(1, 6)]
    found = compare_transfer(steps, evaluations({"p": 1}, {"p": 1}), evaluations({"p": 1}))
    assert (found.equal_total, found.equal_rlvr) == (None, None)


# Small parts


def test_smoothing_shrinks_at_the_ends() -> None:
    assert smooth(np.array([0.0, 3.0, 6.0]), 3) == pytest.approx([1.5, 3.0, 4.5])
    assert smooth(np.array([0.0, 3.0, 6.0]), 2) == pytest.approx([0.0, 3.0, 6.0])  # even: the odd below
    assert smooth(np.array([1.0, 2.0]), 5) == pytest.approx([1.0, 2.0])
    assert smooth(np.array([]), 3).size == 0


def test_noise_does_not_mind_a_trend() -> None:
    flat = np.random.default_rng(0).normal(0, 1, 2000)
    assert noise(flat) == pytest.approx(1.0, abs=0.05)
    assert noise(flat + np.arange(2000) * 0.01) == pytest.approx(1.0, abs=0.05)
    assert math.isnan(noise(np.array([1.0, 2.0])))


def test_numbers_in_sentences() -> None:
    assert percent(0.4123) == "41.2%"
    assert percent(math.nan) == "–"
    assert number(-1234.5) == "−1,234"
    assert points(Interval(estimate=-0.0001, low=-0.02, high=0.01)) == (
        "+0.0 points (95% interval −2.0 to +1.0)"
    )
    assert points(Interval(estimate=0.1)) == "+10.0 points (no interval)"


def test_diagnosis_and_report_need_no_torch() -> None:
    code = "import sys, rlif.diagnostics, rlif.report, rlif.records; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
