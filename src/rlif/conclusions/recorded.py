"""Recorded runs, as stopping rules and their judges see them: signals of steps, scores of evaluations."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlif.conclusions.families import reward_text
from rlif.config import RunConfig, validated
from rlif.diagnostics.series import Floats, Ints
from rlif.diagnostics.stopping import Action, History
from rlif.errors import UserError
from rlif.records import RunDir, RunInfo, StudyDir


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRun:
    """One complete run of a single stage.

    Attributes:
        id, reward, temperature, seed: what it is.
        history: what rules see.
        steps: of its E evaluations, ascending. problems: P ids. scores: share of right samples [E, P].
    """

    id: str
    reward: str
    temperature: float
    seed: int
    history: History
    steps: Ints
    problems: tuple[str, ...] = field(repr=False)
    scores: Floats = field(repr=False)

    def kept(self, updates: int) -> int:
        """Return the index of the last evaluation at or before a number of updates."""
        return max(0, int(np.searchsorted(self.steps, updates, side="right")) - 1)

    def on(self, problems: tuple[str, ...]) -> "RecordedRun":
        """Return the run with the scores of some of its problems, in their order."""
        column = {problem: i for i, problem in enumerate(self.problems)}
        return replace(self, problems=problems, scores=self.scores[:, [column[p] for p in problems]])


def recorded_runs(directory: Path) -> list[RecordedRun]:
    """Return the complete runs of a study, on the problems that all of them were evaluated on.

    Left out are runs of several stages (when to switch is another question), those judged less than twice and
    those that a rule ended: what came after is not known, and after a rollback the last evaluation is of an
    earlier policy. A rule that only warned changes nothing.

    Raises:
        UserError: it is no study, a file is damaged, or there is nothing to replay.
    """
    found = [run for info, place in StudyDir(directory).runs() if (run := _read(info, place)) is not None]
    if not found:
        raise UserError(
            f"{directory} has no complete run of one stage with two evaluations or more that no rule ended.",
            'Run the study first: rlif study run STUDY.toml (with stopping.action = "warn", if at all).',
        )
    shared = set[str].intersection(*(set(run.problems) for run in found))
    if len(shared) < 2:
        raise UserError(f"The runs in {directory} share no problems.", "Replay studies of their own apart.")
    return [run.on(tuple(sorted(shared))) for run in found]


def _read(info: RunInfo, place: RunDir) -> RecordedRun | None:
    """Return a run, or None where it does not count."""
    status = place.read_status()
    if status is None or status.state != "complete":
        return None
    config = validated(RunConfig, place.config(), str(place.config_path))
    evals = place.evals()
    mode = "sampled" if any(record.mode == "sampled" for record in evals) else "greedy"
    chosen = {record.step: record for record in evals if record.mode == mode and record.correct}
    ended = any(stop.action != Action.WARN for stop in place.stops())
    if len(chosen) < 2 or len(config.stages) != 1 or ended:
        return None
    problems = sorted(set[str].intersection(*(set(record.correct) for record in chosen.values())))
    scores: Any = [
        [chosen[step].correct[p] / chosen[step].samples for p in problems] for step in sorted(chosen)
    ]
    records = {record.step: record for record in place.steps()}
    return RecordedRun(
        id=info.id,
        reward=reward_text(config),
        temperature=config.stage_grpo(0).temperature,
        seed=config.seed,
        history=History.of([records[step] for step in sorted(records)]),
        steps=np.array(sorted(chosen), dtype=int),
        problems=tuple(problems),
        scores=np.array(scores, dtype=float),
    )
