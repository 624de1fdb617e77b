"""From the completions of one step to the numbers of its record, computed by hand."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import execution, problem, stats, verdict

from rlif.diagnostics.health import MAX_SOURCE, parses, summarise_completions
from rlif.diagnostics.step_metrics import auroc, correlation, label_accuracy, summarise_groups
from rlif.records import StepRecord
from rlif.rollouts import Completion, RolloutGroup
from rlif.sandbox.types import Execution, RunStatus


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


@pytest.mark.parametrize("code", ["x = 1", "", "'\\d'", "def f(x):\n    return x", "return 1"])
def test_what_parses(code: str) -> None:
    assert parses(code)


@pytest.mark.parametrize(
    "code",
    [
        "def f(:",
        "\x00",
        "\ud800",
        "(" * 50_000,
        "-" * (MAX_SOURCE - 1) + "1",
        "a" + "[0]" * 30_000,
        "a." * 40_000 + "a",
        "9" * 90_000,
        "f'{" * 300 + "1" + "}'" * 300,
        "lambda:" * 14_000 + "1",
        "x = 1\n" * MAX_SOURCE,
    ],
)
def test_hostile_programs_do_not_parse_and_do_no_harm(code: str) -> None:
    assert not parses(code)


@given(st.text(max_size=200))
def test_any_text_parses_or_does_not(code: str) -> None:
    assert parses(code) in (True, False)


# Reward against truth


def test_auroc_by_hand() -> None:
    scores = np.array([3.0, 2.0, 2.0, 1.0])
    # Positives 3 and 2 against negatives 2 and 1: above, above, equal, above = 3.5 of 4.
    assert auroc(scores, np.array([True, True, False, False])) == pytest.approx(3.5 / 4)
    assert math.isnan(auroc(scores, np.array([True] * 4)))
    assert math.isnan(auroc(scores, np.array([False] * 4)))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12))
def test_auroc_turns_round_with_the_reward(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    right = np.array([passed for _, passed in pairs])
    forward, backward = auroc(scores, right), auroc(-scores, right)
    assert math.isnan(forward) == math.isnan(backward) == (len(set(right.tolist())) == 1)
    if not math.isnan(forward):
        assert forward + backward == pytest.approx(1.0)
        assert auroc(np.exp(scores), right) == pytest.approx(forward)  # only the order counts


def test_label_accuracy_counts_ties_by_chance() -> None:
    right = np.array([True, False, False, True])
    assert label_accuracy(np.array([1.0, 1.0, 1.0, 0.0]), right) == pytest.approx(1 / 3)
    assert label_accuracy(np.array([0.0, 0.0, 0.0, 5.0]), right) == 1.0


def test_correlation_by_hand() -> None:
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([6.0, 4.0, 2.0])) == pytest.approx(-1.0)
    assert math.isnan(correlation(np.ones(3), np.array([1.0, 2.0, 3.0])))
    assert math.isnan(correlation(np.array([-np.inf, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])))


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
            Execution(RunStatus.NO_CODE, ()),
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
    assert record.pass_rate == pytest.approx(1 / 4)
    assert record.pass_any == 1.0
    assert record.reward_truth_auroc == 1.0
    assert record.label_accuracy == 1.0
    lengths, rewards = np.array([10.0, 4, 5, 8]), np.array([3.0, 1, 2, 0])
    assert record.reward_length_corr == pytest.approx(np.corrcoef(lengths, rewards)[0, 1])


def test_without_tests_runs_or_statistics_the_rest_is_still_known() -> None:
    group = replace(two_groups()[0], token_stats=None, executions=None, verdicts=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = summarise_groups([group], {}, np.array([3.0, 1.0, 2.0, 0.0]))
    undefined = {name for name, value in found.items() if isinstance(value, float) and math.isnan(value)}
    assert undefined == {
        "entropy", "self_certainty", "logprob", "majority_share",
        "pass_rate", "pass_any", "reward_truth_auroc", "label_accuracy",
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
