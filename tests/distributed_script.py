"""Run by test_distributed.py on two processes: one step on an rlif reward; rank 0 writes what it saw."""

import json
import sys
from pathlib import Path

import numpy as np
from accelerate import PartialState
from datasets import Dataset
from test_trl_contract import PROMPTS, config
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.rewards import SelfCertainty
from rlif.training.trainer import IntrinsicGRPOTrainer


def main(out: Path, batch: int, generations: int, steps_per_generation: int) -> None:
    tokenizer = tiny_tokenizer(chat=False)
    try:
        trainer = IntrinsicGRPOTrainer(
            model=tiny_llama(tokenizer),
            reward_funcs=SelfCertainty(),
            args=config(
                out,
                per_device_train_batch_size=batch,
                num_generations=generations,
                steps_per_generation=steps_per_generation,
            ),
            train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
            processing_class=tokenizer,
        )
    except UserError as error:
        (out / f"refused-{PartialState().process_index}").write_text(str(error))
        return
    trainer.train()
    rollouts = trainer.rollouts
    assert rollouts is not None
    if PartialState().is_main_process:
        # The statistics of each gathered completion, against the reward that was gathered for that place.
        stats = [group.token_stats for group in rollouts.groups]
        assert all(s is not None for s in stats)
        means = [
            float(np.asarray(s.self_certainty)[row].sum() / np.asarray(s.mask)[row].sum())
            for s in stats
            if s is not None
            for row in range(generations)
        ]
        seen = {
            "sizes": [group.size for group in rollouts.groups],
            "seeds": [group.seed for group in rollouts.groups],
            "rewards": rollouts.rewards["self_certainty"].tolist(),
            "from_groups": means,
        }
        (out / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:]))
