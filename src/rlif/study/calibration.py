"""`calibrate`: how fast this machine's cores are on a model of some shape, measured in a few seconds.

A CPU's peak says little: a layer of 128 columns reaches a tenth of what one of 2048 does, and a small model
spends most of a decoding step in Python. So pieces of the model itself are timed, with random weights of the
same shape, one and three layers deep, on as many threads as the run will use:

    flops          forward and backward through two layers of difference: 6 · ΔN · tokens / Δseconds
    a decoding step = step_s + rows · step_row_s + layers · (layer_s + rows · layer_row_s)
                   from four generations: one and three layers, one and several rows
    bandwidth      of copying 256 MB, read and written

Seconds are of CPU time, shared out over the threads, and the fastest of a few tries counts: what other
programs take of the machine is left out, so plans are for a quiet one. Nothing is kept for the next plan.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlif.study.hardware import Device
from rlif.study.shapes import ModelShape

WIDEST = 2048
"""Wider models are measured as if they were so wide: matrices of this size keep a core as busy as any."""

MOST_ROWS = 64
"""At most so many rows are decoded together; of more, each adds what it added up to here."""

_SHALLOW, _DEEP = 1, 3
_NEW_TOKENS, _PROMPT = 12, 32
_TRAINING_BATCH, _TRAINING_LENGTH = 4, 128


def calibrate(shape: ModelShape, rows: int, threads: int = 1) -> Device:
    """Return this machine as a device for models of this shape.

    Args:
        shape: of the model.
        rows: completions that are decoded together.
        threads: that compute.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            return _calibrate(shape, max(2, min(rows, MOST_ROWS)), threads)
    finally:
        torch.set_num_threads(before)


def _calibrate(shape: ModelShape, rows: int, threads: int) -> Device:
    wide = min(shape.hidden, WIDEST)
    shrunk = replace(shape, hidden=wide, intermediate=shape.intermediate * wide // shape.hidden)
    shallow, deep = _Timed(shrunk, _SHALLOW), _Timed(shrunk, _DEEP)
    between = _DEEP - _SHALLOW

    added = between * shrunk.layer_parameters * _TRAINING_BATCH * _TRAINING_LENGTH
    flops = 6 * added / _difference(deep.training_s(), shallow.training_s())

    one, three = (_row_line(model, rows) for model in (shallow, deep))
    layer_s = max(0.0, (three[0] - one[0]) / between)
    layer_row_s = max(0.0, (three[1] - one[1]) / between)
    return Device(
        name=f"{threads} core{'s' * (threads > 1)} of this machine, timed just now",
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        flops=flops,
        bandwidth=_bandwidth(),
        step_s=max(0.0, one[0] - layer_s),
        layer_s=layer_s,
        step_row_s=max(0.0, one[1] - layer_row_s),
        layer_row_s=layer_row_s,
        is_gpu=False,
    )


def _row_line(model: "_Timed", rows: int) -> tuple[float, float]:
    """Return (constant, for each row) of a decoding step's seconds, from one row and from several."""
    few, many = model.decoding_s(1), model.decoding_s(rows)
    each = max(0.0, (many - few) / (rows - 1))
    return max(0.0, few - each), each


class _Timed:
    """A model of so many layers with random weights, and how long its parts take."""

    def __init__(self, shape: ModelShape, layers: int) -> None:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            vocab_size=shape.vocabulary,
            tie_word_embeddings=True,
            attention_bias=shape.biases,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
        self._torch = torch
        self.model: Any = LlamaForCausalLM(config).eval()
        self.vocabulary = shape.vocabulary

    def training_s(self) -> float:
        """Return the seconds of a forward and backward pass through the layers, without the head."""
        ids = self._ids(_TRAINING_BATCH, _TRAINING_LENGTH)

        def once() -> None:
            self.model.model(input_ids=ids, use_cache=False).last_hidden_state.square().mean().backward()

        seconds = fastest(once, 3)
        self.model.zero_grad(set_to_none=True)
        return seconds

    def decoding_s(self, rows: int) -> float:
        """Return the seconds of a decoding step of so many rows, sampling included."""
        ids = self._ids(rows, _PROMPT)

        def generate(tokens: int) -> None:
            self.model.generate(
                input_ids=ids,
                attention_mask=self._torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
            )

        # The prompt's own pass, and whatever `generate` prepares, is in both and drops out.
        long, short = fastest(lambda: generate(_NEW_TOKENS), 2), fastest(lambda: generate(1), 2)
        return _difference(long, short) / (_NEW_TOKENS - 1)

    def _ids(self, rows: int, length: int) -> Any:
        """Return random token ids [rows, length]."""
        return self._torch.randint(2, self.vocabulary, (rows, length))


def fastest(work: Callable[[], object], times: int) -> float:
    """Return the CPU seconds, over the threads, of the fastest of several times after one that warms up."""
    import torch

    work()
    seconds: list[float] = []
    for _ in range(times):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds) / torch.get_num_threads()


def _difference(longer: float, shorter: float) -> float:
    """Return a difference of times that is positive, also where noise was larger than it."""
    return max(longer - shorter, 0.05 * longer)


def _bandwidth() -> float:
    """Return the bytes/s, read and written together, of copying what no cache holds."""
    import torch

    source = torch.zeros(32 * 2**20)  # 128 MB of float32
    target = torch.empty_like(source)
    return 2 * source.nbytes / fastest(lambda: target.copy_(source), 3)
