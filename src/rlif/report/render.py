"""A drawn figure -> SVG inside the page (the page's width, colours and font), or files for a paper."""

import html
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from rlif.records.files import write_atomic
from rlif.report.figures import Draw
from rlif.report.load import Study
from rlif.report.style import COLOURS

RC: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "rlif", "pdf.fonttype": 42, "font.size": 9.5}
"""Text stays text (searchable, selectable), and the same figure gives the same bytes."""

FORMATS: dict[str, dict[str, str | None]] = {"svg": {"Date": None}, "png": {}, "pdf": {"CreationDate": None}}
"""File format -> metadata that leave out the date, for the same reason."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A figure as it stands in the page, in the shapes for a desk and for a phone."""

    name: str
    title: str
    wide: Markup
    narrow: Markup


def render(draw: Draw, study: Study, name: str, title: str, directory: Path) -> Rendered:
    """Draw a figure for the page, and write it to `directory` as SVG, PNG and PDF.

    Args:
        draw: draws it in the light colours of `style.COLOURS`.
        study: what to draw.
        name: of the files; unique in the page.
        title: what a screen reader says.
        directory: made when it is missing.

    Raises:
        UserError: a file cannot be written.
    """
    with mpl.rc_context(RC):
        wide, narrow = draw(study, False), draw(study, True)
        files = {kind: _saved(wide, kind, metadata) for kind, metadata in FORMATS.items()}
        small = _saved(narrow, "svg", FORMATS["svg"])
    for kind, data in files.items():
        write_atomic(directory / f"{name}.{kind}", data)
    return Rendered(
        name, title, _inline(files["svg"], f"{name}-wide", title), _inline(small, f"{name}-narrow", title)
    )


def _saved(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    buffer = io.BytesIO()
    background = "none" if kind == "svg" else "white"
    figure.savefig(buffer, format=kind, dpi=200, facecolor=background, metadata=metadata)
    figure.set_layout_engine("none")  # laid out once is enough: it takes half of the time
    return buffer.getvalue()


def _inline(data: bytes, name: str, title: str) -> Markup:
    """Return an SVG file as an element of the page: no size of its own, own ids, colours as CSS variables."""
    text = data.decode()
    head, body = re.split(r"(?<=>)", text[text.index("<svg") :], maxsplit=1)
    box = re.search(r'viewBox="[^"]*"', head)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # its rule for `*` would hold for the page
    body = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for colour in COLOURS:
        body = re.sub(colour.light, f"var(--{colour.name})", body, flags=re.IGNORECASE)
    links = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    label = html.escape(title)
    return Markup(f'<svg {box[0] if box else ""} {links} role="img" aria-label="{label}">{body}')
