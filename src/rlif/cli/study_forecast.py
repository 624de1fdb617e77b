"""`rlif study forecast`: could the falls of a study's runs have been foretold from their first steps?"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rlif.conclusions.forecast import (
    Cases,
    Row,
    across_studies,
    leave_one_reward_out,
    read_cases,
    read_studies,
    verdict,
)
from rlif.conclusions.forecast.scores import Calibration
from rlif.statistics.estimate import Estimate

SKILL = ("predictor", "Brier", "skill", "log loss", "AUROC", "order in time", "within a reward")
CALIBRATION = ("early signals said", "runs", "mean forecast", "fell")
SHOWN = "early signals"
"""The predictor whose calibration is printed; JSON has that of all."""


def forecast(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A study directory.")],
    steps: Annotated[int, typer.Option(min=3, help="Steps of each run that the forecast may see.")] = 10,
    fitted_on: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Fit on this study (may be repeated). Default: leave out one reward at a time.",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forecast from the first steps which runs lose a tenth of their best pass@1, and judge the forecasts."""
    found = read_cases(directory, steps)
    if fitted_on:
        rows = across_studies(read_studies(fitted_on, steps, judged=directory), found.cases)
    else:
        rows = leave_one_reward_out(found.cases)
    if as_json:
        typer.echo(json.dumps([_defined(asdict(row)) | {"skilful": row.skilful} for row in rows], indent=2))
        return
    shown = [row for row in rows if row.predictor == SHOWN]
    tables = [(SKILL, [_skill_cells(row) for row in rows])]
    tables += [(CALIBRATION, [_cells(c) for c in (*row.reliability, *row.timing)]) for row in shown]
    summary = _summary(found, rows, fitted_on)
    if markdown:
        typer.echo("\n\n".join([*(_markdown(*table) for table in tables if table[1]), summary]))
        return
    console = Console()
    for headings, lines in tables:
        if lines:
            table = Table(*headings)
            for line in lines:
                table.add_row(*line)
            console.print(table)
    console.print(summary, highlight=False)


def _skill_cells(row: Row) -> tuple[str, ...]:
    return (
        row.predictor + (" (needs tests)" if row.needs_tests else ""),
        f"{row.brier:.3f}",
        _interval(row.skill),
        f"{row.log_loss:.2f}",
        f"{row.auroc:.2f}",
        f"{row.concordance:.2f}",
        f"{row.within:.2f}",
    )


def _cells(group: Calibration) -> tuple[str, ...]:
    share = group.observed
    return (
        group.group,
        str(group.runs),
        f"{100 * group.predicted:.0f}%",
        f"{100 * share.estimate:.0f}% [{100 * share.low:.0f}, {100 * share.high:.0f}]",
    )


def _interval(value: Estimate) -> str:
    return f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, ["---"] * len(headings), *lines))


def _summary(found: Cases, rows: Sequence[Row], fitted_on: Sequence[Path] | None) -> str:
    how = "fitted on another study" if fitted_on else "fitted on the runs of all other rewards"
    return (
        f"{verdict(rows)} Forecasts from {found.known} steps, {how}. Runs left out: {found.fallen_before} "
        f"had fallen by then, {found.too_short} are too short. Skill: 1 − Brier score / that of the judged "
        "runs' own base rate; its interval is for new rewards, not corrected for the number of predictors. "
        "Order in time: how often, of two runs, the one that fell sooner had the higher hazard; within a "
        "reward: of two runs with the same one. 0.5 is chance."
    )


def _defined(value: Any) -> Any:
    """Return nested values with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
