"""`rlif plan`: what it prints, what it advises, what it refuses; and the model presets it plans."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rlif.cli.plan import plan as command
from rlif.config import RunConfig, load_run_config
from rlif.errors import UserError
from rlif.study.budget import Place
from rlif.study.config import load_study
from rlif.study.hardware import GPUS
from rlif.study.lengths import assumed_lengths
from rlif.study.run_plan import RunPlan, plan_run
from rlif.study.setting import Sharding

ROOT = Path(__file__).parents[1]
PRESETS = sorted((ROOT / "configs/models").glob("*.toml"))


def config_of(**settings: Any) -> RunConfig:
    grpo = {"prompts_per_step": 8, "num_generations": 8, "max_completion_length": 4096, "bf16": True}
    return RunConfig.model_validate(
        {
            "model": "Qwen/Qwen2.5-Coder-7B-Instruct",
            "dtype": "bfloat16",
            "stages": [{"steps": 10, "reward": "random"}],
            "grpo": {**grpo, **settings},
        }
    )


def planned(place: Place, **settings: Any) -> RunPlan:
    return plan_run(config_of(**settings), place, assumed_lengths)


class TestAdvice:
    def test_what_does_not_fit_is_told_what_would(self):
        found = planned(Place(GPUS["h100"], 8, Sharding.ZERO2), gradient_checkpointing=True)
        whole = planned(Place(GPUS["h100"]))
        assert found.fits
        assert not whole.fits
        advice = {change.what: change for change in whole.changes}
        checkpointing = advice["grpo.gradient_checkpointing = true"]
        # It is the same as planning with that setting.
        again = planned(Place(GPUS["h100"]), gradient_checkpointing=True)
        assert checkpointing.memory == again.memory.total
        assert checkpointing.fits == again.fits

    def test_the_advised_batch_fits_and_no_larger_one_does(self):
        place = Place(GPUS["h100"], 8, Sharding.ZERO2)
        found = planned(place, per_device_train_batch_size=1, gradient_checkpointing=True)
        batch = int(found.changes[0].what.rpartition("= ")[2])
        assert batch > 1
        assert planned(place, per_device_train_batch_size=batch, gradient_checkpointing=True).fits
        if batch < 8:
            assert not planned(place, per_device_train_batch_size=2 * batch, gradient_checkpointing=True).fits

    def test_advice_only_names_what_saves(self):
        found = planned(Place(GPUS["rtx4090"]))
        assert all(change.memory < found.memory.total for change in found.changes)
        assert any(change.fits for change in found.changes) or not found.fits


class TestRefusals:
    def test_a_model_of_unknown_shape(self):
        config = config_of().model_copy(update={"model": "nobody/nothing-1b"})
        with pytest.raises(UserError, match=r"hf download nobody/nothing-1b config\.json"):
            plan_run(config, Place(GPUS["h100"]), assumed_lengths)

    def test_more_gpus_than_can_share(self):
        with pytest.raises(UserError, match="64 completions a step cannot be shared by 7 processes"):
            planned(Place(GPUS["h100"], 7))

    def test_gpus_and_cores_at_once(self):
        with pytest.raises(UserError, match="exclude each other"):
            command(PRESETS[0], gpu="h100", cpu=True)

    def test_two_gpus_of_no_kind(self):
        with pytest.raises(UserError, match="Say which"):
            command(PRESETS[0], num_gpus=2)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_command_in_a_preset_plans_a_run_that_fits(path: Path):
    text = re.sub(r"\\\n#\s+", "", path.read_text())
    commands = re.findall(r"^#   rlif plan \S+(.*)$", text, re.MULTILINE)
    assert commands
    for line in commands:
        words = line.split()
        overrides = [word for word in words if "=" in word]
        options = dict(zip(words[len(overrides) :: 2], words[len(overrides) + 1 :: 2], strict=True))
        place = Place(
            GPUS[options["--gpu"]],
            int(options.get("--num-gpus", 1)),
            Sharding(options.get("--sharding", "ddp")),
        )
        found = plan_run(load_run_config(path, overrides), place, assumed_lengths)
        assert found.fits, f"{line}: {found.memory.total / 1e9:.0f} GB"


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]):
    command(ROOT / "configs/models/qwen3.toml", gpu="h100", num_gpus=8, sharding=Sharding.ZERO3, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    memory = printed["memory"]
    peak = max(sum(part["amount"] for part in memory[when]) for when in ("sampling", "training"))
    assert memory["total"] == pytest.approx(sum(part["amount"] for part in memory["always"]) + peak)
    assert printed["gpu_hours"] == pytest.approx(8 * printed["seconds"] / 3600)
    assert sum(part["amount"] for part in printed["stages"][0]["parts"]) == pytest.approx(
        printed["step_seconds"]
    )


def test_the_command_prints_tables(capsys: pytest.CaptureFixture[str]):
    command(ROOT / "configs/models/qwen2.5-coder.toml", gpu="h100")
    printed = capsys.readouterr().out
    for words in (
        "KV cache" if "vLLM" not in printed else "vLLM",
        "activations",
        "forward and backward",
        "it fits",
    ):
        assert words in printed


def test_the_gpu_study_keeps_its_shape_at_other_lengths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = pytest.importorskip("gpu_smollm2")
    path = tmp_path / "study.json"
    path.write_text(json.dumps(script.study(9, 2, ["base.grpo.prompts_per_step=2"])))
    study = load_study(path)
    assert study.seeds == (0, 1)
    steps = {run.id: [stage["steps"] for stage in run.change["stages"]] for run in study.runs}
    assert steps["self_certainty"] == [9]
    assert steps["rlif_rlvr"] == [3, 6]
