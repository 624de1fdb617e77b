"""`IntrinsicGRPOTrainer`: plain TRL, with rlif rewards as reward functions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from test_trl_contract import PROMPTS, config
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.rewards import FunctionalMajority, Need, Random, SelfCertainty, TokenEntropy, TrajectoryLogprob
from rlif.token_stats import token_stats_reference
from rlif.training.trainer import IntrinsicGRPOTrainer


class Captured(IntrinsicGRPOTrainer):
    """Keeps the ids of each step and the model as it was when it sampled them."""

    weights: Any = None
    ids: Any = None

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Any:
        self.weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.ids = [(p, list(c)) for p, c in zip(self._prompt_ids, completion_ids_list, strict=True)]
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)


def train(tmp_path: Path, rewards: Any, **options: Any) -> Captured:
    settings = options.pop("settings", {})
    tokenizer = tiny_tokenizer(chat=False)
    trainer = Captured(
        model=tiny_llama(tokenizer),
        reward_funcs=rewards,
        args=config(tmp_path, **settings),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tokenizer,
        **options,
    )
    trainer.train()
    return trainer


def reference(trainer: Captured, name: str, temperature: float = 1.0) -> np.ndarray[Any, Any]:
    """The mean of one statistic over each completion, in float64, one completion at a time, unpadded."""
    model = tiny_llama(tiny_tokenizer(chat=False))
    model.load_state_dict(trainer.weights)
    model.double()
    means = []
    for prompt, completion in trainer.ids:
        with torch.no_grad():
            logits = model(torch.tensor([prompt + completion])).logits[:, len(prompt) - 1 : -1]
        stats = token_stats_reference(logits, torch.tensor([completion]), temperature)
        means.append(float(getattr(stats, name).mean()))
    return np.array(means)


def test_rewards_see_the_distributions_the_completions_were_drawn_from(tmp_path: Path) -> None:
    trainer = train(tmp_path, [SelfCertainty(), TokenEntropy(), TrajectoryLogprob(length_normalised=True)])

    assert trainer.rollouts is not None
    got = trainer.rollouts.rewards
    np.testing.assert_allclose(got["self_certainty"], reference(trainer, "self_certainty"), rtol=1e-4)
    np.testing.assert_allclose(got["token_entropy"], -reference(trainer, "entropy"), rtol=1e-4)
    np.testing.assert_allclose(got["trajectory_logprob"], reference(trainer, "logprob"), rtol=1e-4)


def test_statistics_temperature_is_applied_when_asked_for(tmp_path: Path) -> None:
    trainer = train(tmp_path, SelfCertainty(), token_stats_temperature=2.0)

    assert trainer.rollouts is not None
    expected = reference(trainer, "self_certainty", temperature=2.0)
    np.testing.assert_allclose(trainer.rollouts.rewards["self_certainty"], expected, rtol=1e-4)


def test_rlif_rewards_and_plain_functions_mix_with_their_weights(tmp_path: Path) -> None:
    def length(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(len(ids)) for ids in completion_ids]

    trainer = train(
        tmp_path,
        [Random(weight=0.25), length],
        settings={"multi_objective_aggregation": "sum_then_normalize"},
    )

    assert trainer.reward_weights.tolist() == [0.25, 1.0]
    assert trainer.rollouts is not None
    rewards = trainer.rollouts.rewards
    np.testing.assert_allclose(trainer.rollouts.combined, 0.25 * rewards["random"] + rewards["length"])


def test_mixtures_are_normalised_in_their_group_before_they_are_added(tmp_path: Path) -> None:
    trainer = train(
        tmp_path,
        [Random(distribution="uniform"), SelfCertainty(weight=2.0)],
        settings={"multi_objective_aggregation": "normalize_then_sum"},
    )

    assert trainer.rollouts is not None
    rewards = trainer.rollouts.rewards

    def normalised(values: Any) -> Any:
        groups = values.reshape(2, 4)
        spread = groups.std(1, ddof=1, keepdims=True) + 1e-4
        return ((groups - groups.mean(1, keepdims=True)) / spread).reshape(-1)

    expected = normalised(rewards["random"]) + 2 * normalised(rewards["self_certainty"])
    np.testing.assert_allclose(trainer.rollouts.combined, expected, rtol=1e-6)


def test_nothing_is_computed_that_nobody_needs(tmp_path: Path) -> None:
    trainer = train(tmp_path, Random())

    assert trainer.rollouts is not None
    group = trainer.rollouts.groups[0]
    assert group.token_stats is None
    assert group.executions is None
    assert set(trainer.rollouts.seconds) == {"generation"}


def test_observed_signals_are_there_without_a_reward_that_needs_them(tmp_path: Path) -> None:
    trainer = train(tmp_path, Random(), observe=[Need.TOKEN_STATS])

    assert trainer.rollouts is not None
    assert all(group.token_stats is not None for group in trainer.rollouts.groups)


def test_the_random_control_differs_between_groups_and_repeats_with_the_seed(tmp_path: Path) -> None:
    reward = Random(distribution="uniform")
    first = train(tmp_path / "a", reward).rollouts
    second = train(tmp_path / "b", reward).rollouts
    other = train(tmp_path / "c", reward, settings={"seed": 7}).rollouts

    assert first is not None
    assert second is not None
    assert other is not None
    values = first.rewards["random"]
    assert len(set(values)) == len(values)
    np.testing.assert_array_equal(values, second.rewards["random"])
    assert not np.array_equal(values, other.rewards["random"])


def test_a_reward_that_runs_programs_needs_problems_and_a_sandbox(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no problems or no sandbox"):
        train(tmp_path, FunctionalMajority())


def test_a_batch_that_would_split_groups_is_refused(tmp_path: Path) -> None:
    # Four completions a process and step, but groups of eight: two processes would hold half a group each.
    settings = {"per_device_train_batch_size": 4, "num_generations": 8, "gradient_accumulation_steps": 2}
    arguments = config(tmp_path, **settings)
    arguments.steps_per_generation = 1

    with pytest.raises(UserError, match="multiple of 8"):
        Captured(
            model=tiny_llama(tiny_tokenizer()),
            reward_funcs=Random(),
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
            processing_class=tiny_tokenizer(),
        )
