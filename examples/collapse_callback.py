"""An ordinary TRL script with a callback that sees the run collapse, stops it and undoes the damage.

    python examples/collapse_callback.py [OUTPUT_DIRECTORY]

The reward pays for short answers, so reasoning goes and correctness with it. About a minute on one CPU core.
"""

import sys

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from rlif.evaluation.models import load_model
from rlif.problems.load import load_problems
from rlif.problems.prompts import build_prompt
from rlif.training import CollapseCallback


def main(output_dir: str = "runs/collapse_callback") -> CollapseCallback:
    model, tokenizer = load_model("minicode-base")
    problems = load_problems("minicode", split="train", limit=128)
    watch = CollapseCallback(action="rollback")
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=lambda completion_ids, **columns: [-float(len(ids)) for ids in completion_ids],
        train_dataset=Dataset.from_list([{"prompt": build_prompt(p, "rlif", chat=True)} for p in problems]),
        args=GRPOConfig(
            output_dir=output_dir,
            max_steps=60,
            learning_rate=3e-4,
            per_device_train_batch_size=32,
            num_generations=8,
            max_completion_length=80,
            logging_steps=1,
            save_steps=2,
            save_total_limit=2,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
        ),
        callbacks=[watch],
    )
    trainer.train()
    print(f"Stopped: {watch.stopped}\nThe model has the weights of {watch.restored}")
    return watch


if __name__ == "__main__":
    main(*sys.argv[1:])
