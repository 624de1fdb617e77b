"""From the completions of one step to the numbers of its record, computed by hand."""

import math
import warnings
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import execution, problem, stats, verdict

from rlif.diagnostics.health import summarise_completions
from rlif.diagnostics.step_metrics import summarise_groups
from rlif.problems.types import TestCase
from rlif.records import RewardSummary, StepRecord
from rlif.rollouts import Completion, RolloutGroup
from rlif.sandbox.types import RunStatus

DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


def completion(tokens: int, code: str = "x = 1", before: int | None = 0, finished: bool = True) -> Completion:
    return Completion("text", tuple(range(tokens)), code, finished, before if code else None)


REASONED = completion(10, "x = 1", before=6)
BARE = completion(4, "x = 2")
BROKEN = completion(5, "def f(:", finished=False)
NO_CODE = completion(8, "")


# Completions


def test_shared_fields_by_hand() -> None:
    found = summarise_completions([REASONED, BARE, BROKEN, NO_CODE], [True, False, False, False])
    assert found == pytest.approx(
        {
            "length_mean": 27 / 4,
            "reasoning_share": (0.6 + 0 + 0 + 0) / 4,
            "reasoning_rate": 1 / 4,
            "truncated": 1 / 4,
            "no_code": 1 / 4,
            "pass_with_reasoning": 1.0,
            "pass_without_reasoning": 0.0,  # of the two that hold a program; the one without does not count
        }
    )


def test_what_is_undefined_is_nan_and_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(math.isnan(value) for value in summarise_completions([]).values())
        unjudged = summarise_completions([REASONED])
        empty = summarise_completions([replace(completion(0), text="")])
    assert math.isnan(unjudged["pass_with_reasoning"])
    assert math.isnan(unjudged["pass_without_reasoning"])
    assert math.isnan(empty["reasoning_share"])


# A whole step


def two_groups() -> list[RolloutGroup]:
    """One mixed group with everything known, and one group of equals that nobody ran or judged."""
    mask = [[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1]]
    entropy = [[1.0, 3.0, 99.0], [1.0, 1.0, 1.0], [4.0, 99.0, 99.0], [0.0, 0.0, 3.0]]
    known = RolloutGroup(
        problem=problem(public=2),
        completions=(REASONED, BARE, BROKEN, NO_CODE),
        token_stats=stats(mask, entropy=np.array(entropy)),
        executions=(
            execution("1", "2"),
            execution("1.0", "2"),
            execution(RunStatus.RUNTIME_ERROR, "2"),
            execution(RunStatus.NO_CODE, RunStatus.NO_CODE),
        ),
        verdicts=(verdict(True), verdict(False), verdict(False), verdict(False)),
    )
    return [known, RolloutGroup(problem=problem(), completions=(BARE, BARE))]


def test_a_step_by_hand() -> None:
    combined = np.array([3.0, 1.0, 2.0, 0.0, 0.5, 0.5])
    found = summarise_groups(two_groups(), {"self_certainty": combined * 2}, combined)
    record = StepRecord(step=1, stage="a", **found)  # every key is a field of the right type
    assert set(found) <= set(StepRecord.model_fields)
    assert record.reward == pytest.approx(7 / 6)
    # Sample deviations: of 3, 1, 2, 0 it is sqrt(5/3); of equals 0.
    assert record.reward_std == pytest.approx(math.sqrt(5 / 3) / 2)
    assert record.rewards["self_certainty"].max == 6.0
    assert record.zero_variance_groups == 0.5
    assert record.length_mean == pytest.approx((10 + 4 + 5 + 8 + 4 + 4) / 6)
    assert record.length_p50 == 4.5
    assert record.syntax_error == pytest.approx(1 / 6)
    assert record.no_code == pytest.approx(1 / 6)
    # Token means 2, 1, 4, 1; the other group has no statistics.
    assert record.entropy == pytest.approx(2.0)
    # First group: three different programs of four completions; second: one of two.
    assert record.distinct_programs == pytest.approx((3 / 4 + 1 / 2) / 2)
    # "1" and "1.0" agree; the two failures agree with nothing; nobody ran the second group.
    assert record.majority_share == pytest.approx(2 / 4)
    assert record.executable == pytest.approx(2 / 4)
    assert record.distinct_behaviours == pytest.approx(1 / 4)
    # "x = 1" and "x = 2" read nothing; they are three of four programs and parse.
    assert record.ignores_input == pytest.approx(4 / 6)
    assert record.distinct_asts == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert record.distinct_4 == 1.0  # no token occurs twice
    assert record.pass_rate == pytest.approx(1 / 4)
    assert record.pass_any == 1.0
    assert record.reward_truth_auroc == 1.0
    assert record.label_accuracy == 1.0
    assert record.reward_truth_corr == pytest.approx(np.corrcoef([3, 1, 2, 0], [1, 0, 0, 0])[0, 1])
    assert record.false_positive_rate == pytest.approx(1 / 3)  # of 1, 2 and 0 the 2 is above the mean of 1.5
    assert record.false_negative_rate == 0.0
    assert record.pass_gap == pytest.approx(3 / 4)
    lengths, rewards = np.array([10.0, 4, 5, 8]), np.array([3.0, 1, 2, 0])
    assert record.reward_length_corr == pytest.approx(np.corrcoef(lengths, rewards)[0, 1])


def test_without_tests_runs_or_statistics_the_rest_is_still_known() -> None:
    group = replace(two_groups()[0], token_stats=None, executions=None, verdicts=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = summarise_groups([group], {}, np.array([3.0, 1.0, 2.0, 0.0]))
    undefined = {name for name, value in found.items() if isinstance(value, float) and math.isnan(value)}
    assert undefined == {
        "entropy", "self_certainty", "logprob",
        "executable", "timeout", "constant_output",
        "majority_share", "distinct_behaviours", "behaviour_entropy",
        "pass_rate", "pass_any", "reward_truth_auroc", "reward_truth_corr", "label_accuracy",
        "reward_accuracy", "false_positive_rate", "false_negative_rate",
    }  # fmt: skip


def test_an_undefined_reward_is_left_out_not_counted_as_zero() -> None:
    combined = np.array([math.nan, 1.0, 2.0, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = summarise_groups(two_groups()[:1], {"x": combined}, combined)
    assert found["reward"] == pytest.approx(1.0)
    assert found["rewards"]["x"].std == pytest.approx(1.0)
    assert math.isnan(found["label_accuracy"])
    assert found["zero_variance_groups"] == 0.0


def test_a_group_that_all_fails_has_no_majority() -> None:
    group = two_groups()[0]
    failed = replace(group, executions=(execution(RunStatus.TIMEOUT, RunStatus.TIMEOUT),) * 4)
    assert summarise_groups([failed], {}, np.arange(4.0))["majority_share"] == 0.0


def test_no_groups_at_all() -> None:
    found = summarise_groups([], {}, np.array([]))
    assert math.isnan(found["reward"])
    assert math.isnan(found["length_p90"])


def test_a_reward_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="'random' has shape"):
        summarise_groups(two_groups(), {"random": np.zeros(5)}, np.zeros(6))


# Derived from a record


def test_the_proxy_gap_of_a_reward_that_claims_shares() -> None:
    votes = RewardSummary(mean=0.9, min=0.0, max=1.0)
    assert StepRecord(step=1, stage="", rewards={"majority_vote": votes}, pass_rate=0.4).proxy_gap == 0.5
    assert math.isnan(StepRecord(step=1, stage="", rewards={"majority_vote": votes}).proxy_gap)


@pytest.mark.parametrize(
    "rewards",
    [
        {},
        {"self_certainty": RewardSummary(mean=12.0, min=11.0, max=13.0)},
        {"token_entropy": RewardSummary(mean=-0.1, min=-0.2, max=0.0)},
        {"a": RewardSummary(mean=0.5, min=0.0, max=1.0), "b": RewardSummary(mean=0.5, min=0.0, max=1.0)},
        {"undefined": RewardSummary()},
    ],
)
def test_no_proxy_gap_on_another_scale(rewards: dict[str, RewardSummary]) -> None:
    assert math.isnan(StepRecord(step=1, stage="", rewards=rewards, pass_rate=0.4).proxy_gap)


def test_what_is_derived_is_not_stored_and_is_explained() -> None:
    record = StepRecord(step=1, stage="", pass_rate=0.25, pass_any=0.75)
    assert record.pass_gap == 0.5
    assert {"pass_gap", "proxy_gap"}.isdisjoint(record.model_dump())
    assert all(f"`{name}`" in DOCS.read_text() for name in ("pass_gap", "proxy_gap"))


# Any step

SHARES = {
    "zero_variance_groups", "truncated", "reasoning_share", "reasoning_rate",
    "no_code", "syntax_error", "ignores_input", "executable", "timeout", "constant_output",
    "distinct_programs", "distinct_asts", "distinct_behaviours", "majority_share", "distinct_4",
    "pass_rate", "pass_any", "reward_truth_auroc", "label_accuracy", "reward_accuracy",
    "false_positive_rate", "false_negative_rate",
}  # fmt: skip
ASKED = replace(problem(), public_tests=(TestCase("1", ""), TestCase("2", "")))
OUTPUTS = st.sampled_from(["1", "1.0", "2", RunStatus.TIMEOUT, RunStatus.RUNTIME_ERROR])
SAMPLES = st.tuples(
    st.builds(
        completion,
        st.integers(0, 9),
        st.sampled_from(["", "x = 1", "y = 1", "print(input())", "(", "\x00", "\ud800", "9" * 5000]),
        st.just(0),
        st.booleans(),
    ),
    st.builds(execution, OUTPUTS, OUTPUTS),
    st.builds(verdict, st.booleans()),
    st.sampled_from([-1.0, 0.0, 0.1, 1.0, 1e3, math.nan]),
)
"""One completion with its execution, verdict and reward."""
STEPS = st.lists(st.lists(SAMPLES, min_size=3, max_size=3), min_size=1, max_size=4)


def summarised(step: list[list[Any]]) -> dict[str, Any]:
    groups = [
        RolloutGroup(
            ASKED, tuple(s[0] for s in g), executions=tuple(s[1] for s in g), verdicts=tuple(s[2] for s in g)
        )
        for g in step
    ]
    found = summarise_groups(groups, {}, np.array([sample[3] for group in step for sample in group]))
    return {name: value for name, value in found.items() if name != "rewards"}


@given(STEPS)
def test_every_field_keeps_to_its_range(step: list[list[Any]]) -> None:
    found = summarised(step)
    assert set(found) >= SHARES
    outside = {name for name in SHARES if not (math.isnan(found[name]) or 0 <= found[name] <= 1)}
    assert outside == set()
    for name in ("reward_truth_corr", "reward_length_corr"):
        assert math.isnan(found[name]) or abs(found[name]) <= 1 + 1e-9
    assert math.isnan(found["behaviour_entropy"]) or -1e-9 <= found["behaviour_entropy"] <= math.log(3) + 1e-9
    assert found["executable"] + found["timeout"] <= 1
    assert found["distinct_asts"] <= found["distinct_programs"]


@given(
    STEPS.flatmap(lambda step: st.tuples(st.just(step), st.tuples(*map(st.permutations, step)), st.randoms()))
)
def test_the_order_of_completions_and_groups_does_not_matter(orders: tuple[Any, Any, Random]) -> None:
    step, shuffled, random = orders
    groups = list(shuffled)
    random.shuffle(groups)
    assert summarised(groups) == pytest.approx(summarised(step), nan_ok=True, rel=1e-9, abs=1e-9)
