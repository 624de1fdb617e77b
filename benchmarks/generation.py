"""How much faster a batch is drawn than by one call of transformers' `generate`, the baseline.

    python benchmarks/generation.py --model smollm2 --samples 5 --prompts 6 --max-tokens 512

Both draw from the same prompts, batch size alike (greedy where samples is 1), in turn. CPU seconds on a
CPU, wall seconds on a GPU; medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from rlif.evaluation import Sampling, decoding
from rlif.evaluation.backends import BackendName, Options, make_generator
from rlif.problems.load import load_problems
from rlif.problems.prompts import build_prompt


def seconds(call: Callable[[], Any], on_gpu: bool) -> tuple[float, Any]:
    clock = time.perf_counter if on_gpu else time.process_time
    start = clock()
    result = call()
    return clock() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description="Drawing a batch, against transformers' generate.")
    parser.add_argument("--model", default="minicode-base")
    parser.add_argument("--problems", default="humaneval")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = options.prompts * options.samples
    backend = make_generator(BackendName.TRANSFORMERS, options.model, Options(options.dtype, rows))
    on_gpu = backend.model.device.type == "cuda"
    problems = load_problems(options.problems, limit=options.prompts)
    prompts = [build_prompt(problem, "bare", backend.chat) for problem in problems]
    sampling = Sampling(options.samples, 0.8 if options.samples > 1 else 0.0, 1.0, options.max_tokens)

    def draw() -> list[Any]:
        return sorted(backend.generator.generate(prompts, sampling))

    def baseline() -> list[Any]:
        kept = decoding.ROUND, decoding._prompt_cache
        decoding.ROUND, decoding._prompt_cache = sampling.max_tokens, lambda *_: None
        try:
            return draw()
        finally:
            decoding.ROUND, decoding._prompt_cache = kept

    ours, theirs, drawn = [], [], []
    for _ in range(options.repeats):
        for times, call in ((theirs, baseline), (ours, draw)):
            spent, drawn = seconds(call, on_gpu)
            times.append(spent)
    lengths = [c.tokens for _, completions in drawn for c in completions]
    a, b = statistics.median(theirs), statistics.median(ours)
    print(f"{rows} completions of {options.prompts} prompts, mean {statistics.mean(lengths):.0f} tokens")
    print(f"one call of generate  {a:7.1f} s  ({min(theirs):.1f}-{max(theirs):.1f})")
    print(f"prompts once, rounds  {b:7.1f} s  ({min(ours):.1f}-{max(ours):.1f})  {a / b:.2f} times as fast")


if __name__ == "__main__":
    main()
