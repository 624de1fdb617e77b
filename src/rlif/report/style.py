"""How runs look: colours safe for the colour-blind (after Okabe & Ito 2008), with markers and dashes too.

Each colour has a name, a value on white and a value on dark. Figures are drawn with the former; inside the
page it becomes a CSS variable, so that one drawing serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from rlif.records import Role
from rlif.report.load import Run


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour on a white and on a dark page."""

    name: str
    light: str
    dark: str


INK = Colour("ink", "#16191d", "#f1f3f5")
MUTED = Colour("muted", "#5d6670", "#a3adb8")
GRID = Colour("grid", "#dfe3e8", "#343b43")
GREY = Colour("grey", "#7b848e", "#8c96a1")
HUES = (
    Colour("blue", "#0072b2", "#4fb0ec"),
    Colour("vermillion", "#d55e00", "#ff8a45"),
    Colour("green", "#008a64", "#33c79d"),
    Colour("purple", "#b5528e", "#e493c3"),
    Colour("ochre", "#a87400", "#f0bd4a"),
    Colour("cyan", "#2589b0", "#7fd3f2"),
)
COLOURS = (INK, MUTED, GRID, GREY, *HUES)

DASHED = (0, (5, 2))
DOTTED = (0, (1, 1.6))
DASH_DOT = (0, (6, 2, 1.2, 2))
SOLID = (0, ())


@dataclass(frozen=True, slots=True)
class RunStyle:
    """Line of one run: role decides weight and dashes, hue and marker tell runs of a role apart."""

    colour: Colour
    dash: tuple[float, tuple[float, ...]]
    marker: str
    width: float


def styles(runs: Sequence[Run]) -> dict[str, RunStyle]:
    """Return the style of each run by its id: tests in ink, controls grey and dotted, the others in hues."""
    hue, other = count(), count()
    found: dict[str, RunStyle] = {}
    for run in runs:
        if run.role is Role.VERIFIABLE:
            found[run.id] = RunStyle(INK, SOLID, "o", 2.4)
        elif run.role is Role.CONTROL:
            found[run.id] = RunStyle(GREY, DOTTED, "xP*"[next(other) % 3], 1.8)
        else:
            n = next(hue)
            dash = {Role.TRANSFER: DASHED, Role.MIXTURE: DASH_DOT}.get(run.role, SOLID)
            found[run.id] = RunStyle(HUES[n % len(HUES)], dash, "s^DvPX"[n % 6], 1.8)
    return found
