"""A whole evaluation with prepared answers: what is kept, what is done again after a kill, and recorded."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.benchmark import Benchmark, Contestant, run_benchmark
from rlif.evaluation.scoring import USUAL, label, scorable
from rlif.evaluation.token_scorer import ModelScorer
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.extraction import extract_code
from rlif.problems.types import Problem, TestCase
from rlif.records import RunDir
from rlif.rewards import (
    CoRewarding,
    FunctionalMajority,
    Length,
    MajorityVote,
    SelfCertainty,
    TrajectoryLogprob,
)
from rlif.rollouts import Completion
from rlif.sandbox import Mode, Sandbox

TWICE = "print(2 * int(input()))"
SQUARE = "print(int(input()) ** 2)"  # right for 2, the public input, alone
CRASH = "1 / 0"


def completion(code: str, tokens: int) -> Completion:
    found = extract_code(f"```python\n{code}\n```")
    return Completion(f"```python\n{code}\n```", tuple(range(tokens)), found.code, True, 0)


def problem(name: str, month: int, difficulty: str) -> Problem:
    tests = (TestCase("2\n", "4\n"), TestCase("5\n", "10\n"))
    date = dt.date(2024, month, 1)
    return Problem(name, f"{name}: twice n", "", None, tests[:1], tests[1:], "test", date, difficulty)


PROBLEMS = [problem("a", 1, "easy"), problem("b", 1, "hard"), problem("c", 2, "hard")]
ANSWERS = [
    [completion(TWICE, 9), completion(TWICE, 8), completion(CRASH, 3)],
    [completion(SQUARE, 5), completion(TWICE, 6), completion(CRASH, 4)],
    [completion(CRASH, 7), completion(CRASH, 7), completion(CRASH, 7)],
]
SAMPLING = Sampling(samples=3, temperature=0.8, max_tokens=9)


class Killed(BaseException):
    pass


class Scripted:
    """Gives the answers above, counts them, and is killed after some."""

    def __init__(self, killed_after: int = 99) -> None:
        self.killed_after, self.drawn = killed_after, 0

    def generate(self, prompts: Any, sampling: Any, done: Any = ()):
        for index, answer in enumerate(ANSWERS):
            if index not in done:
                if self.drawn == self.killed_after:
                    raise Killed
                self.drawn += 1
                yield index, answer


def benchmark(*rewards: Any, **changes: Any) -> Benchmark:
    asked = [problem.statement for problem in PROBLEMS]
    return replace(Benchmark("twice", PROBLEMS, asked, "bare", SAMPLING, rewards=rewards), **changes)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as warm:
        yield warm


def stable(record: Any) -> dict[str, Any]:
    return record.model_dump(exclude={"seconds"})


class TestRecord:
    @pytest.fixture(scope="class")
    def record(self, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory):
        directory = RunDir(tmp_path_factory.mktemp("run"))
        asked = benchmark(FunctionalMajority(), Length())
        return run_benchmark(Contestant("m", "weights", Scripted()), asked, directory, sandbox)

    def test_scores(self, record: Any):
        assert record.correct == {"a": 2, "b": 1, "c": 0}
        assert record.pass_at_1 == pytest.approx(1 / 3)
        assert record.window == ("2024-01-01", "2024-02-01")
        assert (record.model, record.data, record.prompt, record.grading) == ("m", "twice", "bare", "native")

    def test_groups(self, record: Any):
        assert set(record.groups) == {"difficulty", "month"}  # they have no platform
        assert record.groups["difficulty"]["hard"].ids == ["b", "c"]
        assert record.groups["difficulty"]["hard"].pass_at_1 == pytest.approx(1 / 6)
        assert record.groups["month"]["2024-01"].pass_at_1 == pytest.approx(1 / 2)

    def test_selection(self, record: Any):
        # a: the two right ones agree. b: right and wrong agree on the public input, a tie. c: all wrong.
        majority = record.selection["functional_majority"]
        assert majority["auroc"]["estimate"] == pytest.approx((1 + 3 / 4) / 2)
        assert majority["best"]["estimate"] == pytest.approx((1 + 1 / 2 + 0) / 3)
        shortest = record.selection["length"]
        assert shortest["auroc"]["estimate"] == 0  # the crash is always the shortest
        assert shortest["random"]["estimate"] == record.pass_at_1

    def test_an_unscored_sample_is_null_in_the_file_and_undefined_in_the_record(
        self, sandbox: Sandbox, tmp_path: Path
    ):
        voted = MajorityVote(threshold=0.9)
        contestant = Contestant("m", "weights", Scripted())
        record = run_benchmark(contestant, benchmark(voted), RunDir(tmp_path), sandbox)
        rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
        assert rows[2]["scores"][label(voted)] == [None, None, None]
        assert record.selection[label(voted)]["undefined"] > 0


class TestContinuing:
    def test_killed_while_answering_it_ends_as_if_it_had_not_been(self, sandbox: Sandbox, tmp_path: Path):
        asked = benchmark(FunctionalMajority())
        whole = run_benchmark(Contestant("m", "w", Scripted()), asked, RunDir(tmp_path / "a"), sandbox)
        killed, rest = Scripted(killed_after=2), Scripted()
        with pytest.raises(Killed):
            run_benchmark(Contestant("m", "w", killed), asked, RunDir(tmp_path / "b"), sandbox)
        again = run_benchmark(Contestant("m", "w", rest), asked, RunDir(tmp_path / "b"), sandbox)
        assert stable(again) == stable(whole)
        assert (killed.drawn, rest.drawn) == (2, 1)

    def test_killed_while_scoring_it_scores_only_the_rest(self, sandbox: Sandbox, tmp_path: Path):
        asked = benchmark(FunctionalMajority())

        def kill(what: str, done: int, total: int) -> None:
            if (what, done) == ("Scoring", 2):
                raise Killed

        with pytest.raises(Killed):
            run_benchmark(Contestant("m", "w", Scripted()), asked, RunDir(tmp_path), sandbox, kill)
        seen = list[tuple[str, int, int]]()
        nobody = Scripted(killed_after=0)
        run_benchmark(
            Contestant("m", "w", nobody), asked, RunDir(tmp_path), sandbox, lambda *x: seen.append(x)
        )
        assert seen[-1] == ("Scoring", 3, 3)
        assert sum(what == "Scoring" for what, _, _ in seen) == 1
        assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 3

    def test_what_is_complete_is_only_read_and_other_scores_need_no_new_answers(
        self, sandbox: Sandbox, tmp_path: Path
    ):
        directory, nobody = RunDir(tmp_path), Scripted(killed_after=0)
        first = run_benchmark(Contestant("m", "w", Scripted()), benchmark(Length()), directory, sandbox)
        assert run_benchmark(Contestant("m", "w", nobody), benchmark(Length()), directory, sandbox) == first
        more = benchmark(Length(), FunctionalMajority())
        second = run_benchmark(Contestant("m", "w", nobody), more, directory, sandbox)
        assert set(second.selection) == {"length", "functional_majority"}
        official = replace(benchmark(Length()), mode=Mode.OFFICIAL)
        assert run_benchmark(Contestant("m", "w", nobody), official, directory, sandbox).grading == "official"

    def test_other_weights_are_another_evaluation(self, sandbox: Sandbox, tmp_path: Path):
        other = Scripted()
        run_benchmark(Contestant("m", "w", Scripted()), benchmark(), RunDir(tmp_path), sandbox)
        run_benchmark(Contestant("m", "v", other), benchmark(), RunDir(tmp_path), sandbox)
        assert other.drawn == 3
        assert len(RunDir(tmp_path).evals()) == 2


def test_two_problems_of_one_id_are_an_error(sandbox: Sandbox, tmp_path: Path):
    twins = benchmark(problems=[PROBLEMS[0], PROBLEMS[0]], prompts=["x", "y"])
    with pytest.raises(UserError, match="the id 'a'"):
        run_benchmark(Contestant("m", "w", Scripted()), twins, RunDir(tmp_path), sandbox)


class TestScorable:
    def test_without_a_model_what_needs_token_statistics_is_left_out(self):
        assert {label(reward) for reward in scorable(USUAL, with_model=False)} == {
            "functional_majority",
            "semantic_entropy",
            "length",
        }
        assert scorable(USUAL, with_model=True) == USUAL

    def test_what_needs_a_teacher_is_refused(self):
        with pytest.raises(UserError, match="co_rewarding"):
            scorable([CoRewarding()], with_model=True)

    def test_labels_tell_options_apart(self):
        assert label(TrajectoryLogprob()) == "trajectory_logprob"
        assert label(TrajectoryLogprob(length_normalised=True)) == "trajectory_logprob(length_normalised)"
        assert label(Length(prefer="longer")) == "length(prefer=longer)"


def test_a_real_model_is_scored_by_the_distribution_it_drew_from(sandbox: Sandbox, tmp_path: Path):
    """Self-certainty and the log-probability of stored samples, against logits in float64."""
    tokenizer = tiny_tokenizer()
    model = tiny_llama(tokenizer)
    contestant = Contestant(
        "tiny", "w", TransformersGenerator(model, tokenizer, 4), token_scorer=ModelScorer(model, tokenizer)
    )
    asked = benchmark(SelfCertainty(), TrajectoryLogprob())
    run_benchmark(contestant, asked, RunDir(tmp_path), sandbox)
    samples = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    scores = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    by_id = {row["question_id"]: row["scores"] for row in scores}
    assert len(samples) == 3
    for row in samples:
        prompt = tokenizer(PROBLEMS["abc".index(row["question_id"])].statement)["input_ids"]
        for index, drawn in enumerate(row["completions"]):
            ids = torch.tensor([[*prompt, *drawn["token_ids"]]])
            with torch.no_grad():
                z = model(ids).logits[0, len(prompt) - 1 : -1].double()
            certainty = (z.logsumexp(-1) - z.mean(-1) - np.log(z.shape[-1])).mean()
            logprob = z.log_softmax(-1)[range(len(z)), drawn["token_ids"]].sum()
            found = by_id[row["question_id"]]
            assert found["self_certainty"][index] == pytest.approx(float(certainty), rel=1e-5)
            assert found["trajectory_logprob"][index] == pytest.approx(float(logprob), rel=1e-5)
