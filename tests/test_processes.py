"""What several processes have to do in the same order, and what each of them must not hold alone.

Python orders a set of strings by a seed that each process draws for itself. With weights in shards, a pass of
a model is a meeting of all processes, so models are asked in an order that follows from the signals alone.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from accelerate.utils import DistributedType
from hypothesis import given
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.rewards import Need, Signal
from rlif.rollouts import Ballot, Scorer, Scoring, Voters
from rlif.training.needs import ballots, scorers, scorings
from rlif.training.processes import check_shared_out

SIGNALS: list[Signal] = [
    Need.TOKEN_STATS,
    Need.EXECUTIONS,
    Scoring(Scorer.EMA),
    Scoring(Scorer.INITIAL),
    Scoring(Scorer.INITIAL, "model"),
    Ballot(Voters.POLICY, 4),
    Ballot(Voters.POLICY, 8),
    Ballot(Voters.REPHRASED, 4),
]


@given(st.permutations(SIGNALS))
def test_models_are_asked_in_an_order_that_follows_from_the_signals_alone(signals: list[Signal]) -> None:
    assert scorings(signals) == [
        Scoring(Scorer.EMA),
        Scoring(Scorer.INITIAL, "model"),
        Scoring(Scorer.INITIAL),
        Scoring(),
    ]
    assert ballots(signals) == [
        Ballot(Voters.POLICY, 4),
        Ballot(Voters.REPHRASED, 4),
        Ballot(Voters.POLICY, 8),
    ]
    assert scorers(signals) == [Scorer.EMA, Scorer.INITIAL, Scorer.POLICY]


def test_the_runs_own_statistics_are_made_only_where_a_reward_needs_them() -> None:
    assert scorings([Need.EXECUTIONS, Scoring(Scorer.EMA)]) == [Scoring(Scorer.EMA)]
    assert scorings([Need.TOKEN_STATS, Scoring()]) == [Scoring()]  # the same statistics, once


def test_a_teacher_who_votes_has_to_be_there() -> None:
    assert scorers([Ballot(Voters.EMA, 4)]) == [Scorer.EMA]
    assert scorers([Ballot(Voters.POLICY, 4)]) == []


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_sharding_that_accelerate_left_out_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On CPUs it does so without a word."""
    left_out: Any = SimpleNamespace(distributed_type=DistributedType.MULTI_CPU)
    check_shared_out(left_out)
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(UserError, match="needs GPUs"):
        check_shared_out(left_out)
    done: Any = SimpleNamespace(distributed_type=DistributedType[name])
    check_shared_out(done)
