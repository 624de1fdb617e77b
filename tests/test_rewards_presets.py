"""The authors' presets in configs/presets: each loads, TRL takes it, and it says where it comes from."""

from pathlib import Path

import pytest

from rlif.config import load_run_config
from rlif.training.grpo_args import grpo_config

PRESETS = sorted((Path(__file__).parent.parent / "configs" / "presets").glob("*.toml"))

# preset: paper, reward, learning rate, KL, completions, prompts, temperature, completion tokens, steps.
PUBLISHED = {
    "intuitor-code": ("2505.19590", "self_certainty", 1e-6, 0.01, 14, 64, 0.9, 2048, 50),
    "intuitor-math": ("2505.19590", "self_certainty", 3e-6, 0.005, 7, 128, 0.9, 3072, 58),
    "urlvr": ("2603.08660", "token_entropy", 1e-6, 0, 8, 64, 1.0, 7168, 271),
    "rent": ("2505.22660", "token_entropy", 1e-6, 0.001, 5, 30, 1.0, 3072, 150),
    "ttrl": ("2504.16084", "majority_vote", 5e-7, 0.001, 32, 8, 1.0, 3072, 240),
    "empo": ("2504.05812", "semantic_entropy", 5e-7, 0, 16, 256, 1.0, 3072, 78),
    "co-rewarding": ("2508.00410", "co_rewarding", 3e-6, 0.005, 8, 128, 1.0, 3072, 174),
    "rlsc": ("2506.06395", "rlsc", 1e-5, 0, 16, 30, 0.5, 3072, 20),
    "cluster-certainty": ("2605.22620", "cluster_certainty", 3e-6, 0.005, 7, 126, 1.0, 3072, 340),
}


def test_every_preset_is_checked():
    assert {path.stem for path in PRESETS} == set(PUBLISHED)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_has_the_published_numbers(path):
    config = load_run_config(path)
    (stage,) = config.stages
    (reward,) = stage.reward
    grpo = config.stage_grpo(0)
    paper, *published = PUBLISHED[path.stem]
    assert [
        reward.type,
        grpo.learning_rate,
        grpo.beta,
        grpo.num_generations,
        grpo.prompts_per_step,
        grpo.temperature,
        grpo.max_completion_length,
        stage.steps,
    ] == published
    assert f"arXiv {paper}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_trl_takes_a_preset_as_it_stands(path, tmp_path):
    config = load_run_config(path, ["grpo.bf16=false"])  # a CPU may not have it
    arguments = grpo_config(config, 0, tmp_path, processes=1)
    table = config.stage_grpo(0)
    assert arguments.max_steps == config.stages[0].steps
    assert (arguments.beta, arguments.temperature) == (table.beta, table.temperature)
    assert arguments.generation_batch_size == table.completions_per_step
