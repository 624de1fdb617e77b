"""Held-out pass@1, a small panel for each arm, with tests and the control behind it for comparison."""

import math
from textwrap import fill

from matplotlib.figure import Figure

from rlif.report.charts import look_of
from rlif.report.curves import pass_at_1
from rlif.report.figures.axes import WIDTH, finish, from_zero, plot
from rlif.report.load import Study
from rlif.report.style import GREY, INK, MUTED


def panels(study: Study) -> Figure:
    """Draw one panel an arm; thin lines: tests (full) and the control (dotted)."""
    arms = [arm for arm in study.centre if arm.findings.performance is not None]
    columns = min(len(arms), 4)
    rows = math.ceil(len(arms) / columns)
    figure = Figure(figsize=(WIDTH, 1.55 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    look = look_of(study)
    behind = [(study.tests, INK, "-"), (study.control, GREY, ":")]
    for arm, ax in zip(arms, grid.flat, strict=False):
        for other, colour, dash in behind:
            if other is not None and other is not arm:
                line = pass_at_1(other)
                ax.plot(line.x, line.y, color=colour.light, linestyle=dash, linewidth=0.7, alpha=0.8)
        plot(ax, pass_at_1(arm), look[arm.id])
        finish(ax, fill(arm.label, 22), "training step", share=True)
        ax.title.set_fontsize(7)
        ax.text(0.03, 0.05, f"n = {len(arm.runs)}", transform=ax.transAxes, color=MUTED.light, fontsize=6.5)
        ax.label_outer()
    for ax in list(grid.flat)[len(arms) :]:
        ax.set_visible(False)
    from_zero(grid[0, 0])
    return figure
