"""The report in a browser: it draws, says nothing in the console, asks for nothing, and works by keyboard."""

import base64
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from chromium import Page, chromium, needs_chromium
from synthetic_study import write_seeded_study

from rlif.report import build_report

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeded")
    write_seeded_study(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlif.report.build.write_figures", lambda *given: [])
        return build_report(path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Page:
    browser.events.clear()
    browser.open(report)
    return browser


def test_it_draws_everything_and_neither_complains_nor_asks_for_anything(page: Page, report: Path) -> None:
    drawn = page.run(
        "[...document.querySelectorAll('.panel svg')].map(s => s.querySelectorAll('.line').length)"
    )
    # Five courses of five settings; five families, and three temperatures, that live or collapse; and two
    # transfers of two settings.
    assert drawn == [5, 5, 5, 5, 5, 5, 3, 2, 2]
    empty = page.run(
        "[...document.querySelectorAll('.panel .line')].filter(l => !l.getAttribute('d').includes('L')"
        " && !l.getAttribute('d').includes('H')).length"
    )
    assert empty == 0
    assert page.run("document.body.innerHTML.includes('NaN')") is False
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [report.resolve().as_uri()]


def test_it_opens_in_less_than_two_seconds_of_computing(browser: Page, report: Path) -> None:
    browser.send("Performance.enable", timeDomain="threadTicks")  # not the wall clock: others may compute too

    def computed() -> float:
        metrics = browser.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = computed()
    browser.events.clear()
    browser.open(report)
    assert computed() - before < 2


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(browser: Page, report: Path, width: int) -> None:
    browser.events.clear()
    browser.open(report, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_everything_is_reached_by_tab_in_reading_order(page: Page) -> None:
    seen: list[str] = []
    count = page.run(
        "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true, checkVisibilityCSS: true})).length"
    )
    for _ in range(count):
        page.press("Tab", 9)
        seen.append(page.run("document.activeElement.id || document.activeElement.textContent.slice(0, 30)"))
    assert seen[:2] == ["Skip to the report", "theme"]
    assert "step-courses" in seen
    assert page.run(
        "[...document.querySelectorAll('a[href], button, input')].every(e => e.tabIndex === 0)"
    )  # no order of its own: that of the document


def test_a_line_is_switched_off_and_values_are_read_by_keyboard(page: Page) -> None:
    page.run("document.querySelector('#chart-courses .legend button').focus()")
    before = page.run("document.querySelectorAll('#chart-courses .line').length")
    page.press("Enter", 13)
    assert page.run("document.activeElement.getAttribute('aria-pressed')") == "false"
    assert page.run("document.querySelectorAll('#chart-courses .line').length") == before - 5
    page.run("document.getElementById('step-courses').focus()")
    page.press("ArrowLeft", 37)
    assert page.run("document.querySelector('#chart-courses caption').textContent") == "At training step 19"


def test_a_survival_curve_is_not_read_off_after_its_last_run(page: Page) -> None:
    read = "[...document.querySelectorAll('#chart-lifetimes .readout td')].map(cell => cell.textContent)"
    page.run("document.getElementById('step-lifetimes').value = 0")
    page.run("document.getElementById('step-lifetimes').dispatchEvent(new Event('input'))")
    assert page.run(read) == ["100.0%"] * 5
    page.run(
        "(() => { const view = document.getElementById('step-lifetimes'); view.max = 99; view.value = 99;"
        " view.dispatchEvent(new Event('input')); })()"
    )
    assert page.run(read) == ["–"] * 5


def test_each_drawing_says_in_words_what_it_shows(page: Page) -> None:
    words = page.run("[...document.querySelectorAll('.panel svg')].map(s => s.getAttribute('aria-label'))")
    assert words[0].startswith("Held-out pass@1, step 0 to 20. ")
    assert all(": " in text and " to " in text for text in words)


def test_the_theme_follows_the_system_and_the_button(browser: Page, report: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.events.clear()
    browser.open(report, dark=True)
    assert browser.run(ground) == "rgb(20, 23, 27)"
    browser.run("document.getElementById('theme').click()")
    assert browser.run(ground) == "rgb(255, 255, 255)"
    browser.run("localStorage.clear()")


def test_on_paper_it_is_light_and_open_and_without_controls(browser: Page, report: Path) -> None:
    browser.events.clear()
    browser.open(report, width=690, dark=True)  # the width of a page between its margins
    browser.send(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    try:
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        visible = "[...document.querySelectorAll({})].filter(e => e.checkVisibility()).length"
        assert browser.run(visible.format("'#theme, input, .readout, .every, [aria-pressed=false]'")) == 0
        closed = "'details:not([open]) > :not(summary)'"
        assert browser.run(visible.format(closed)) == browser.run(
            f"[...document.querySelectorAll({closed})].filter(e => !e.closest('.screen')).length"
        )
        assert browser.run("document.documentElement.scrollWidth") <= 690
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")
    pdf = base64.b64decode(browser.send("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")


def test_a_drawing_on_paper_does_not_depend_on_the_window(page: Page) -> None:
    box = "document.querySelector('#chart-courses .panel svg').viewBox.baseVal.width"
    on_screen = page.run(box)
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(box) == 860
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(box) == on_screen


def test_headings_are_nested(page: Page) -> None:
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
