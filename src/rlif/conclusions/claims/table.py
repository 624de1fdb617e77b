"""Verdicts as tables, for the terminal and for Markdown."""

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from rlif.conclusions.claims.types import ClaimResult, Unit, Verdict
from rlif.statistics.estimate import Estimate

COLUMNS = ("claim", "verdict", "estimate", "detectable", "runs")
STYLES = {Verdict.SUPPORTED: "green", Verdict.NOT_SUPPORTED: "red", Verdict.UNDECIDED: "yellow"}


def terminal_table(results: Sequence[ClaimResult]) -> Table:
    """Return one line a claim for rich."""
    table = Table(*COLUMNS, title="Claims", show_lines=True)
    for result in results:
        name, verdict, *rest = (escape(cell) for cell in _cells(result))
        style = STYLES[result.verdict]
        table.add_row(name, f"[{style}]{verdict}[/{style}]", *rest)
    return table


def markdown(results: Sequence[ClaimResult], comparisons: bool = False) -> str:
    """Return the same in Markdown; with `comparisons`, every comparison and sentence behind each verdict."""
    lines = _rows(COLUMNS, [_cells(result) for result in results])
    for result in results if comparisons else ():
        lines += ["", f"**{result.id}. {result.sentence}** {result.verdict.capitalize()}.", ""]
        lines += [f"Hypothesis: {result.hypothesis}", *(f"\n{detail}" for detail in result.details)]
        if result.comparisons:
            header = ("comparison", "estimate", "p for", "p against", "verdict")
            rows = [
                (
                    c.evidence.name,
                    written(c.evidence.estimate, c.evidence.unit),
                    _p(c.p_for),
                    _p(c.p_against),
                    c.verdict,
                )
                for c in result.comparisons
            ]
            lines += ["", *_rows(header, rows)]
    return "\n".join(lines)


def written(estimate: Estimate, unit: Unit) -> str:
    """Return "+3.1 [+0.2, +6.0] points"; "–" where there is no estimate."""
    if math.isnan(estimate.estimate):
        return "–"
    number, low, high = (_number(x, unit) for x in (estimate.estimate, estimate.low, estimate.high))
    level = "" if abs(estimate.level - 0.95) < 1e-9 else f" ({100 * estimate.level:.4g}%)"
    suffix = {Unit.POINTS: " points", Unit.PERCENT: "%", Unit.RATIO: ""}[unit]
    return f"{number} [{low}, {high}]{suffix}{level}"


def _cells(result: ClaimResult) -> tuple[str, ...]:
    estimate = written(result.estimate, result.unit)
    return (
        f"{result.id}. {result.sentence}",
        result.verdict,
        f"{result.quantity}: {estimate}" if result.quantity else (result.details or ("–",))[0],
        "–" if math.isnan(result.detectable) else _number(result.detectable, result.unit),
        str(result.n_runs),
    )


def _number(value: float, unit: Unit) -> str:
    if math.isnan(value):
        return "–"
    return f"{math.exp(value):.2f}" if unit is Unit.RATIO else f"{100 * value:+.1f}"


def _p(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |" for line in lines]
