"""`rlif study stopping`: what stopping rules would have been worth on a study's runs."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rlif.conclusions.recorded import RecordedRun, recorded_runs
from rlif.conclusions.regret import Row, regret_table
from rlif.conclusions.rule_choices import strategies
from rlif.diagnostics.thresholds import Thresholds
from rlif.statistics.estimate import Estimate

HEADINGS = (
    "rule",
    "tuned without that",
    "stopped",
    "regret",
    "95% of gain kept",
    "share of gain",
    "others",
    "harmed",
    "false alarms",
    "goal",
)


def stopping(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")],
    margin: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="A difference of pass@1 that matters.")
    ] = Thresholds().margin,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay stopping rules on the runs of a study: regret, gain kept, false alarms."""
    runs = recorded_runs(directory)
    rows = regret_table(runs, strategies(runs), margin)
    if as_json:
        typer.echo(json.dumps([_defined(asdict(row)) | {"reached": row.reached} for row in rows], indent=2))
    elif markdown:
        typer.echo(_markdown(rows))
        typer.echo(f"\n{_summary(runs, rows, margin)}")
    else:
        console = Console()
        table = Table(*HEADINGS)
        for row in rows:
            table.add_row(*_cells(row))
        console.print(table)
        console.print(_summary(runs, rows, margin), highlight=False)


def _defined(value: Any) -> Any:
    """Return nested values with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.strategy,
        row.left_out,
        f"{row.stopped} of {row.runs}",
        _points(row.regret),
        f"{row.gain_kept} of {row.gaining}",
        f"{row.share_kept.estimate:.2f}",
        f"{100 * row.others.estimate:+.1f}",
        str(row.harmed),
        str(row.false_alarms),
        "reached" if row.reached else "",
    )


def _markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    return "\n".join([*lines, *("| " + " | ".join(_cells(row)) + " |" for row in rows)])


def _summary(runs: Sequence[RecordedRun], rows: Sequence[Row], margin: float) -> str:
    gaining = rows[0].gaining
    return (
        f"{len(runs)} runs of {len({run.reward for run in runs})} rewards; the best policy of {gaining} is "
        f"more than {100 * margin:g} points above the start. In points of pass@1: regret (95% interval for "
        "new runs and problems); others: change from the start in the other runs; harmed: runs whose policy "
        "kept is below the start by more than the margin. Goal: 95% of the gain kept in 90% of the runs that "
        "have one, false alarms in at most 5% of all."
    )


def _points(value: Estimate) -> str:
    return f"{100 * value.estimate:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}]"
