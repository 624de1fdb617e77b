"""`Device`: what a run is computed on, as far as an estimate of time and memory needs it.

GPUs: the makers' figures (dense bf16), times what of them training and decoding usually reach. This machine's
cores are measured instead: `rlif.study.calibration`.
"""

from dataclasses import dataclass

from rlif.errors import UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or the cores of one process.

    Attributes:
        name: for people.
        memory: bytes.
        flops: FLOP/s that forward and backward passes reach.
        bandwidth: bytes/s that decoding reaches when it reads weights and cache.
        step_s, layer_s: least seconds of a decoding step of transformers, whatever it computes: a constant
            and for each layer.
        step_row_s, layer_row_s: seconds that each row decoded beside adds to these.
        is_gpu: whether it has memory of its own, and is programmed by kernels.
    """

    name: str
    memory: float
    flops: float
    bandwidth: float
    step_s: float
    layer_s: float
    step_row_s: float = 0.0
    layer_row_s: float = 0.0
    is_gpu: bool = True

    def decoding_floor(self, layers: int, rows: float) -> float:
        """Return the least seconds in which transformers decodes one token of each row."""
        constant = self.step_s + rows * self.step_row_s
        return constant + layers * (self.layer_s + rows * self.layer_row_s)


MFU = 0.35
"""Share of a GPU's peak FLOP/s that training reaches (model FLOPs utilisation, arXiv 2204.02311)."""
BANDWIDTH_SHARE = 0.6
"""Share of a GPU's memory bandwidth that decoding reaches."""


def _gpu(name: str, peak_flops: float, peak_bandwidth: float, memory: float) -> Device:
    # Python and kernel launches: about a millisecond a layer, with any of them.
    return Device(name, memory, peak_flops * MFU, peak_bandwidth * BANDWIDTH_SHARE, 0.003, 0.001)


GPUS = {
    "a100": _gpu("a100", 312e12, 2.04e12, 80e9),
    "h100": _gpu("h100", 989e12, 3.35e12, 80e9),
    "h200": _gpu("h200", 989e12, 4.8e12, 141e9),
    "l40s": _gpu("l40s", 362e12, 0.864e12, 48e9),
    "rtx4090": _gpu("rtx4090", 165e12, 1.008e12, 24e9),
}


def gpu_named(name: str) -> Device:
    """Return a GPU by name.

    Raises:
        UserError: it is not in the table.
    """
    if name not in GPUS:
        raise UserError(f"The GPU '{name}' is not known.", did_you_mean(name, GPUS))
    return GPUS[name]
