"""The worked example for verl without verl: plain strings and tensors give what rlif's rewards give."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import verl_data
import verl_sandbox
from verl_reward import compute_score, compute_scores, no_score
from verl_scores import batch_scores, defined, statistics_of_logits, token_stats_of

from rlif.errors import UserError
from rlif.problems.rows import row_of
from rlif.problems.types import Problem, TestCase
from rlif.rewards import parse_reward
from rlif.rollouts import Completion

X = "x = int(input())\n"
PLUS, TIMES, SQUARE = (f"```python\n{X}print({what})\n```" for what in ("x + x", "2 * x", "x * x"))
CRASH = "```python\nprint(1 / 0)\n```"


def problem(name: str, *outputs: str, public: int = 2) -> Problem:
    """A problem whose inputs are 1, 2, 3, …; the first two are public."""
    tests = tuple(TestCase(f"{x}\n", f"{output}\n") for x, output in enumerate(outputs, 1))
    return Problem(name, f"Compute {name}.", "", None, tests[:public], tests[public:], "test")


@pytest.fixture(scope="module", autouse=True)
def weaker_sandbox() -> Iterator[None]:
    """bwrap is not everywhere; the programs here are harmless."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLIF_ISOLATION", "process")
        verl_sandbox._make.cache_clear()
        yield
        verl_sandbox._make.cache_clear()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of two problems."""
    path = tmp_path_factory.mktemp("verl") / "problems.jsonl"
    problems = [problem("double", "2", "4", "6"), problem("square", "1", "4", "9")]
    path.write_text("".join(f"{json.dumps(row_of(one))}\n" for one in problems))
    return str(path)


def score(source: str, answer: str, problem_id: str = "double", **options: str) -> float:
    return compute_score(source, answer, "", {"problem_id": problem_id}, **options)


pytestmark = pytest.mark.filterwarnings("ignore:.*isolation:UserWarning")


def test_an_answer_alone_is_judged_by_tests(source: str) -> None:
    assert [score(source, answer) for answer in (PLUS, SQUARE, "no program")] == [1.0, 0.0, 0.0]
    assert score(source, SQUARE, "square") == 1.0
    assert no_score(data_source=source, solution_str=PLUS, ground_truth="", extra_info={}) == 0.0


def test_an_answer_alone_has_no_majority(source: str) -> None:
    with pytest.raises(UserError, match="functional_majority is undefined for all 1 completions: G = 1"):
        score(source, PLUS, reward="functional_majority")


def test_an_unknown_problem_is_named(source: str) -> None:
    with pytest.raises(UserError, match="no problem 'cube'"):
        score(source, PLUS, "cube")


def test_a_batch_is_grouped_by_problem_in_any_order(source: str) -> None:
    # double: on input 1 the outputs are 2, 2, 1 and on input 2 they are 4, 4, 4. So PLUS and TIMES agree
    # with one and with two others, of 2 inputs x 2 others: 3/4; SQUARE with none and with two: 2/4.
    # square: PLUS against SQUARE gives 2, 4 against 1, 4: 1/2. Mixed up, they would agree with more.
    answers = [
        ("double", PLUS, 3 / 4),
        ("square", SQUARE, 1 / 2),
        ("double", SQUARE, 2 / 4),
        ("square", PLUS, 1 / 2),
        ("double", TIMES, 3 / 4),
    ]
    ids, texts, expected = zip(*answers, strict=True)
    arguments = [source] * 5, texts, [""] * 5, [{"problem_id": name} for name in ids]
    assert compute_scores(*arguments) == list(expected)
    assert compute_scores(*arguments, reward="unit_tests") == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_a_crash_agrees_with_nothing_and_a_lone_answer_gets_a_zero(source: str) -> None:
    ids = ["double", "double", "square"]
    extra_infos = [{"problem_id": name} for name in ids]
    scores = compute_scores([source] * 3, [PLUS, CRASH, PLUS], [""] * 3, extra_infos)
    assert scores == [0.0, 0.0, 0.0]  # the last one is NaN to rlif: there is nobody to agree with


def test_undefined_scores_get_no_advantage() -> None:
    scores = defined(np.array([1.0, math.nan, math.nan, 3.0]), ["a", "b", "a", "a"])
    assert scores.tolist() == [1.0, 0.0, 2.0, 3.0]  # the mean of a is 2; b has none


ANSWERS = (Completion("", (1, 2, 3), "", finished=True),) * 4
ONE = (problem("one"),) * 4
MASK = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]])
LOGPROB = torch.tensor([[-1.0, -2.0, 9.0], [-1.0, -1.0, -3.0], [-0.5, 9.0, 9.0], [-2.0, -2.0, 9.0]])
ENTROPY = torch.tensor([[0.5, 1.5, 9.0], [1.0, 1.0, 4.0], [0.25, 9.0, 9.0], [1.0, 2.0, 9.0]])


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ({"type": "trajectory_logprob"}, [-3, -5, -0.5, -4]),
        ({"type": "trajectory_logprob", "length_normalised": True}, [-1.5, -5 / 3, -0.5, -2]),
        ({"type": "token_entropy"}, [-1, -2, -0.25, -1.5]),
        ({"type": "mean_probability"}, [(math.exp(-1) + math.exp(-2)) / 2, None, math.exp(-0.5), None]),
    ],
)
def test_what_log_probabilities_and_entropies_tell(reward: dict, expected: list[float | None]) -> None:
    stats = token_stats_of(MASK, 1.0, logprob=LOGPROB, entropy=ENTROPY)
    scores = batch_scores(parse_reward(reward), ["a", "b", "a", "b"], ONE, ANSWERS, stats)
    for got, wanted in zip(scores, expected, strict=True):
        assert wanted is None or got == pytest.approx(wanted, rel=1e-6)


def test_what_they_do_not_tell_is_an_error() -> None:
    stats = token_stats_of(MASK, 1.0, logprob=LOGPROB, entropy=ENTROPY)
    with pytest.raises(UserError, match="self_certainty is undefined for all 4 completions"):
        batch_scores(parse_reward("self_certainty"), ["a"] * 4, ONE, ANSWERS, stats)
    with pytest.raises(UserError, match="token_stats"):
        batch_scores(parse_reward("token_entropy"), ["a"] * 4, ONE, ANSWERS)


@given(st.permutations(range(4)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    # Ranks within the groups {0, 1} and {2, 3}: the reward looks at the whole group.
    reward = parse_reward("probability")
    stats = token_stats_of(MASK[order], 1.0, logprob=LOGPROB[order])
    scores = batch_scores(reward, [i // 2 for i in order], ONE, ANSWERS, stats)
    whole = token_stats_of(MASK, 1.0, logprob=LOGPROB)
    expected = batch_scores(reward, [0, 0, 1, 1], ONE, ANSWERS, whole)
    assert expected[0] > expected[1]
    assert expected[2] > expected[3]
    assert scores.tolist() == expected[list(order)].tolist()


def test_random_rewards_differ_between_groups() -> None:
    reward = parse_reward({"type": "random", "distribution": "uniform"})
    first, second = batch_scores(reward, ["a", "b"], ONE[:2], ANSWERS[:2])
    assert first != second


def test_where_logits_are_everything_is_known() -> None:
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log() * 2  # at temperature 2: p = (3/4, 1/4), (1/2, 1/2)
    got = statistics_of_logits(logits, torch.tensor([1, 0]), temperature=2.0)
    kl = -(math.log(3 / 4) + math.log(1 / 4)) / 2 - math.log(2)  # KL(U‖p) = −mean log p − log V
    assert got["self_certainty"].tolist() == pytest.approx([kl, 0.0], abs=1e-6)
    assert got["max_prob"].tolist() == pytest.approx([3 / 4, 1 / 2])
    assert got["margin"].tolist() == pytest.approx([1 / 2, 0.0])


def test_the_rows_written_for_verl_lead_back_to_their_problems(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "train.parquet"
    monkeypatch.setattr(sys, "argv", ["verl_data.py", source, str(out)])
    verl_data.main()
    rows = pl.read_parquet(out).to_dicts()
    assert [row["extra_info"]["problem_id"] for row in rows] == ["double", "square"]
    assert rows[0]["prompt"][0]["role"] == "user"
    assert "Compute double." in rows[0]["prompt"][0]["content"]
    assert compute_score(rows[1]["data_source"], SQUARE, "", rows[1]["extra_info"]) == 1.0


def test_rows_of_a_split_lead_back_too() -> None:
    row = verl_data.rows("minicode", "validation")[-1]
    assert compute_score(row["data_source"], "no program", "", row["extra_info"]) == 0.0
