"""The shipped ZeRO files are what DeepSpeed reads, and two processes (gloo) in ZeRO make the steps of one.

Training needs DeepSpeed; on CPUs nothing of it has to be compiled:
pip install hjson ninja py-cpuinfo einops
DS_BUILD_OPS=0 pip install --no-build-isolation --no-deps deepspeed
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from distributed_script_start import launch
from safetensors.numpy import load_file

CONFIGS = Path(__file__).parents[1] / "configs" / "accelerate"
PARITY = Path(__file__).with_name("distributed_script_parity.py")
SCRIPT = Path(__file__).with_name("distributed_script_deepspeed.py")
REWARDS = ("self_certainty", "functional_majority")

needs_deepspeed = pytest.mark.skipif(find_spec("deepspeed") is None, reason="DeepSpeed is not installed")


@pytest.mark.parametrize("stage", [2, 3])
def test_accelerate_reads_the_shipped_file(stage: int) -> None:
    config: Any = load_config_from_file(str(CONFIGS / f"zero{stage}.yaml"))  # refuses keys it does not know

    assert config.distributed_type == DistributedType.DEEPSPEED
    assert config.deepspeed_config["zero_stage"] == stage


@needs_deepspeed
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_accepts_what_accelerate_makes_of_the_shipped_file(stage: int) -> None:
    from accelerate.utils import DeepSpeedPlugin
    from deepspeed.runtime.config import DeepSpeedConfig

    table = yaml.safe_load((CONFIGS / f"zero{stage}.yaml").read_text())["deepspeed_config"]
    plugin = DeepSpeedPlugin(
        zero_stage=table["zero_stage"],
        zero3_init_flag=table["zero3_init_flag"],
        zero3_save_16bit_model=table.get("zero3_save_16bit_model"),
        offload_optimizer_device=table["offload_optimizer_device"],
        offload_param_device=table["offload_param_device"],
    )
    plugin.deepspeed_config |= {"train_micro_batch_size_per_gpu": 4, "gradient_accumulation_steps": 1}
    plugin.deepspeed_config["train_batch_size"] = 4  # of one process
    read = DeepSpeedConfig(plugin.deepspeed_config)

    assert read.zero_optimization_stage == stage
    assert read.zero_config.offload_optimizer is None or read.zero_config.offload_optimizer.device == "none"
    if stage == 3:
        assert (
            read.zero_config.gather_16bit_weights_on_model_save
        )  # a checkpoint that the next stage begins with


class Trained:
    """Directories with what the scripts wrote, made when first asked for: "one" process, "zero2", "zero3"."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self.factory, self.directories = factory, dict[str, Path]()

    def __getitem__(self, kind: str) -> Path:
        if kind not in self.directories:
            directory = self.directories[kind] = self.factory.mktemp(kind)
            if kind == "one":
                arguments = [str(PARITY), str(directory), kind]
            else:
                launcher = [
                    "-m",
                    "accelerate.commands.launch",
                    "--config_file",
                    str(CONFIGS / f"{kind}.yaml"),
                ]
                script = [str(SCRIPT), "parity", str(directory), *REWARDS]
                arguments = [*launcher, "--num_processes", "2", *script]
            launch(1, arguments, directory / "log")
        return self.directories[kind]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory)


@needs_deepspeed
@pytest.mark.slow
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("kind", ["zero2", "zero3"])
def test_two_processes_in_zero_make_the_steps_of_one(trained: Trained, kind: str, reward: str) -> None:
    """Within the tolerances of test_distributed_parity.py, weights included."""
    alone = json.loads((trained["one"] / f"{reward}.json").read_text())["steps"]
    together = json.loads((trained[kind] / f"{reward}.json").read_text())["steps"]

    assert (trained[kind] / "stage").read_text() == kind[-1]
    assert len(alone) == len(together) == 4
    for one, two in zip(alone, together, strict=True):
        assert two["problems"] == one["problems"]
        np.testing.assert_allclose(two["rewards"], one["rewards"], rtol=1e-5)
        np.testing.assert_allclose(two["entropy"], one["entropy"], rtol=1e-5)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4, abs=1e-5)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    weights_alone = load_file(trained["one"] / f"{reward}.safetensors")
    weights = load_file(trained[kind] / f"{reward}.safetensors")
    assert set(weights) == set(weights_alone)
    for name, expected in weights_alone.items():
        np.testing.assert_allclose(weights[name], expected, atol=1e-5, err_msg=name)
