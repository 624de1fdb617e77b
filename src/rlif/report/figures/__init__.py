"""Figures for a paper, drawn with matplotlib: one file for each kind."""

from rlif.report.figures.files import write_figures

__all__ = ["write_figures"]
