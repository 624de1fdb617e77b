"""`rlif report DIR`: the report of a run or a study."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def report(
    path: Annotated[Path, typer.Argument(help="A run directory, or a study directory with several runs.")],
) -> None:
    """Write report.html, figures and summaries into DIR, print the table, and say where the report is."""
    from rlif.report import build_report, terminal_table

    page = build_report(path)
    console = Console()
    console.print(terminal_table(path))
    console.print(f"Report: {page.resolve()}", markup=False, highlight=False, soft_wrap=True)
