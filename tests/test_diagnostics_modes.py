"""Modes of collapse: which signals lead to which, in what order, and with tests or without."""

import math
from typing import Any

import numpy as np
import pytest
from synthetic_study import SCRIPTS, eval_records, piecewise, step_records

from rlif.diagnostics import Alarm, Mode, Verdict, diagnose
from rlif.diagnostics.series import TRUTH_FIELDS, without_truth
from rlif.diagnostics.signals import SIGNALS
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import StepRecord

STEPS = 60


def steps(seed: int = 0, **curves: tuple[float, float]) -> list[dict[str, Any]]:
    """Steps in which each signal goes from its start to its end in the second half, with 3% noise."""
    rng = np.random.default_rng(seed)
    return [
        {"step": step, "stage": "a"}
        | {
            name: piecewise((0, start), (0.5, start), (1, end))(step / STEPS) * rng.normal(1, 0.03)
            for name, (start, end) in curves.items()
        }
        for step in range(1, STEPS + 1)
    ]


@pytest.mark.parametrize(
    ("mode", "curves"),
    [
        (Mode.LENGTH_COLLAPSE, {"length_mean": (60, 20)}),
        (Mode.LENGTH_COLLAPSE, {"reasoning_share": (0.4, 0.1)}),
        (Mode.LENGTH_EXPLOSION, {"length_mean": (60, 120)}),
        (Mode.LENGTH_EXPLOSION, {"truncated": (0.02, 0.6)}),
        (Mode.ENTROPY_COLLAPSE, {"entropy": (0.4, 0.02)}),
        (Mode.ENTROPY_EXPLOSION, {"entropy": (0.4, 1.2)}),
        (Mode.ENTROPY_EXPLOSION, {"majority_share": (0.6, 0.2)}),
        (Mode.REWARD_HACKING, {"majority_share": (0.6, 0.2), "reward": (1, 2)}),
        (Mode.REWARD_HACKING, {"constant_output": (0.1, 0.7), "reward": (1, 2)}),
        (Mode.BROKEN_PROGRAMS, {"constant_output": (0.1, 0.7)}),
        (Mode.REPETITION, {"distinct_4": (0.95, 0.4)}),
        (Mode.BROKEN_PROGRAMS, {"no_code": (0.05, 0.7)}),
        (Mode.BROKEN_PROGRAMS, {"executable": (0.8, 0.2)}),
        (Mode.ADVANTAGE_STARVATION, {"zero_variance_groups": (0.3, 0.95)}),
        (Mode.NONE, {"length_mean": (60, 63), "entropy": (0.4, 0.25), "majority_share": (0.5, 0.8)}),
        (Mode.NONE, {"length_mean": (60, 60)}),
    ],
)
def test_a_signal_that_leaves_its_range_tells_the_mode(
    mode: Mode, curves: dict[str, tuple[float, float]]
) -> None:
    found = diagnose(steps(0, **curves))
    assert found.mode is mode
    assert found.alarm is (Alarm.QUIET if mode is Mode.NONE else Alarm.ALARM)


def test_a_mode_says_since_when_and_how_sure() -> None:
    """60 tokens, falling from step 30 on to 20 at step 60: under 45 (75%) from step 41 on."""
    found = diagnose(steps(length_mean=(60, 20)))
    [mode] = found.modes
    assert (mode.mode, mode.signals) == (Mode.LENGTH_COLLAPSE, ["length_mean"])
    assert mode.onset_low <= 42 <= mode.onset_high
    assert mode.onset_high - mode.onset_low <= 6
    assert mode.confidence > 0.999
    assert (found.onset, found.confidence) == (mode.onset, mode.confidence)


def test_several_modes_come_in_the_order_of_their_onset() -> None:
    early = [{"entropy": 0.4 if i < 20 else 0.05} for i in range(60)]
    late = [{"length_mean": 60.0 if i < 40 else 120.0} for i in range(60)]
    noise = np.random.default_rng(0).normal(1, 0.02, (60, 2))
    rows = [
        {"step": i + 1, "entropy": early[i]["entropy"] * a, "length_mean": late[i]["length_mean"] * b}
        for i, (a, b) in enumerate(noise)
    ]
    found = diagnose(rows)
    assert [(mode.mode, mode.onset) for mode in found.modes] == [
        (Mode.ENTROPY_COLLAPSE, pytest.approx(21, abs=5)),
        (Mode.LENGTH_EXPLOSION, pytest.approx(41, abs=5)),
    ]
    assert found.mode is Mode.ENTROPY_COLLAPSE


def test_a_level_that_alarms_without_having_moved_claims_no_confidence() -> None:
    found = diagnose(steps(zero_variance_groups=(0.97, 0.97)))
    assert found.mode is Mode.ADVANTAGE_STARVATION
    assert math.isnan(found.confidence)


def test_too_little_to_say_is_undecided() -> None:
    assert diagnose([]).mode is Mode.UNDECIDED
    assert diagnose(steps(reward=(1, 2))).mode is Mode.UNDECIDED  # nothing that could alarm
    assert (diagnose([]).onset, math.isnan(diagnose([]).confidence)) == (None, True)


def test_a_run_that_got_worse_without_a_sign_is_undecided_not_none() -> None:
    found = diagnose(steps(pass_rate=(0.6, 0.1), length_mean=(60, 60)))
    assert found.verdict is Verdict.COLLAPSED
    assert (found.alarm, found.mode) == (Alarm.QUIET, Mode.UNDECIDED)


def test_a_run_that_recovered_has_no_mode() -> None:
    rng = np.random.default_rng(0)
    curve = piecewise((0, 60), (0.4, 20), (0.8, 60), (1, 60))
    rows = [{"step": i, "length_mean": curve(i / 80) * rng.normal(1, 0.03)} for i in range(80)]
    assert diagnose(rows).mode is Mode.NONE


def test_looking_at_every_step_healthy_runs_stay_quiet() -> None:
    """Learning moves every signal: longer, surer, more agreement; at no step is that an alarm."""
    for seed in range(5):
        run = steps(
            seed,
            length_mean=(40, 46),
            entropy=(0.3, 0.2),
            reasoning_share=(0.3, 0.4),
            majority_share=(0.5, 0.7),
            reward=(0.4, 0.6),
        )
        assert not any(diagnose(run[:n]).alarm is Alarm.ALARM for n in range(5, STEPS + 1, 5))


# Without tests


def test_without_tests_the_signals_still_tell_and_nothing_else_does() -> None:
    rng = np.random.default_rng(0)
    script, difficulty = SCRIPTS["self_certainty"], np.full(96, 0.5)
    run, evals = step_records(script, 40, rng), eval_records(script, 40, 5, rng, difficulty)
    with_tests, without = diagnose(run, evals), diagnose(run, evals, use_tests=False)
    assert without.alarm is with_tests.alarm is Alarm.ALARM
    assert without.mode is not Mode.UNDECIDED
    assert (without.verdict, without.verdict_source) == (Verdict.UNDECIDED, "nothing")
    assert (without.performance, without.gaps, without.collapse.decline_step) == (None, [], None)
    assert not set(TRUTH_FIELDS) & without.trends.keys()
    assert without.probe == with_tests.probe
    bare = [record.model_copy(update=dict.fromkeys(TRUTH_FIELDS, math.nan)) for record in run]
    kept = ("step", "stage", "mode", "samples", "temperature", "max_tokens", "problems", "reasoning_rate")
    unjudged = [{name: getattr(record, name) for name in kept} for record in evals]
    assert without.model_dump_json() == diagnose(bare, unjudged).model_dump_json()


def test_without_tests_no_result_of_one_is_left_in_an_evaluation() -> None:
    script, difficulty = SCRIPTS["self_certainty"], np.full(8, 0.5)
    _, evals = without_truth([], eval_records(script, 5, 5, np.random.default_rng(0), difficulty))
    for record in evals:
        assert math.isnan(record.pass_at_1)
        assert (record.correct, record.statuses, record.pass_at_k) == ({}, {}, {})
        assert record.length_mean > 0


def test_every_field_that_needs_tests_is_known_as_such() -> None:
    told = (StepRecord.__doc__ or "").split("Attributes:")[1]
    marked = {line.split(":")[0].strip() for line in told.splitlines() if "[truth]" in line}
    assert marked == set(TRUTH_FIELDS)


# The table


def test_the_table_names_fields_and_leaves_no_edge_without_a_mode() -> None:
    for signal in SIGNALS.values():
        assert signal.name in StepRecord.model_fields
        low, high = signal.healthy(0.5, Thresholds())
        assert math.isinf(low) == (signal.below is Mode.NONE), signal.name
        assert math.isinf(high) == (signal.above is Mode.NONE), signal.name
