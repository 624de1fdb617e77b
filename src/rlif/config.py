"""Run files: TOML (or a run directory's config.json) to a validated `RunConfig`.

Names are TRL's wherever TRL has one. Unknown keys are refused with a suggestion; every default is written
out, because defaults of the libraries below have moved between versions.
"""

import datetime as dt
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from rlif.diagnostics.stopping import DEFAULT_RULE, Action, AnyRule
from rlif.errors import UserError, did_you_mean
from rlif.problems.load import default_style
from rlif.problems.prompts import PromptStyle
from rlif.rewards import AnyReward, UnitTests, parse_reward


class Strict(BaseModel):
    """Base of all tables of a run file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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
    limit: int | None = Field(default=None, ge=1)
    start: dt.date | None = None
    end: dt.date | None = None
    seed: int = 0
    platform: tuple[str, ...] = ()
    difficulty: tuple[str, ...] = ()


class GRPOTable(Strict):
    """Settings handed to TRL's `GRPOConfig`, under its names.

    One step samples `num_generations` completions for each of `prompts_per_step` prompts.
    `per_device_train_batch_size` (completions) bounds memory: the rest is gradient accumulation.
    `multi_objective_aggregation` None: normalise each reward of a mixture in its group before adding, since
    scales of rewards differ by 1e5; a single reward is plain GRPO.
    """

    learning_rate: float = Field(default=1e-6, gt=0)
    lr_scheduler_type: str = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    prompts_per_step: int = Field(default=8, ge=1)
    num_generations: int = Field(default=8, ge=2)
    per_device_train_batch_size: int | None = Field(default=None, ge=1)
    num_iterations: int = Field(default=1, ge=1)
    max_completion_length: int = Field(default=512, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    beta: float = Field(default=0.0, ge=0)
    epsilon: float = Field(default=0.2, gt=0)
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


class LoraTable(Strict):
    """Train low-rank adapters instead of all weights, by peft's `LoraConfig` and under its names.

    A stage ends with the adapters merged into the weights; the next begins with fresh ones.
    """

    r: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    target_modules: str | tuple[str, ...] = "all-linear"
    load_in_4bit: bool | None = Field(
        default=None, description="keep the weights below in 4 bits: QLoRA (arXiv 2305.14314), bitsandbytes"
    )


class StoppingTable(Strict):
    """A rule that watches a stage without tests, and what it may do: docs/stopping.md.

    `rule = "healthy_range"` and `rule = {type = "healthy_range", window = 10}` both work. "stop" and
    "rollback" end the stage, and the next one begins.
    """

    rule: AnyRule = DEFAULT_RULE  # pyright: ignore[reportAssignmentType]
    action: Action


class StageConfig(Strict):
    """One stage of training: a number of steps on one reward, or on a mixture by the rewards' weights.

    `reward = "self_certainty"`, `reward = {type = "random", p = 0.5}` and a list of these all work.
    """

    name: str = ""
    steps: int = Field(ge=1)
    problems: ProblemsConfig | None = Field(
        default=None, description="what this stage trains on instead of the run's: those with tests, say"
    )
    reward: tuple[AnyReward, ...] = Field(min_length=1)
    grpo: GRPOTable = Field(default=GRPOTable(), description="settings that differ from [grpo] in this stage")
    stopping: StoppingTable | None = Field(default=None, description="of this stage, instead of the run's")

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

    @property
    def rewards_tests_alone(self) -> bool:
        """Whether the tests that the stage trains on already say when it is past its best."""
        return all(isinstance(reward, UnitTests) for reward in self.reward)


class EvaluationTable(Strict):
    """Evaluation on held-out problems: before the first step, every `every` steps and at each stage's end."""

    problems: ProblemsConfig = ProblemsConfig(split="validation", limit=128)
    every: int = Field(default=10, ge=1)
    samples: int = Field(default=4, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    greedy: bool = True
    batch_size: int = Field(default=128, ge=1)

    @field_validator("problems")
    @classmethod
    def _held_out(cls, problems: ProblemsConfig) -> ProblemsConfig:
        # A table that says nothing of the split must not fall back to minicode's own default, "train".
        if problems.name == "minicode" and problems.split is None:
            return problems.model_copy(update={"split": "validation"})
        return problems


class SandboxTable(Strict):
    """Where and within which limits programs run."""

    isolation: str = "bwrap"
    workers: int = Field(default=1, ge=1)
    seconds: float = Field(default=2.0, gt=0)
    memory_mb: int = Field(default=512, ge=16)


class RunConfig(Strict):
    """One training run.

    Attributes:
        model: "minicode-base", "smollm2", a directory, or a hub id.
        dtype: of the weights.
        prompt: style of the prompts; None: what suits the problems (`rlif.problems.load.default_style`).
        problems: what to train on.
        stages: at least one; each continues from the model of the one before, with a fresh optimiser.
        stopping: when stages end before their steps are done; stages on tests alone are not watched unless
            they have a `stopping` of their own. None: never.
        token_stats_temperature: the certainty rewards see logits divided by it. 1: the model's own
            distribution, whatever the sampling temperature (as Intuitor's trainer did). A reward's own
            `temperature` goes before it.
        lora: train adapters instead of all weights; None: all weights.
        ema_decay: of the moving average of the policy, for rewards that ask one: what it keeps at each step.
        truth: judge every rollout by all tests, for the record. Off: tests are touched only by a reward that
            needs them, as for a user who has none; held-out evaluation then has no pass@1 either.
        checkpoint_every, rollouts_every: in steps.
        torch_threads: threads of this process. One, because runs share cores: two contending threads are
            many times slower than one.
        report_to: trackers TRL knows ("trackio", "wandb", "tensorboard"), beside our own records.
    """

    name: str = "run"
    seed: int = 0
    model: str = "minicode-base"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    prompt: PromptStyle | None = None
    problems: ProblemsConfig = ProblemsConfig(split="train", limit=128)
    grpo: GRPOTable = GRPOTable()
    lora: LoraTable | None = None
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    evaluation: EvaluationTable = EvaluationTable()
    sandbox: SandboxTable = SandboxTable()
    stopping: StoppingTable | None = None
    token_stats_temperature: float = Field(default=1.0, gt=0)
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    truth: bool = True
    checkpoint_every: int = Field(default=10, ge=1)
    rollouts_every: int = Field(default=10, ge=1)
    torch_threads: int = Field(default=1, ge=1)
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
            self._check_stopping(index)
        return self

    def _check_stopping(self, index: int) -> None:
        stage, stopping = self.stages[index], self.stage_stopping(index)
        if stopping is None:
            return
        if stopping.rule.fewest_steps > stage.steps:
            raise ValueError(
                f"the stopping rule '{stopping.rule.type}' has to see {stopping.rule.fewest_steps} steps "
                f"before it can say stop, and stage '{stage.label}' has {stage.steps}. Let the rule ask for "
                "fewer steps, or leave `stopping` out"
            )
        if stopping.action is Action.ROLLBACK and self.checkpoint_every >= stage.steps:
            raise ValueError(
                'stopping.action = "rollback" goes back to a checkpoint, and checkpoint_every = '
                f"{self.checkpoint_every} makes none within the {stage.steps} steps of stage "
                f"'{stage.label}'. Save more often, or choose \"stop\""
            )

    @property
    def prompt_style(self) -> PromptStyle:
        """Style of the prompts."""
        return self.prompt or default_style(self.problems.name)

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_problems(self, index: int) -> ProblemsConfig:
        """Return what one stage trains on."""
        return self.stages[index].problems or self.problems

    def stage_grpo(self, index: int) -> GRPOTable:
        """Return the [grpo] settings of one stage, its own on top of the run's."""
        own = self.stages[index].grpo.model_dump(exclude_unset=True)
        return GRPOTable.model_validate({**self.grpo.model_dump(), **own})

    def stage_stopping(self, index: int) -> StoppingTable | None:
        """Return what may end one stage early: its own rule, else the run's unless tests alone reward it."""
        stage = self.stages[index]
        return stage.stopping or (None if stage.rewards_tests_alone else self.stopping)


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
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(
            f"There is no file {path}.", "Give the path of a run file; examples are in configs/."
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, ValueError) as error:  # both parsers' errors are ValueErrors
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise UserError(f"{path} is not valid {kind}: {error}.") from error
    if not isinstance(table, dict):
        raise UserError(f"{path} holds {type(table).__name__}, not a JSON object of settings.")
    return table


def with_overrides(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `table` with `a.b=value` overrides applied; values are TOML, or else plain text."""
    table = json.loads(json.dumps(table, default=str))
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path:
            raise UserError(
                f"The override '{override}' is not of the form key=value.", "Example: grpo.beta=0.01"
            )
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        _assign(table, path.split("."), value, override)
    return table


def _assign(node: Any, keys: list[str], value: Any, override: str) -> None:
    *parents, last = keys
    for key in parents:
        place = _place(node, key, override)
        if isinstance(node, dict):
            node.setdefault(place, {})
        node = node[place]
        if not isinstance(node, dict | list):
            raise UserError(f"The override '{override}' goes below '{key}', which is a value, not a table.")
    node[_place(node, last, override)] = value


def _place(node: dict[str, Any] | list[Any], key: str, override: str) -> Any:
    """Return `key` for a table, and the index that it means for a list."""
    if isinstance(node, dict):
        return key
    if key.isdecimal() and int(key) < len(node):
        return int(key)
    raise UserError(
        f"The override '{override}' names entry '{key}' of a list of {len(node)}.", "The first entry is 0."
    )


def validated(kind: type[Table], data: Any, where: str) -> Table:
    """Validate `data` as `kind`; a `UserError` lists every mistake with its place."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        mistakes = error.errors()
        # pydantic leaves a faulty entry out of its list and then also finds the list too short.
        inside = {mistake["loc"][:depth] for mistake in mistakes for depth in range(len(mistake["loc"]))}
        lines = [_line(m) for m in mistakes if m["type"] != "too_short" or m["loc"] not in inside]
        raise UserError(f"{where} cannot be used:\n" + "\n".join(lines)) from None


def _line(mistake: ErrorDetails) -> str:
    """Return "place: what is wrong (got value)", in the words of TOML rather than of Python."""
    place = ".".join(str(part) for part in mistake["loc"]) or "the file"
    value = mistake["input"]
    is_table = isinstance(value, dict)
    match mistake["type"]:
        case "missing":
            return f"  {place}: is missing"
        case "tuple_type":
            message = "should be a list" + f": write [[{place}]], not [{place}]" * is_table
        case "too_short":
            message = "needs at least one entry"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = "should be a table"
        case _:
            message = mistake["msg"].removeprefix("Value error, ")
    return f"  {place}: {message}" + ("" if isinstance(value, dict | list | tuple) else f" (got {value!r})")
