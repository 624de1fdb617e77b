"""All that the page shows, computed."""

from dataclasses import dataclass

from rlif.report.chart import Chart
from rlif.report.claims import Claims
from rlif.report.decisions import Decision
from rlif.report.forest import Forest
from rlif.report.grids import Grid
from rlif.report.samples import RunSamples
from rlif.report.unjudged import Unjudged


@dataclass(frozen=True, slots=True)
class Parts:
    """Sections of the page. figures, tables: names of the files in those directories, without endings."""

    decisions: list[Decision]
    unjudged: list[Unjudged]
    charts: list[Chart]
    grids: list[Grid]
    control: Forest | None
    transfer: Forest | None
    claims: Claims
    samples: list[RunSamples]
    figures: list[str]
    tables: list[str]
