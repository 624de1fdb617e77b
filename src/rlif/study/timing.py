"""Seconds of one training step and of one evaluation, part by part.

    forward pass    F = 2·A + 4·L·q·S FLOPs a token; A parameters to multiply with, S tokens attention sees
    training        3·F a token (2·F with LoRA: frozen weights need no gradient), and F for each further
                    pass: recomputation, reference policy, old log-probabilities beside vLLM
    a decoding step max(floor of the device, (weights + KV cache) / bandwidth)

Rows are padded: a batch costs what it would cost if every row were as long as the longest.
"""

from rlif.study.setting import Part, Setting

VLLM_STEP_S = 0.008
"""Least time of a decoding step of vLLM, with CUDA graphs."""
START_S = {True: 180.0, False: 15.0}
"""To start a process and load model and engine: on a GPU, on a CPU."""
PROGRAM_S = {"minicode": 0.005, "humaneval": 0.02}
"""Of a sandbox worker for one program, its tests included."""
OTHER_PROGRAM_S = 0.2

_LOGIT_PASSES, _STATISTIC_PASSES, _HEAD_PASSES = 12, 12, 20
_OPTIMISER_PASSES = 2


def forward_flops(setting: Setting, length: float) -> float:
    """Return the FLOPs F of a forward pass for one token of rows of so many tokens."""
    shape = setting.shape
    return 2 * shape.active_parameters + 4 * shape.layers * shape.queries * length


def decoding_s(setting: Setting, rows: float, vllm: bool) -> float:
    """Return the seconds in which so many rows are decoded together, until the longest has ended."""
    shape, lengths, device = setting.shape, setting.lengths, setting.device
    cache = 2 * shape.layers * shape.keys * setting.weight_bytes
    # vLLM drops a row that has ended; TRL's own loop carries all to the end.
    alive = rows * lengths.completion / lengths.longest if vllm else rows
    context = lengths.prompt + lengths.longest / 2
    read = setting.weight_bytes * shape.active_parameters + alive * context * cache
    floor = VLLM_STEP_S if vllm else device.decoding_floor(shape.layers, rows)
    logits = 0.0 if device.is_gpu else _STATISTIC_PASSES * 4 * rows * shape.vocabulary / device.bandwidth
    prompts = rows * lengths.longest_prompt * forward_flops(setting, lengths.longest_prompt) / device.flops
    return prompts + lengths.longest * (max(floor, read / device.bandwidth) + logits)


def step_seconds(setting: Setting) -> tuple[Part, ...]:
    """Return what the parts of a training step take on average."""
    rows, padded, device = setting.rows, setting.lengths.padded, setting.device
    forward = forward_flops(setting, padded) * rows * padded / device.flops
    drawn = 1 / setting.grpo.num_iterations  # steps on the same completions share the drawing
    own = 0.0 if not setting.vllm else forward  # else they are taken while sampling
    scored = own + setting.companions * forward
    problems = setting.config.stage_problems(setting.stage).name
    programs = programs_s(setting, problems, rows)  # each process has sandbox workers of its own
    parts = (
        Part("sampling", drawn * decoding_s(setting, rows, bool(setting.vllm)), _sampling_formula(setting)),
        Part("programs", drawn * programs, "completions · seconds a program / sandbox workers"),
        Part("token statistics", drawn * scored, "F·tokens / FLOP/s for vLLM, and for each companion"),
        Part("forward and backward", _training_s(setting, forward), _training_formula(setting)),
        Part("optimiser", _optimiser_s(setting), "weights, gradients and states, read and written once"),
    )
    return tuple(part for part in parts if part.amount)


def programs_s(setting: Setting, problems: str, completions: float) -> float:
    """Return the seconds in which so many programs are run and judged on the problems of this name."""
    return completions * PROGRAM_S.get(problems, OTHER_PROGRAM_S) / setting.config.sandbox.workers


def _training_passes(setting: Setting) -> int:
    """Return the forward passes' worth of FLOPs that a token costs in training."""
    own = 2 if setting.lora_rank else 3
    old = bool(setting.vllm) or setting.grpo.num_iterations > 1
    return own + setting.grpo.gradient_checkpointing + (setting.grpo.beta > 0) + old


def _training_s(setting: Setting, forward: float) -> float:
    tokens, shape = setting.rows * setting.lengths.padded, setting.shape
    again = 2 * shape.head_parameters * tokens / setting.device.flops  # TRL's head recomputes its logits
    logits = 0.0
    if not setting.device.is_gpu:  # kernels do it on the way
        logits = _HEAD_PASSES * 4 * tokens * shape.vocabulary / setting.device.bandwidth
    return _training_passes(setting) * forward + again + logits


def _optimiser_s(setting: Setting) -> float:
    trained = setting.trained / setting.shares
    return _OPTIMISER_PASSES * 4 * 4 * trained / setting.device.bandwidth


def _sampling_formula(setting: Setting) -> str:
    engine = "vLLM" if setting.vllm else "transformers"
    longest = setting.lengths.longest
    return f"{longest:.0f} decoding steps of {setting.rows:.0f} rows with {engine}, and the prompts' pass"


def _training_formula(setting: Setting) -> str:
    return f"{_training_passes(setting)}·F·R·S / FLOP/s, and the head's logits once more"
