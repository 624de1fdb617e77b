"""Run files: TOML (or a run directory's config.json) to a validated `RunConfig`.

Names are TRL's wherever TRL has one. Unknown keys are refused with a suggestion; every default is written out,
because defaults of the libraries below have moved between versions.
"""

import datetime as dt
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator, model_validator

from rlif.errors import UserError, did_you_mean
from rlif.problems.prompts import PromptStyle
from rlif.rewards import AnyReward, parse_reward


class Strict(BaseModel):
    """Base of all tables of a run file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'. {did_you_mean(str(key), cls.model_fields)}")
        return data


class ProblemsConfig(Strict):
    """Which problems: a data set's name or a path, and how to narrow it."""

    name: str = "minicode"
    split: str | None = None
    limit: int | None = Field(None, ge=1)
    start: dt.date | None = None
    end: dt.date | None = None
    seed: int = 0


class GRPOTable(Strict):
    """Settings handed to TRL's `GRPOConfig`, under its names.

    One step samples `num_generations` completions for each of `prompts_per_step` prompts.
    `per_device_train_batch_size` (completions) bounds memory: the rest is gradient accumulation.
    `multi_objective_aggregation` None: normalise each reward of a mixture in its group before adding, since
    scales of rewards differ by 1e5; a single reward is plain GRPO.
    """

    learning_rate: float = Field(1e-6, gt=0)
    lr_scheduler_type: str = "constant"
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    prompts_per_step: int = Field(8, ge=1)
    num_generations: int = Field(8, ge=2)
    per_device_train_batch_size: int | None = Field(None, ge=1)
    num_iterations: int = Field(1, ge=1)
    max_completion_length: int = Field(512, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    beta: float = Field(0.0, ge=0)
    epsilon: float = Field(0.2, gt=0)
    loss_type: str = "grpo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] | None = None
    mask_truncated_completions: bool = False
    use_bias_correction_kl: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    extra: dict[str, Any] = Field(default={}, description="anything else that TRL's GRPOConfig knows")

    @property
    def completions_per_step(self) -> int:
        """Completions sampled and trained on in one step, over all processes."""
        return self.prompts_per_step * self.num_generations


class StageConfig(Strict):
    """One stage of training: a number of steps on one reward, or on a mixture by the rewards' weights.

    `reward = "self_certainty"`, `reward = {type = "random", p = 0.5}` and a list of these all work.
    """

    name: str = ""
    steps: int = Field(ge=1)
    reward: tuple[AnyReward, ...] = Field(min_length=1)
    grpo: GRPOTable = Field(GRPOTable(), description="the settings of [grpo] that differ in this stage")

    @field_validator("reward", mode="before")
    @classmethod
    def _rewards(cls, value: Any) -> Any:
        entries: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
        try:
            return tuple(parse_reward(entry) if isinstance(entry, str | dict) else entry for entry in entries)
        except UserError as error:
            raise ValueError(str(error)) from error

    @field_serializer("grpo")
    def _only_what_was_set(self, table: GRPOTable) -> dict[str, Any]:
        return table.model_dump(exclude_unset=True)

    @property
    def label(self) -> str:
        """The stage's name, or the types of its rewards."""
        return self.name or "+".join(str(reward.type) for reward in self.reward)


class EvaluationTable(Strict):
    """Evaluation on held-out problems: before the first step, every `every` steps and at each stage's end."""

    problems: ProblemsConfig = ProblemsConfig(split="validation", limit=128)
    every: int = Field(10, ge=1)
    samples: int = Field(4, ge=1)
    temperature: float = Field(1.0, gt=0)
    greedy: bool = True
    batch_size: int = Field(128, ge=1)


class SandboxTable(Strict):
    """Where and within which limits programs run."""

    isolation: str = "bwrap"
    workers: int = Field(1, ge=1)
    seconds: float = Field(2.0, gt=0)
    memory_mb: int = Field(512, ge=16)


class RunConfig(Strict):
    """One training run.

    Attributes:
        model: "minicode-base", "smollm2", a directory, or a hub id.
        dtype: of the weights.
        prompt: style of the prompts.
        problems: what to train on.
        stages: at least one; each continues from the model of the one before, with a fresh optimiser.
        token_stats_temperature: the certainty rewards see logits divided by it. 1: the model's own
            distribution, whatever the sampling temperature (as Intuitor's trainer did).
        truth: judge every rollout by all tests, for the record. Off: tests are touched only by a reward that
            needs them, as for a user who has none; held-out evaluation is then off too.
        checkpoint_every, rollouts_every: in steps.
        torch_threads: threads of this process. One, because runs share cores: two contending threads are
            many times slower than one.
        report_to: trackers TRL knows ("trackio", "wandb", "tensorboard"), beside our own records.
    """

    name: str = "run"
    seed: int = 0
    model: str = "minicode-base"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    prompt: PromptStyle = "rlif"
    problems: ProblemsConfig = ProblemsConfig(split="train", limit=128)
    grpo: GRPOTable = GRPOTable()
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    evaluation: EvaluationTable = EvaluationTable()
    sandbox: SandboxTable = SandboxTable()
    token_stats_temperature: float = Field(1.0, gt=0)
    truth: bool = True
    checkpoint_every: int = Field(10, ge=1)
    rollouts_every: int = Field(10, ge=1)
    torch_threads: int = Field(1, ge=1)
    report_to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _stages_are_possible(self) -> Self:
        for index in range(len(self.stages)):
            table = self.stage_grpo(index)
            batch = table.per_device_train_batch_size
            if batch is not None and table.completions_per_step % batch:
                raise ValueError(
                    f"grpo.per_device_train_batch_size = {batch} does not divide the step's "
                    f"{table.prompts_per_step} prompts x {table.num_generations} completions"
                )
        return self

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_grpo(self, index: int) -> GRPOTable:
        """Return the [grpo] settings of one stage, its own on top of the run's."""
        own = self.stages[index].grpo.model_dump(exclude_unset=True)
        return GRPOTable.model_validate({**self.grpo.model_dump(), **own})


Table = TypeVar("Table", bound=Strict)


def load_run_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file and apply overrides such as `grpo.learning_rate=1e-4` or `stages.0.steps=20`.

    Raises:
        UserError: the file is missing or not TOML/JSON, or a key or value is not possible.
    """
    return validated(RunConfig, with_overrides(read_table(path), overrides), str(path))


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file into a dictionary."""
    try:
        text = path.read_text()
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.", "Give the path of a run file; examples are in configs/.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, ValueError) as error:  # both parsers' errors are ValueErrors
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise UserError(f"{path} is not valid {kind}: {error}.") from error


def with_overrides(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `table` with `a.b=value` overrides applied; values are TOML, or else plain text."""
    table = json.loads(json.dumps(table, default=str))
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path:
            raise UserError(f"The override '{override}' is not of the form key=value.", "Example: grpo.beta=0.01")
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        _assign(table, path.split("."), value, override)
    return table


def _assign(node: Any, keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        node = _child(node, key, override)
    if isinstance(node, list):
        _child(node, keys[-1], override)
        node[int(keys[-1])] = value
    else:
        node[keys[-1]] = value


def _child(node: Any, key: str, override: str) -> Any:
    if isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            raise UserError(f"The override '{override}' names entry '{key}' of a list of {len(node)}.")
        return node[int(key)]
    child = node.setdefault(key, {})
    if not isinstance(child, dict | list):
        raise UserError(f"The override '{override}' goes below '{key}', which is a value, not a table.")
    return child


def validated(kind: type[Table], data: Any, where: str) -> Table:
    """Validate `data` as `kind`; a `UserError` lists every mistake with its place."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        lines = list[str]()
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            given = "" if isinstance(problem["input"], dict | list) else f" (got {problem['input']!r})"
            lines.append(f"  {place or 'the file'}: {message}{given}")
        raise UserError(f"{where} cannot be used:\n" + "\n".join(lines)) from None
