"""How arms look: colours safe for the colour-blind (after Okabe & Ito 2008), with markers and dashes too.

Each colour has a name, a value on white and a value on dark. Figures for a paper are drawn with the former;
in the page it is a CSS variable. tests/test_report_colours.py computes the contrasts of WCAG 2.2 AA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from rlif.records import Role
from rlif.report.arms import Arm


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour on a white and on a dark page."""

    name: str
    light: str
    dark: str


PAGE = Colour("page", "#ffffff", "#14171b")
PANEL = Colour("panel", "#f5f7f9", "#1d2228")
CODE = Colour("code", "#eaf2fb", "#1f2d3d")
GROUNDS = (PAGE, PANEL, CODE)
"""What text stands on."""

INK = Colour("ink", "#16191d", "#f1f3f5")
MUTED = Colour("muted", "#59626c", "#a3adb8")
LINK = Colour("link", "#0b5c9e", "#7cc0f5")
GOOD = Colour("good", "#00664a", "#4fd3a2")
WARN = Colour("warn", "#7d5200", "#f0bd4a")
BAD = Colour("bad", "#a82019", "#ff9a91")
SYNTAX = (
    Colour("keyword", "#0b4f8a", "#8ecbff"),
    Colour("string", "#7a3e00", "#f3b683"),
    Colour("comment", "#55606b", "#a9b4bf"),
    Colour("literal", "#6b2a75", "#e3a8ee"),
)
TEXT = (INK, MUTED, LINK, GOOD, WARN, BAD, *SYNTAX)
"""Colours of text: contrast at least 4.5 : 1 on each of `GROUNDS`."""

GREY = Colour("grey", "#737c86", "#8c96a1")
HUES = (
    Colour("blue", "#0072b2", "#4fb0ec"),
    Colour("vermillion", "#d55e00", "#ff8a45"),
    Colour("green", "#008a64", "#33c79d"),
    Colour("purple", "#b5528e", "#e493c3"),
    Colour("ochre", "#a87400", "#f0bd4a"),
    Colour("cyan", "#2589b0", "#7fd3f2"),
)
LINES = (INK, GREY, *HUES)
"""Colours of lines and marks: contrast at least 3 : 1 on the page."""

GRID = Colour("grid", "#dfe3e8", "#343b43")
BELOW, ABOVE = ("heat-below-", "heat-above-")
HEAT = (
    Colour("heat-below-3", "#f0a66e", "#8a4310"),
    Colour("heat-below-2", "#f7cba8", "#5f3416"),
    Colour("heat-below-1", "#fce9da", "#3a2a20"),
    Colour("heat-0", "#f5f7f9", "#1d2228"),
    Colour("heat-above-1", "#dcebf7", "#1e2f3f"),
    Colour("heat-above-2", "#abd0ec", "#1c4668"),
    Colour("heat-above-3", "#74b2df", "#13609a"),
)
"""From far below to far above zero: orange to blue; `INK` on each at least 4.5 : 1."""

COLOURS = (*GROUNDS, *TEXT, GREY, *HUES, GRID, *HEAT)

Dash = tuple[float, ...]
SOLID, DASHED, DOTTED, DASH_DOT = (), (5.0, 2.0), (1.0, 1.6), (6.0, 2.0, 1.2, 2.0)
DASHES: tuple[Dash, ...] = (
    SOLID,
    (9.0, 2.0),
    DASH_DOT,
    (3.0, 1.5),
    (9.0, 2.0, 1.2, 1.6, 1.2, 2.0),
    (2.0, 3.0),
)
MARKERS = "s^Dvph"


@dataclass(frozen=True, slots=True)
class Look:
    """Line of one arm: dash in multiples of the width, () for a full line; marker by matplotlib's letter."""

    colour: Colour
    dash: Dash
    marker: str
    width: float


def looks(arms: Sequence[Arm]) -> dict[str, Look]:
    """Return the look of each arm by its id: tests in ink, controls grey and dotted, the others in hues.

    The n-th of the others takes hue n mod 6 and, beyond 6, the next dash and the next marker for a hue.
    """
    hue, control, tests = count(), count(), count()
    found: dict[str, Look] = {}
    for arm in arms:
        if arm.role is Role.VERIFIABLE:
            found[arm.id] = Look(INK, DASHES[next(tests) % len(DASHES)], "o", 2.4)
        elif arm.role is Role.CONTROL:
            found[arm.id] = Look(GREY, DOTTED, "xP*+d<"[next(control) % 6], 1.8)
        else:
            n = next(hue)
            row = n // len(HUES)
            first = DASHED if arm.role is Role.TRANSFER else DASH_DOT if arm.role is Role.MIXTURE else SOLID
            dash = DASHES[row % len(DASHES)] if row else first
            found[arm.id] = Look(HUES[n % len(HUES)], dash, MARKERS[(n + row) % len(MARKERS)], 1.8)
    return found
