"""`IntrinsicGRPOTrainer`: TRL's `GRPOTrainer`, whose reward functions may be rlif rewards.

TRL shows reward functions the text and token ids of completions, nothing of the distributions they came from
and nothing of what other programs did. Two overrides close the gap and leave everything else to TRL:

- `_generate` keeps the prompt ids, which TRL does not pass on;
- `_calculate_rewards` forms the groups, computes what the active rewards need, once, and hands each group to
  the rewards as one more input column.
"""

import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import gather_object
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rlif.completions import completion_from_ids
from rlif.errors import UserError
from rlif.problems.types import Problem
from rlif.rewards import Need, Reward, Scores, needed
from rlif.rollouts import RolloutGroup, TokenStats
from rlif.sandbox import Sandbox
from rlif.token_stats import model_token_stats
from rlif.training.execution import execute

GROUP_COLUMN = "rollout_group"
"""Input column in which `_calculate_rewards` hands each completion's `RolloutGroup` to the rewards."""


@dataclass(slots=True)
class Rollouts:
    """Everything known of the completions of one step, on all processes; for the record.

    Attributes:
        groups: of all processes, in the order of the rewards.
        rewards: each component [N], N completions, by reward type.
        combined: the scalar [N] that advantages follow from.
        seconds: wall clock of the parts: generation, execution, statistics.
    """

    groups: list[RolloutGroup]
    rewards: dict[str, Scores]
    combined: Scores
    seconds: dict[str, float] = field(default_factory=dict[str, float])


class RewardFunction:
    """A `Reward` in the form TRL calls: one float a completion, from the groups in its keyword arguments."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.__name__ = str(reward.type)  # TRL's name for it in logs

    def __call__(self, **columns: Any) -> list[float]:
        """Score each group once; return the scores in the order of the completions."""
        groups: list[RolloutGroup] = columns[GROUP_COLUMN]
        scores = [score for group in groups[:: groups[0].size] for score in self.reward(group)]
        # TRL leaves NaN out of a group's mean and gives it no advantage; an infinity would spoil the group.
        return [float(score) if np.isfinite(score) else float("nan") for score in scores]


class IntrinsicGRPOTrainer(GRPOTrainer):
    """`GRPOTrainer` that also takes rlif rewards.

    Args:
        model: as `GRPOTrainer`.
        reward_funcs: rlif rewards and TRL reward functions, in any mixture. With `args.reward_weights` None,
            rlif rewards bring their own weights.
        args: as `GRPOTrainer`.
        problems: by id, for what has to be executed or judged; the data set then has a column `problem_id`.
        sandbox: entered; needed as soon as something is executed.
        token_stats_temperature: logits are divided by it before certainty is measured.
        observe: signals to compute for the record though no reward needs them.
        kwargs: everything else, as `GRPOTrainer` (`train_dataset`, `processing_class`, …).

    Raises:
        UserError: a configuration that would split groups over processes, or a need without its means.
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Any = None,
        args: GRPOConfig | None = None,
        *,
        problems: Mapping[str, Problem] | None = None,
        sandbox: Sandbox | None = None,
        token_stats_temperature: float = 1.0,
        observe: Collection[Need] = (),
        **kwargs: Any,
    ) -> None:
        many = isinstance(reward_funcs, list | tuple)
        functions: list[Any] = list(reward_funcs) if many else [reward_funcs]
        rewards = [function for function in functions if isinstance(function, Reward)]
        self.needs = needed(rewards) | frozenset(observe)
        if self.needs & {Need.EXECUTIONS, Need.HIDDEN_TESTS} and (problems is None or sandbox is None):
            raise UserError(
                "A reward needs programs to be run, but the trainer was given no problems or no sandbox.",
                "Pass problems={id: Problem} and an entered rlif.sandbox.Sandbox.",
            )
        wrapped: list[Any] = [RewardFunction(f) if isinstance(f, Reward) else f for f in functions]
        super().__init__(model, wrapped, args, **kwargs)
        config = cast(GRPOConfig, self.args)
        _refuse_split_groups(config)
        if config.reward_weights is None:
            weights = [float(getattr(function, "weight", 1.0)) for function in functions]
            self.reward_weights[: len(weights)] = torch.tensor(weights)
        self.problems = problems
        self.sandbox = sandbox
        self.token_stats_temperature = token_stats_temperature
        self.rollouts: Rollouts | None = None
        self._prompt_ids: list[list[int]] = []
        self._generation_seconds = 0.0

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        generated: Any = super()._generate(*args, **kwargs)
        self._prompt_ids = [list(ids) for ids in generated[0]]
        self._generation_seconds = time.perf_counter() - start
        return generated

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> torch.Tensor:
        groups, seconds = self._groups(inputs, completion_ids_list)
        rows = [{**row, GROUP_COLUMN: groups[i // groups[0].size]} for i, row in enumerate(inputs)]
        scores: torch.Tensor = super()._calculate_rewards(rows, prompts, completions, completion_ids_list)
        seconds["generation"] = self._generation_seconds
        self._record(groups, scores, seconds)
        return scores

    def _groups(
        self, inputs: Sequence[Mapping[str, Any]], completion_ids: Sequence[Sequence[int]]
    ) -> tuple[list[RolloutGroup], dict[str, float]]:
        """Form this process's groups with every signal that is needed; also say how long each took."""
        training = cast(torch.nn.Module, self.model).training  # as TRL tells training from evaluation
        size = cast(int, self.num_generations if training else self.num_generations_eval)
        eos = frozenset(cast(list[int], self.eos_token_ids))
        completions = [completion_from_ids(self._tokenizer, ids, eos) for ids in completion_ids]
        problems = [self._problem(row) for row in inputs]
        seconds: dict[str, float] = {}
        stats = executed = None
        if Need.TOKEN_STATS in self.needs:
            start = time.perf_counter()
            stats = self._token_stats([completion.token_ids for completion in completions])
            seconds["statistics"] = time.perf_counter() - start
        if self.sandbox is not None and self.needs & {Need.EXECUTIONS, Need.HIDDEN_TESTS}:
            start = time.perf_counter()
            programs = [completion.code for completion in completions]
            executed = execute(problems, programs, self.sandbox, judge_all=Need.HIDDEN_TESTS in self.needs)
            seconds["execution"] = time.perf_counter() - start
        groups = [
            RolloutGroup(
                problem=problems[start],
                completions=tuple(completions[start : start + size]),
                token_stats=stats.rows(start, start + size) if stats else None,
                executions=tuple(e.public for e in executed[start : start + size]) if executed else None,
                verdicts=_verdicts(executed, start, size),
                seed=self._group_seed(start // size),
            )
            for start in range(0, len(completions), size)
        ]
        return groups, seconds

    def _token_stats(self, completion_ids: Sequence[Sequence[int]]) -> TokenStats:
        """Run one forward pass over prompts and completions; statistics [N, T] on the host."""
        device, pad = self.accelerator.device, cast(int, self._tokenizer.pad_token_id)
        longest_prompt = max(len(ids) for ids in self._prompt_ids)
        longest = max(1, *(len(ids) for ids in completion_ids))
        shape = (len(completion_ids), longest_prompt + longest)
        ids = torch.full(shape, pad, dtype=torch.long)
        attention = torch.zeros(shape, dtype=torch.long)
        for row, (prompt, completion) in enumerate(zip(self._prompt_ids, completion_ids, strict=True)):
            span = slice(longest_prompt - len(prompt), longest_prompt + len(completion))
            ids[row, span] = torch.tensor([*prompt, *completion])
            attention[row, span] = 1
        with self.accelerator.autocast():  # as TRL's own log-probabilities
            return model_token_stats(
                self.accelerator.unwrap_model(self.model),
                ids.to(device),
                attention.to(device),
                longest,
                attention[:, longest_prompt:].bool().to(device),
                self.token_stats_temperature,
                batch_size=self.args.per_device_train_batch_size,
            ).numpy()

    def _problem(self, row: Mapping[str, Any]) -> Problem:
        if self.problems is None:  # certainty rewards need no problem to be known
            return Problem("", "", "", None, (), (), source="")
        return self.problems[row["problem_id"]]

    def _group_seed(self, local_index: int) -> int:
        """Return a seed that depends on run, step and place, so that a resumed run draws the same."""
        place = f"{self.args.seed} {self.state.global_step} {self.accelerator.process_index} {local_index}"
        return zlib.crc32(place.encode())

    def _record(self, groups: list[RolloutGroup], scores: torch.Tensor, seconds: dict[str, float]) -> None:
        """Keep the step's rollouts of all processes for the record, in the order of the gathered scores."""
        components = scores.double().cpu().numpy()  # [N, number of rewards]
        if self.accelerator.num_processes > 1:
            groups = gather_object(groups)
        weights = self.reward_weights.double().cpu().numpy()
        by_group = components.reshape(len(groups), -1, components.shape[1])
        if self.multi_objective_aggregation == "normalize_then_sum":
            with np.errstate(invalid="ignore"):
                spread = by_group.std(axis=1, ddof=1, keepdims=True)
                by_group = (by_group - by_group.mean(axis=1, keepdims=True)) / (spread + 1e-4)
        combined = (by_group * weights).sum(axis=2).reshape(-1)
        rewards = {name: components[:, i] for i, name in enumerate(self.reward_func_names)}
        self.rollouts = Rollouts(groups, rewards, combined, seconds)


def _verdicts(executed: Any, start: int, size: int) -> Any:
    if not executed or executed[start].verdict is None:
        return None
    return tuple(entry.verdict for entry in executed[start : start + size])


def _refuse_split_groups(args: GRPOConfig) -> None:
    """Refuse a batch that is not a whole number of groups *on each process*; TRL checks only the global one.

    Rewards see the rows of their own process, so a group spread over two would be compared in halves.
    """
    local = args.per_device_train_batch_size * (args.steps_per_generation or 1)
    if local % (args.num_generations or 1):
        raise UserError(
            f"Groups of num_generations = {args.num_generations} do not fit the {local} completions "
            f"a process samples at a time (per_device_train_batch_size = {args.per_device_train_batch_size}, "
            f"steps_per_generation = {args.steps_per_generation}): they would be split over processes.",
            f"Make that product a multiple of {args.num_generations}.",
        )
