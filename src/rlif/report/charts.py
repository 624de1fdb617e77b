"""The interactive charts of a study: courses of training, lifetimes, RLIF -> RLVR."""

import math
from collections.abc import Iterable, Sequence

from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.chart import Chart, Line, Panel, Series
from rlif.report.curves import SHARES, SIGNALS, course, onset, pass_at_1
from rlif.report.groups import NAMES
from rlif.report.lifetimes import Lifetime, along_axes, lifetimes
from rlif.report.load import Study
from rlif.report.style import DASHES, GREY, HUES, INK, Look, looks

MOST_SHOWN = 6
"""Arms that are switched on when the page opens."""


def charts(study: Study) -> list[Chart]:
    """Return the interactive figures that the study has data for."""
    found = [_courses(study), _lifetimes("lifetimes", "family of reward", lifetimes(study))]
    found += [_lifetimes(f"lifetimes_{axis}", axis, lives) for axis, lives in along_axes(study).items()]
    found.append(_transfers(study))
    return [chart for chart in found if chart is not None]


def shown_first(study: Study) -> list[Arm]:
    """Return the arms to show when the page opens: tests, the control, then who gained and who lost most."""
    fixed = [arm for arm in (study.tests, study.control) if arm is not None]
    others = [arm for arm in study.centre if arm not in fixed]
    if len(others) + len(fixed) <= MOST_SHOWN:
        return study.centre
    judged = [arm for arm in others if arm.role is Role.INTRINSIC and arm.findings.performance] or others
    ranked = sorted(judged, key=_change, reverse=True)
    extremes = [arm for pair in zip(ranked, reversed(ranked), strict=True) for arm in pair]
    return [*fixed, *_unique(extremes)][:MOST_SHOWN]


def look_of(study: Study) -> dict[str, Look]:
    """Return the look of each arm by its id; those shown first take the hues that differ most."""
    first = shown_first(study)
    return looks(_unique([*first, *study.centre, *study.arms]))


def _unique(arms: Iterable[Arm]) -> list[Arm]:
    return list({arm.id: arm for arm in arms}.values())


def _change(arm: Arm) -> float:
    p = arm.findings.performance
    return p.change.estimate if p else 0.0


def _courses(study: Study) -> Chart | None:
    look, first = look_of(study), {arm.id for arm in shown_first(study)}
    lines = {name: {arm.id: course(arm, name) for arm in study.arms} for name in SIGNALS}
    panels = [
        Panel(title, name in SHARES, drawn, own_scale=name == "reward")
        for name, title in SIGNALS.items()
        if (drawn := {key: line for key, line in lines[name].items() if line.x})
    ]
    found = [
        Series(arm.id, arm.label, look[arm.id], arm.id in first, len(arm.runs), _marks(arm))
        for arm in study.arms
    ]
    return Chart("courses", "training step", found, panels) if panels else None


def _marks(arm: Arm) -> dict[str, int]:
    p, first = arm.findings.performance, onset(arm)
    marks = {"onset": first} if first is not None else {}
    fell = p is not None and p.drop.above_zero and p.peak_step > p.start.step
    return marks | ({"peak": p.peak_step} if p is not None and fell else {})


def _lifetimes(name: str, by: str, found: Sequence[Lifetime]) -> Chart | None:
    if not found:
        return None
    fixed = {"verifiable": INK, "control": GREY}
    keys = [key for key in NAMES if key not in fixed] if name == "lifetimes" else [life.key for life in found]
    hues = fixed | {key: HUES[n % len(HUES)] for n, key in enumerate(keys)}
    entries, lines = list[Series](), dict[str, Line]()
    for n, life in enumerate(found):
        label = f"{life.name}: {life.collapsed} of {life.runs} collapsed"
        look = Look(hues[life.key], DASHES[n % len(DASHES)], "", 2.0)
        entries.append(Series(life.key, label, look, True, life.runs))
        c = life.curve
        lines[life.key] = Line(
            [0.0, *c.times.tolist()], [1.0, *c.alive.tolist()],
            [math.nan, *c.low.tolist()], [math.nan, *c.high.tolist()],
        )  # fmt: skip
    title = f"Share of runs that have not collapsed, by {by}"
    return Chart(name, "training step", entries, [Panel(title, True, lines, steps=True)])


def _transfers(study: Study) -> Chart | None:
    if not study.transfers:
        return None
    arms = [(t.arm, t.found.rlif_steps) for t in study.transfers]
    arms += [(arm, 0) for arm in _unique(t.rlvr for t in study.transfers)]
    look = look_of(study)
    panels = [
        Panel("From the first step", True, {arm.id: pass_at_1(arm) for arm, _ in arms}),
        Panel(
            "From the first step on tests",
            True,
            {arm.id: pass_at_1(arm, k) for arm, k in arms},
        ),
    ]
    found = [Series(arm.id, arm.label, look[arm.id], True, len(arm.runs)) for arm, _ in arms]
    return Chart("transfer", "step", found, panels, own_x=True)
