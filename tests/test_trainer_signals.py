"""What `IntrinsicGRPOTrainer` computes for rewards that ask for more than the policy's own statistics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from test_trainer import Captured, reference
from test_trl_contract import config
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import TrainerCallback

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.problems.types import Problem, TestCase
from rlif.rewards import (
    CoRewarding,
    MajorityVote,
    Mixture,
    SelfCertainty,
    SelfVerification,
    UnitTests,
    parse_reward,
)
from rlif.rollouts import Ballot, Completion, Scorer, Scoring, Voters
from rlif.sandbox import Sandbox
from rlif.training.answers import verify
from rlif.training.companions import Companions

PROBLEMS = {
    name: Problem(name, f"Print {name}.", "", None, (TestCase("", name),), (), source="test")
    for name in "abcd"
}
ROWS = {"prompt": [p.statement for p in PROBLEMS.values()], "problem_id": list(PROBLEMS)}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, isolation="process") as entered:
        yield entered


def train(tmp_path: Path, rewards: Any, rows: Any = ROWS, **options: Any) -> Captured:
    settings = options.pop("settings", {})
    tokenizer = tiny_tokenizer(chat=False)
    trainer = Captured(
        model=tiny_llama(tokenizer),
        reward_funcs=rewards,
        args=config(tmp_path, **settings),
        train_dataset=Dataset.from_dict(rows),
        processing_class=tokenizer,
        **options,
    )
    trainer.train()
    assert trainer.rollouts is not None
    return trainer


def scored(trainer: Captured, scoring: Scoring) -> np.ndarray[Any, Any]:
    """The mean self-certainty of each completion by these statistics."""
    means = []
    for group in trainer.rollouts.groups:
        stats = group.scored[scoring]
        means += [row[mask].mean() for row, mask in zip(stats.self_certainty, stats.mask, strict=True)]
    return np.array(means)


def test_the_sampling_temperature_is_the_one_of_the_sampling(tmp_path: Path) -> None:
    reward = SelfCertainty(temperature="sampling")
    trainer = train(tmp_path, reward, settings={"temperature": 0.5})

    expected = reference(trainer, "self_certainty", temperature=0.5)
    np.testing.assert_allclose(trainer.rollouts.rewards["self_certainty"], expected, rtol=1e-4)
    assert trainer.rollouts.groups[0].scored[Scoring(temperature="sampling")].temperature == 0.5
    assert trainer.rollouts.groups[0].token_stats is None  # nobody asked for the run's own


def test_the_initial_model_stays_and_the_moving_average_follows(tmp_path: Path) -> None:
    initial, ema = Scoring(Scorer.INITIAL), Scoring(Scorer.EMA)
    mix = Mixture(rewards=(SelfCertainty(scorer="initial"), SelfCertainty(scorer="ema"), SelfCertainty()))
    trainer = train(tmp_path, mix, ema_decay=0.0, settings={"max_steps": 3, "learning_rate": 0.05})

    own = reference(trainer, "self_certainty")  # by the policy that sampled the last step's completions
    np.testing.assert_allclose(scored(trainer, ema), own, rtol=1e-4)  # no decay: the policy itself
    assert np.abs(scored(trainer, initial) - own).max() > 1e-2
    trainer.weights = tiny_llama(tiny_tokenizer(chat=False)).state_dict()
    np.testing.assert_allclose(scored(trainer, initial), reference(trainer, "self_certainty"), rtol=1e-4)


def test_steps_count_the_updates(tmp_path: Path) -> None:
    turns = parse_reward({"type": "alternation", "rewards": ["length", {"type": "constant", "value": 9}]})
    trainer = train(tmp_path, turns, settings={"max_steps": 2})

    assert {group.step for group in trainer.rollouts.groups} == {1}  # the second step follows one update
    assert set(trainer.rollouts.rewards["alternation"]) == {9.0}


@pytest.mark.parametrize(
    ("reward", "ballot"),
    [
        (MajorityVote(extra_votes=3), Ballot(Voters.POLICY, 3)),
        (CoRewarding(samples=2), Ballot(Voters.EMA, 2)),
        (CoRewarding(samples=2, judges="rephrased"), Ballot(Voters.REPHRASED, 2)),
    ],
    ids=str,
)
def test_ballots_are_taken_for_every_group(
    tmp_path: Path, sandbox: Sandbox, reward: Any, ballot: Ballot
) -> None:
    rows = ROWS | {"rephrased_prompt": [f"Say {name}." for name in PROBLEMS]}
    trainer = train(tmp_path, reward, rows, problems=PROBLEMS, sandbox=sandbox)

    for group in trainer.rollouts.groups:
        assert len(group.ballots[ballot]) == ballot.samples
        assert all(len(execution.outputs) == 1 for execution in group.ballots[ballot])
    assert trainer.rollouts.seconds["ballots"] > 0


def test_rephrased_prompts_must_be_in_the_data(tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(UserError, match="no column 'rephrased_prompt'"):
        train(tmp_path, CoRewarding(judges="rephrased"), problems=PROBLEMS, sandbox=sandbox)


def test_ballots_need_problems_and_a_sandbox(tmp_path: Path) -> None:
    for reward in (CoRewarding(), SelfVerification(), UnitTests(tests="public")):
        with pytest.raises(UserError, match="no problems or no sandbox"):
            train(tmp_path, reward)


def test_programs_are_verified_and_missing_ones_not_asked_about(tmp_path: Path, sandbox: Sandbox) -> None:
    trainer = train(tmp_path, SelfVerification(unclear="no"), problems=PROBLEMS, sandbox=sandbox)

    for group in trainer.rollouts.groups:
        assert group.verifications is not None
        for answer, completion in zip(group.verifications, group.completions, strict=True):
            assert bool(answer.strip()) <= bool(completion.code)
    assert set(trainer.rollouts.rewards["self_verification"]) <= {0.0, 1.0}


class Mute:
    """A generator for which no prompt fits."""

    def generate(self, *_: Any) -> Iterator[Any]:
        return iter(())


def test_questions_that_do_not_fit_are_an_error_not_a_no() -> None:
    program = Completion("print(1)", (1,), "print(1)", finished=True)
    empty = Completion("", (), "", finished=True)
    with pytest.raises(UserError, match="None of 1 questions about programs can be answered"):
        verify(Mute(), [PROBLEMS["a"]] * 2, [program, empty], Sampling(), chat=False)
    assert verify(Mute(), [PROBLEMS["a"]], [empty], Sampling(), chat=False) == [""]


def test_the_moving_average_by_hand(tmp_path: Path) -> None:
    policy, twin = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        policy.weight.fill_(0.0)
    companions = Companions(policy, [Scorer.EMA, Scorer.INITIAL, Scorer.POLICY], decay=0.75)
    with torch.no_grad():
        policy.weight.fill_(8.0)
    companions.follow(policy)
    companions.follow(policy)

    assert companions[Scorer.EMA].weight.item() == 8 * (1 - 0.75**2)
    assert companions[Scorer.INITIAL].weight.item() == 0.0
    assert Scorer.POLICY not in companions
    companions.save(tmp_path)
    resumed = Companions(twin, [Scorer.EMA], decay=0.75)
    resumed.load(tmp_path)
    assert resumed[Scorer.EMA].weight.item() == companions[Scorer.EMA].weight.item()


def test_a_copy_runs_on_its_own_weights_though_the_policys_forward_is_wrapped() -> None:
    policy = torch.nn.Linear(1, 1)
    original = policy.forward
    policy.forward = lambda x: original(x)  # as trainers do
    initial = Companions(policy, [Scorer.INITIAL], decay=0.0)[Scorer.INITIAL]
    with torch.no_grad():
        policy.bias.add_(1.0)

    assert (policy(torch.ones(1)) - initial(torch.ones(1))).item() == pytest.approx(1.0)


def test_a_decay_that_would_never_follow_is_refused() -> None:
    with pytest.raises(UserError, match=r"at least 0 and below 1; got 1\.0"):
        Companions(torch.nn.Linear(1, 1), [Scorer.EMA], decay=1.0)


class Seen(TrainerCallback):
    """Notes the moving average as a run begins."""

    def __init__(self, companions: Companions) -> None:
        self.companions = companions
        self.ema: dict[str, torch.Tensor] = {}

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.ema = {k: v.clone() for k, v in self.companions[Scorer.EMA].named_parameters()}


def test_a_resumed_run_goes_on_with_its_moving_average(tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 2, "learning_rate": 0.05, "max_steps": 2}
    reward = SelfCertainty(scorer="ema")
    first = train(tmp_path, reward, settings=settings)
    tokenizer = tiny_tokenizer(chat=False)
    resumed = Captured(
        model=tiny_llama(tokenizer),
        reward_funcs=reward,
        args=config(tmp_path, **settings | {"max_steps": 3, "save_strategy": "no"}),
        train_dataset=Dataset.from_dict(ROWS),
        processing_class=tokenizer,
    )
    seen = Seen(resumed.companions)
    resumed.add_callback(seen)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))

    for name, parameter in first.companions[Scorer.EMA].named_parameters():
        torch.testing.assert_close(seen.ema[name], parameter)
    policy = dict(first.model.named_parameters())
    assert (seen.ema["lm_head.weight"] - policy["lm_head.weight"]).abs().max() > 0.01
