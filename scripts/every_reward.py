"""The table of studies/every-reward.toml in Markdown: held-out pass@1 at start, peak and end, means over
seeds, and the difference to the random control.

    rlif study run studies/every-reward.toml
    python scripts/every_reward.py runs/every-reward
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics import diagnose
from rlif.records import RunDir, StudyDir
from rlif.statistics import crossed

Floats = NDArray[np.floating[Any]]

CONTROL = "random"
COLUMNS = (
    "reward",
    "seeds",
    "start",
    "peak",
    "end",
    "peak at",
    "sd of ends",
    "end − random",
    "fell",
    "length",
    "reasoning %",
)


@dataclass(frozen=True, slots=True)
class Result:
    """All seeds of one reward.

    Attributes:
        scores: share of right samples, [seeds, evaluations, problems].
        steps: of the evaluations.
        collapsed: step at which each seed began to fall for good, if it did.
        length, reasoning: means over seeds at the first and the last evaluation.
    """

    scores: Floats
    steps: tuple[int, ...]
    collapsed: tuple[int, ...]
    length: tuple[float, float]
    reasoning: tuple[float, float]


def arms(place: StudyDir) -> dict[str, list[RunDir]]:
    """Return arm -> its complete runs."""
    found: dict[str, list[RunDir]] = {}
    for info, run in place.runs():
        status = run.read_status()
        if status and status.state == "complete":
            found.setdefault((info.model_extra or {})["arm"], []).append(run)
    return found


def read(runs: Sequence[RunDir]) -> Result:
    """Return what the runs of a reward came to."""
    evals = [list(run.evals()) for run in runs]
    problems = sorted(set.intersection(*(set(record.correct) for run in evals for record in run)))
    ends = [(run[0], run[-1]) for run in evals]
    return Result(
        scores=np.array([[[r.correct[p] / r.samples for p in problems] for r in run] for run in evals]),
        steps=tuple(record.step for record in evals[0]),
        collapsed=tuple(step for run in runs if (step := _decline(run)) is not None),
        length=(_mean(a.length_mean for a, _ in ends), _mean(b.length_mean for _, b in ends)),
        reasoning=(_mean(a.reasoning_rate for a, _ in ends), _mean(b.reasoning_rate for _, b in ends)),
    )


def _decline(run: RunDir) -> int | None:
    return diagnose(run).collapse.decline_step


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def row(name: str, result: Result, control: Result) -> str:
    """Return one line of the table; the difference has the interval of `rlif.statistics.crossed`."""
    means = result.scores.mean(axis=(0, 2))
    peak = int(means.argmax())
    ends = result.scores[:, -1]
    gap = crossed.difference(ends, control.scores[:, -1])
    interval = f"{_points(gap.estimate)} [{_points(gap.low)}, {_points(gap.high)}]"
    spread = np.std(ends.mean(axis=1), ddof=1) if len(ends) > 1 else np.nan
    fallen = ", ".join(map(str, sorted(result.collapsed)))
    cells = [
        f"`{name}`",
        f"{len(result.scores)}",
        *(f"{100 * means[i]:.1f}" for i in (0, peak, -1)),
        f"{result.steps[peak]}",
        f"{100 * spread:.1f}",
        "–" if result is control else interval,
        f"{len(result.collapsed)}" + (f" (from {fallen})" if fallen else ""),
        f"{result.length[0]:.0f} → {result.length[1]:.0f}",
        f"{100 * result.reasoning[0]:.0f} → {100 * result.reasoning[1]:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def table(place: StudyDir) -> str:
    """Return the table in Markdown, best end first."""
    results = {name: read(runs) for name, runs in arms(place).items()}
    if CONTROL not in results:
        raise SystemExit(f"There is no complete run of the control '{CONTROL}' in {place.path}.")
    ordered = sorted(results.items(), key=lambda item: -item[1].scores[:, -1].mean())
    lines = [row(name, result, results[CONTROL]) for name, result in ordered]
    return "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *lines])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The table of the study of every reward.")
    parser.add_argument("study", type=Path, nargs="?", default=Path("runs/every-reward"))
    print(table(StudyDir(parser.parse_args().study)))


if __name__ == "__main__":
    main()
