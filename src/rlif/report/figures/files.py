"""Draws all figures of a study and writes each as SVG, PNG and PDF."""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from rlif.records.files import write_atomic
from rlif.report.chart import Chart
from rlif.report.figures.axes import RC
from rlif.report.figures.draw import draw
from rlif.report.grids import Grid
from rlif.report.load import Study

FORMATS: dict[str, dict[str, str | None]] = {"svg": {"Date": None}, "png": {}, "pdf": {"CreationDate": None}}
"""File format -> metadata that leave out the date: the same figure gives the same bytes."""


def write_figures(study: Study, charts: list[Chart], grids: list[Grid], directory: Path) -> list[str]:
    """Write the figures a study has data for, and return the names of the files without their endings.

    Args:
        study: what to draw.
        charts: of it, as they stand in the page.
        grids: of it.
        directory: made when it is missing.

    Raises:
        UserError: a file cannot be written.
    """
    with mpl.rc_context(RC):
        found = draw(study, charts, grids)
        for name, figure in found.items():
            _write(figure, name, directory)
    return list(found)


def _write(figure: Figure, name: str, directory: Path) -> None:
    for kind, metadata in FORMATS.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=200, facecolor="white", metadata=metadata)
        figure.set_layout_engine("none")  # laid out once is enough: it takes half of the time
        write_atomic(directory / f"{name}.{kind}", buffer.getvalue())
