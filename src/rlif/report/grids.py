"""Heat maps: what each reward gained over the control, step by step, and at each level of each axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlif.diagnostics import Interval
from rlif.records import Role
from rlif.report.arms import Arm
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


@dataclass(frozen=True, slots=True)
class Grid:
    """A heat map. rows: label and a cell a column, None where there is no evaluation."""

    name: str
    title: str
    against: str
    across: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def grids(study: Study) -> list[Grid]:
    """Return the heat map over steps, and one for each axis that was varied."""
    found = [_over_steps(study), *(_along(study, axis) for axis in _axes(study))]
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


def _along(study: Study, axis: str) -> Grid | None:
    """Return arms by levels of an axis, each at the last step that all its levels share."""
    varied = [arm for arm in study.arms if _setting(arm)[0] == axis and arm.role is not Role.TRANSFER]
    levels = sorted({_setting(arm)[1] for arm in varied}, key=_number)
    against, rows = study.control, list[tuple[str, tuple[Cell | None, ...]]]()
    controls = _levels(against, varied) if against else {}
    names = dict.fromkeys(arm.name for arm in varied)
    for centre in (arm for arm in study.centre if arm.name in names and arm is not against):
        of_arm = _levels(centre, varied)
        last = min((max((e.step for e in arm.evals), default=0) for arm in of_arm.values()), default=0)
        cells = [
            _cell(arm, controls.get(level, against), last) if (arm := of_arm.get(level)) else None
            for level in ["centre", *levels]
        ]
        rows.append((f"{centre.label} (at step {last})", tuple(cells)))
    if not rows:
        return None
    name = f"{against.label}, at the same {axis}" if against else "its own start"
    columns = ("centre", *(f"{axis} = {level}" for level in levels))
    return Grid(axis, f"pass@1 along {axis}", name, "level", columns, tuple(rows))


def _levels(centre: Arm, varied: Sequence[Arm]) -> dict[str, Arm]:
    return {"centre": centre} | {_setting(arm)[1]: arm for arm in varied if arm.name == centre.name}


def _cell(arm: Arm, against: Arm | None, step: int) -> Cell | None:
    found = contrast(arm, against, step) if against else contrast(arm, arm, step, 0)
    return Cell(found.difference, len(arm.runs)) if found else None


def _axes(study: Study) -> list[str]:
    return list(dict.fromkeys(axis for arm in study.arms if (axis := _setting(arm)[0])))


def _setting(arm: Arm) -> tuple[str, str]:
    """Return axis and level of a variation "axis=level"; ("", "") at the centre and where several vary."""
    axis, _, level = arm.variation.partition("=")
    return (axis, level) if level and "," not in level and "=" not in level else ("", "")


def _number(level: str) -> tuple[float, str]:
    try:
        return float(level), ""
    except ValueError:
        return float("inf"), level


def _sorted(
    rows: Sequence[tuple[str, tuple[Cell | None, ...]]],
) -> list[tuple[str, tuple[Cell | None, ...]]]:
    """Return the rows by their last cell, best first."""

    def last(row: tuple[str, tuple[Cell | None, ...]]) -> float:
        return next((cell.value.estimate for cell in reversed(row[1]) if cell), float("-inf"))

    return sorted(rows, key=last, reverse=True)


def _spread(steps: list[int], most: int) -> list[int]:
    """Return at most `most` of the steps, evenly, with the last."""
    every = -(-len(steps) // most)
    return steps[::-1][::every][::-1]
