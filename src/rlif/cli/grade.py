"""`rlif grade`: run sampled programs on their problems' tests and say which are right."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rlif.cli.grade_display import Notices, Progress, print_summary
from rlif.errors import UserError
from rlif.grading.problem_file import ProblemFile
from rlif.grading.samples import Sample, read_samples
from rlif.grading.stream import check_gradable, grade_stream
from rlif.grading.verdict_file import Settings, VerdictFile
from rlif.problems.jsonl import BadLine
from rlif.sandbox import Limits, Mode, Sandbox
from rlif.sandbox.isolation import Isolation

_LONGEST_S = 24 * 3600.0


def grade(
    problems: Annotated[Path, typer.Option(help="Problems with tests, in LiveCodeBench's rows.")],
    samples: Annotated[
        Path,
        typer.Option(
            help='Programs: {"question_id", "code"} or {"question_id", "code_list"}, one a line, or in one '
            "JSON array as LiveCodeBench's runner writes them."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Verdicts, one a line; those there are not made again.")],
    mode: Annotated[
        Mode, typer.Option(help="native: scripts run as scripts; official: as LiveCodeBench.")
    ] = Mode.NATIVE,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="Programs run at a time; one for each core by default."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SEC",
            help="For each test: native, of CPU, and twice that by the clock; official, by the clock.",
        ),
    ] = 6.0,
    memory: Annotated[int, typer.Option(metavar="MB", min=1, max=1 << 20, help="For each program.")] = 1024,
    all_tests: Annotated[
        bool,
        typer.Option(
            "--all-tests/--first-failure", help="Run every test, or stop at the first one that fails."
        ),
    ] = False,
    isolation: Annotated[
        str, typer.Option(help="bwrap, or process: no protection from hostile programs.")
    ] = "bwrap",
) -> None:
    """Grade sampled programs: a verdict line for each, then pass@k and what the problems cost.

    Can be killed at any time; the same command goes on from there. Exits with 1 when a line could not be used
    (each is named, the others are graded) or there was nothing to grade.
    """
    settings = Settings(mode, isolation, timeout, memory, all_tests)
    limits = _limits(settings)
    Isolation.parse(isolation)
    _check_paths(problems, samples, out)
    cores = len(os.sched_getaffinity(0))
    notices = Notices()
    if workers is not None and workers > cores:
        notices.say(f"--workers {workers} is more than the cores here: no faster than --workers {cores}.")
    with VerdictFile(out, settings) as verdicts:
        with notices.status(f"Reading {problems}"):
            known = ProblemFile(problems, partial(check_gradable, mode=mode))
            notices.bad_lines(problems, known.bad_lines)
        with notices.status(f"Reading {samples}"):
            total = done = 0
            for item in read_samples(samples, known):
                if isinstance(item, BadLine):
                    notices.bad_lines(samples, [item])
                else:
                    total += 1
                    done += verdicts.had(item)
        if verdicts.tally.programs > done:
            notices.say(f"{verdicts.tally.programs - done} verdicts in {out} are on no sample in {samples}.")
        if done < total:
            with (
                Sandbox(workers or cores, isolation, limits) as sandbox,
                Progress(notices.console, done, total) as progress,
            ):
                todo = _todo(samples, known, verdicts)
                for graded in grade_stream(todo, known, sandbox, mode, all_tests):
                    verdicts.append(graded.sample, graded.verdict, graded.execution)
                    progress.advance(verdicts.tally)
    console = Console()
    if verdicts.tally.programs:
        print_summary(console, verdicts.tally, settings, len(known.ids))
    else:
        console.print("Nothing was graded: no program could be used.", highlight=False)
    notices.count_bad_lines()
    console.print(f"Verdicts: {out.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if notices.bad or not verdicts.tally.programs:
        raise typer.Exit(1)


def _limits(settings: Settings) -> Limits:
    """Return the limits of each program; raises `UserError` for a time nobody can wait for."""
    seconds = settings.timeout
    if not 0 < seconds <= _LONGEST_S:
        raise UserError(f"--timeout must be above 0 and at most {_LONGEST_S:.0f} seconds; got {seconds:g}.")
    # LiveCodeBench's time is by the clock. In native mode the clock is only there for programs that sleep.
    by_clock = seconds if settings.mode is Mode.OFFICIAL else 2 * seconds
    if settings.mode is Mode.OFFICIAL and settings.all_tests:
        raise UserError(
            "--all-tests does not go with --mode official: LiveCodeBench stops at the first test that fails.",
            "Leave --all-tests out, or give --mode native.",
        )
    return Limits(seconds=by_clock, cpu_seconds=seconds, memory_mb=settings.memory)


def _check_paths(problems: Path, samples: Path, out: Path) -> None:
    for path, name in ((problems, "problems"), (samples, "samples")):
        if path.is_fifo() or path.is_char_device():
            raise UserError(f"The {name} in '{path}' are read more than once.", "Write them to a file first.")
        try:
            path.open("rb").close()
        except OSError as error:
            raise UserError(f"Cannot read the {name} file '{path}': {error.strerror}.") from None
        if out.exists() and out.samefile(path):
            raise UserError(f"--out {out} is the {name} file.", "Give --out a file of its own.")


def _todo(samples: Path, problems: ProblemFile, verdicts: VerdictFile) -> Iterator[Sample]:
    for item in read_samples(samples, problems):
        if isinstance(item, Sample) and not verdicts.had(item):
            yield item
