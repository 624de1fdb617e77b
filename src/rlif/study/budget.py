"""Time and memory of a run on GPUs, from the model's shape and the accelerator's figures.

    generation   each decoding step reads the weights and the KV cache once:
                 t = L_max · max(floor, (2N + B·c·kv) / (bandwidth · 0.6))
    training     FLOPs = k·N·tokens / (peak · MFU), k = 6, and 2 more for each further forward pass: token
                 statistics, reference policy (β > 0), recomputation (gradient checkpointing)
    memory       weights 2N; gradients 2N and fp32 master weights and Adam states 12N (ZeRO, arXiv 1910.02054,
                 section 3.1), shared out over the GPUs by DeepSpeed or FSDP; logits of one batch; with vLLM
                 its own weights and the KV cache

N parameters, B sequences a GPU, c their mean context, kv bytes a token, L_max the length limit. What is
assumed beyond that is in `Assumptions`, and printed with every plan.
"""

import math
from dataclasses import dataclass

from rlif.config import RunConfig
from rlif.study.hardware import GPUS, MODELS, Gpu, ModelShape, gpu_named
from rlif.study.schema import Resources
from rlif.study.work import Work, work_of


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no setting says. Times in seconds.

    Attributes:
        prompt_tokens: of a prompt, mean. length_share: mean completion / length limit.
        bandwidth_share: of the accelerator's memory bandwidth that decoding reaches. mfu: share of peak
            FLOP/s that training reaches.
        vllm_floor, transformers_floor: least time of a decoding step.
        program_s: of one sandbox worker for one program. start_s: to load a model and the engine.
        logit_bytes: memory for each logit of a training batch, forward and backward.
    """

    prompt_tokens: float = 600
    length_share: float = 0.5
    bandwidth_share: float = 0.6
    mfu: float = 0.35
    vllm_floor: float = 0.008
    transformers_floor: float = 0.03
    program_s: float = 0.2
    start_s: float = 180
    logit_bytes: float = 10

    def sentences(self, resources: Resources) -> list[str]:
        """Return them for people."""
        gpu = GPUS[resources.gpu]
        return [
            f"{resources.num_gpus} x {resources.gpu} a run: {gpu.flops / 1e12:g} TFLOP/s (bf16, dense), "
            f"{gpu.bandwidth / 1e12:g} TB/s, {gpu.memory / 1e9:g} GB each",
            f"prompts of {self.prompt_tokens:g} tokens; completions of {self.length_share:.0%} of the limit",
            f"decoding at {self.bandwidth_share:.0%} of memory bandwidth, at least "
            f"{1000 * self.vllm_floor:g} ms a token with vLLM, {1000 * self.transformers_floor:g} ms without",
            f"training at {self.mfu:.0%} of peak FLOP/s (MFU); 6 N a token, 2 N more a further forward pass",
            "evaluation by transformers on one GPU while the others wait",
            f"{self.program_s:g} s of a sandbox worker a program; {self.start_s:g} s to start a run",
            "memory: 16 bytes a parameter, of which DeepSpeed or FSDP share out all but the bf16 weights",
        ]


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run takes; NaN where the model's shape is not known.

    Attributes:
        seconds: wall clock, of which generation, training, evaluation and grading.
        tokens: of completions, trained and evaluated.
        memory: bytes on each GPU (without GPUs, of the process).
        generation_rate: completion tokens a second on each GPU while sampling.
    """

    seconds: float
    tokens: float
    memory: float = math.nan
    generation: float = math.nan
    training: float = math.nan
    evaluation: float = math.nan
    grading: float = math.nan
    generation_rate: float = math.nan


def gpu_budget(config: RunConfig, resources: Resources, assume: Assumptions) -> Budget:
    """Return what one run takes on its GPUs."""
    shape, gpu = MODELS.get(config.model), gpu_named(resources.gpu)
    work, limit = work_of(config), config.grpo.max_completion_length
    length = assume.length_share * limit
    tokens = (work.completions + work.evaluated) * length
    if shape is None:
        return Budget(math.nan, tokens)
    vllm = bool(config.grpo.extra.get("use_vllm"))
    each = config.grpo.completions_per_step / resources.num_gpus
    floor = assume.vllm_floor if vllm else assume.transformers_floor
    step_s = _decoding(shape, gpu, each, limit, assume, floor)
    generation = work.completions / config.grpo.completions_per_step * step_s
    evaluation = work.evaluated / config.evaluation.batch_size
    evaluation *= _decoding(
        shape, gpu, config.evaluation.batch_size, limit, assume, assume.transformers_floor
    )
    trained = work.completions * (assume.prompt_tokens + length)
    flops = (8 + 2 * (config.grpo.beta > 0) + 2 * config.grpo.gradient_checkpointing) * shape.parameters
    training = flops * trained / (resources.num_gpus * gpu.flops * assume.mfu)
    grading = (work.completions + work.evaluated) * assume.program_s / config.sandbox.workers
    return Budget(
        seconds=assume.start_s + generation + training + evaluation + grading,
        tokens=tokens,
        memory=_memory(config, shape, resources, assume, each if vllm else 0),
        generation=generation,
        training=training,
        evaluation=evaluation,
        grading=grading,
        generation_rate=each * length / step_s,
    )


def _decoding(
    shape: ModelShape, gpu: Gpu, sequences: float, limit: int, assume: Assumptions, floor: float
) -> float:
    """Return the seconds until the longest of some sequences that are decoded together has ended."""
    length = assume.length_share * limit
    active = sequences * assume.length_share  # on average over the time: most end before the longest
    context = assume.prompt_tokens + length / 2
    read = 2 * shape.parameters + active * context * shape.kv_bytes_per_token
    return limit * max(floor, read / (gpu.bandwidth * assume.bandwidth_share))


def _memory(
    config: RunConfig, shape: ModelShape, resources: Resources, assume: Assumptions, sampled: float
) -> float:
    """Return the bytes that each GPU holds at its fullest; `sampled` sequences in vLLM's KV cache."""
    shared = bool(resources.accelerate) and resources.num_gpus > 1
    states = 14 * shape.parameters / (resources.num_gpus if shared else 1)
    weights = 2 * shape.parameters * (1 + (config.grpo.beta > 0) + (sampled > 0))
    limit = config.grpo.max_completion_length
    batch = config.grpo.per_device_train_batch_size or (
        config.grpo.completions_per_step // max(resources.num_gpus, 1)
    )
    logits = batch * limit * shape.vocabulary * assume.logit_bytes
    context = assume.prompt_tokens + limit * assume.length_share
    return states + weights + logits + sampled * context * shape.kv_bytes_per_token


def cpu_budget(work: Work, train_s: float, eval_s: float, start_s: float, tokens: float) -> Budget:
    """Return what one run takes at a speed that was measured or assumed; see `rlif.study.measured.Speed`."""
    training, evaluation = work.completions * train_s, work.evaluated * eval_s
    return Budget(
        seconds=start_s + training + evaluation,
        tokens=tokens * (work.completions + work.evaluated),
        training=training,
        evaluation=evaluation,
    )
