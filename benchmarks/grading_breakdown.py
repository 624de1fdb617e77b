"""Where the grader's time goes, and how close it is to what the forks alone cost (part of `grading.py`).

Found by subtraction, each rung of the ladder measured with one worker and everything in force:

    fork      fork, exit and wait of a process of the zygote's size that does nothing, times forks a program
    set-up    another input of an empty script, which is one more supervised child, less its fork
    request   an empty script of one input, less its fork and set-up
    mode      an empty program in the place of each real one, less the above: names made ready, inputs decoded
    program   the real programs, less the empty ones: parsing, compiling, running, pages copied on the way
    parent    this process: encoding, sending, receiving, comparing
    waiting   wall time less all of that CPU time: nobody runs, one process waits to be woken
"""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from process_tree import tree_cpu_s
from programs import Pair
from rich.table import Table

from rlif.grading import Mode, program_for
from rlif.sandbox import Program, Sandbox
from rlif.sandbox.isolation import Isolation, start_command

_FORKS = 300
_SLOPE_INPUTS = 20
_SLOPE_RUNS = 30


@dataclass(frozen=True)
class Breakdown:
    """Milliseconds a program, medians over the repeats; forks: how many a program needs."""

    mode: Mode
    forks: float
    fork: float
    setup: float
    request: float
    mode_itself: float
    program: float
    parent: float
    waiting: float

    @property
    def cpu(self) -> float:
        return self.fork + self.setup + self.request + self.mode_itself + self.program + self.parent


@dataclass(frozen=True)
class _Cost:
    """Milliseconds a program; sandboxed is the CPU time of the zygote and its children."""

    wall: float
    sandboxed: float
    parent: float


def breakdown(pairs: list[Pair], repeats: int) -> list[Breakdown]:
    """Measure all rungs in turn, as often as asked."""
    real = {
        mode: [program_for(problem, code, mode, all_tests=False) for problem, code in pairs] for mode in Mode
    }
    runs: dict[str, list[Program]] = {
        "one": [Program("pass", ("",))] * _SLOPE_RUNS,
        "many": [Program("pass", ("",) * (_SLOPE_INPUTS + 1))] * _SLOPE_RUNS,
    }
    for mode in Mode:
        runs[f"real {mode}"] = real[mode]
        runs[f"empty {mode}"] = list(map(_emptied, real[mode]))
    forks_ms: list[float] = []
    costs: dict[str, list[_Cost]] = {name: [] for name in runs}
    with Sandbox(workers=1) as sandbox:
        for _ in range(repeats):
            forks_ms.append(_bare_fork_ms())
            for name, programs in runs.items():
                costs[name].append(_cost(sandbox, programs))
    return [_parts(mode, real[mode], statistics.median(forks_ms), costs) for mode in Mode]


def breakdown_table(parts: Sequence[Breakdown]) -> Table:
    made = Table(title="where the time goes: ms a program, one worker")
    made.add_column("part")
    for part in parts:
        made.add_column(f"rlif {part.mode}", justify="right")

    def row(name: str, value: Callable[[Breakdown], float], digits: int = 2) -> None:
        made.add_row(name, *(f"{value(part):.{digits}f}" for part in parts))

    row("fork, exit and wait of an empty process", lambda part: part.fork)
    row("set-up and supervision of the child", lambda part: part.setup)
    row("request and answers", lambda part: part.request)
    row("what the mode does for any program", lambda part: part.mode_itself)
    row("the program itself", lambda part: part.program)
    row("parent: encoding, comparing", lambda part: part.parent)
    made.add_section()
    row("CPU", lambda part: part.cpu)
    row("waiting to be woken", lambda part: part.waiting)
    row("wall", lambda part: part.cpu + part.waiting)
    made.add_section()
    row("forks a program", lambda part: part.forks)
    row("CPU, times that of its forks alone", lambda part: part.cpu / part.fork, 1)
    row("the same without the program itself", lambda part: (part.cpu - part.program) / part.fork, 1)
    return made


def _parts(mode: Mode, programs: list[Program], fork_ms: float, costs: dict[str, list[_Cost]]) -> Breakdown:
    def median(name: str, value: Callable[[_Cost], float]) -> float:
        return statistics.median(map(value, costs[name]))

    forks = statistics.mean(map(_forks, programs))
    fork = fork_ms * forks
    one, many = (median(name, lambda cost: cost.sandboxed) for name in ("one", "many"))
    child = (many - one) / _SLOPE_INPUTS  # another supervised child
    request = one - child
    empty, real = (median(f"{kind} {mode}", lambda cost: cost.sandboxed) for kind in ("empty", "real"))
    parent = median(f"real {mode}", lambda cost: cost.parent)
    return Breakdown(
        mode,
        forks,
        fork,
        setup=child * forks - fork,
        request=request,
        mode_itself=empty - child * forks - request,
        program=real - empty,
        parent=parent,
        waiting=median(f"real {mode}", lambda cost: cost.wall) - real - parent,
    )


def _forks(program: Program) -> int:
    has_one_for_each_input = program.mode is Mode.NATIVE and program.entry_point is None
    return len(program.inputs) if has_one_for_each_input else 1


def _emptied(program: Program) -> Program:
    name = program.entry_point
    code = "pass" if name is None else f"class Solution:\n    def {name}(self, *arguments):\n        pass"
    return replace(program, code=code, accept=None)


def _cost(sandbox: Sandbox, programs: list[Program]) -> _Cost:
    tree, own, started = tree_cpu_s(os.getpid()), time.process_time(), time.perf_counter()
    sandbox.run(programs)
    wall = time.perf_counter() - started
    own, tree = time.process_time() - own, tree_cpu_s(os.getpid()) - tree
    per_program = 1000 / len(programs)
    return _Cost(wall * per_program, (tree - own) * per_program, own * per_program)


# In the place of the zygote's own main, with the same modules imported and the same protections.
_FORK_LOOP = """
import gc, json, os, resource, sys
sys.path.insert(0, sys.argv[1])
from rlif.sandbox.inside import lockdown, zygote

def cpu_s():
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)

lockdown.lock_zygote()
gc.collect()
gc.freeze()
for forks in (20, FORKS):
    started = cpu_s()
    for _ in range(forks):
        if (pid := lockdown.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)
print(json.dumps((cpu_s() - started) / forks))
"""


def _bare_fork_ms() -> float:
    command = start_command(Isolation.BWRAP, None)
    command[command.index("-c") + 1] = _FORK_LOOP.replace("FORKS", str(_FORKS))
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return 1000 * json.loads(ended.stdout)
