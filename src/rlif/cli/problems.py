"""`rlif problems`: look at a data set, count it, check it, and see whether two of them overlap."""

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from rlif.cli.bars import bar
from rlif.cli.problems_display import listing, problem_text, statistics
from rlif.errors import UserError
from rlif.grading import grade
from rlif.grading.stream import check_gradable
from rlif.problems.check import duplicates, self_check
from rlif.problems.describe import describe
from rlif.problems.jsonl import BadLine, read_files
from rlif.problems.leaks import THRESHOLD, find_leaks
from rlif.problems.load import load_problems, problem_files
from rlif.problems.types import Problem
from rlif.sandbox import Sandbox

problems_app = typer.Typer(
    help="Look at problems, count them, check them, compare two sets.", no_args_is_help=True
)

Name = Annotated[
    str, typer.Argument(help="minicode, humaneval, livecodebench, a .jsonl file, or a folder of them.")
]
Split = Annotated[str | None, typer.Option(help="Part of the data set; LiveCodeBench: the release.")]
Day = Annotated[dt.datetime | None, typer.Option(formats=["%Y-%m-%d"])]
Words = Annotated[list[str] | None, typer.Option(help="Only these; may be given several times.")]
Limit = Annotated[int | None, typer.Option(help="The first so many.")]
Seed = Annotated[int, typer.Option(help="Of procedural problems.")]
_BATCH = 16

Item = TypeVar("Item")


@problems_app.command()
def show(
    name: Name,
    problem_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of a problem; without it, all are listed.")
    ] = None,
    split: Split = None,
    limit: Limit = None,
    start: Day = None,
    end: Day = None,
    platform: Words = None,
    difficulty: Words = None,
    seed: Seed = 0,
    hidden: Annotated[bool, typer.Option("--hidden", help="The hidden tests too.")] = False,
) -> None:
    """Print one problem, or list the problems of a data set."""
    chosen = load_problems(
        name, split, limit, _date(start), _date(end), seed, tuple(platform or ()), tuple(difficulty or ())
    )
    console = Console()
    if problem_id is None:
        console.print(listing(chosen))
        return
    by_id = {problem.id: problem for problem in chosen}
    if problem_id not in by_id:
        near = difflib.get_close_matches(problem_id, by_id, n=3)
        fix = f"Near: {', '.join(near)}." if near else "Leave the id out to list them."
        raise UserError(f"'{name}' has no problem '{problem_id}' among {len(chosen):,}.", fix)
    console.print(problem_text(by_id[problem_id], hidden), markup=False, highlight=False, soft_wrap=True)


@problems_app.command()
def stats(
    name: Name,
    split: Split = None,
    limit: Limit = None,
    start: Day = None,
    end: Day = None,
    platform: Words = None,
    difficulty: Words = None,
    seed: Seed = 0,
    hidden: Annotated[bool, typer.Option("--hidden", help="Count hidden tests too: decodes all.")] = False,
) -> None:
    """Count a data set's problems: dates, platforms, difficulties, months, tests."""
    chosen = load_problems(
        name, split, limit, _date(start), _date(end), seed, tuple(platform or ()), tuple(difficulty or ())
    )
    counts = [len(problem.hidden_tests) for problem in _followed(chosen, "Counting")] if hidden else None
    console = Console()
    for part in statistics(name, describe(chosen), counts):
        console.print(part)


@problems_app.command()
def check(
    name: Name,
    split: Split = None,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option(min=1, help="Sandbox workers.")] = 1,
    isolation: Annotated[str, typer.Option(help="bwrap, or the weaker process.")] = "bwrap",
) -> None:
    """Read everything, hidden tests too, and run the data set's own solutions.

    Exits with 1 if a row cannot be used, an id or a statement is there twice, or a solution fails.
    """
    faults: list[str] = []
    found = _read(name, split, seed, faults)
    sound = [problem for problem in _followed(found, "Tests") if _is_sound(problem, faults)]
    faults += [
        f"the same statement: {', '.join(problem.id for problem in group)}" for group in duplicates(sound)
    ]
    solved = [problem for problem in sound if problem.solution is not None]
    if solved:
        with Sandbox(workers, isolation) as sandbox:
            batches = [solved[first : first + _BATCH] for first in range(0, len(solved), _BATCH)]
            for batch in _followed(batches, f"Solutions, {_BATCH} at a time"):
                failures = self_check(batch, lambda pairs: grade(pairs, sandbox, all_tests=False))
                faults += [f"problem '{each.problem.id}': its solution: {each.status}" for each in failures]
    console = Console(soft_wrap=True, highlight=False)
    for fault in faults:
        console.print(fault, markup=False)
    console.print(
        f"{describe(sound).headline}: sound, {len(solved):,} of them with a solution. "
        f"{len(faults) or 'No'} fault{'s' * (len(faults) != 1)}."
    )
    if faults:
        raise typer.Exit(1)


@problems_app.command()
def leaks(
    train: Name,
    test: Name,
    train_split: Split = None,
    train_start: Day = None,
    train_end: Day = None,
    test_split: Split = None,
    test_start: Day = None,
    test_end: Day = None,
    threshold: Annotated[
        float, typer.Option(help="Shared part of 5-word runs from which statements are near-identical.")
    ] = THRESHOLD,
) -> None:
    """Name the problems of TEST that are in TRAIN too, word for word or nearly; exit with 1 if any is."""
    known = load_problems(train, train_split, start=_date(train_start), end=_date(train_end))
    held_out = load_problems(test, test_split, start=_date(test_start), end=_date(test_end))
    found = find_leaks(known, held_out, threshold)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"train: {describe(known).headline}")
    console.print(f"test:  {describe(held_out).headline}")
    for leak in found:
        console.print(str(leak), markup=False)
    leaked = len({leak.test.id for leak in found})
    console.print(f"{leaked or 'None'} of {len(held_out):,} test problems found in train.")
    if found:
        raise typer.Exit(1)


def _date(day: dt.datetime | None) -> dt.date | None:
    return day.date() if day else None


def _read(name: str, split: str | None, seed: int, faults: list[str]) -> list[Problem]:
    """Return a data set's problems; what is wrong with a line of a file is a fault, not the end."""
    files = problem_files(name, split)
    if not files:
        return load_problems(name, split, seed=seed)
    problems: list[Problem] = []
    for path, line in read_files(files):
        if isinstance(line, BadLine):
            faults.append(f"{path}, line {line.number}: {line.reason}")
        else:
            problems.append(line.problem)
    return problems


def _is_sound(problem: Problem, faults: list[str]) -> bool:
    try:
        check_gradable(problem)
    except UserError as error:
        faults.append(error.message.rstrip("."))
        return False
    return True


def _followed(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield items, with a progress bar on stderr."""
    with bar(Console(stderr=True)) as progress:
        task = progress.add_task(what, total=len(items), numbers="")
        for item in items:
            yield item
            progress.advance(task)
