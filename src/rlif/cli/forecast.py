"""`rlif forecast PATH --like STUDY`: what became of recorded runs whose first steps looked like these?"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlif.conclusions.forecast import Outlook, outlook, read_cases
from rlif.diagnostics.logs import read_log

_POINTS = 5
"""Steps at which the chance is given, up to the last."""


def forecast(
    path: Annotated[Path, typer.Argument(help="A log file, or the directory of a run; as in rlif diagnose.")],
    like: Annotated[
        list[Path],
        typer.Option(metavar="STUDY", help="A study of runs like it, to learn from; may be repeated."),
    ],
    until: Annotated[int, typer.Option(min=2, help="Last step to forecast: the run's budget.")] = 50,
    steps: Annotated[int, typer.Option(min=3, help="Steps of each run that are looked at.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how likely a run is to lose a tenth of its best pass@1, and by when, from its first steps."""
    cases = [case for study in like for case in read_cases(study, steps).cases]
    records = read_log(path).steps
    found = outlook(
        records, cases, [round(steps + (until - steps) * n / _POINTS) for n in range(1, _POINTS + 1)]
    )
    if as_json:
        skill = (found.skill.estimate, found.skill.low, found.skill.high)
        defined = None if math.isnan(found.skill.estimate) else skill
        typer.echo(json.dumps(asdict(found) | {"skill": defined}, indent=2))
        return
    table = Table(
        title=f"Chance of having lost a tenth of the best pass@1, from the first {found.known} steps"
    )
    for name in ("by step", "this run", "any of those runs"):
        table.add_column(name, justify="right")
    for step, chance, usual in zip(found.steps, found.chances, found.usual, strict=True):
        table.add_row(str(step), f"{chance:.0%}", f"{usual:.0%}")
    console = Console()
    console.print(table)
    for line in sentences(found):
        console.print(line, highlight=False)


def sentences(found: Outlook) -> list[str]:
    """Return what the numbers rest on, and how far they can be trusted."""
    lines = [f"Learnt from {found.runs} recorded runs, of which {found.fell} fell after as many steps."]
    skill = found.skill
    if math.isnan(skill.estimate):
        lines.append("Whether such forecasts hold for another reward cannot be told from these runs.")
    elif skill.low > 0:
        lines.append(
            "For rewards left out, such forecasts were better than the base rate: Brier skill "
            f"{skill.estimate:.2f} [{skill.low:.2f}, {skill.high:.2f}]."
        )
    else:
        lines.append(
            "For rewards left out, such forecasts are NOT shown to be better than the base rate, the last "
            f"column: Brier skill {skill.estimate:.2f} [{skill.low:.2f}, {skill.high:.2f}]."
        )
    if found.missing:
        lines.append(f"Not in this log, so without a say: {', '.join(found.missing)}.")
    if found.far:
        lines.append(f"Farther out than those runs ever were, so a guess: {', '.join(found.far)}.")
    return lines
