"""A grid on paper: tone and number of each difference, bold where the interval excludes 0."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rlif.report.figures.axes import WIDTH
from rlif.report.grids import Grid
from rlif.report.style import HEAT, INK, MUTED

TONES = {colour.name: colour.light for colour in HEAT}


def heat_map(grid: Grid) -> Figure:
    """Draw a grid in points of pass@1."""
    figure = Figure(figsize=(WIDTH, 0.26 * len(grid.rows) + 0.75), layout="constrained")
    ax = figure.subplots()
    for y, (_, cells) in enumerate(grid.rows):
        for x, cell in enumerate(cells):
            if cell is None:
                continue
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor=TONES[cell.tone], edgecolor="white", linewidth=1))
            sure = cell.value.above_zero or cell.value.below_zero
            text = f"{100 * cell.value.estimate:+.1f}".replace("-", "−")
            weight, colour = ("bold", INK.light) if sure else ("normal", MUTED.light)
            ax.text(
                x + 0.5,
                y + 0.5,
                text,
                ha="center",
                va="center",
                color=colour,
                fontweight=weight,
                fontsize=7.5,
            )
    ax.set_xlim(0, len(grid.columns))
    ax.set_ylim(len(grid.rows), 0)
    ax.set_xticks([x + 0.5 for x in range(len(grid.columns))], grid.columns)
    ax.set_yticks([y + 0.5 for y in range(len(grid.rows))], [label for label, _ in grid.rows])
    ax.tick_params(colors=MUTED.light, length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    title = f"{grid.title}: points above or below {grid.against}"
    ax.set_title(title, loc="left", color=INK.light, fontweight="bold")
    return figure
