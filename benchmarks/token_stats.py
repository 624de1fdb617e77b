"""Token statistics on a CPU: time, memory and error beside the plain formula and TRL's own functions.

    python benchmarks/token_stats.py --vocabulary 49152
    python benchmarks/token_stats.py --vocabulary 151936 --width 896 --repeats 3

Given logits [1, tokens, vocabulary], float32: the plain formula (log_softmax, gather, sums: three of the
five statistics), TRL's `selective_log_softmax` and `entropy_from_logits` (two of the five), and `token_stats`
(all five). Given hidden states: the matrix product alone, and `token_stats_from_hidden`. All take turns, A
B C A B C …, so that a machine that gets slower does so for all. Times are CPU time, on one thread: others use
the machine. Memory is the growth of the peak resident size, each variant once in a process of its own. Errors
are the largest relative ones against float64.
"""

import json
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from rlif.rollouts import TokenStats
from rlif.token_stats import token_stats, token_stats_from_hidden, token_stats_reference

NAMES = ("logprob", "entropy", "self_certainty", "max_prob", "margin")
CHECKED_TOKENS = 64


def plain(logits: torch.Tensor, targets: torch.Tensor) -> TokenStats:
    logp = torch.log_softmax(logits, dim=-1)
    logprob = logp.gather(-1, targets[..., None]).squeeze(-1)
    entropy = -(logp.exp() * logp).sum(-1)
    self_certainty = -logp.mean(-1) - torch.log(torch.tensor(logits.shape[-1]))
    missing = torch.full_like(logprob, torch.nan)
    return TokenStats(logprob, entropy, self_certainty, missing, missing, torch.ones_like(targets).bool())


def trl(logits: torch.Tensor, targets: torch.Tensor) -> TokenStats:
    from trl.trainer.utils import entropy_from_logits, selective_log_softmax

    logprob, entropy = selective_log_softmax(logits, targets), entropy_from_logits(logits)
    missing = torch.full_like(logprob, torch.nan)
    return TokenStats(logprob, entropy, missing, missing, missing, torch.ones_like(targets).bool())


def variants(options: Namespace) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name, on inputs made for those of them that are asked for."""
    generator = torch.Generator().manual_seed(0)
    tokens, vocabulary, width = options.tokens, options.vocabulary, options.width
    targets = torch.randint(vocabulary, (1, tokens), generator=generator)
    chosen: dict[str, Callable[[], object]] = {}
    if options.only in (None, "plain formula", "TRL", "token_stats"):
        logits = torch.randn(1, tokens, vocabulary, generator=generator).mul_(options.spread)
        chosen |= {
            "plain formula": lambda: plain(logits, targets),
            "TRL": lambda: trl(logits, targets),
            "token_stats": lambda: token_stats(logits, targets),
        }
    if options.only in (None, "matrix product", "token_stats_from_hidden"):
        hidden = torch.randn(1, tokens, width, generator=generator)
        weight = torch.randn(vocabulary, width, generator=generator).mul_(options.spread / width**0.5)
        chosen |= {
            "matrix product": lambda: torch.nn.functional.linear(hidden, weight),
            "token_stats_from_hidden": lambda: token_stats_from_hidden(hidden, weight, targets),
        }
    return chosen if options.only is None else {options.only: chosen[options.only]}


def times(options: Namespace) -> dict[str, float]:
    """Return the median CPU seconds of each variant."""
    functions = variants(options)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(options.repeats + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            if repeat:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_mb() -> float:
    """Return the peak resident size of this process (Linux; `ru_maxrss` would begin with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def extra_memory(name: str, options: Namespace) -> float:
    """Return by how many MB the variant raises the peak resident size of a fresh process."""
    shape = [f"--{key}={getattr(options, key)}" for key in ("tokens", "vocabulary", "width", "spread")]
    command = [sys.executable, __file__, "--only", name, *shape]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def report_extra_memory(options: Namespace) -> None:
    (function,) = variants(options).values()
    token_stats(torch.zeros(1, 1, 8), torch.zeros(1, 1, dtype=torch.long))  # what libraries load at first use
    before = peak_mb()
    function()
    print(json.dumps(peak_mb() - before))


def errors(options: Namespace) -> dict[str, TokenStats]:
    """Return the largest relative error of each statistic of each function that takes logits."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, CHECKED_TOKENS, options.vocabulary, generator=generator).mul_(options.spread)
    targets = torch.randint(options.vocabulary, (1, CHECKED_TOKENS), generator=generator)
    expected = token_stats_reference(logits, targets)
    found: dict[str, TokenStats] = {}
    for name, function in {"plain formula": plain, "TRL": trl, "token_stats": token_stats}.items():
        stats = function(logits, targets)
        worst = {
            key: ((getattr(stats, key) - getattr(expected, key)) / getattr(expected, key)).abs().max()
            for key in NAMES
        }
        found[name] = TokenStats(**worst, mask=stats.mask)
    return found


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--vocabulary", type=int, default=49152)
    parser.add_argument("--width", type=int, default=576, help="of the hidden states")
    parser.add_argument("--spread", type=float, default=3.0, help="standard deviation of the logits")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only", help="report the extra memory of one variant (used by the benchmark itself)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if options.only:
        report_extra_memory(options)
        return

    seconds = times(options)
    memory = {name: extra_memory(name, options) for name in seconds}
    worst = errors(options)
    title = f"{options.tokens} tokens x {options.vocabulary}, float32, one thread"
    table = Table("", "CPU s", "extra MB", *NAMES, title=title)
    for name, value in seconds.items():
        cells = [f"{getattr(worst[name], key).item():.1e}" if name in worst else "" for key in NAMES]
        table.add_row(name, f"{value:.2f}", f"{memory[name]:.0f}", *(c.replace("nan", "–") for c in cells))
    console = Console(width=110)
    console.print(table)
    ours, hidden = "token_stats", "token_stats_from_hidden"
    console.print(
        f"{seconds['plain formula'] / seconds[ours]:.1f} times faster than the plain formula (aim: 2), "
        f"{seconds['TRL'] / seconds[ours]:.1f} times than TRL; "
        f"1/{memory['plain formula'] / memory[ours]:.0f} of the plain formula's extra memory (aim: 1/8).\n"
        f"From hidden states: {seconds[hidden] / seconds['matrix product']:.2f} times the matrix product "
        f"(aim: 1.3), 1/{memory['plain formula'] / memory[hidden]:.0f} of the plain formula's extra memory."
    )


if __name__ == "__main__":
    main()
