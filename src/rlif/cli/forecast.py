"""`rlif forecast PATH --like STUDY`: what became of recorded runs whose first steps looked like these?"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rlif.conclusions.forecast import Outlook, outlook, read_studies
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
    cases = read_studies(like, steps)
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
    if not found.used:
        lines.append(
            "This run has no feature that those runs can give a weight: both columns are their base rate."
        )
    elif math.isnan(skill.estimate):
        lines.append("Whether such forecasts hold for another reward cannot be told from these runs.")
    else:
        shown = "were better" if skill.low > 0 else "are NOT shown to be better"
        features = "this feature" if len(found.used) == 1 else f"these {len(found.used)} features"
        lines.append(
            f"For rewards left out, forecasts from {features} {shown} than the base rate, the last column: "
            f"Brier skill {skill.estimate:.2f} [{skill.low:.2f}, {skill.high:.2f}]."
        )
    if found.missing:
        lines.append(f"Not in this log, so without a say: {', '.join(found.missing)}.")
    if found.idle:
        lines.append(
            f"Not recorded, or alike, in all of those runs, so without a say: {', '.join(found.idle)}."
        )
    if found.far:
        lines.append(f"Outside of what any of those runs showed, so a guess: {', '.join(found.far)}.")
    if found.steps[-1] > found.budget:
        lines.append(
            f"None of those runs was watched beyond step {found.budget}: what comes later is a guess."
        )
    return lines
