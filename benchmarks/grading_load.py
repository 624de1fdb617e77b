"""Verdicts under load: the same programs on an idle machine and beside processes that keep all cores busy.

    python benchmarks/grading_load.py

Each program is meant to use a share of the CPU limit, by looking at its own CPU clock or by a fixed amount of
work; some do it in a thread or in a process of their own, some sleep. Programs under 80% of the limit must be
right whatever the load, those far over it must time out. What lies between is shown only, and so are
programs that work in a process of their own: the sandbox forgives those no waiting, for they may be waiting
for themselves. The busy processes have sessions of their own, as programs have, so that the scheduler treats
them alike. The exit code is 1 when a verdict is not as it must be.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rlif.sandbox import Limits, Mode, Output, Program, RunStatus, Sandbox

_DECIDED_BELOW, _DECIDED_ABOVE = 0.8, 1.2
_SHARES = (0.1, 0.3, 0.5, 0.7, 0.78, 0.9, 1.3)
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"

_MAIN = """
import time
while time.process_time() < {seconds}:
    pass
print("done")
"""
_THREAD = """
import threading, time
def main():
    while time.thread_time() < {seconds}:
        pass
    print("done")
threading.stack_size(1 << 26)
thread = threading.Thread(target=main)
thread.start()
thread.join()
"""
_CHILD = """
import os, time
if os.fork() == 0:
    while time.process_time() < {seconds}:
        pass
    print("done")
else:
    os.wait()
"""
_SLEEP = """
import time
time.sleep({seconds})
print("done")
"""
_WORK = """
for _ in range({loops}):
    pass
print("done")
"""
_ORDINARY = "print(*sorted(map(int, input().split())))\nprint('done')"


@dataclass(frozen=True)
class Case:
    """A program by the share of its limit that it is meant to use."""

    name: str
    mode: Mode
    share: float
    code: str

    @property
    def expected(self) -> RunStatus | None:
        """What must become of it whatever the load; None: that is left open."""
        if self.share > _DECIDED_ABOVE:
            return RunStatus.TIMEOUT
        return None if self.share >= _DECIDED_BELOW else RunStatus.OK


@dataclass(frozen=True)
class Seen:
    """What became of one case beside so many busy processes: one entry a repeat."""

    name: str
    mode: Mode
    share: float
    busy: int
    statuses: list[RunStatus]
    cpu_s: float  # median
    wall_s: float  # median
    expected: RunStatus | None

    @property
    def is_right(self) -> bool:
        return self.expected is None or set(self.statuses) == {self.expected}


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    processes = [
        subprocess.Popen([sys.executable, "-c", _BUSY], start_new_session=True) for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def draw_cases(limit_s: float, shares: Sequence[float]) -> list[Case]:
    """Return programs for all shares and both modes."""
    loops_per_s = _loops_per_second()
    cases = [Case("ordinary", mode, 0.0, _ORDINARY) for mode in Mode]
    for share in shares:
        seconds = share * limit_s
        cases += [Case("busy", mode, share, _MAIN.format(seconds=seconds)) for mode in Mode]
        cases += [
            Case("busy in a thread", Mode.NATIVE, share, _THREAD.format(seconds=seconds)),
            Case("busy in a child", Mode.NATIVE, share, _CHILD.format(seconds=seconds)),
            Case("asleep", Mode.NATIVE, share, _SLEEP.format(seconds=seconds)),
        ]
        # The same work may take more CPU time on a busy machine (caches, twin cores).
        if share <= 0.3:
            cases.append(Case("work", Mode.NATIVE, share, _WORK.format(loops=int(seconds * loops_per_s))))
    return cases


def watch(cases: list[Case], busy: int, repeats: int, limits: Limits) -> list[Seen]:
    """Run every case so many times beside that many busy processes."""
    programs = [Program(case.code, ("2 1",), mode=case.mode) for case in cases for _ in range(repeats)]
    with busy_processes(busy), Sandbox(workers=2, limits=limits) as sandbox:
        executions = sandbox.run(programs)
    outputs = [execution.outputs[0] for execution in executions]
    return [
        _seen(case, busy, outputs[number * repeats : (number + 1) * repeats])
        for number, case in enumerate(cases)
    ]


def _seen(case: Case, busy: int, outputs: list[Output]) -> Seen:
    return Seen(
        case.name,
        case.mode,
        case.share,
        busy,
        [output.status for output in outputs],
        statistics.median(output.cpu_s for output in outputs),
        statistics.median(output.wall_s for output in outputs),
        case.expected,
    )


def _loops_per_second() -> float:
    loops = 3_000_000
    code = compile(_WORK.format(loops=loops).replace("print", "len"), "work", "exec")
    started = time.process_time()
    exec(code, {})
    return loops / (time.process_time() - started)


def _table(seen: list[Seen], limit_s: float) -> Table:
    table = Table(title=f"programs that ended by themselves, of all; limit {limit_s:g} s")
    for column in ("program", "mode"):
        table.add_column(column)
    table.add_column("share", justify="right")
    for busy in sorted({one.busy for one in seen}):
        for column in (f"{busy} busy", "CPU s", "wall s"):
            table.add_column(column, justify="right")
    table.add_column("as it must be")
    for name, mode, share in dict.fromkeys((one.name, one.mode, one.share) for one in seen):
        row = [one for one in seen if (one.name, one.mode, one.share) == (name, mode, share)]
        cells = [cell for one in row for cell in _cells(one)]
        answer = "left open" if row[0].expected is None else "yes" if all(o.is_right for o in row) else "NO"
        table.add_row(name, mode, f"{share:.0%}", *cells, answer)
    return table


def _cells(one: Seen) -> tuple[str, str, str]:
    ended = one.statuses.count(RunStatus.OK)
    return f"{ended}/{len(one.statuses)}", f"{one.cpu_s:.2f}", f"{one.wall_s:.2f}"


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=1.0, help="CPU and wall seconds of a program")
    parser.add_argument("--shares", type=float, nargs="+", default=_SHARES, help="of the limit")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2, 8], help="numbers of busy processes")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures there too")
    options = parser.parse_args()
    limits = Limits(seconds=options.limit, cpu_seconds=options.limit)
    cases = draw_cases(options.limit, options.shares)
    seen = [one for busy in options.busy for one in watch(cases, busy, options.repeats, limits)]
    console = Console(width=150)
    console.print(_table(seen, options.limit))
    console.print(
        f"{os.cpu_count()} cores; {sum(not one.is_right for one in seen)} verdicts not as they must be"
    )
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in seen], indent=1) + "\n")
    sys.exit(not all(one.is_right for one in seen))


if __name__ == "__main__":
    main()
