"""What a run holds in memory on each device, part by part.

    total = what is always there + the larger of what sampling and what training add

N parameters, T of them trained, w bytes a weight, a bytes a number in a forward pass; B completions a pass,
S tokens a row (prompt and completion, padded), R rows sampled together; L layers, h, q, i widths of the
residual stream, the heads and the feed-forward block, k of the keys; V vocabulary; n processes.
"""

from dataclasses import dataclass

from rlif.study.setting import Part, Setting, Sharding

CPU_RUNTIME, GPU_RUNTIME = 0.6e9, 1.5e9
"""Python and its libraries; the CUDA context, NCCL's buffers and what the allocator cannot use."""
HEAD_TOKENS, HEAD_COLUMNS = 4096, 32_768
"""TRL works out log-probabilities in tiles of so many tokens and logits (its `chunked_logprob.py`)."""
_NF4_BYTES = 0.516
"""4.127 bits a weight, with the constants of its block quantised too (arXiv 2305.14314, section 3)."""
_CPU_TILE_COPIES, _SAMPLED_COPIES = 7, 4


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on each device.

    Attributes:
        always: weights, optimiser, other models. sampling, training: what is there only meanwhile.
    """

    always: tuple[Part, ...]
    sampling: tuple[Part, ...]
    training: tuple[Part, ...]

    @property
    def total(self) -> float:
        """Bytes at the fullest moment."""
        return _sum(self.always) + max(_sum(self.sampling), _sum(self.training))


def memory_of(setting: Setting) -> Memory:
    """Return the parts of what one process of a setting holds."""
    return Memory(
        always=tuple(part for part in _always(setting) if part.amount),
        sampling=tuple(part for part in _sampling(setting) if part.amount),
        training=tuple(part for part in _training(setting) if part.amount),
    )


def _always(setting: Setting) -> list[Part]:
    model = setting.weight_bytes * setting.shape.parameters
    frozen = setting.grpo.beta > 0 and not setting.lora_rank  # LoRA's reference is the model without adapters
    runtime = GPU_RUNTIME if setting.device.is_gpu else CPU_RUNTIME
    return [
        Part("runtime", runtime, "CUDA context and NCCL" if setting.device.is_gpu else "Python, torch, TRL"),
        _weights(setting),
        _optimiser(setting),
        Part("reference model", model * frozen, "w·N, since beta > 0"),
        Part("companions", model * setting.companions, "w·N for each of initial policy and moving average"),
        Part("vLLM", setting.vllm_share * setting.device.memory, "vllm_gpu_memory_utilization · GPU memory"),
    ]


def _weights(setting: Setting) -> Part:
    parameters, shares = setting.shape.parameters, setting.weight_shares
    adapters = 4 * setting.trained if setting.lora_rank else 0
    cast = 2 * parameters if setting.grpo.bf16 and setting.weight_bytes == 4 else 0
    # FSDP2 keeps what it trains in float32, whatever it was loaded in.
    each = 4 if setting.sharding is Sharding.FSDP2 and not setting.lora_rank else setting.weight_bytes
    if setting.in_4bit:
        layers = setting.shape.layers * setting.shape.layer_parameters
        return Part(
            "weights",
            _NF4_BYTES * layers + each * (parameters - layers) + adapters,
            f"{_NF4_BYTES}·N of the layers in 4 bits + {each}·N of the rest + adapters",
        )
    own = each * parameters / shares + adapters + cast / shares
    if shares == 1:
        told = f"{each}·N" + " + 2·N of bfloat16 copies" * bool(cast) + " + adapters" * bool(adapters)
        return Part("weights", own, told)
    gathered = 2 * (2 * setting.shape.layer_parameters + setting.shape.head_parameters)
    return Part("weights", own + gathered, f"{each}·N/n, and two layers and the head gathered")


def _optimiser(setting: Setting) -> Part:
    trained, shares = setting.trained, setting.shares
    if "8bit" in str(setting.grpo.extra.get("optim", "")):
        return Part("optimiser", 2 * trained / shares, "2·T/n: two 8-bit states (arXiv 2110.02861)")
    if setting.sharding in (Sharding.ZERO2, Sharding.ZERO3):
        return Part("optimiser", 12 * trained / shares, "12·T/n: float32 weights and Adam's states")
    each = 4 if setting.lora_rank or setting.sharding is Sharding.FSDP2 else setting.weight_bytes
    return Part("optimiser", 2 * each * trained / shares, f"2·{each}·T/n: Adam's states, as wide as weights")


def _sampling(setting: Setting) -> list[Part]:
    if setting.vllm:
        return []
    cache = 2 * setting.shape.layers * setting.shape.keys * setting.weight_bytes
    logits = _SAMPLED_COPIES * 4 * setting.rows * setting.shape.vocabulary
    return [
        Part("KV cache", setting.rows * setting.lengths.padded * cache, "R·S · 2·L·k·w"),
        Part("logits of a step", logits, "4 float32 copies of R·V: scores, softmax, statistics"),
    ]


def _training(setting: Setting) -> list[Part]:
    each = 4 if setting.lora_rank or setting.sharding is Sharding.FSDP2 else setting.weight_bytes
    return [
        Part("gradients", each * setting.trained / setting.shares, f"{each}·T/n"),
        _activations(setting),
        _head(setting),
    ]


def layer_activation_bytes(setting: Setting) -> float:
    """Return the bytes that one layer keeps of one token for its backward pass.

    Two norms, in float32, keep input, normalised input and output; attention its rotated queries, keys and
    values repeated for all heads, and its output twice; the feed-forward block four times its width.
    """
    shape, number = setting.shape, setting.compute_bytes
    norms = 2 * (8 + number) * shape.hidden
    return norms + number * (5 * shape.queries + 4 * shape.intermediate)


def _activations(setting: Setting) -> Part:
    tokens, layers = setting.batch * setting.lengths.padded, setting.shape.layers
    one = layer_activation_bytes(setting)
    if setting.grpo.gradient_checkpointing:
        kept = layers * setting.compute_bytes * setting.shape.hidden
        return Part("activations", tokens * (kept + one), "B·S · (L·h·a + one layer's), checkpointed")
    return Part("activations", tokens * layers * one, "B·S · L · (2·(8 + a)·h + a·(5·q + 4·i))")


def _head(setting: Setting) -> Part:
    shape, lengths = setting.shape, setting.lengths
    columns = min(shape.vocabulary, HEAD_COLUMNS)
    gradient = 0 if setting.lora_rank else 4 * shape.head_parameters
    if setting.device.is_gpu:
        tokens = min(setting.batch * lengths.longest, HEAD_TOKENS)
        told = "a tile of 4,096 tokens x 32,768 logits, and 4·V·h of gradient"
        return Part("log-probabilities", tokens * columns * setting.compute_bytes + gradient, told)
    tokens = min(setting.batch * lengths.padded, HEAD_TOKENS)
    told = "7 float32 copies of a tile of 4,096 tokens x 32,768 logits, and 4·V·h of gradient"
    return Part("log-probabilities", _CPU_TILE_COPIES * 4 * tokens * columns + gradient, told)


def _sum(parts: tuple[Part, ...]) -> float:
    return sum(part.amount for part in parts)
