"""`rlif quickstart`: a whole small study on the CPU, and its report."""

import os
import time
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from rlif.errors import UserError, missing_extra
from rlif.report import build_report, terminal_table
from rlif.study.config import load_study
from rlif.study.local import RunProgress, Stopped, run_study


def quickstart(
    out: Annotated[Path, typer.Option(help="Study directory.")] = Path("runs/quickstart"),
    processes: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time. Default: one for each core.")
    ] = None,
) -> None:
    """Train the embedded model on its own confidence and, beside it, on tests; then report who gained."""
    if find_spec("trl") is None:  # said once here, rather than by each run
        raise missing_extra("trl", "train")
    study = load_study(Path(str(files("rlif") / "assets" / "quickstart.toml")))
    console = Console()
    console.print(f"{study.name}: {study.description}", highlight=False)
    started = time.monotonic()
    with Live(console=console, refresh_per_second=2) as live:

        def show(runs: Sequence[RunProgress]) -> None:
            live.update(_table(runs, time.monotonic() - started, first))

        first: list[int] = []
        try:
            runs = run_study(study, out, processes or os.cpu_count() or 1, show)
        except Stopped:
            raise UserError(
                f"Stopped. Everything so far is in {out}.", "The same command continues from there."
            ) from None
        show(runs)
    failed = [run for run in runs if run.state != "complete"]
    for run in failed:
        console.print(
            f"Run '{run.id}' did not finish ({run.state}). {run.error}", markup=False, highlight=False
        )
    if len(failed) == len(runs):
        raise UserError("No run finished, so there is nothing to report.", f"See {out}/runs/*/log.txt.")
    page = build_report(out)
    console.print(terminal_table(out))
    console.print(f"Report: {page.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _table(runs: Sequence[RunProgress], elapsed: float, first: list[int]) -> Table:
    """Return the live table; `first` remembers the steps that were done before this call began."""
    done, total = sum(run.step for run in runs), sum(run.total_steps for run in runs)
    if not first:
        first.append(done)
    fresh = done - first[0]
    left = (
        f"about {_clock(elapsed / fresh * (total - done))} left" if fresh >= 5 else "estimating the time left"
    )
    table = Table(caption=f"{_clock(elapsed)} gone, {left}" if done < total else _clock(elapsed))
    for name in ("run", "state", "step", "stage", "held-out pass@1"):
        table.add_column(name)
    for run in runs:
        score = "" if run.pass_at_1 is None else f"{run.pass_at_1:.3f}"
        table.add_row(run.label, run.state, f"{run.step}/{run.total_steps}", run.stage, score)
    return table


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
