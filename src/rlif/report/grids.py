"""Heat maps: what each reward gained over the control, step by step, and at each level of each axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlif.diagnostics import Interval
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.axes import Axis, axes
from rlif.report.contrast import contrast
from rlif.report.load import Study

FULL = (0.02, 0.05, 0.10)
"""Differences of pass@1 from which a cell takes the first, second and third tone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A difference of pass@1 with its interval, and how many runs of the row's arm are behind it."""

    value: Interval
    runs: int

    @property
    def tone(self) -> str:
        """Name of its colour in `style.HEAT`; the neutral one where the interval includes 0."""
        size = sum(abs(self.value.estimate) >= edge for edge in FULL)
        if not (self.value.above_zero or self.value.below_zero) or not size:
            return "heat-0"
        return f"heat-{'above' if self.value.above_zero else 'below'}-{size}"


Row = tuple[str, tuple[Cell | None, ...]]
"""Label and a cell a column, None where there is no evaluation."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A heat map: its rows, best first, and what its differences are against."""

    name: str
    title: str
    against: str
    across: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def grids(study: Study) -> list[Grid]:
    """Return the heat map over steps, and one for each axis that was varied."""
    found = [_over_steps(study), *(_along(study, axis) for axis in axes(study))]
    return [grid for grid in found if grid is not None]


def _over_steps(study: Study) -> Grid | None:
    arms = [arm for arm in study.centre if arm is not study.control and arm.findings.performance]
    steps = sorted({record.step for arm in arms for record in arm.evals if record.step > 0})
    if len(arms) < 2 or not steps:
        return None
    shown = _spread(steps, 12)
    rows = [(arm.label, tuple(_cell(arm, study.control, step) for step in shown)) for arm in arms]
    kept = [i for i in range(len(shown)) if any(cells[i] for _, cells in rows)]
    rows = [(label, tuple(cells[i] for i in kept)) for label, cells in rows]
    against = study.control.label if study.control else "its own start"
    title = "pass@1 at each evaluation"
    return Grid("steps", title, against, "step", tuple(str(shown[i]) for i in kept), tuple(_sorted(rows)))


def _along(study: Study, axis: Axis) -> Grid | None:
    """Return arms by levels of an axis, each at the last step that all its levels share."""
    against = study.control
    controls = next((row for row in axis.rows if against and row[axis.centre] is against), {})
    rows: list[Row] = []
    for row in axis.rows:
        centre = row[axis.centre]
        if centre is against or centre.role is Role.TRANSFER or centre.findings.performance is None:
            continue
        last = min(max((e.step for e in arm.evals), default=0) for arm in row.values())
        cells = tuple(
            _cell(row[level], controls.get(level, against), last) if level in row else None
            for level in axis.levels
        )
        rows.append((f"{centre.label} (at step {last})", cells))
    if not rows:
        return None
    name = f"{against.label}, at the same {axis.name}" if against else "its own start"
    columns = tuple(axis.title(level) for level in axis.levels)
    return Grid(axis.name, f"pass@1 along {axis.name}", name, "level", columns, tuple(rows))


def _cell(arm: Arm, against: Arm | None, step: int) -> Cell | None:
    found = contrast(arm, against, step) if against else contrast(arm, arm, step, 0)
    return Cell(found.difference, len(arm.runs)) if found else None


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """Return the rows by their last cell, best first."""

    def last(row: Row) -> float:
        return next((cell.value.estimate for cell in reversed(row[1]) if cell), float("-inf"))

    return sorted(rows, key=last, reverse=True)


def _spread(steps: list[int], most: int) -> list[int]:
    """Return at most `most` of the steps, evenly, with the last."""
    every = -(-len(steps) // most)
    return steps[::-1][::every][::-1]
