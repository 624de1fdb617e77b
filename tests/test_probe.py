"""The probe: changes on fixed problems are found without tests, and none where nothing changed."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.diagnostics import Alarm, Direction, Mode, diagnose
from rlif.diagnostics.findings import ProbeTrend
from rlif.diagnostics.probe import FEW_PROBLEMS, NOISE, probe, shift
from rlif.records import EvalRecord, StepRecord

SAMPLES = 4


def evaluation(step: int, **fields: Any) -> EvalRecord:
    """An evaluation of sampled completions without anything that needs tests."""
    record = {
        "step": step,
        "stage": "a",
        "mode": "sampled",
        "samples": SAMPLES,
        "temperature": 1.0,
        "max_tokens": 99,
        "problems": len(fields.get("lengths") or fields.get("reasoned") or ()) or 64,
    }
    return EvalRecord.model_validate(record | fields)


def named(values: Any) -> dict[str, Any]:
    """Problem id -> value."""
    return {f"p{i}": value for i, value in enumerate(values)}


def course(rates: Any, lengths: Any, problems: int = 64, seed: int = 0) -> list[EvalRecord]:
    """Evaluations every 5 steps whose completions reason with these chances, and are so long on average.

    Problems differ in both, as real ones do; the draws of different evaluations are independent.
    """
    rng = np.random.default_rng(seed)
    harder = rng.normal(0, 1, problems)
    found: list[EvalRecord] = []
    for at, (rate, length) in enumerate(zip(rates, lengths, strict=True)):
        chance = 1 / (1 + np.exp(-(math.log(rate / (1 - rate)) + harder)))
        drawn = rng.lognormal(np.log(length) + 0.3 * harder, 0.5, (SAMPLES, problems))
        reasoned = rng.binomial(SAMPLES, chance)
        found.append(
            evaluation(
                5 * at,
                lengths=named(drawn.mean(axis=0).tolist()),
                reasoned=named(reasoned.tolist()),
                length_mean=float(drawn.mean()),
                reasoning_rate=float(reasoned.mean()) / SAMPLES,
            )
        )
    return found


def means_only(evals: list[EvalRecord]) -> list[EvalRecord]:
    """The same as older runs recorded it."""
    return [record.model_copy(update={"lengths": {}, "reasoned": {}}) for record in evals]


# The statistic


def test_the_paired_statistic_by_hand() -> None:
    """Ten problems at one of four samples more or less: d = −¼ eight times, 0 once, +¼ once."""
    first = evaluation(0, reasoned=named([2] * 10))
    later = evaluation(5, reasoned=named([1] * 8 + [2, 3]))

    found = shift(first, later, "reasoning_rate")

    assert found is not None
    mean, deviation = -0.175, math.sqrt((8 * 0.075**2 + 0.175**2 + 0.425**2) / 9)
    assert (found.start, found.end) == pytest.approx((0.5, 0.325))
    assert found.z == pytest.approx(mean / (deviation / math.sqrt(10)))  # −3.28
    assert found.p == pytest.approx(0.00476, rel=1e-2)  # Student's t, 9 degrees of freedom
    assert (found.problems, found.paired) == (10, True)


def test_the_statistic_of_means_by_hand() -> None:
    """56% and 41% of 256: pooled 48.5%, standard error 4.418 points."""
    first, later = evaluation(0, reasoning_rate=0.56), evaluation(5, reasoning_rate=0.41)

    found = shift(first, later, "reasoning_rate")

    assert found is not None
    assert found.z == pytest.approx(-0.15 / 0.04418, rel=1e-3)
    assert found.p == pytest.approx(0.000342, rel=1e-2)
    assert (found.problems, found.paired) == (64, False)


def test_p_is_multiplied_by_the_look_and_by_the_edges() -> None:
    """Reasoning has one edge, length two; look 2 may use a sixth of the errors."""
    evals = means_only(course([0.55, 0.55, 0.5], [40, 40, 40]))
    last = shift(evals[0], evals[-1], "reasoning_rate")
    assert last is not None
    assert probe(evals)["reasoning_rate"].p == pytest.approx(min(1.0, last.p * 2 * 3))

    evals = course([0.55, 0.55, 0.5], [40, 40, 40], seed=3)
    last = shift(evals[0], evals[-1], "reasoning_rate")
    assert last is not None
    assert probe(evals)["reasoning_rate"].p == pytest.approx(min(1.0, last.p * 2 * 3 * 3))


@given(st.lists(st.integers(0, SAMPLES), min_size=FEW_PROBLEMS, max_size=20), st.randoms())
def test_the_order_of_problems_does_not_matter_and_exchanging_evaluations_turns_the_sign(
    counts: list[int], random: Any
) -> None:
    now = list(range(len(counts)))
    random.shuffle(now)
    first = evaluation(0, reasoned=named(counts))
    later = evaluation(5, reasoned=named([counts[i] for i in now]))
    one, other = shift(first, later, "reasoning_rate"), shift(later, first, "reasoning_rate")
    turned = later.model_copy(update={"reasoned": dict(reversed(later.reasoned.items()))})
    assert one is not None
    assert other is not None
    assert one.z == pytest.approx(-other.z)
    assert shift(first, turned, "reasoning_rate") == one
    assert one.p <= 0.5


@pytest.mark.parametrize(
    ("counts", "z"), [([2] * 9, 0.0), ([1] * 9, -math.inf), ([3] * 9, math.inf)], ids=["no", "down", "up"]
)
def test_the_same_change_everywhere_is_certain(counts: list[int], z: float) -> None:
    found = shift(
        evaluation(0, reasoned=named([2] * 9)), evaluation(5, reasoned=named(counts)), "reasoning_rate"
    )
    assert found is not None
    assert found.z == z
    assert found.p == (0.5 if z == 0 else 0.0)


# What is compared


def test_only_shared_problems_are_compared() -> None:
    first = evaluation(0, reasoned=named([4] * 20))
    later = evaluation(5, reasoned={f"p{i}": 4 if i < 20 else 0 for i in range(10, 40)})
    [found] = probe([first, later]).values()
    assert (found.problems, found.start, found.end, found.alarming) == (10, 1.0, 1.0, False)


def test_other_problems_altogether_are_not_compared_by_their_means_either() -> None:
    first = evaluation(0, reasoned=named([4] * 20), reasoning_rate=1.0)
    later = evaluation(5, reasoned={f"q{i}": 0 for i in range(20)}, reasoning_rate=0.0)
    assert probe([first, later]) == {}


@pytest.mark.parametrize("fields", [{"max_tokens": 500}, {"temperature": 0.5}])
def test_evaluations_that_sampled_otherwise_are_not_compared(fields: dict[str, Any]) -> None:
    """A stage that cuts later has longer completions whatever its policy does."""
    first, later = course([0.6, 0.2], [40, 10])
    assert probe([first, later])["length_mean"].alarming
    assert probe([first, later.model_copy(update=fields)]) == {}


def test_sampled_evaluations_go_before_greedy_ones() -> None:
    sampled = course([0.6, 0.2], [40, 10])
    greedy = [record.model_copy(update={"mode": "greedy"}) for record in course([0.6, 0.6], [40, 40])]
    both = sorted([*sampled, *greedy], key=lambda record: record.step)
    assert probe(both) == probe(sampled)
    assert not any(found.alarming for found in probe(greedy).values())


@pytest.mark.parametrize(
    "evals",
    [
        [],
        course([0.6], [40]),
        course([0.6, 0.1], [40, 5], problems=FEW_PROBLEMS - 1),
        [evaluation(0), evaluation(5)],
        [evaluation(s, lengths=named([math.nan] * 64)) for s in (0, 5)],
        [evaluation(s, problems=0, samples=0, reasoning_rate=r) for s, r in ((0, 1.0), (5, 0.0))],
        [evaluation(s, samples=0, reasoning_rate=r) for s, r in ((0, 1.0), (5, 0.0))],
    ],
    ids=["none", "one", "few problems", "all NaN", "uncounted tokens", "a log without counts", "no samples"],
)
def test_with_nothing_to_compare_nothing_is_said(evals: list[EvalRecord]) -> None:
    assert probe(evals) == {}
    assert diagnose([], evals).alarm is Alarm.UNDECIDED


@given(
    st.lists(st.floats(), min_size=2, max_size=4),
    st.lists(
        st.dictionaries(st.sampled_from("abcdefghij"), st.floats(-1e99, 1e99) | st.just(math.nan)),
        min_size=4,
        max_size=4,
    ),
    st.lists(st.dictionaries(st.sampled_from("abcdefghij"), st.integers(-9, 9)), min_size=4, max_size=4),
)
def test_damaged_records_are_no_reason_to_fail(rates: Any, lengths: Any, reasoned: Any) -> None:
    evals = [
        evaluation(i, problems=10, reasoning_rate=rate, lengths=lengths[i], reasoned=reasoned[i])
        for i, rate in enumerate(rates)
    ]
    for found in (*probe(evals).values(), *probe(means_only(evals)).values()):
        assert 0 <= found.p <= 1


def test_reasoning_that_was_never_there_cannot_be_lost() -> None:
    evals = [evaluation(s, reasoned=named([0] * 20)) for s in (0, 5)]
    [found] = probe(evals).values()
    assert (found.start, found.p, found.alarming) == (0.0, 0.5 * 2, False)


# Alarms


def test_fading_reasoning_alarms_when_it_is_clear_and_says_so() -> None:
    evals = course([0.6, 0.58, 0.45, 0.35, 0.3], [40] * 5)
    steps = [StepRecord(step=i, stage="a") for i in range(1, 21)]

    found = diagnose(steps, evals)

    reasoning = found.probe["reasoning_rate"]
    assert found.alarm is Alarm.ALARM
    assert (found.mode, found.modes[0].signals) == (Mode.LENGTH_COLLAPSE, ["reasoning_rate"])
    assert (reasoning.onset, reasoning.onset_low, reasoning.onset_high) == (10, 5, 10)
    assert found.confidence == 1 - reasoning.p > 1 - NOISE
    [line] = [line for line in found.evidence if line.startswith("On the same 64 problems the share")]
    assert "completions that reason before the program fell from" in line
    assert "by step 20, p < 0.0001, outside its healthy range from step 10 (5 to 10) on." in line
    assert found == diagnose(steps, evals, use_tests=False)  # nothing here needs tests


def test_old_records_show_it_by_their_means() -> None:
    evals = means_only(course([0.6, 0.58, 0.45, 0.35, 0.3], [40] * 5))
    assert list(probe(evals)) == ["reasoning_rate"]
    assert probe(evals)["reasoning_rate"].alarming
    assert not probe(evals)["reasoning_rate"].paired


def test_pairing_finds_what_means_do_not() -> None:
    """Every fourth problem loses one sample of reasoning, in a set that was half without."""
    first = [0] * 16 + [2] * 8 + [4] * 8
    later = [0] * 16 + [1] * 8 + [3] * 4 + [4] * 4
    evals = [
        evaluation(5 * i, problems=32, reasoned=named(counts), reasoning_rate=sum(counts) / 128)
        for i, counts in enumerate((first, later))
    ]
    assert probe(evals)["reasoning_rate"].alarming
    assert not probe(means_only(evals))["reasoning_rate"].alarming


def test_reasoning_that_rises_as_with_tests_does_not_alarm() -> None:
    found = diagnose([], course([0.5, 0.6, 0.7, 0.8, 0.85], [40, 42, 44, 46, 48]))
    assert found.probe["reasoning_rate"].direction is Direction.UP
    assert found.probe["length_mean"].direction is Direction.UP
    assert (found.alarm, found.modes) == (Alarm.QUIET, [])


@pytest.mark.parametrize(
    ("lengths", "mode"), [([40, 34, 30], Mode.LENGTH_COLLAPSE), ([40, 60, 80], Mode.LENGTH_EXPLOSION)]
)
def test_length_alarms_on_either_side(lengths: list[float], mode: Mode) -> None:
    found = diagnose([], course([0.6] * 3, lengths))
    assert [m.mode for m in found.modes] == [mode]
    assert found.modes[0].signals == ["length_mean"]


def test_a_clear_change_within_the_healthy_range_is_told_and_does_not_alarm() -> None:
    evals = [
        evaluation(5 * i, lengths=named(np.linspace(30, 50, 64) - 2 * i + 0.1 * (np.arange(64) % 7 == i)))
        for i in range(2)
    ]
    found = diagnose([], evals)
    assert (found.alarm, found.probe["length_mean"].direction) == (Alarm.QUIET, Direction.DOWN)
    assert found.evidence[0].startswith("On the same 64 problems the completion length in tokens fell")


def test_an_alarm_lasts_while_the_signal_stays_out_and_ends_when_it_returns() -> None:
    """The price of another look does not take back what an earlier one showed."""

    def probed(*rates: float) -> ProbeTrend:
        evals = (evaluation(5 * i, problems=32, reasoning_rate=rate) for i, rate in enumerate(rates))
        return probe(list(evals))["reasoning_rate"]

    a_bit = [0.505] * 8  # under 0.85 · 0.6, but within the noise of 128 completions
    assert not probed(0.6, *a_bit).alarming
    assert (probed(0.6, 0.4, *a_bit).alarming, probed(0.6, 0.4, *a_bit).onset) == (True, 5)
    assert not probed(0.6, 0.4, *a_bit, 0.6).alarming
    assert not probed(0.6, 0.4, 0.6, *a_bit).alarming


def test_with_signals_of_training_steps_a_mode_is_named_once_by_its_first_onset() -> None:
    rng = np.random.default_rng(0)
    rates = np.r_[np.full(15, 0.6), np.full(15, 0.1)] + rng.normal(0, 0.03, 30)
    steps = [StepRecord(step=i, stage="a", reasoning_rate=r) for i, r in enumerate(rates, start=1)]
    found = diagnose(steps, course([0.6, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1], [40] * 7))
    [mode] = found.modes
    assert (mode.mode, mode.onset, mode.signals) == (Mode.LENGTH_COLLAPSE, 5, ["reasoning_rate"])
    assert (found.trends["reasoning_rate"].onset or 0) > 10


@pytest.mark.parametrize("paired", [True, False], ids=["by problem", "by means"])
@pytest.mark.parametrize("looks", [6, 11])
def test_unchanged_policies_hardly_ever_show_a_change_at_any_look(paired: bool, looks: int) -> None:
    """Of 200 runs without any change, at most 5% show one at any look, towards a side that can alarm."""
    changed = 0
    for seed in range(200):
        evals = course([0.55] * looks, [40] * looks, problems=24, seed=seed)
        evals = evals if paired else means_only(evals)
        found = [trend for n in range(2, looks + 1) for trend in probe(evals[:n]).values()]
        changed += any(
            trend.direction is Direction.DOWN
            or (trend.direction is Direction.UP and trend.name == "length_mean")
            for trend in found
        )
    assert changed / 200 <= NOISE
