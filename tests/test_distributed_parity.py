"""The same steps on one process and on two (gloo), in DDP and in FSDP2: the same rewards, losses and weights.

Both split the step's 8 completions, two whole groups of 4, over the processes. What they may differ in is the
order of float32 sums: 1e-5 relative on rewards, 1e-4 on losses and gradients (1e-5 absolute on losses, which
are 0 on policy: advantages add up to 0), 1e-5 absolute on weights.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed_script_start import launch
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

REWARDS = ("self_certainty", "functional_majority", "companions")
SCRIPT = str(Path(__file__).with_name("distributed_script_parity.py"))


KINDS = ["ddp", "fsdp2"]


class Trained:
    """Directories with what the script wrote, each made when it is first asked for: "one", "ddp", "fsdp2"."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self.factory, self.directories = factory, dict[str, Path]()

    def __getitem__(self, kind: str) -> Path:
        if kind not in self.directories:
            directory = self.directories[kind] = self.factory.mktemp(kind)
            launch(1 if kind == "one" else 2, [SCRIPT, str(directory), kind], directory / "log")
        return self.directories[kind]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory)


def seen(directory: Path, reward: str) -> dict[str, Any]:
    return json.loads((directory / f"{reward}.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reward", REWARDS)
def test_two_processes_make_the_steps_of_one(trained: Trained, kind: str, reward: str) -> None:
    alone, together = seen(trained["one"], reward)["steps"], seen(trained[kind], reward)["steps"]

    assert len(alone) == len(together) == 4
    for one, two in zip(alone, together, strict=True):
        assert two["problems"] == one["problems"]
        assert two["seeds"] == one["seeds"]
        np.testing.assert_allclose(two["rewards"], one["rewards"], rtol=1e-5)
        np.testing.assert_allclose(two["entropy"], one["entropy"], rtol=1e-5)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4, abs=1e-5)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reward", REWARDS)
def test_the_weights_after_the_steps_are_the_same(trained: Trained, kind: str, reward: str) -> None:
    alone = load_file(trained["one"] / f"{reward}.safetensors")
    together = load_file(trained[kind] / f"{reward}.safetensors")

    assert set(alone) == set(together)
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-5, err_msg=name)


def test_the_steps_are_worth_comparing(trained: Trained) -> None:
    for reward in REWARDS:
        steps = seen(trained["one"], reward)["steps"]
        assert all(step["grad_norm"] > 1e-2 for step in steps)
        assert all(np.ptp(step["rewards"]) > 0 for step in steps)
        assert abs(steps[1]["loss"]) > 1e-3  # the second pass over the same completions


def test_fsdp2_did_shard(trained: Trained) -> None:
    assert seen(trained["one"], "self_certainty")["head"] == "Linear"
    assert seen(trained["fsdp2"], "self_certainty")["head"] == "FSDPLinear"
