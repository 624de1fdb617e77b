"""What the programs of a group did on the public inputs, from executions written by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import execution, group, problem

from rlif.diagnostics.behaviour import entropy_of, summarise_behaviour
from rlif.problems.types import TestCase
from rlif.rollouts import RolloutGroup
from rlif.sandbox.types import RunStatus, Value

ASKED = replace(problem(), public_tests=(TestCase("1", ""), TestCase("2", "")))  # two different inputs


def ran(*programs: tuple[Value | RunStatus, ...]) -> RolloutGroup:
    """A group whose programs gave these outputs for the two inputs."""
    return group(len(programs), problem=ASKED, executions=tuple(execution(*outputs) for outputs in programs))


def test_a_group_by_hand() -> None:
    found = summarise_behaviour(
        [
            ran(
                ("1", "2"),
                ("1.0", "2"),  # equal numbers are equal outputs
                ("3", "3"),
                ("4", "5"),
                ("1", RunStatus.TIMEOUT),
                (RunStatus.RUNTIME_ERROR, "2"),
            )
        ]
    )
    assert found == pytest.approx(
        {
            "executable": 4 / 6,
            "timeout": 1 / 6,
            "constant_output": 1 / 6,  # "3" for both inputs
            "majority_share": 2 / 6,
            "distinct_behaviours": 3 / 6,
            # Of the four that ran: classes of 2, 1 and 1.
            "behaviour_entropy": 0.5 * math.log(2) + 2 * 0.25 * math.log(4),
        }
    )


def test_means_over_groups() -> None:
    agreeing, differing = ran(("1", "2"), ("1", "2")), ran(("1", "2"), ("5", "6"))
    found = summarise_behaviour([agreeing, differing])
    assert found["majority_share"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["distinct_behaviours"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["behaviour_entropy"] == pytest.approx((0 + math.log(2)) / 2)


def test_where_everything_fails_nothing_agrees() -> None:
    found = summarise_behaviour([ran((RunStatus.TIMEOUT, RunStatus.TIMEOUT), (RunStatus.KILLED, "2"))])
    assert math.isnan(found.pop("behaviour_entropy"))  # of no class at all
    assert found == {
        "executable": 0.0, "timeout": 0.5, "constant_output": 0.0,
        "majority_share": 0.0, "distinct_behaviours": 0.0,
    }  # fmt: skip


def test_equal_inputs_cannot_show_a_constant_program() -> None:
    same = replace(ASKED, public_tests=(TestCase("1", ""),) * 2)
    assert math.isnan(summarise_behaviour([replace(ran(("3", "3")), problem=same)])["constant_output"])


def test_groups_that_nobody_ran_or_without_public_inputs_do_not_count() -> None:
    unknown = [group(2), group(2, problem=problem(public=0), executions=(execution(), execution()))]
    assert all(math.isnan(value) for value in summarise_behaviour(unknown).values())
    known = ran(("1", "2"))
    assert summarise_behaviour([*unknown, known]) == summarise_behaviour([known])


def test_an_output_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 outputs for 2 public tests"):
        summarise_behaviour([ran(("1",))])


def test_hostile_outputs() -> None:
    deep: Value = []
    for _ in range(5000):
        deep = [deep]
    functional = tuple(TestCase(str(i), "", "functional") for i in range(2))
    asked = replace(ASKED, public_tests=functional, entry_point="f")
    outputs = (execution(deep, deep), execution(math.nan, math.nan), execution({1: "a"}, [math.inf]))
    found = summarise_behaviour([group(3, problem=asked, executions=outputs)])
    assert found["executable"] == 1.0
    assert found["distinct_behaviours"] == pytest.approx(2 / 3)  # what is too deep to compare has no class
    assert found["constant_output"] == pytest.approx(1 / 3)  # NaN twice


@given(st.lists(st.integers(1, 9), max_size=8))
def test_entropy_lies_between_that_of_one_class_and_of_equal_classes(sizes: list[int]) -> None:
    found = entropy_of(sizes)
    if not sizes:
        assert math.isnan(found)
        return
    assert -1e-12 <= found <= math.log(len(sizes)) + 1e-12
    assert entropy_of(sizes * 2) == pytest.approx(found + math.log(2))
    shares = np.array(sizes) / sum(sizes)
    assert found == pytest.approx(-(shares * np.log(shares)).sum())
