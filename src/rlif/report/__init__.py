"""Findings -> a report a person reads: self-contained HTML, figures for a paper, tables. No torch."""

from rlif.report.build import build_report, terminal_table

__all__ = ["build_report", "terminal_table"]
