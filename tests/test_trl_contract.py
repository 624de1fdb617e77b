"""What `IntrinsicGRPOTrainer` relies on in TRL: a new TRL that breaks one of these breaks us.

The trainer overrides two methods of `GRPOTrainer`. These tests pin their shapes, on a tiny model.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny_models import tiny_llama, tiny_tokenizer
from trl import GRPOConfig, GRPOTrainer

PROMPTS = ["Add one.\n", "Double it.\n", "Print hello.\n", "Return x.\n"]


def config(directory: Path, **settings: Any) -> GRPOConfig:
    """A one-step GRPO run on the CPU: two prompts, four completions each."""
    defaults: dict[str, Any] = {
        "output_dir": str(directory),
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 1,
        "learning_rate": 1e-3,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
    }
    return GRPOConfig(**(defaults | settings))


class Spy(GRPOTrainer):
    """Keeps what passes through the two methods we override."""

    generated: Any = None
    prompt_texts: Any = None

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.prompt_texts = args[0]
        self.generated = super()._generate(*args, **kwargs)
        return self.generated


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spy, list[dict[str, Any]]]:
    tokenizer = tiny_tokenizer(chat=False)
    calls: list[dict[str, Any]] = []

    def reward(**columns: Any) -> list[float]:
        calls.append(columns)
        return [float(len(ids)) for ids in columns["completion_ids"]]

    trainer = Spy(
        model=tiny_llama(tokenizer),
        reward_funcs=reward,
        args=config(tmp_path_factory.mktemp("grpo")),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS, "problem_id": ["a", "b", "c", "d"]}),
        processing_class=tokenizer,
    )
    trainer.train()
    return trainer, calls


def test_calculate_rewards_has_the_signature_we_override() -> None:
    parameters = inspect.signature(GRPOTrainer._calculate_rewards).parameters

    assert list(parameters) == ["self", "inputs", "prompts", "completions", "completion_ids_list"]


def test_generate_returns_the_prompt_ids_first(trained: tuple[Spy, Any]) -> None:
    trainer, _ = trained
    tokenizer = tiny_tokenizer(chat=False)

    expected = [tokenizer(text)["input_ids"] for text in trainer.prompt_texts]

    assert [list(ids) for ids in trainer.generated[0]] == expected


def test_completion_ids_end_with_eos_or_at_the_limit(trained: tuple[Spy, Any]) -> None:
    _, calls = trained
    eos = tiny_tokenizer().eos_token_id

    for ids in calls[0]["completion_ids"]:
        assert eos not in ids[:-1]
        assert ids[-1] == eos or len(ids) == 8


def test_reward_functions_get_these_keywords_and_every_column(trained: tuple[Spy, Any]) -> None:
    _, calls = trained

    known = {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric"}

    assert set(calls[0]) == known | {"problem_id"}


def test_groups_are_contiguous_copies_of_a_prompt(trained: tuple[Spy, Any]) -> None:
    _, calls = trained
    ids = calls[0]["problem_id"]

    assert len(ids) == 8
    assert ids[:4] == [ids[0]] * 4
    assert ids[4:] == [ids[4]] * 4
    assert ids[0] != ids[4]
