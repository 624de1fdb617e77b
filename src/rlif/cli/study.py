"""`rlif study`: a file of a few lines to runs, their progress, and one table of their results."""

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from rlif.cli.study_display import left, plan_json, plan_table, progress_table
from rlif.cli.study_forecast import forecast
from rlif.cli.study_recommend import recommend
from rlif.cli.study_stopping import stopping
from rlif.conclusions.results import export as write_tables
from rlif.conclusions.results import results
from rlif.config import read_table, validated
from rlif.errors import UserError
from rlif.records import StudyDir
from rlif.study.checks import refuse_impossible, refuse_settings, weaknesses
from rlif.study.cluster import RayScheduler
from rlif.study.config import load_study
from rlif.study.expand import expand
from rlif.study.local import LocalScheduler, processes_for
from rlif.study.plan import make_plan
from rlif.study.progress import RunProgress, study_progress
from rlif.study.runner import DEFINITION, run_all
from rlif.study.scheduler import Stopped
from rlif.study.schema import StudyConfig

study_app = typer.Typer(help="Grids of runs: plan, run, watch, export, conclude.", no_args_is_help=True)
for command in (recommend, stopping, forecast):
    study_app.command()(command)

File = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")]
Processes = Annotated[
    int | None, typer.Option(min=1, help="Runs at a time. Default: cores / resources.num_cpus.")
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="auto|ADDRESS", help='Run on this Ray cluster ("local": one on this machine).'),
]


@study_app.command()
def plan(
    file: File,
    processes: Processes = None,
    records: Annotated[
        Path, typer.Option(help="Directory of earlier runs: their speed is what time is reckoned by.")
    ] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a study will take: runs, completions, tokens, time, memory. Starts nothing."""
    study = load_study(file)
    found = make_plan(study, processes or processes_for(study.resources), [records])
    if as_json:
        typer.echo(json.dumps(plan_json(found), indent=2))
        return
    console = Console()
    console.print(plan_table(found))
    for heading, lines in (("Reckoned with", found.assumptions), ("Note", found.notes)):
        for line in lines:
            console.print(f"{heading}: {line}", markup=False, highlight=False)


@study_app.command()
def run(
    file: File,
    out: Annotated[Path | None, typer.Option(help="Study directory. Default: runs/<name>.")] = None,
    processes: Processes = None,
    ray: Ray = None,
) -> None:
    """Run what is not complete yet. Killed or stopped, the same command continues."""
    study = load_study(file)
    runs = expand(study)
    refuse_impossible(runs)
    if not ray:
        refuse_settings(runs, max(1, study.resources.num_gpus))
    console = Console(stderr=True)
    for line in weaknesses(runs):
        console.print(f"Note: {line}", markup=False, highlight=False)
    _execute(study, out or Path("runs") / study.name, processes, ray, None)


@study_app.command()
def retry(directory: Directory, processes: Processes = None, ray: Ray = None) -> None:
    """Run again what failed, from its last checkpoints, and nothing else."""
    failed = [run.id for run in study_progress(StudyDir(directory)) if run.state == "failed"]
    if not failed:
        raise UserError(f"No run in {directory} has failed.", "See: rlif study status " + str(directory))
    path = directory / DEFINITION
    study = validated(StudyConfig, read_table(path), str(path))
    _execute(study, directory, processes, ray, failed)


@study_app.command()
def status(
    directory: Directory,
    watch: Annotated[bool, typer.Option(help="Go on showing it, until Ctrl-C.")] = False,
) -> None:
    """Show where the runs stand; while they run, too, and from any terminal."""
    place, console = StudyDir(directory), Console()
    if not watch:
        runs = study_progress(place)
        console.print(progress_table(runs))
        _tell_failures(runs, console)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(progress_table(study_progress(place)), refresh=True)
            time.sleep(2)


@study_app.command()
def export(directory: Directory) -> None:
    """Write results.parquet and results.csv: a row for each run, evaluation and sampling mode."""
    for path in write_tables(directory):
        typer.echo(f"{path.resolve()}   {path.stat().st_size / 1000:,.0f} kB")


@study_app.command()
def claims(
    directory: Directory,
    markdown: Annotated[
        bool, typer.Option(help="Print Markdown, with every comparison behind each verdict.")
    ] = False,
) -> None:
    """Judge the claims C1 to C6 on a study's results: verdict, estimate, what could have been seen."""
    from rlif.conclusions.claims import judge, table

    found = judge(results(directory))
    if markdown:
        typer.echo(table.markdown(found, comparisons=True))
    else:
        Console().print(table.terminal_table(found))


def _execute(
    study: StudyConfig,
    directory: Path,
    processes: int | None,
    ray: str | None,
    only: Collection[str] | None,
) -> None:
    scheduler = RayScheduler(ray) if ray else LocalScheduler(processes or processes_for(study.resources))
    console, started, first = Console(), time.monotonic(), list[int]()
    with Live(console=console, refresh_per_second=2) as live:

        def show(runs: Sequence[RunProgress]) -> None:
            if not first:
                first.append(sum(run.step for run in runs))
            live.update(progress_table(runs, left(runs, time.monotonic() - started, first[0])))

        try:
            runs = run_all(study, directory, scheduler, show, only)
        except Stopped:
            raise UserError(
                f"Stopped. Everything so far is in {directory}.", "The same command continues from there."
            ) from None
        show(runs)
    _tell_failures(runs, console)
    if any(run.state == "complete" for run in runs):
        write_tables(directory)
        console.print(
            f"Results: {(directory / 'results.parquet').resolve()}", highlight=False, soft_wrap=True
        )
    if any(run.error for run in runs):
        console.print(f"Try the failed ones again with: rlif study retry {directory}", highlight=False)
        raise typer.Exit(1)


def _tell_failures(runs: Sequence[RunProgress], console: Console) -> None:
    for run in runs:
        if run.error:
            console.print(f"{run.id}: {run.error}", markup=False, highlight=False, soft_wrap=True)
