"""What all figures share: fonts, colours, quiet axes. Drawn without pyplot: no global state, no display."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rlif.report.chart import Line
from rlif.report.style import GRID, INK, MUTED, Look

WIDTH = 7.0
"""Inches: the text width of a paper in one column."""

RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rlif",
    "pdf.fonttype": 42,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "legend.fontsize": 7.5,
    "text.parse_math": False,
}
"""Text stays text (searchable, selectable; a dollar sign is no formula), and bytes are reproducible."""


def finish(ax: Axes, title: str, across: str, *, share: bool) -> None:
    """Give axes their title, x label, grid and ticks; a share of one is written in per cent."""
    ax.set_title(title, loc="left", color=INK.light, fontweight="bold")
    ax.set_xlabel(across, color=MUTED.light)
    ax.grid(axis="y", color=GRID.light, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(colors=MUTED.light, length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GRID.light)
    if share:
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def from_zero(ax: Axes) -> None:
    """Let the y axis begin at 0 where that is near what is drawn."""
    low, high = ax.get_ylim()
    if -0.1 * high < low < 0.4 * high:
        ax.set_ylim(bottom=0)


def plot(
    ax: Axes, line: Line, look: Look, label: str = "", *, steps: bool = False, band: bool = True
) -> None:
    """Draw a line with its interval as a band."""
    if band:
        step = "post" if steps else None
        ax.fill_between(
            line.x, line.low, line.high, color=look.colour.light, alpha=0.13, linewidth=0, step=step
        )
    ax.plot(
        line.x,
        line.y,
        color=look.colour.light,
        linestyle=(0, look.dash),
        linewidth=0.8 * look.width,
        marker=look.marker or None,
        markersize=3.5,
        markevery=max(1, len(line.x) // 8),
        drawstyle="steps-post" if steps else "default",
        label=label,
    )
