"""What an interactive chart is: panels of lines with intervals, which templates/charts.js draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rlif.report.style import Look


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one line with an interval each; NaN where there is none.

    Attributes:
        parts: where another stage begins, as an index; on an own scale each part has its own.
    """

    x: Sequence[float]
    y: list[float]
    low: list[float]
    high: list[float]
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes. own_scale: each line is drawn between its own smallest and largest value."""

    title: str
    share: bool
    lines: dict[str, Line]
    own_scale: bool = False
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A legend entry. marks: name -> step, drawn on its lines."""

    id: str
    label: str
    look: Look
    on: bool
    runs: int
    marks: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels that share their series and their cursor. own_x: the panels count steps from other moments."""

    id: str
    across: str
    series: list[Series]
    panels: list[Panel]
    own_x: bool = False


def as_json(found: Sequence[Chart]) -> list[dict[str, Any]]:
    """Return charts as JSON-able values: 4 digits, NaN as null, intervals left out where undefined."""
    return [
        {
            "id": chart.id,
            "across": chart.across,
            "ownX": chart.own_x,
            "series": [
                {
                    "id": s.id, "label": s.label, "colour": s.look.colour.name, "dash": s.look.dash,
                    "marker": s.look.marker, "width": s.look.width,
                    "on": s.on, "runs": s.runs, "marks": s.marks,
                }
                for s in chart.series
            ],
            "panels": [
                {
                    "title": p.title, "share": p.share, "ownScale": p.own_scale, "steps": p.steps,
                    "lines": {key: _line_json(line) for key, line in p.lines.items()},
                }
                for p in chart.panels
            ],
        }
        for chart in found
    ]  # fmt: skip


def _line_json(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {"x": line.x, "y": [_short(value) for value in line.y]}
    if line.parts:
        found["parts"] = line.parts
    if any(math.isfinite(value) for value in line.low):
        found |= {"low": [_short(v) for v in line.low], "high": [_short(v) for v in line.high]}
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
