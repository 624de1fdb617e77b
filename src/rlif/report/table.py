"""The table of all arms: one row each, for the page, for files and for the terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from rlif.diagnostics import Interval, Verdict
from rlif.diagnostics.evidence import number, percent
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.load import Study
from rlif.report.tabular import Tabular

COLUMNS = (
    "Run",
    "Sampled: start",
    "Sampled: peak",
    "Sampled: end",
    "Greedy: start",
    "Greedy: peak",
    "Greedy: end",
    "Peak step",
    "Length",
    "Reasoning",
    "Verdict",
)

SYMBOLS = {
    Verdict.IMPROVED: "▲",
    Verdict.IMPROVED_THEN_FELL: "◭",
    Verdict.COLLAPSED: "▼",
    Verdict.WORSENED: "▽",
    Verdict.UNCHANGED: "=",
    Verdict.UNDECIDED: "?",
}
"""Verdict -> a sign that tells it apart without colour."""

TERMINAL = {
    Verdict.IMPROVED: "green",
    Verdict.IMPROVED_THEN_FELL: "yellow",
    Verdict.COLLAPSED: "red",
    Verdict.WORSENED: "red",
    Verdict.UNCHANGED: "dim",
    Verdict.UNDECIDED: "dim",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number and, in smaller type, its interval."""

    text: str
    small: str = ""


EMPTY = Cell("–")


@dataclass(frozen=True, slots=True)
class Row:
    """One arm; `cells` stand under the columns from the second to the last but one."""

    id: str
    label: str
    role: Role
    verdict: Verdict
    runs: int
    note: str
    cells: tuple[Cell, ...]


def rows(study: Study) -> tuple[tuple[str, ...], list[Row]]:
    """Return the columns, but for those without any number, and one row an arm, in the study's order."""
    cells = [_cells(arm) for arm in study.arms]
    used = [any(cell != EMPTY for cell in column) for column in zip(*cells, strict=True)]
    found = [
        Row(arm.id, arm.label, arm.role, arm.verdict, len(arm.runs), arm.note, tuple(compress(own, used)))
        for arm, own in zip(study.arms, cells, strict=True)
    ]
    return (COLUMNS[0], *compress(COLUMNS[1:-1], used), COLUMNS[-1]), found


def tabular(study: Study) -> Tabular:
    """Return the table for Markdown and LaTeX."""
    several = any(len(arm.runs) > 1 for arm in study.arms)
    columns, found = rows(study)
    columns = (columns[0], "Runs", *columns[1:]) if several else columns
    lines: list[tuple[str, ...]] = []
    for row in found:
        texts = [f"{cell.text} ({cell.small})" if cell.small else cell.text for cell in row.cells]
        name = f"{row.label} ({row.note})" if row.note else row.label
        lines.append((name, *([str(row.runs)] if several else []), *texts, row.verdict))
    return Tabular("runs", "Held-out pass@1 with 95% intervals", columns, tuple(lines))


def terminal(study: Study) -> Table:
    """Return the table for rich, narrow enough for 80 columns: no intervals, which stand in the report."""
    caption = "pass@1 on held-out problems: start → peak → end"
    table = Table(title=study.name, title_justify="left", caption=caption, box=SIMPLE, pad_edge=False)
    for column in ("Run", "Sampled %", "Greedy %", "Peak\nstep", "Length", "Reasoning", "Verdict"):
        table.add_column(column, justify="left" if column in ("Run", "Verdict") else "right")
    for arm in study.arms:
        p = arm.findings.performance
        scores = (p.start, p.peak, p.end) if p else ()
        table.add_row(
            Text(arm.label),  # not a plain str: a label may hold what rich takes for markup
            _path([score.sampled for score in scores]),
            _path([score.greedy for score in scores]),
            *(cell.text.replace(" ", "") for cell in _cells(arm)[6:]),
            Text(arm.verdict, style=TERMINAL[arm.verdict]),
        )
    return table


def _cells(arm: Arm) -> tuple[Cell, ...]:
    p = arm.findings.performance
    if p is None:
        return (*[EMPTY] * 7, _from_training(arm, "length_mean"), _from_training(arm, "reasoning_share"))
    scores = (p.start, p.peak, p.end)
    return (
        *(_score(score.sampled) for score in scores),
        *(_score(score.greedy) for score in scores),
        Cell(str(p.peak_step)),
        Cell(f"{number(p.start.length)} → {number(p.end.length)}"),
        Cell(f"{_whole(p.start.reasoning_share)} → {_whole(p.end.reasoning_share)}"),
    )


def _from_training(arm: Arm, name: str) -> Cell:
    trend = arm.findings.trends.get(name)
    if trend is None:
        return EMPTY
    show = _whole if name == "reasoning_share" else number
    return Cell(f"{show(trend.start)} → {show(trend.end)}")


def _path(scores: Sequence[Interval]) -> str:
    """Return pass@1 at start, peak and end in whole per cent."""
    return "→".join(_whole(score.estimate).removesuffix("%") for score in scores) or "–"


def _score(score: Interval) -> Cell:
    if math.isnan(score.low):
        return Cell(percent(score.estimate))
    return Cell(percent(score.estimate), f"{100 * score.low:.0f}–{100 * score.high:.0f}")


def _whole(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f}%"
