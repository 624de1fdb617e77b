"""Sample completions of a run at its start, near its peak and at its end, to read side by side.

They are picked by a rule, not by hand: the first problem recorded at all of these steps (else the first of
each step); of its group the completion with the highest reward, which is what training reinforces, and a
typical one, with the median reward. Of an arm its first run is shown, and of a large study a few arms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from rlif.diagnostics import Verdict
from rlif.records import RunDir
from rlif.report.arms import Arm, Run

MAX_CHARACTERS = 2000
MOST_ARMS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion; its text in three parts, of which the middle one is the program."""

    why: str
    before: str
    code: str
    after: str
    reward: float | None
    passed: bool | None
    status: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The samples of one step."""

    name: str
    step: int
    statement: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class RunSamples:
    """The samples of one run. open: it is the one to show first."""

    label: str
    open: bool
    moments: list[Moment]


def samples(arms: Sequence[Arm]) -> list[RunSamples]:
    """Return the samples of the first `MOST_ARMS` arms whose first run recorded any.

    The arm that lost most stands open.
    """
    order = [Verdict.COLLAPSED, Verdict.IMPROVED_THEN_FELL, Verdict.WORSENED, Verdict.IMPROVED]
    shown = ((arm, moments(arm.runs[0])) for arm in arms)
    found = list(islice(((arm, at) for arm, at in shown if at), MOST_ARMS))
    ranks = [order.index(arm.verdict) if arm.verdict in order else len(order) for arm, _ in found]
    first = ranks.index(min(ranks)) if ranks else -1
    return [
        RunSamples(arm.label if len(arm.runs) == 1 else arm.runs[0].label, i == first, at)
        for i, (arm, at) in enumerate(found)
    ]


def moments(run: Run) -> list[Moment]:
    """Return start, peak and end of one run, as far as its rollouts were recorded."""
    recorded = run.directory.rollout_steps()
    if not recorded:
        return []
    chosen = {recorded[0]: "Start", recorded[-1]: "End"}
    p = run.findings.performance
    if p is not None:
        # The policy judged after s steps is the one that writes the completions of step s + 1.
        peak = min(recorded, key=lambda step: abs(step - p.peak_step - 1))
        chosen[peak] = f"{chosen[peak]} and peak" if peak in chosen else "Near the peak"
    frames = {step: _read(run.directory, step) for step in sorted(chosen)}
    problem = _shared_problem(list(frames.values()))
    return [_moment(chosen[step], step, frame, problem) for step, frame in frames.items() if frame.height]


def _read(directory: RunDir, step: int) -> pl.DataFrame:
    frame = directory.rollouts(step)
    needed = {"problem_id", "statement", "text", "code", "group"}
    return frame if needed <= set(frame.columns) else frame.clear()


def _shared_problem(frames: Sequence[pl.DataFrame]) -> str | None:
    ids = [frame["problem_id"].to_list() for frame in frames if frame.height]
    return next((i for i in ids[0] if all(i in others for others in ids)), None) if ids else None


def _moment(name: str, step: int, frame: pl.DataFrame, problem: str | None) -> Moment:
    wanted = problem if problem is not None else frame["problem_id"][0]
    of_problem = frame.filter(pl.col("problem_id") == wanted)
    group = of_problem.filter(pl.col("group") == of_problem["group"][0]).to_dicts()
    ranked = sorted(group, key=lambda row: row.get("reward") or 0.0, reverse=True)
    picked = {0: "highest reward", len(ranked) // 2: "median reward"}
    found = [_sample(ranked[i], why) for i, why in picked.items()]
    return Moment(name, step, str(ranked[0]["statement"] or ""), found)


def _sample(row: dict[str, Any], why: str) -> Sample:
    text, code = str(row["text"] or ""), str(row["code"] or "")
    at = text.rfind(code) if code else -1
    before, after = (text, "") if at < 0 else (text[:at], text[at + len(code) :])
    return Sample(
        why=why,
        before=_shortened(before),
        code=_shortened(code) if at >= 0 else "",
        after=_shortened(after),
        reward=row.get("reward"),
        passed=row.get("passed"),
        status=str(row.get("status") or "").replace("_", " "),
        tokens=row.get("tokens") or 0,
    )


def _shortened(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    half = MAX_CHARACTERS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
