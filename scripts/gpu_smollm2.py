"""The study of scripts/gpu_smollm2.sh: studies/smollm2-gpu.toml with other steps and seeds.

    python scripts/gpu_smollm2.py STEPS SEEDS OUT.json [a.b=c …]

Overrides are of the study file, such as `base.grpo.prompts_per_step=1`. Of a run in two stages the first
keeps its share of the steps. Where there is no GPU, the runs are placed on cores.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from rlif.config import read_table, with_overrides

STUDY = Path(__file__).parents[1] / "studies" / "smollm2-gpu.toml"


def study(steps: int, seeds: int, overrides: list[str]) -> dict[str, Any]:
    """Return the study file's content with every run `steps` long."""
    table = with_overrides(read_table(STUDY), overrides)
    table["seeds"] = seeds
    for run in table["runs"]:
        stages = run["change"]["stages"]
        whole = sum(stage["steps"] for stage in stages)
        for stage in stages[:-1]:
            stage["steps"] = max(1, round(steps * stage["steps"] / whole))
        stages[-1]["steps"] = steps - sum(stage["steps"] for stage in stages[:-1])
    if not torch.cuda.is_available():
        table["resources"]["num_gpus"] = 0
        table["base"]["grpo"]["bf16"] = False
    return table


def main() -> None:
    """Write the study file that the arguments ask for."""
    steps, seeds, out, *overrides = sys.argv[1:]
    if int(steps) < 2:
        raise SystemExit(f"STEPS must be at least 2, one for each stage of RLIF → RLVR; got {steps}.")
    Path(out).write_text(json.dumps(study(int(steps), int(seeds), overrides), indent=2))


if __name__ == "__main__":
    main()
