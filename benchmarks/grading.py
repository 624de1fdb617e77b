"""How fast programs are graded: this grader beside LiveCodeBench's checker and `subprocess.run`, in one run.

    pip install --no-deps --target CHECKER nvidia-livecodebench    (and numpy, tqdm, datasets beside it)
    python benchmarks/grading.py --problems P.jsonl --solutions S.jsonl --checker CHECKER

Each setup waits in a process of its own; they take turns, A B C A B C …, so that a machine that gets slower
does so for all. CPU time is that of the whole process tree. Last comes where the time of this grader goes.
Without `--checker` the checker is left out; without problems, minicode's are graded. Programs that are busy
for over 50 ms themselves, about one in a hundred, are left out unless `--heavy`: any grader waits for those.
"""

import contextlib
import json
import math
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grading_breakdown import breakdown, breakdown_table
from programs import Pair, add_arguments, describe, load_pairs, without_heavy
from rich.console import Console
from rich.table import Table

_SIZE = 200
_WIDTH = 110
_SETUPS = Path(__file__).with_name("grading_setups.py")
_SHARES = {"subprocess": 5}  # so slow that it gets every fifth program only
_WANTED_RATIO, _WANTED_CPU_MS = 8.0, 6.0


@dataclass(frozen=True)
class Measured:
    """All repeats of one setup with a number of processes; one entry a repeat."""

    setup: str
    processes: int
    programs: int
    passed: int
    programs_per_s: list[float]
    cpu_ms: list[float]  # a program


class Contestant:
    """A setup in its process, waiting for its turn."""

    def __init__(self, setup: str, processes: int, pairs: list[Pair], checker: str, folder: Path) -> None:
        self.setup, self.processes = setup, processes
        self._pairs = pairs[:: _SHARES.get(setup, 1)]
        path = folder / f"{setup}.pickle"
        path.write_bytes(pickle.dumps(self._pairs))
        self._process = subprocess.Popen(
            [sys.executable, str(_SETUPS), setup, str(processes), str(path), checker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: list[dict[str, Any]] = []

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def turn(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        print("go", file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.setup}: ended with exit code {self._process.wait()}")
        self._answers.append(json.loads(line))

    def measured(self) -> Measured:
        size = len(self._pairs)
        return Measured(
            self.setup,
            self.processes,
            size,
            min(answer["passed"] for answer in self._answers),
            [size / answer["seconds"] for answer in self._answers],
            [1000 * answer["cpu_s"] / size for answer in self._answers],
        )


def compare(pairs: list[Pair], processes: int, repeats: int, checker: str | None) -> Iterator[Measured]:
    """Let all setups take turns."""
    names = ["subprocess", "rlif official", "rlif native"]
    if checker is not None:
        names = ["checker", "checker, lean", *names]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contestants = [
            stack.enter_context(Contestant(name, processes, pairs, checker or "", folder)) for name in names
        ]
        for _ in range(repeats):
            for contestant in contestants:
                contestant.turn()
        yield from (contestant.measured() for contestant in contestants)


def table(rows: list[Measured]) -> Table:
    made = Table(title="median (least - most) of the repeats")
    for column in ("setup", "processes", "programs/s", "CPU ms a program", "x checker", "x lean", "passed"):
        made.add_column(column, justify="left" if column == "setup" else "right")
    for row in rows:
        made.add_row(
            row.setup,
            str(row.processes),
            _spread(row.programs_per_s),
            _spread(row.cpu_ms),
            _times(row, rows, "checker"),
            _times(row, rows, "checker, lean"),
            f"{row.passed}/{row.programs}",
        )
    return made


def ratio(row: Measured, rows: list[Measured], base: str) -> float:
    """Return how many times as fast as another setup with as many processes; NaN where there is none."""
    for other in rows:
        if (other.setup, other.processes) == (base, row.processes):
            return statistics.median(row.programs_per_s) / statistics.median(other.programs_per_s)
    return math.nan


def requirements(rows: list[Measured]) -> Iterator[str]:
    for row in rows:
        if not row.setup.startswith("rlif"):
            continue
        cpu_ms = statistics.median(row.cpu_ms)
        told = [f"{cpu_ms:.2f} ms of CPU a program ({_yes(cpu_ms <= _WANTED_CPU_MS)}: at most 6)"]
        for base in ("checker", "checker, lean"):
            times = ratio(row, rows, base)
            if not math.isnan(times):
                told += [f"{times:.1f} times the {base} ({_yes(times >= _WANTED_RATIO)}: at least 8)"]
        yield f"{row.setup}, processes {row.processes}: " + "; ".join(told)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def _times(row: Measured, rows: list[Measured], base: str) -> str:
    times = ratio(row, rows, base)
    return "" if math.isnan(times) else f"{times:.1f}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--checker", help='folder that nvidia-livecodebench is in; "" if it is installed')
    parser.add_argument("--size", type=int, default=_SIZE, help="number of programs")
    parser.add_argument("--heavy", action="store_true", help="keep programs of over 50 ms of their own")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    drawn = load_pairs(options, options.size)
    pairs = drawn if options.heavy else without_heavy(drawn)
    console = Console(width=_WIDTH)
    console.print(f"{describe(pairs, options)}; {len(drawn) - len(pairs)} heavy ones left out")
    console.print(f"{platform.platform()}, Python {platform.python_version()}")
    rows = [
        row
        for processes in options.processes
        for row in compare(pairs, processes, options.repeats, options.checker)
    ]
    console.print(table(rows))
    for line in requirements(rows):
        console.print(line)
    parts = breakdown(pairs, options.repeats)
    console.print(breakdown_table(parts))
    if options.json:
        figures = {"setups": [asdict(row) for row in rows], "breakdown": [asdict(part) for part in parts]}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
