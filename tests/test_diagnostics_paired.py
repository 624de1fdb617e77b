"""Two evaluations of four problems, worked out by hand."""

import pytest

from rlif.diagnostics.paired import pair
from rlif.errors import UserError
from rlif.records import BenchmarkRecord, GroupScore


def record(correct: dict[str, int], samples: int = 2, **settings: object) -> BenchmarkRecord:
    known: dict[str, object] = {
        "step": 0, "stage": "", "mode": "sampled", "samples": samples, "temperature": 0.8, "max_tokens": 9,
        "problems": len(correct), "correct": correct, "key": "k", "model": "m", "data": "d", "prompt": "bare",
    }  # fmt: skip
    return BenchmarkRecord.model_validate({**known, **settings})


def test_shares_differences_and_counts():
    groups = {"difficulty": {"easy": GroupScore(ids=["a", "b"]), "hard": GroupScore(ids=["c", "x"])}}
    first = record({"a": 2, "b": 1, "c": 0, "x": 2}, groups=groups)
    second = record({"a": 1, "b": 1, "c": 1, "y": 0})
    found = pair(first, second)
    assert (found.problems, found.first_only, found.second_only) == (3, 1, 1)
    everything, easy, hard = found.rows
    assert (everything.group, everything.first, everything.second) == ("all", 0.5, 0.5)
    assert (everything.better, everything.worse) == (1, 1)
    assert everything.difference.estimate == 0
    assert everything.difference.low < 0 < everything.difference.high
    assert (easy.group, easy.problems, easy.difference.estimate) == ("difficulty easy", 2, 0.25)
    assert (hard.group, hard.problems, hard.better, hard.worse) == ("difficulty hard", 1, 0, 1)


def test_numbers_of_samples_may_differ_and_are_said():
    found = pair(record({"a": 1}, samples=1), record({"a": 2}, samples=4))
    assert (found.rows[0].first, found.rows[0].second) == (1.0, 0.5)
    assert found.unlike == {"samples": ("1", "4")}


def test_nothing_in_common_is_an_error():
    with pytest.raises(UserError, match="no problem in common"):
        pair(record({"a": 1}), record({"b": 1}))
