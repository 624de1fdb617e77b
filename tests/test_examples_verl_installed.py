"""The worked example for verl against an installed verl: the hooks exist, are called so, take the answers.

Written for verl 0.9.1; no GPU, no Ray: its worker processes and its data store are stood in for.
"""

import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("verl", minversion="0.9", reason="needs verl 0.9 and what it imports")
pytest.importorskip("transfer_queue")
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import verl_engine
import verl_sandbox
import verl_trainer
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl import DataProto
from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.trainer.ppo.reward import get_custom_reward_fn
from verl.trainer.ppo.v1 import PPOTrainerSync, get_trainer_cls
from verl.utils import tensordict_utils as tu
from verl.workers.engine.base import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead
from verl.workers.reward_manager.batch import BatchRewardManager
from verl_reward import compute_scores

from rlif.problems import load
from rlif.rewards import parse_reward
from rlif.token_stats import token_stats_reference

EXAMPLES = Path(__file__).parents[1] / "examples"
PROBLEM = load.load_problems("minicode", "train")[0]
ROW = {"data_source": "minicode", "extra_info": {"problem_id": PROBLEM.id, "split": "train"}}
EOS = 2
WORDS = {3: "```python\ndef", 4: f" {PROBLEM.entry_point}(*a): return 1\n```", 5: "thinking ", EOS: "<eos>"}
RIGHT, WRONG = f"```python\n{PROBLEM.solution}\n```", "```python\nprint(0)\n```"


class Tokenizer:
    """Knows the words above."""

    eos_token_id = EOS

    def decode(self, ids: Any, skip_special_tokens: bool = False, **options: Any) -> str:
        ids = [int(i) for i in ids]
        return "".join(WORDS.get(i, "") for i in ids if not (skip_special_tokens and i == EOS))


@pytest.fixture(scope="module", autouse=True)
def weaker_sandbox() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLIF_ISOLATION", "process")
        verl_sandbox._make.cache_clear()
        yield
        verl_sandbox._make.cache_clear()


pytestmark = pytest.mark.filterwarnings("ignore")


def answers(*texts: str) -> DataProto:
    """A batch of answers, each a single token that reads as its text."""
    WORDS.update({10 + i: text for i, text in enumerate(texts)})
    ids = torch.arange(10, 10 + len(texts))[:, None]
    tensors = {
        "prompts": ids,
        "responses": ids,
        "attention_mask": torch.ones(len(texts), 2, dtype=torch.long),
    }
    rows = {"reward_model": {"ground_truth": ""}, **ROW}
    lists = {name: np.array([value] * len(texts), dtype=object) for name, value in rows.items()}
    return DataProto(batch=TensorDict(tensors, batch_size=len(texts)), non_tensor_batch=lists)


def test_the_reward_loop_takes_compute_score() -> None:
    chosen = {"path": str(EXAMPLES / "verl_reward.py"), "name": "compute_score"}
    config = SimpleNamespace(reward={"custom_reward_function": chosen})
    function = get_custom_reward_fn(config)

    async def score(text: str) -> dict[str, Any]:
        manager = get_reward_manager_cls("naive")(config, Tokenizer(), function)
        return await manager.run_single(answers(text))

    assert asyncio.run(score(RIGHT))["reward_score"] == 1.0
    assert asyncio.run(score(WRONG))["reward_score"] == 0.0


def test_the_batch_manager_takes_compute_scores() -> None:
    manager = BatchRewardManager(Tokenizer(), num_examine=0, compute_score=compute_scores)
    # Two that agree on every input, and one that fails: 1/2, 0, 1/2.
    assert manager(answers(RIGHT, WRONG, RIGHT)).flatten().tolist() == [0.5, 0.0, 0.5]


def test_the_batch_manager_cannot_be_configured() -> None:
    """Why docs/verl.md says that a consensus needs the trainer. Should this fail, the manager could do."""
    with pytest.raises(ValueError, match="Unknown reward manager: batch"):
        get_reward_manager_cls("batch")


@pytest.mark.slow
def test_verl_takes_the_configuration_of_the_docs() -> None:
    hydra = pytest.importorskip("hydra")
    words = (EXAMPLES.parent / "docs" / "verl.md").read_text().replace("python3 -m", "").replace("'", "")
    lines = re.findall(r"^ +((?:data|reward|trainer)\..*?)(?: \\)?$", words, re.MULTILINE)
    variables = "+ray_kwargs.ray_init.runtime_env.env_vars.NAME=VALUE"
    assert variables in words
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        made = [
            hydra.compose("ppo_trainer", overrides=[*re.split(r" (?=\S+=)", line), variables])
            for line in lines
        ]
    assert made[1].reward.custom_reward_function.path == "examples/verl_reward.py"
    chosen = [one.rlif.reward for one in made if one.trainer.v1.trainer_mode == "rlif"]
    assert [parse_reward(reward).type for reward in chosen] == [
        "functional_majority",
        "trajectory_logprob",
        "self_certainty",
    ]


def test_an_advantage_estimator_does_not_see_token_statistics() -> None:
    """Why the example is a trainer. Should this fail, an estimator could do."""
    seen = {}

    def estimator(**given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        seen.update(given)
        return given["token_level_rewards"], given["token_level_rewards"]

    core_algos.register_adv_est("rlif_probe")(estimator)
    names = ("token_level_rewards", "response_mask", "old_log_probs", "entropys", "entropy")
    data = DataProto(
        batch=TensorDict({name: torch.ones(2, 3) for name in names}, batch_size=2),
        non_tensor_batch={"uid": np.array(["a", "a"], dtype=object)},
    )
    compute_advantage(data, adv_estimator="rlif_probe", config=None)
    assert set(seen) == {"token_level_rewards", "response_mask", "config", "index"}


def test_the_trainer_is_found_and_fits_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_trainer_cls("rlif") is verl_trainer.RLIFTrainer
    ours, theirs = verl_trainer.RLIFTrainer._compute_old_log_prob, PPOTrainerSync._compute_old_log_prob
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    order = inspect.getsource(PPOTrainerSync._step_once)
    assert order.index("_compute_old_log_prob") < order.index("_compute_advantage")
    modes = []
    monkeypatch.setattr(PPOTrainerSync, "__init__", lambda self, config: modes.append(config.trainer))
    made = verl_trainer.RLIFTrainer(config("token_entropy"))
    assert made.rlif_reward.type == "token_entropy"
    assert [mode.v1.trainer_mode for mode in modes] == ["sync"]


def config(reward: Any) -> Any:
    rollout = {"temperature": 1.0}
    return verl_trainer.OmegaConf.create(
        {
            "rlif": {"reward": reward},
            "trainer": {"v1": {"trainer_mode": "rlif"}},
            "actor_rollout_ref": {"rollout": rollout},
        }
    )


class Store:
    """What verl's TransferQueue does, for the rows of one batch."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.fields = dict(tu.list_of_dict_to_tensordict(rows).items())
        self.size = len(rows)

    def kv_batch_get(self, keys: list[str], partition_id: str, select_fields: list[str]) -> TensorDict:
        assert len(keys) == self.size
        return TensorDict(
            {n: self.fields[n] for n in select_fields if n in self.fields}, batch_size=self.size
        )

    def kv_batch_put(self, keys: list[str], partition_id: str, fields: TensorDict) -> Any:
        self.fields.update(fields.items())
        return KVBatchMeta(keys=keys, tags=[{}] * len(keys), partition_id=partition_id)


def row(uid: str, ids: list[int], logprobs: list[float], entropies: list[float]) -> dict[str, Any]:
    count = len(ids)
    return ROW | {
        "uid": uid,
        "responses": torch.tensor(ids),
        "response_mask": torch.ones(count, dtype=torch.long),
        "old_log_probs": torch.tensor(logprobs),
        "entropy": torch.tensor(entropies),
        "rm_scores": torch.tensor([0.0] * (count - 1) + [1.0]),
        # as the engine puts it out: one token of prompt before, each value at the position before its token
        "self_certainty": torch.tensor([*range(1, count + 1), 99.0]),
    }


ROWS = [
    row("b", [5, EOS], [-1.0, -2.0], [1.0, 2.0]),
    row("a", [3, 4, EOS], [-1.0, -1.0, -4.0], [0.5, 0.5, 2.0]),
    row("b", [5, 5, 5], [-3.0, -3.0, -3.0], [3.0, 3.0, 3.0]),
    row("a", [5, EOS], [-0.5, -0.5], [0.0, 0.5]),
]
PADDING = row("pad0", [EOS], [0.0], [0.0]) | {"response_mask": torch.zeros(1, dtype=torch.long)}


def train_on(
    reward: Any, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[list[float]], dict[str, float]]:
    """The rewards a step would be trained on, and its metrics."""
    store = Store(rows)
    monkeypatch.setattr(verl_trainer, "tq", store)
    monkeypatch.setattr(PPOTrainerSync, "__init__", lambda self, config: setattr(self, "config", config))
    monkeypatch.setattr(PPOTrainerSync, "_compute_old_log_prob", lambda self, batch, metrics: batch)
    trainer = verl_trainer.RLIFTrainer(config(reward))
    trainer.tokenizer, trainer.global_steps, metrics = Tokenizer(), 1, {}
    batch = KVBatchMeta(keys=[str(i) for i in range(len(rows))], tags=[{}] * len(rows), partition_id="train")
    trainer._compute_old_log_prob(batch, metrics)
    return [values.tolist() for values in store.fields["rm_scores"].unbind()], metrics


def test_the_trainer_rewards_the_last_token_of_each_response(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards, metrics = train_on("token_entropy", ROWS, monkeypatch)
    assert rewards == [[0, -1.5], [0, 0, -1], [0, 0, -3], [0, -0.25]]
    assert metrics["rlif/reward"] == pytest.approx((-1.5 - 1 - 3 - 0.25) / 4)
    assert metrics["rlif/replaced"] == 1.0


def test_it_reads_what_the_engine_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards, _ = train_on("self_certainty", ROWS, monkeypatch)  # means of 1, 2 and of 1, 2, 3
    assert [row[-1] for row in rewards] == [1.5, 2.0, 2.0, 1.5]


def test_options_of_a_reward_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"type": "trajectory_logprob", "tokens": "code"}
    rewards, metrics = train_on(chosen, ROWS, monkeypatch)
    # Only the second has a program, and it is all of that answer: −1 − 1 − 4. The others are NaN to rlif:
    # the last one gets its group's mean, the other group has none.
    assert [row[-1] for row in rewards] == [0.0, -6.0, 0.0, -6.0]
    assert metrics["rlif/undefined"] == 3 / 4


def test_a_consensus_needs_no_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    # Group a: one program and one answer without; group b: none at all. Twice the program agrees.
    rows = [*ROWS, row("a", [3, 4, EOS], [-1.0] * 3, [1.0] * 3)]
    rewards, _ = train_on("functional_majority", rows, monkeypatch)
    assert [row[-1] for row in rewards] == [0.0, 0.5, 0.0, 0.0, 0.5]


def test_rows_that_fill_a_batch_up_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards, metrics = train_on("token_entropy", [*ROWS, PADDING], monkeypatch)
    assert rewards[-1] == [0.0]
    assert metrics["rlif/undefined"] == 0.0


def test_verl_turns_the_rewards_into_advantages_by_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    rewards, _ = train_on("token_entropy", ROWS, monkeypatch)
    width = max(map(len, rewards))
    padded = torch.tensor([row + [0.0] * (width - len(row)) for row in rewards])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rewards])
    data = DataProto(
        batch=TensorDict({"token_level_rewards": padded, "response_mask": mask}, batch_size=4),
        non_tensor_batch={"uid": np.array([row["uid"] for row in ROWS], dtype=object)},
    )
    advantages = compute_advantage(data, adv_estimator="grpo", norm_adv_by_std_in_grpo=False).batch[
        "advantages"
    ]
    assert advantages[:, 0].tolist() == [0.75, -0.375, -0.75, 0.375]  # b: −1.5, −3; a: −1, −0.25


def test_the_engine_is_chosen_by_its_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERL_ENGINE_DEVICE", "cuda")
    assert EngineRegistry.get_engine_cls("language_model", "fsdp") is FSDPEngineWithLMHead
    monkeypatch.setenv("VERL_ENGINE_VENDOR", "rlif")
    for backend in ("fsdp", "fsdp2"):
        assert EngineRegistry.get_engine_cls("language_model", backend) is verl_engine.TokenStatsEngine


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_engine_puts_out_statistics_beside_verls_own(temperature: float) -> None:
    lengths, vocabulary = [3, 2], 11
    ids = torch.randint(vocabulary, (sum(lengths),))
    logits = torch.randn(1, len(ids), vocabulary) * 3
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    batch = TensorDict({"input_ids": torch.nested.nested_tensor_from_jagged(ids, offsets)}, batch_size=2)
    tu.assign_non_tensor(batch, calculate_entropy=True)
    engine = object.__new__(verl_engine.TokenStatsEngine)
    engine.use_ulysses_sp = False
    engine.engine_config = SimpleNamespace(
        entropy_checkpointing=False, entropy_from_logits_with_chunking=False
    )
    engine.compute_entropy_from_logits = core_algos.verl_F.entropy_from_logits
    arguments = {
        "input_ids_rmpad_rolled": torch.roll(ids, -1),
        "temperature_rmpad": torch.full((len(ids),), temperature),
        "pad_size": 0,
    }
    expected = token_stats_reference(logits, torch.roll(ids, -1)[None], temperature)
    got = engine.prepare_model_outputs(SimpleNamespace(logits=logits), arguments, batch, None)
    verls = {"log_probs": expected.logprob, "entropy": expected.entropy}
    ours = {name: getattr(expected, name) for name in ("self_certainty", "max_prob", "margin")}
    assert set(got) == set(verls | ours)
    for name, values in (verls | ours).items():
        assert got[name].offsets().tolist() == offsets.tolist()
        torch.testing.assert_close(got[name].values().double(), values[0], rtol=1e-4, atol=1e-5)

    tu.assign_non_tensor(batch, calculate_entropy=False)  # the reference model's pass: nothing more
    assert set(engine.prepare_model_outputs(SimpleNamespace(logits=logits), arguments, batch, None)) == {
        "log_probs"
    }
