"""One of the page's interactive charts on paper: the lines that are on when the page opens."""

import math
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rlif.report.chart import Chart, Line, Series
from rlif.report.figures.axes import WIDTH, finish, from_zero, plot


def lines(chart: Chart) -> Figure:
    """Draw the panels of a chart, at most two beside each other, with one legend."""
    columns = 1 if len(chart.panels) == 1 else 2
    rows = math.ceil(len(chart.panels) / columns)
    figure = Figure(figsize=(WIDTH, 2.0 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    shown = [series for series in chart.series if series.on]
    for panel, ax in zip(chart.panels, grid.flat, strict=False):
        for series in shown:
            if (line := panel.lines.get(series.id)) is not None and line.x:
                drawn = scaled(line) if panel.own_scale else line
                plot(ax, drawn, series.look, steps=panel.steps, band=not panel.own_scale)
            if (onset := series.marks.get("onset")) is not None:
                ax.axvline(onset, color=series.look.colour.light, linestyle=":", linewidth=0.9)
        finish(ax, panel.title, chart.across, share=panel.share)
        if panel.own_scale:
            ax.set_yticks([0, 1], ["lowest", "highest"])
        else:
            from_zero(ax)
    for ax in list(grid.flat)[len(chart.panels) :]:
        ax.set_visible(False)
    handles = [_handle(series) for series in shown]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, handlelength=3.4)
    return figure


def scaled(line: Line) -> Line:
    """Return each part of a line between its own smallest and largest value, with a gap before the next."""
    edges = [0, *line.parts, len(line.x)]
    x, y = list[float](), list[float]()
    for first, end in pairwise(edges):
        values = [value for value in line.y[first:end] if math.isfinite(value)]
        low, high = min(values, default=0.0), max(values, default=0.0)
        flat = high - low <= 1e-6 * max(1.0, abs(high))  # rounding is no movement
        x += [*line.x[first:end], math.nan]
        y += [0.5 if flat else (value - low) / (high - low) for value in line.y[first:end]] + [math.nan]
    return Line(x, y, y, y)


def _handle(series: Series) -> Line2D:
    look = series.look
    return Line2D(
        [], [], color=look.colour.light, linestyle=(0, look.dash), linewidth=0.8 * look.width,
        marker=look.marker or None, markersize=3.5, label=series.label,
    )  # fmt: skip
