"""Contrast by the formula of WCAG 2.2 (1.4.3 text 4.5 : 1, 1.4.11 lines and marks 3 : 1), in both themes."""

from itertools import product

import pytest

from rlif.report.style import GROUNDS, HEAT, INK, LINES, PAGE, PANEL, TEXT, Colour


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_by_its_known_ends() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), product(TEXT, GROUNDS), ids=lambda colour: colour.name)
def test_text_can_be_read(text: Colour, ground: Colour, theme: str) -> None:
    assert contrast(getattr(text, theme), getattr(ground, theme)) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), product(LINES, (PAGE, PANEL)), ids=lambda colour: colour.name)
def test_lines_can_be_seen(line: Colour, ground: Colour, theme: str) -> None:
    assert contrast(getattr(line, theme), getattr(ground, theme)) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tone", HEAT, ids=lambda colour: colour.name)
def test_numbers_stand_out_from_the_heat_map(tone: Colour, theme: str) -> None:
    assert contrast(getattr(INK, theme), getattr(tone, theme)) >= 4.5
