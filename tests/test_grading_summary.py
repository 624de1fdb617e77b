"""The numbers of the summary: unequal numbers of samples, unknown times, what costs most."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.grading import VerdictStatus, bootstrap_ci
from rlif.grading.summary import PassAtK, ProblemCost, ProblemTally, Tally, costliest, pass_at_ks

PASSED, WRONG, TIMEOUT = VerdictStatus.PASSED, VerdictStatus.WRONG_ANSWER, VerdictStatus.TIMEOUT


def test_a_tally_counts_by_problem_and_status():
    tally = Tally()
    for question_id, status, cpu_s in [("a", PASSED, 1.0), ("a", TIMEOUT, 6.0), ("b", WRONG, math.nan)]:
        tally.add(question_id, status, cpu_s)
    assert tally.programs == 3
    assert tally.statuses == {PASSED: 1, TIMEOUT: 1, WRONG: 1}
    assert tally.problems["a"] == ProblemTally(programs=2, passed=1, timeouts=1, cpu_s=7.0)
    assert tally.problems["b"].programs == 1


def test_pass_at_k_of_equally_many_samples():
    """Of 4 samples 1 passes: pass@2 = 1 − C(3, 2) / C(4, 2) = 1/2. Of 4 samples 4 pass: 1."""
    at_1, at_2, at_4 = pass_at_ks([ProblemTally(4, 1), ProblemTally(4, 4)])
    assert (at_1.k, at_1.estimate, at_1.problems) == (1, 0.625, 2)
    assert (at_2.k, at_2.estimate, at_2.problems) == (2, 0.75, 2)
    assert (at_4.k, at_4.estimate, at_4.problems) == (4, 1.0, 2)
    assert (at_2.low, at_2.high) == bootstrap_ci([0.5, 1.0])


def test_a_problem_with_fewer_than_k_samples_is_left_out_of_pass_at_k():
    """It is not counted as failed, nor is a larger k computed from it; every row says over how many it is."""
    rows = pass_at_ks([ProblemTally(1, 0), ProblemTally(3, 3), ProblemTally(3, 0)])
    assert [(row.k, row.estimate, row.problems) for row in rows] == [
        (1, pytest.approx(1 / 3), 3),
        (2, 0.5, 2),
        (3, 0.5, 2),
    ]


def test_nothing_graded():
    assert pass_at_ks([]) == []
    assert costliest(Tally(), 5) == []


@given(st.lists(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1))
def test_rows_are_estimates_within_their_intervals(counts: list[tuple[int, int]]):
    rows = pass_at_ks([ProblemTally(programs, passed) for programs, passed in counts])
    assert rows[0].problems == len(counts)
    assert rows[-1].k == max(programs for programs, _ in counts)
    for row in rows:
        assert isinstance(row, PassAtK)
        assert 0 <= row.low <= row.estimate + 1e-9
        assert row.estimate <= row.high + 1e-9
        assert row.high <= 1 + 1e-9
        assert row.problems == sum(programs >= row.k for programs, _ in counts)


def test_the_costliest_problems_by_the_mean_of_their_programs():
    tally = Tally()
    tally.problems = {
        "many quick": ProblemTally(100, 0, 0, 20.0),
        "slow": ProblemTally(2, 0, 1, 8.0),
        "unknown": ProblemTally(1, 0, 0, math.nan),
        "quick": ProblemTally(1, 0, 0, 0.1),
    }
    assert costliest(tally, 2) == [ProblemCost("slow", 2, 4.0, 1), ProblemCost("many quick", 100, 0.2, 0)]
    assert len(costliest(tally, 9)) == 3
