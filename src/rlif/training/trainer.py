"""`IntrinsicGRPOTrainer`: TRL's `GRPOTrainer`, whose reward functions may be rlif rewards.

TRL shows reward functions the text and token ids of completions, nothing of the distributions they came from
and nothing of what other programs did. Two overrides close the gap and leave everything else to TRL:

- `_generate` keeps the prompt ids, which TRL does not pass on, and listens to the model as it generates, so
  that token statistics need no forward pass of their own;
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
from rlif.evaluation import Sampling
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.grading.execution import execute
from rlif.problems.extraction import Extract, extract_code
from rlif.problems.types import Problem
from rlif.rewards import Need, Reward, Scores, Signal, needed
from rlif.rollouts import Ballot, Completion, RolloutGroup, Scorer, Scoring, TokenStats, Voters
from rlif.sandbox import Execution, Sandbox
from rlif.token_stats import model_token_stats
from rlif.training.answers import take_ballot, verify
from rlif.training.companions import Companions, FollowCallback
from rlif.training.listening import Listening
from rlif.training.needs import ballots, prompt_for, runs_programs, scorers, scorings, timed
from rlif.training.processes import any_of_all, generate_in_step, in_shards
from rlif.training.shared_generator import InStep

GROUP_COLUMN = "rollout_group"
"""Input column in which `_calculate_rewards` hands each completion's `RolloutGroup` to the rewards."""


@dataclass(slots=True)
class Rollouts:
    """Everything known of the completions of one step, on all processes; for the record.

    Attributes:
        groups: of all processes, in the order of the rewards.
        rewards: each component [N], N completions, by reward type.
        combined: the scalar [N] that advantages follow from.
        seconds: wall clock of the parts: generation, statistics, execution, ballots, verification.
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
        ema_decay: of the moving average of the policy, for the rewards that ask one.
        tap: take the policy's token statistics from the passes that generate, where transformers does
            (`rlif.token_stats.GenerationTap`); if False, from a forward pass over the completions.
        extract: finds the program in a completion; `rlif.problems.extraction.extraction_of` the prompt style.
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
        ema_decay: float = 0.99,
        tap: bool = True,
        extract: Extract = extract_code,
        **kwargs: Any,
    ) -> None:
        many = isinstance(reward_funcs, list | tuple)
        functions: list[Any] = list(reward_funcs) if many else [reward_funcs]
        rewards = [function for function in functions if isinstance(function, Reward)]
        self.needs: frozenset[Signal] = needed(rewards) | frozenset(observe)
        if runs_programs(self.needs) and (problems is None or sandbox is None):
            raise UserError(
                "A reward needs programs to be run, but the trainer was given no problems or no sandbox.",
                "Pass problems={id: Problem} and an entered rlif.sandbox.Sandbox.",
            )
        wrapped: list[Any] = [RewardFunction(f) if isinstance(f, Reward) else f for f in functions]
        super().__init__(model, wrapped, args, **kwargs)
        _adapters_in_float32(cast(torch.nn.Module, self.model))
        config = cast(GRPOConfig, self.args)
        _refuse_split_groups(config)
        self._grpo = config
        if config.reward_weights is None:
            weights = [float(getattr(function, "weight", 1.0)) for function in functions]
            self.reward_weights[: len(weights)] = torch.tensor(weights)
        self.problems = problems
        self.sandbox = sandbox
        self.token_stats_temperature = token_stats_temperature
        self.extract = extract
        self.rollouts: Rollouts | None = None
        policy = cast(torch.nn.Module, self.model)
        self.companions = Companions(policy, scorers(self.needs), ema_decay, self.accelerator)
        if Scorer.EMA in self.companions:
            self.add_callback(FollowCallback(self.companions, policy))
        # Only transformers' own generation passes through the model in this process, batch by batch.
        self._listening = Listening(
            tap and not (self.use_vllm or self.use_transformers_continuous_batching),
            cast(list[int], self.eos_token_ids),
        )
        self._prompt_ids: list[list[int]] = []
        self._generation_seconds = 0.0

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        temperatures = {self._temperature(s) for s in scorings(self.needs) if s.scorer is Scorer.POLICY}
        policy = self._model(Scorer.POLICY)
        generate_in_step(policy)
        with self._listening.to(policy, temperatures):
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
        completions = [completion_from_ids(self._tokenizer, ids, eos, self.extract) for ids in completion_ids]
        problems = [self._problem(row) for row in inputs]
        seconds: dict[str, float] = {}
        stats = self._statistics([completion.token_ids for completion in completions], seconds)
        executed = None
        if self.sandbox is not None and self.needs & {Need.EXECUTIONS, Need.HIDDEN_TESTS}:
            with timed(seconds, "execution"):
                programs = [completion.code for completion in completions]
                everything = Need.HIDDEN_TESTS in self.needs
                executed = execute(problems, programs, self.sandbox, judge_all=everything)
        taken = self._ballots(inputs[::size], problems[::size], seconds)
        verifications = self._verifications(problems, completions, seconds)
        # The first group of the step that this process has.
        first = self.accelerator.process_index * (len(completions) // size)
        groups = [
            RolloutGroup(
                problem=problems[start],
                completions=tuple(completions[start : start + size]),
                token_stats=stats[Scoring()].rows(start, start + size) if Scoring() in stats else None,
                executions=tuple(e.public for e in executed[start : start + size]) if executed else None,
                verdicts=_verdicts(executed, start, size),
                seed=self._group_seed(first + start // size),
                step=self.state.global_step,
                scored={s: of.rows(start, start + size) for s, of in stats.items() if s != Scoring()},
                ballots={ballot: votes[start // size] for ballot, votes in taken.items()},
                verifications=tuple(verifications[start : start + size]) if verifications else None,
            )
            for start in range(0, len(completions), size)
        ]
        return groups, seconds

    def _statistics(
        self, completion_ids: Sequence[Sequence[int]], seconds: dict[str, float]
    ) -> dict[Scoring, TokenStats]:
        """Return every kind of token statistics asked for; `Scoring()` are the run's own."""
        found: dict[tuple[Scorer, float], TokenStats] = {}  # "run" and "model" may be the same temperature
        wanted = scorings(self.needs)
        for scoring in wanted:
            key = scoring.scorer, self._temperature(scoring)
            if key not in found:
                with timed(seconds, "statistics"):
                    found[key] = self._token_stats(completion_ids, *key).numpy()
                    self._listening.check(found[key], self.state.global_step)
        return {scoring: found[scoring.scorer, self._temperature(scoring)] for scoring in wanted}

    def _temperature(self, scoring: Scoring) -> float:
        degrees = {"run": self.token_stats_temperature, "model": 1.0, "sampling": self._grpo.temperature}
        return degrees[scoring.temperature]

    def _ballots(
        self, inputs: Sequence[Mapping[str, Any]], problems: Sequence[Problem], seconds: dict[str, float]
    ) -> dict[Ballot, list[tuple[Execution, ...]]]:
        """Return every ballot asked for, with one entry for each group."""
        taken: dict[Ballot, list[tuple[Execution, ...]]] = {}
        for ballot in ballots(self.needs):
            assert self.sandbox is not None  # __init__ has seen to it
            voter = Scorer.EMA if ballot.voters is Voters.EMA else Scorer.POLICY
            prompts = [prompt_for(row, ballot.voters) for row in inputs]
            sampling = self._sampling(ballot.samples, str(ballot))
            with timed(seconds, "ballots"):
                generator = self._generator(voter)
                taken[ballot] = take_ballot(generator, prompts, problems, self.sandbox, sampling)
        return taken

    def _verifications(
        self, problems: Sequence[Problem], completions: Sequence[Completion], seconds: dict[str, float]
    ) -> list[str]:
        if Need.VERIFICATIONS not in self.needs:
            return []
        chat = self._tokenizer.chat_template is not None
        sampling = self._sampling(1, "verification")
        with timed(seconds, "verification"):
            return verify(self._generator(Scorer.POLICY), problems, completions, sampling, chat)

    def _model(self, scorer: Scorer) -> Any:
        if scorer is Scorer.POLICY:
            return self.accelerator.unwrap_model(self.model)
        return self.companions[scorer]

    def _generator(self, scorer: Scorer) -> TransformersGenerator:
        batch = self._grpo.per_device_train_batch_size
        kind = InStep if in_shards(self.accelerator) else TransformersGenerator
        return kind(self._model(scorer), cast(Any, self._tokenizer), batch, self.extract)

    def _sampling(self, samples: int, purpose: str) -> Sampling:
        """Return how answers beside the group's are drawn: as the group's, from draws of their own."""
        seed = zlib.crc32(f"{self._group_seed(self.accelerator.process_index)} {purpose}".encode())
        longest = self._grpo.max_completion_length or 256  # TRL's default
        return Sampling(samples, self._grpo.temperature, self._grpo.top_p, longest, seed)

    def _token_stats(
        self, completion_ids: Sequence[Sequence[int]], scorer: Scorer, temperature: float
    ) -> TokenStats:
        """Return statistics [N, T]: those heard in generation, or from one forward pass over all tokens."""
        if scorer is Scorer.POLICY:
            heard = self._listening.stats(self._prompt_ids, completion_ids, temperature)
            # With weights in shards, if one process has to make a pass, all have to.
            if in_shards(self.accelerator) and any_of_all(heard is None):
                heard = None
            if heard is not None:
                return heard
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
                self._model(scorer),
                ids.to(device),
                attention.to(device),
                longest,
                attention[:, longest_prompt:].bool().to(device),
                temperature,
                batch_size=self.args.per_device_train_batch_size,
            )

    def _problem(self, row: Mapping[str, Any]) -> Problem:
        if self.problems is None:  # certainty rewards need no problem to be known
            return Problem("", "", "", None, (), (), source="")
        return self.problems[row["problem_id"]]

    def _group_seed(self, index: int) -> int:
        """Return a seed that depends on run, step and the group's place in it.

        So a resumed run draws the same, and so does a run on another number of processes.
        """
        return zlib.crc32(f"{self.args.seed} {self.state.global_step} 0 {index}".encode())

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


def _adapters_in_float32(model: torch.nn.Module) -> None:
    """Undo TRL's rounding of adapters above 4-bit weights to bfloat16.

    Updates at usual learning rates vanish in it; and peft reads adapters back as float32, so that a continued
    run would go on with other numbers.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
