"""Soak: many programs, a tenth of them hostile, while workers are killed at random from outside.

    python benchmarks/grading_soak.py --programs 20000
    python benchmarks/grading_soak.py --programs 2000 --kill-every 0    (control: then nobody may be killed)

Checked are: every program gets exactly one verdict; every honest program gets the right one unless its
worker was killed under it, which its verdict says; no hostile program passes; and afterwards nothing is left
over, no process, file, descriptor, thread or memory. The exit code is 1 when a check fails.
"""

import json
import os
import random
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hostile_programs import HOSTILE
from process_tree import own_resident_mb
from programs import Pair, add_arguments, load_pairs, without_heavy
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from soak_watch import Killer, Leftovers, adopt_orphans

from rlif.grading import Mode, VerdictStatus, judge, program_for
from rlif.problems.types import Problem
from rlif.sandbox import Limits, Program, Sandbox

_LIMITS = Limits(seconds=0.5, cpu_seconds=0.3, memory_mb=256, output_bytes=1 << 18)
_HOSTILE_SHARE, _WRONG_SHARE = 0.1, 0.1
_KILL_EVERY_S = 0.4
_MAX_GROWTH_MB = 64.0
_PAIRS = 200
_RIGHT_STATUS = {"right": VerdictStatus.PASSED, "wrong": VerdictStatus.WRONG_ANSWER}
"""Of honest programs; of a hostile one anything but passed is right."""


@dataclass(frozen=True)
class Case:
    """One program of the soak: kind is "right", "wrong" or the name of a hostile one."""

    kind: str
    problem: Problem
    mode: Mode
    program: Program


@dataclass(frozen=True)
class Outcome:
    """What became of one case; error: what its execution says of the failure."""

    index: int
    kind: str
    status: VerdictStatus
    error: str

    @property
    def worker_died(self) -> bool:
        """Whether an honest program was killed: it gives no other reason for that."""
        return self.kind in _RIGHT_STATUS and self.status is VerdictStatus.KILLED

    @property
    def is_unjust(self) -> bool:
        """Whether an honest program got a wrong verdict though its worker lived."""
        return self.status is not _RIGHT_STATUS.get(self.kind, self.status) and not self.worker_died


def draw_cases(pairs: list[Pair], programs: int, token: str, rng: random.Random) -> list[Case]:
    return [_draw_case(*rng.choice(pairs), token, rng) for _ in range(programs)]


def run(cases: list[Case], killer: Killer, console: Console) -> tuple[list[Outcome], float]:
    """Grade all; return what became of them as they ended, and by how many MB this process grew."""
    outcomes: list[Outcome] = []
    memory_mb = 0.0
    with (
        Progress(console=console) as progress,
        Sandbox(workers=2, limits=_LIMITS) as sandbox,
        killer,
    ):
        task = progress.add_task("programs", total=len(cases))
        for index, execution in sandbox.stream(case.program for case in cases):
            case = cases[index]
            verdict = judge(case.problem, execution, case.mode)
            outcome = Outcome(index, case.kind, verdict.status, execution.error)
            if outcome.is_unjust:
                values = [output.value for output in execution.outputs]
                console.print(f"program {index} ({case.problem.id}, {case.mode}) gave {values!r:.300}")
            outcomes.append(outcome)
            progress.advance(task)
            if len(outcomes) == len(cases) // 10:
                memory_mb = own_resident_mb()
    return outcomes, own_resident_mb() - memory_mb


def checks(programs: int, outcomes: list[Outcome], killer: Killer, left: dict[str, int]) -> dict[str, bool]:
    """Return what had to hold, and whether it did."""
    dead = sum(outcome.worker_died for outcome in outcomes)
    return {
        "every program got exactly one verdict": sorted(o.index for o in outcomes) == list(range(programs)),
        "every honest program whose worker lived got the right one": not any(o.is_unjust for o in outcomes),
        "no hostile program passed": not any(
            o.kind in HOSTILE and o.status is VerdictStatus.PASSED for o in outcomes
        ),
        f"honest programs killed ({dead}) <= workers hit ({len(killer.hit)})": dead <= len(killer.hit),
        **{f"no {kind} left over": count <= 0 for kind, count in left.items()},
    }


def _draw_case(problem: Problem, solution: str, token: str, rng: random.Random) -> Case:
    mode, u = rng.choice(list(Mode)), rng.random()
    if "Thread" in solution:  # the checker does not wait for threads: a verdict there can be a coin toss
        mode = Mode.NATIVE
    kind, code = "right", solution
    if u < _HOSTILE_SHARE:
        kind, code = rng.choice(list(HOSTILE.items()))
        code = code.replace("TOKEN", token)
    elif u < _HOSTILE_SHARE + _WRONG_SHARE:
        name = problem.entry_point
        kind, code = "wrong", f"def {name}(*arguments):\n    return 'wrong'" if name else "print('wrong')"
    return Case(kind, problem, mode, program_for(problem, code, mode, all_tests=False))


def _outcome_table(outcomes: list[Outcome]) -> Table:
    table = Table(title="programs by kind and verdict")
    statuses = sorted({outcome.status for outcome in outcomes})
    table.add_column("kind")
    for status in statuses:
        table.add_column(status, justify="right")
    counts = Counter((outcome.kind, outcome.status) for outcome in outcomes)
    for kind in ("right", "wrong", *HOSTILE):
        table.add_row(kind, *(str(counts[kind, status] or "") for status in statuses))
    return table


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument(
        "--kill-every", type=float, default=_KILL_EVERY_S, help="mean seconds between kills; 0: none"
    )
    options = parser.parse_args()
    rng = random.Random(options.seed)
    token = f"soak{os.getpid()}"
    adopt_orphans()
    console = Console(width=150)
    cases = draw_cases(without_heavy(load_pairs(options, _PAIRS)), options.programs, token, rng)
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # whatever rlif itself puts on the host
        before = Leftovers(token, Path(folder))
        killer = Killer(random.Random(options.seed), options.kill_every)
        started = time.perf_counter()
        outcomes, growth_mb = run(cases, killer, console)
        seconds = time.perf_counter() - started
        left = before.find()
    tempfile.tempdir = None
    found = checks(len(cases), outcomes, killer, left)
    found[f"this process grew by {growth_mb:.1f} <= {_MAX_GROWTH_MB:.0f} MB"] = growth_mb <= _MAX_GROWTH_MB
    console.print(_outcome_table(outcomes))
    console.print(f"{len(cases)} programs in {seconds:.0f} s, {killer.kills} kills")
    for check, holds in found.items():
        console.print(f"{'yes' if holds else 'NO ':3}  {check}")
    for outcome in outcomes:
        if outcome.is_unjust:
            console.print(f"program {outcome.index} ({outcome.kind}): {outcome.status}, {outcome.error}")
    if options.json:
        figures = {
            "programs": len(cases),
            "seconds": seconds,
            "kills": killer.kills,
            "workers_hit": len(killer.hit),
            "honest_killed": sum(outcome.worker_died for outcome in outcomes),
            "growth_mb": growth_mb,
            "left": left,
            "statuses": Counter(outcome.status for outcome in outcomes),
            "checks": found,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(not all(found.values()))


if __name__ == "__main__":
    main()
