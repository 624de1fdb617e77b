"""Memory and seconds of a run, part by part, against sums done by hand."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.config import RunConfig
from rlif.study.budget import Place, budget_of, evaluation_seconds, settings_of
from rlif.study.hardware import GPUS, Device
from rlif.study.lengths import Lengths, assumed_lengths, expected_longest
from rlif.study.memory import CPU_RUNTIME, layer_activation_bytes, memory_of
from rlif.study.setting import Setting, Sharding, sharding_of
from rlif.study.shapes import ModelShape
from rlif.study.timing import VLLM_STEP_S, decoding_s, forward_flops, step_seconds

# h 8, i 16, 2 layers, 2 heads of 4, 1 key head, 100 tokens:
# a layer 8·(2·8 + 2·4 + 3·16) + 2·8 = 592, N = 2·592 + 8 + 800 = 1992, multiplied with 2·592 + 800 = 1984.
TINY = ModelShape(8, 16, 2, 2, 1, 4, 100)
N, ACTIVE = 1992, 1984
CORE = Device("a core", 1e9, 1e6, 1e5, 0.01, 0.002, 0.001, 0.0005, is_gpu=False)
GPU = Device("gpu", 1e6, 1e6, 1e5, 0.01, 0.002)
LENGTHS = Lengths(10, 20, 30, 60, "given")  # a padded row has 80 tokens


def setting_of(device: Device = CORE, place: dict[str, Any] | None = None, **settings: Any) -> Setting:
    """Four steps of 2 x 4 completions in batches of 2; one stage."""
    grpo = {"prompts_per_step": 2, "num_generations": 4, "per_device_train_batch_size": 2}
    config = RunConfig.model_validate(
        {
            "stages": [{"steps": 4, "reward": settings.pop("reward", "random")}],
            "problems": {"name": "minicode", "limit": 8},
            "evaluation": {
                "every": 2,
                "samples": 1,
                "greedy": False,
                "batch_size": 4,
                "problems": {"limit": 6},
            },
            "dtype": settings.pop("dtype", "float32"),
            "grpo": {**grpo, **settings},
        }
    )
    return Setting(config, 0, TINY, LENGTHS, device, **(place or {}))


def parts(found: Any) -> dict[str, float]:
    return {part.name: part.amount for part in found}


class TestMemory:
    def test_of_full_training_in_float32(self):
        memory = memory_of(setting_of())
        assert parts(memory.always) == {"runtime": CPU_RUNTIME, "weights": 4 * N, "optimiser": 8 * N}
        # 8 rows of 80 tokens; 2 (K, V) · 2 layers · 4 wide · 4 bytes
        assert parts(memory.sampling) == {"KV cache": 8 * 80 * 64, "logits of a step": 4 * 4 * 8 * 100}
        assert parts(memory.training)["gradients"] == 4 * N

    def test_a_layer_keeps_these_numbers_of_a_token(self):
        # two norms: input, normalised, output; rotated q, k and v for both heads, output twice; four times i
        floats = 2 * (8 + 8 + 8) + 5 * 8 + 4 * 16
        assert layer_activation_bytes(setting_of()) == 4 * floats
        # In bfloat16 the norms still work in float32.
        assert layer_activation_bytes(setting_of(bf16=True)) == 2 * (4 * 8 + 4 * 8 + 2 * 8) + 2 * (40 + 64)

    def test_checkpointing_keeps_the_inputs_of_the_layers_and_one_layer(self):
        whole = parts(memory_of(setting_of()).training)["activations"]
        kept = parts(memory_of(setting_of(gradient_checkpointing=True)).training)["activations"]
        one = layer_activation_bytes(setting_of())
        assert whole == 2 * 80 * 2 * one
        assert kept == 2 * 80 * (2 * 4 * 8 + one)

    def test_the_larger_of_sampling_and_training_counts(self):
        memory = memory_of(setting_of())
        added = max(sum(parts(memory.sampling).values()), sum(parts(memory.training).values()))
        assert memory.total == sum(parts(memory.always).values()) + added

    @pytest.mark.parametrize(
        ("sharding", "weights", "gradients", "optimiser"),
        [
            (Sharding.DDP, 2 * N, 2 * N, 4 * N),
            (Sharding.ZERO2, 2 * N, 2 * N / 4, 12 * N / 4),
            (Sharding.ZERO3, 2 * N / 4, 2 * N / 4, 12 * N / 4),
            (Sharding.FSDP2, 4 * N / 4, 4 * N / 4, 8 * N / 4),
        ],
    )
    def test_sharding(self, sharding: Sharding, weights: float, gradients: float, optimiser: float):
        place = {"processes": 4, "sharding": sharding}
        memory = memory_of(setting_of(GPU, place, dtype="bfloat16"))
        gathered = 2 * (2 * 592 + 800) if sharding in (Sharding.ZERO3, Sharding.FSDP2) else 0
        assert parts(memory.always)["weights"] == weights + gathered
        assert parts(memory.always)["optimiser"] == optimiser
        assert parts(memory.training)["gradients"] == gradients

    def test_lora_trains_little_and_needs_no_reference(self):
        trained = TINY.lora_parameters(2)
        memory = memory_of(setting_of(GPU, {"lora_rank": 2}, beta=0.1, dtype="bfloat16"))
        assert parts(memory.always)["optimiser"] == 8 * trained
        assert parts(memory.training)["gradients"] == 4 * trained
        assert "reference model" not in parts(memory.always)

    def test_8_bit_optimiser(self):
        memory = memory_of(setting_of(extra={"optim": "adamw_8bit"}))
        assert parts(memory.always)["optimiser"] == 2 * N

    def test_other_models(self):
        memory = memory_of(setting_of(beta=0.1, reward={"type": "self_certainty", "scorer": "initial"}))
        assert parts(memory.always)["reference model"] == 4 * N
        assert parts(memory.always)["companions"] == 4 * N

    def test_vllm_takes_its_share_and_samples(self):
        memory = memory_of(setting_of(GPU, extra={"use_vllm": True, "vllm_gpu_memory_utilization": 0.4}))
        assert parts(memory.always)["vLLM"] == 0.4 * GPU.memory
        assert memory.sampling == ()
        server = memory_of(setting_of(GPU, extra={"use_vllm": True, "vllm_mode": "server"}))
        assert "vLLM" not in parts(server.always)

    @given(batch=st.sampled_from([1, 2, 4, 8]), more=st.sampled_from([2, 4, 8]))
    def test_a_larger_batch_never_needs_less(self, batch: int, more: int):
        sizes = sorted((batch, more))
        small, large = (memory_of(setting_of(per_device_train_batch_size=size)).total for size in sizes)
        assert small <= large


class TestSeconds:
    def test_a_forward_pass(self):
        # 2 a multiplied parameter; attention 4 · 2 layers · 8 wide · 80 tokens
        assert forward_flops(setting_of(), 80) == 2 * ACTIVE + 4 * 2 * 8 * 80

    def test_decoding_is_bound_by_its_floor_or_by_memory(self):
        prompts = 8 * 20 * forward_flops(setting_of(GPU), 20) / 1e6
        # bytes: weights, and 8 rows of 10 + 30 tokens of 64 bytes
        read = (4 * ACTIVE + 8 * 40 * 64) / 1e5
        assert decoding_s(setting_of(GPU), 8, vllm=False) == pytest.approx(prompts + 60 * read)
        fast = replace(GPU, bandwidth=1e12)
        floor = 0.01 + 2 * 0.002
        assert decoding_s(setting_of(fast), 8, vllm=False) == pytest.approx(prompts + 60 * floor)
        assert decoding_s(setting_of(fast), 8, vllm=True) == pytest.approx(prompts + 60 * VLLM_STEP_S)

    def test_on_a_core_every_row_adds_to_the_floor(self):
        assert CORE.decoding_floor(2, 8) == pytest.approx(0.01 + 8 * 0.001 + 2 * (0.002 + 8 * 0.0005))

    @pytest.mark.parametrize(
        ("passes", "settings", "place"),
        [
            (3, {}, {}),
            (4, {"beta": 0.1}, {}),
            (4, {"gradient_checkpointing": True}, {}),
            (4, {"extra": {"use_vllm": True}}, {}),
            (2, {}, {"lora_rank": 2}),
        ],
    )
    def test_training_costs_so_many_forward_passes(
        self, passes: int, settings: dict[str, Any], place: dict[str, Any]
    ):
        setting = setting_of(GPU, place, **settings)
        tokens = 8 * 80
        expected = (passes * forward_flops(setting, 80) + 2 * 800) * tokens / 1e6
        assert parts(step_seconds(setting))["forward and backward"] == pytest.approx(expected)

    def test_processes_share_the_completions(self):
        alone, four = (step_seconds(setting_of(GPU, {"processes": count})) for count in (1, 4))
        for part in ("forward and backward", "programs"):
            assert parts(four)[part] == pytest.approx(parts(alone)[part] / 4)

    def test_steps_on_the_same_completions_share_their_drawing(self):
        once, twice = (parts(step_seconds(setting_of(num_iterations=count))) for count in (1, 2))
        assert twice["sampling"] == pytest.approx(once["sampling"] / 2)
        assert twice["programs"] == pytest.approx(once["programs"] / 2)

    def test_the_whole_run(self):
        setting = setting_of()
        step = sum(parts(step_seconds(setting)).values())
        # evaluated at 0, 2 and 4: 6 problems, one sample, batches of 4
        one = 6 / 4 * decoding_s(setting, 4, vllm=False) + 6 * 0.005
        assert evaluation_seconds(setting) == pytest.approx(one)
        budget = budget_of([setting])
        assert budget.seconds == pytest.approx(15 + 4 * step + 3 * one)
        assert budget.tokens == (4 * 8 + 3 * 6) * 30


class TestLengths:
    def test_expected_longest(self):
        # Two draws from {1, 3}: 1 with probability 1/4, else 3.
        assert expected_longest([3, 1], 2) == pytest.approx(0.25 * 1 + 0.75 * 3)
        assert expected_longest([5], 9) == 5

    @given(st.lists(st.integers(1, 999), min_size=1), st.integers(1, 50))
    def test_expected_longest_lies_between_mean_and_maximum(self, counts: list[int], drawn: int):
        mean = sum(counts) / len(counts)
        assert mean - 1e-6 <= expected_longest(counts, drawn) <= max(counts) + 1e-6

    def test_what_is_assumed_of_completions(self):
        config = setting_of(max_completion_length=100).config
        assert (assumed_lengths(config).completion, assumed_lengths(config).longest) == (50, 100)
        known = assumed_lengths(config, completion=30)
        assert (known.completion, known.longest) == (30, 60)
        assert assumed_lengths(config, completion=80).longest == 100


@pytest.mark.parametrize(
    ("arguments", "sharding"),
    [
        ((), Sharding.DDP),
        (("--config_file", "configs/accelerate/ddp.yaml"), Sharding.DDP),
        (("--use_fsdp",), Sharding.FSDP2),
        (("--config_file", "configs/accelerate/zero3.yaml"), Sharding.ZERO3),
        (("--use_deepspeed", "--zero_stage", "3"), Sharding.ZERO3),
        (("--use_deepspeed", "--zero_stage", "2"), Sharding.ZERO2),
    ],
)
def test_sharding_is_read_from_what_accelerate_is_given(arguments: tuple[str, ...], sharding: Sharding):
    assert sharding_of(arguments) is sharding


def test_vllm_samples_as_fast_as_it_is_known_to():
    config = setting_of(extra={"use_vllm": True}).config
    grpo = {"prompts_per_step": 64, "num_generations": 16, "max_completion_length": 4096}
    dumped = {**config.model_dump(), "model": "Qwen/Qwen2.5-Coder-7B-Instruct", "dtype": "bfloat16"}
    config = RunConfig.model_validate({**dumped, "grpo": {**dumped["grpo"], **grpo}})
    from rlif.study.shapes import MODELS

    settings = settings_of(config, MODELS[config.model], Place(GPUS["h100"], 8), assumed_lengths)
    assert 1e3 < budget_of(settings).generation_rate < 1e4
