"""The figures that a study has data for, by file name."""

from matplotlib.figure import Figure

from rlif.report.chart import Chart
from rlif.report.figures.heat_map import heat_map
from rlif.report.figures.lines import lines
from rlif.report.figures.panels import panels
from rlif.report.grids import Grid
from rlif.report.load import Study


def draw(study: Study, charts: list[Chart], grids: list[Grid]) -> dict[str, Figure]:
    """Return each figure by the name of its files.

    Args:
        study: what to draw.
        charts: of it, as they stand in the page.
        grids: of it.
    """
    found: dict[str, Figure] = {}
    if any(arm.findings.performance is not None for arm in study.centre):
        found["pass_at_1"] = panels(study)
    names = {"courses": "signals"}
    found |= {names.get(chart.id, chart.id): lines(chart) for chart in charts}
    return found | {f"gain_{grid.name}": heat_map(grid) for grid in grids}
