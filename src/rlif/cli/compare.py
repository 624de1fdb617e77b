"""`rlif compare A B`: two evaluations on the same problems, paired."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from rlif.errors import UserError
from rlif.records import BenchmarkRecord, RunDir


def compare(
    first: Annotated[Path, typer.Argument(help="Directory of an evaluation.")],
    second: Annotated[Path, typer.Argument(help="Directory of another one.")],
) -> None:
    """Compare what `rlif evaluate` wrote into two directories: difference of pass@1 with its 95% interval."""
    from rlif.cli.evaluate_display import comparison
    from rlif.diagnostics.paired import pair

    a, b = _latest(first), _latest(second)
    modes = [mode for mode in a if mode in b]
    if not modes:
        raise UserError(
            f"{first} is {' and '.join(a)}, {second} is {' and '.join(b)}.",
            "Compare greedy with greedy, or sampled with sampled.",
        )
    console = Console()
    for mode in modes:
        paired = pair(a[mode], b[mode])
        console.print(
            f"first:  {a[mode].model}, {first} ({mode})", markup=False, highlight=False, soft_wrap=True
        )
        console.print(
            f"second: {b[mode].model}, {second} ({mode})", markup=False, highlight=False, soft_wrap=True
        )
        for name, (mine, theirs) in paired.unlike.items():
            console.print(f"Note: {name} differs: {mine} and {theirs}.", markup=False, highlight=False)
        if alone := paired.first_only + paired.second_only:
            console.print(f"Note: {alone} problems were answered in one of them only; left out.")
        console.print(comparison(paired, ("first", "second")))


def _latest(path: Path) -> dict[str, BenchmarkRecord]:
    """Return the last evaluation of each sampling mode in a directory."""
    try:
        records = [BenchmarkRecord.model_validate(record.model_dump()) for record in RunDir(path).evals()]
    except ValidationError:
        raise UserError(
            f"{path} holds evaluations of a training run.", "Compare runs with rlif report STUDY."
        ) from None
    if not records:
        raise UserError(f"{path} holds no finished evaluation.", "Run rlif evaluate with --out there first.")
    return {record.mode: record for record in records}
