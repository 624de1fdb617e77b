"""The figures a person looks at first, each as a matplotlib `Figure` in a wide and a narrow shape.

Drawn without pyplot: no global state, no display. `svg.py` puts them into the page, `build.py` into files.
"""

import math
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rlif.diagnostics.series import Series, series
from rlif.records import EvalRecord
from rlif.report.load import Run, Study
from rlif.report.style import DOTTED, GRID, INK, MUTED, RunStyle, styles

WIDE, NARROW = 10.6, 4.3  # inches
SIGNALS = {
    "length_mean": "Completion length (tokens)",
    "reasoning_share": "Reasoning (share of tokens)",
    "entropy": "Token entropy (nats)",
}
SHARES = frozenset({"reasoning_share"})

Draw = Callable[[Study, bool], Figure]


def pass_at_1(study: Study, narrow: bool) -> Figure:
    """Held-out pass@1 against step: sampled with 95% bands, and greedy."""
    figure = _figure(narrow, 3.6, 6.4)
    axes = _axes(figure, *((2, 1) if narrow else (1, 2)), share="y")
    for ax, mode, title in zip(axes, ("sampled", "greedy"), ("Sampled", "Greedy (no sampling)"), strict=True):
        for run, style in _styled(study):
            _curve(ax, [e for e in run.evals if e.mode == mode], style, run.label, band=mode == "sampled")
        _finish(ax, title, "training step", share=True)
    axes[0].set_ylim(bottom=0)  # shared, so only now that both are drawn
    _legend(figure, axes[0], narrow)
    return figure


def signals(study: Study, narrow: bool) -> Figure:
    """Length, reasoning share and entropy during training on one time axis, and where pass@1 was best."""
    figure = _figure(narrow, 6.2, 7.2)
    axes = _axes(figure, len(SIGNALS), 1, share="x")
    for ax, (name, title) in zip(axes, SIGNALS.items(), strict=True):
        for run, style in _styled(study):
            _line(ax, series(run.steps, name), style, label=run.label, marker=style.marker)
            _mark_peak(ax, run, series(run.steps, name), style)
        _finish(ax, title, "training step" if ax is axes[-1] else "", share=name in SHARES)
        ax.set_ylim(bottom=0)
    _legend(figure, axes[0], narrow)
    return figure


def reward_and_truth(study: Study, narrow: bool) -> Figure:
    """Each run's reward, on its own scale, above its share of right answers: hacking is where they part."""
    runs = [(run, style) for run, style in _styled(study) if run.steps]
    columns = min(len(runs), 2 if narrow else 3) or 1
    blocks = math.ceil(len(runs) / columns)
    figure = _figure(narrow, 3.4 * blocks, 3.0 * blocks)
    grid = figure.subfigures(blocks, columns, squeeze=False, wspace=0.02, hspace=0.02)
    for (run, style), block in zip(runs, grid.flat, strict=False):
        above, below = block.subplots(2, 1, sharex=True)
        for stage in dict.fromkeys(record.stage for record in run.steps):
            part = [record for record in run.steps if record.stage == stage]
            _line(above, series(part, "reward"), style)
            if part[0] is not run.steps[0]:  # another stage has another reward: no line connects the two
                above.axvline(part[0].step - 0.5, color=MUTED.light, linewidth=1, linestyle=DOTTED)
        _line(below, series(run.steps, "pass_rate"), style, faint=bool(run.evals))
        _curve(below, [e for e in run.evals if e.mode == "sampled"], style, "held-out", band=True)
        _finish(above, fill(run.label, 20) if narrow else run.label, "")
        _finish(below, "", "step", share=True)
        above.set_ylabel("reward", color=MUTED.light)
        below.set_ylabel("right", color=MUTED.light)
        below.set_ylim(bottom=0)
        block.align_ylabels()
    return figure


def transfer(study: Study, narrow: bool) -> Figure:
    """RLIF -> RLVR against RLVR alone, over all steps and over the steps on tests."""
    figure = _figure(narrow, 3.6, 6.4)
    axes = _axes(figure, *((2, 1) if narrow else (1, 2)), share="y")
    look = styles(study.runs)
    shown = [(t.run, t.found.rlif_steps) for t in study.transfers]
    shown += [(run, 0) for run in {t.rlvr.id: t.rlvr for t in study.transfers}.values()]
    for ax, on_tests in zip(axes, (False, True), strict=True):
        for run, before in shown:
            evals = [e for e in run.evals if e.mode == "sampled" and (not on_tests or e.step >= before)]
            _curve(ax, evals, look[run.id], run.label, band=True, shift=before if on_tests else 0)
        title = "From the first step on tests" if on_tests else "From the first step"
        _finish(ax, title, "steps on tests" if on_tests else "all training steps", share=True)
    _legend(figure, axes[0], narrow)
    return figure


def figures(study: Study) -> dict[str, Draw]:
    """Return the figures that the study has data for, by file name."""
    found: dict[str, Draw] = {}
    if any(run.evals for run in study.runs):
        found["pass_at_1"] = pass_at_1
    if any(run.steps for run in study.runs):
        found |= {"reward_and_truth": reward_and_truth, "signals": signals}
    if study.transfers:
        found["transfer"] = transfer
    return found


def _figure(narrow: bool, wide_height: float, narrow_height: float) -> Figure:
    size = (NARROW, narrow_height) if narrow else (WIDE, wide_height)
    return Figure(figsize=size, layout="constrained")


def _axes(figure: Figure, rows: int, columns: int, share: Literal["x", "y"]) -> list[Axes]:
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share == "x", sharey=share == "y")
    return list(grid.flat)


def _styled(study: Study) -> list[tuple[Run, RunStyle]]:
    look = styles(study.runs)
    return [(run, look[run.id]) for run in study.runs]


def _curve(
    ax: Axes, evals: Sequence[EvalRecord], style: RunStyle, label: str, *, band: bool, shift: int = 0
) -> None:
    """Draw pass@1 of evaluations of one mode, with their own 95% intervals as a band."""
    if not evals:
        return
    steps = np.array([record.step - shift for record in evals])
    values = np.array([record.pass_at_1 for record in evals])
    low, high = np.array([record.pass_at_1_ci for record in evals]).T
    if band:
        ax.fill_between(steps, low, high, color=style.colour.light, alpha=0.13, linewidth=0)
    ax.plot(steps, values, **_look(style), label=label, marker=style.marker, markersize=4.5)


def _line(ax: Axes, signal: Series, style: RunStyle, *, faint: bool = False, **look: Any) -> None:
    thin: dict[str, Any] = {"alpha": 0.45, "linewidth": 1.0} if faint else {}
    ax.plot(signal.steps, signal.values, **_look(style) | thin, **look, markersize=3.5, markevery=0.12)


def _mark_peak(ax: Axes, run: Run, signal: Series, style: RunStyle) -> None:
    """Put a ring on the signal at the step where held-out pass@1 was best, when it fell afterwards."""
    p = run.findings.performance
    if p is not None and p.drop.above_zero and len(signal.steps):
        at = int(np.abs(signal.steps - p.peak_step).argmin())
        ring: dict[str, Any] = {
            "marker": "o",
            "markersize": 11,
            "markerfacecolor": "none",
            "markeredgewidth": 1.6,
        }
        ax.plot(signal.steps[at], signal.values[at], color=style.colour.light, linestyle="none", **ring)


def _look(style: RunStyle) -> dict[str, Any]:
    return {"color": style.colour.light, "linestyle": style.dash, "linewidth": style.width}


def _finish(ax: Axes, title: str, xlabel: str, *, share: bool = False) -> None:
    ax.set_title(title, loc="left", color=INK.light, fontsize=10, fontweight="bold")
    ax.set_xlabel(xlabel, color=MUTED.light)
    ax.set_facecolor("none")  # the page's own, light or dark
    ax.grid(axis="y", color=GRID.light, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=MUTED.light, length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GRID.light)
    if share:
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _legend(figure: Figure, ax: Axes, narrow: bool) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=2 if narrow else 3,
        frameon=False,
        labelcolor=INK.light,
        handlelength=3.2,
    )
