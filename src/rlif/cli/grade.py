"""`rlif grade`: run sampled programs on their problems' tests and say which are right."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from rlif.cli.bars import bar
from rlif.errors import UserError
from rlif.grading import Verdict, bootstrap_ci, defined_ks, judge, pass_at_k, program_for
from rlif.grading.samples import Sample, read_samples
from rlif.problems.jsonl import load_jsonl
from rlif.problems.types import Problem
from rlif.records.files import append_line, read_jsonl
from rlif.sandbox import Limits, Sandbox

Key = tuple[str, int]
"""Question id and index of a sample."""
Judged = tuple[Sample, Verdict]


class Mode(StrEnum):
    """Whose rules decide."""

    NATIVE = "native"
    OFFICIAL = "official"


def grade(
    problems: Annotated[Path, typer.Option(help="Problems with tests, in LiveCodeBench's format (JSONL).")],
    samples: Annotated[
        Path, typer.Option(help='Programs: lines {"question_id", "code"} or {"question_id", "code_list"}.')
    ],
    out: Annotated[
        Path, typer.Option(help="Verdicts, one line each; what is there already is not repeated.")
    ],
    mode: Annotated[Mode, typer.Option(help="Rules: native runs scripts as scripts.")] = Mode.NATIVE,
    workers: Annotated[int, typer.Option(help="Programs run at a time.")] = 2,
    timeout: Annotated[float, typer.Option(help="CPU seconds for each test; twice that by the clock.")] = 6.0,
    memory: Annotated[int, typer.Option(help="MB for each program.")] = 1024,
    isolation: Annotated[str, typer.Option(help="bwrap, or process (no protection).")] = "bwrap",
) -> None:
    """Grade sampled programs: one verdict line each, and pass@k over all of them.

    Can be stopped at any time and started again. Exits with 1 when some sample lines could not be used.
    """
    if mode is Mode.OFFICIAL:
        raise UserError("Mode 'official' is not available yet.", "Use --mode native.")
    console = Console()
    known = {problem.id: problem for problem in load_jsonl(problems)}
    wanted, bad_lines = read_samples(samples, known)
    for line in bad_lines:
        console.print(f"{samples}, line {line.number}: {line.reason}", markup=False, soft_wrap=True)
    statuses = _statuses_so_far(out)
    todo = [sample for sample in wanted if (sample.question_id, sample.index) not in statuses]
    limits = Limits(seconds=2 * timeout, cpu_seconds=timeout, memory_mb=memory)
    with Sandbox(workers, isolation, limits) as sandbox, bar(console) as progress:
        task = progress.add_task("Grading", numbers="", total=len(wanted), completed=len(wanted) - len(todo))
        for sample, verdict in _in_order(_verdicts(todo, known, sandbox)):
            append_line(out, _verdict_line(sample, verdict))
            statuses[sample.question_id, sample.index] = verdict.status
            progress.advance(task)
    _print_summary(console, {key: status for key, status in statuses.items() if key[0] in known}, len(known))
    console.print(f"Verdicts: {out.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if bad_lines:
        raise typer.Exit(1)


def _statuses_so_far(out: Path) -> dict[Key, str]:
    """Return the statuses in a verdict file, if there is one; a last line that was cut off is left out."""
    if not out.exists():
        return {}
    found: dict[Key, str] = {}
    for line in read_jsonl(out):
        try:
            found[line.value["question_id"], line.value["index"]] = line.value["status"]
        except KeyError as error:
            raise UserError(
                f"{out}, line {line.number} is no verdict: it has no {error}.",
                "Give --out a file of its own.",
            ) from None
    return found


def _verdicts(
    todo: list[Sample], known: dict[str, Problem], sandbox: Sandbox
) -> Iterator[tuple[int, Judged]]:
    programs = (program_for(known[sample.question_id], sample.code) for sample in todo)
    for index, execution in sandbox.stream(programs):
        sample = todo[index]
        yield index, (sample, judge(known[sample.question_id], execution))


def _in_order(indexed: Iterable[tuple[int, Judged]]) -> Iterator[Judged]:
    """Yield the items by index, holding back those that come early."""
    early: dict[int, Judged] = {}
    following = 0
    for index, item in indexed:
        early[index] = item
        while following in early:
            yield early.pop(following)
            following += 1


def _verdict_line(sample: Sample, verdict: Verdict) -> str:
    return json.dumps(
        {
            "question_id": sample.question_id,
            "index": sample.index,
            "passed": verdict.passed,
            "tests": verdict.tests,
            "status": verdict.status,
        }
    )


def _print_summary(console: Console, statuses: dict[Key, str], problems: int) -> None:
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)
    for (question_id, _), status in statuses.items():
        outcomes[question_id].append(status == "passed")
    table = Table(title=f"{len(statuses)} programs for {len(outcomes)} of {problems} problems")
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("95% interval over problems", justify="right")
    for k in defined_ks(min(map(len, outcomes.values()), default=0)):
        rates = np.array([pass_at_k(len(passed), sum(passed), k) for passed in outcomes.values()])
        low, high = bootstrap_ci(rates)
        table.add_row(
            f"pass@{k}", f"{rates.mean():.3f}", "-" if math.isnan(low) else f"{low:.3f} to {high:.3f}"
        )
    table.add_section()
    for status, count in Counter(statuses.values()).most_common():
        table.add_row(status, str(count), "")
    console.print(table)
