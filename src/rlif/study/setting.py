"""`Setting`: a stage of a run, its model's shape, the devices it is placed on: what plans start from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from rlif.config import GRPOTable, RunConfig
from rlif.rewards import needed
from rlif.rollouts import Ballot, Scorer, Scoring, Voters
from rlif.study.hardware import Device
from rlif.study.lengths import Lengths
from rlif.study.shapes import ModelShape


class Sharding(StrEnum):
    """What the processes of a run share out among them instead of each holding it whole."""

    DDP = "ddp"  # nothing
    ZERO2 = "zero2"  # gradients and optimiser (ZeRO-2, arXiv 1910.02054)
    ZERO3 = "zero3"  # and the weights
    FSDP2 = "fsdp2"  # and the weights


def sharding_of(accelerate: Sequence[str]) -> Sharding:
    """Return what arguments of `accelerate launch` share out, by its options or a configuration's name."""
    told = " ".join(accelerate).lower().replace("-", "_")
    if "fsdp" in told:
        return Sharding.FSDP2
    if "zero3" in told or "zero_stage 3" in told:
        return Sharding.ZERO3
    return Sharding.ZERO2 if "zero2" in told or "deepspeed" in told else Sharding.DDP


class Part(NamedTuple):
    """A part of a sum: its name, its bytes or seconds, and in one line how it is reckoned."""

    name: str
    amount: float
    formula: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One stage of a run on its devices.

    Attributes:
        config, stage: the run, and which of its stages.
        shape: of the model. lengths: of prompts and completions.
        device: one of `processes` equal ones.
        sharding: what they share out.
        lora_rank: of the adapters that are trained instead of the weights; 0: the weights are.
    """

    config: RunConfig
    stage: int
    shape: ModelShape
    lengths: Lengths
    device: Device
    processes: int = 1
    sharding: Sharding = Sharding.DDP
    lora_rank: int = 0

    @property
    def grpo(self) -> GRPOTable:
        """Settings of the stage."""
        return self.config.stage_grpo(self.stage)

    @property
    def rows(self) -> float:
        """Completions that each process samples and trains on in a step."""
        return self.grpo.completions_per_step / self.processes

    @property
    def batch(self) -> float:
        """Completions of one forward and backward pass on each process."""
        return min(self.grpo.per_device_train_batch_size or self.rows, self.rows)

    @property
    def trained(self) -> int:
        """Parameters that have gradients."""
        return self.shape.lora_parameters(self.lora_rank) if self.lora_rank else self.shape.parameters

    @property
    def weight_bytes(self) -> int:
        """Of a parameter, as the model is loaded."""
        return 4 if self.config.dtype == "float32" else 2

    @property
    def in_4bit(self) -> bool:
        """Whether the weights below the adapters are held in 4 bits."""
        return bool(self.lora_rank and self.config.lora and self.config.lora.load_in_4bit)

    @property
    def compute_bytes(self) -> int:
        """Of a number in a forward pass."""
        return 2 if self.grpo.bf16 else self.weight_bytes

    @property
    def shares(self) -> int:
        """Number of processes among which gradients and optimiser are shared out."""
        return 1 if self.sharding is Sharding.DDP else self.processes

    @property
    def weight_shares(self) -> int:
        """Number of processes among which the weights are shared out."""
        return self.processes if self.sharding in (Sharding.ZERO3, Sharding.FSDP2) else 1

    @property
    def vllm(self) -> str:
        """Return "colocate" or "server", or "" where transformers generates."""
        extra: dict[str, Any] = self.grpo.extra
        return str(extra.get("vllm_mode", "colocate")) if extra.get("use_vllm") else ""

    @property
    def vllm_share(self) -> float:
        """Share of a GPU's memory that vLLM takes for itself, beside the trainer."""
        share = float(self.grpo.extra.get("vllm_gpu_memory_utilization", 0.3))
        return share if self.vllm == "colocate" else 0.0

    @property
    def companions(self) -> int:
        """Further copies of the model that rewards look at: the initial policy, the moving average."""
        signals = needed(self.config.stages[self.stage].reward)
        found = {signal.scorer for signal in signals if isinstance(signal, Scoring)} - {Scorer.POLICY}
        if any(isinstance(signal, Ballot) and signal.voters is Voters.EMA for signal in signals):
            found.add(Scorer.EMA)
        return len(found)
