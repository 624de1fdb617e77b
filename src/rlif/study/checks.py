"""What is looked at before a study starts: what makes a run impossible, and what makes its answer weak."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rlif.config import ProblemsConfig, RunConfig
from rlif.errors import UserError
from rlif.problems.load import load_problems
from rlif.records import Role
from rlif.study.expand import PlannedRun


def refuse_impossible(runs: Iterable[PlannedRun]) -> None:
    """Raise what would stop a run at its start, for as much of it as this machine holds.

    Data sets on the hub are left for the runs themselves: nothing is downloaded here.

    Raises:
        UserError: problems that cannot be loaded, or fewer than a run asks for.
    """
    seen = set[str]()
    for run in runs:
        for table in (*_trained_on(run.config), run.config.evaluation.problems):
            key = table.model_dump_json()
            if key not in seen and table.name.partition("/")[0] != "livecodebench":
                seen.add(key)
                _check_problems(run.id, table)
        model = Path(run.config.model)
        if model.is_absolute() and not model.is_dir():
            raise UserError(f"Run '{run.id}' starts from {model}, which there is not.", "Check `model`.")


def refuse_settings(runs: Iterable[PlannedRun], processes: int) -> None:
    """Raise what TRL would refuse at the start of a run that trains on this machine, in so many processes.

    Raises:
        UserError: of the first such run.
    """
    from rlif.training.grpo_args import grpo_config  # TRL takes seconds to import: not for a plan

    seen = set[str]()
    for run in runs:
        for index in range(len(run.config.stages)):
            key = run.config.stage_grpo(index).model_dump_json()
            if key in seen:
                continue
            seen.add(key)
            try:
                grpo_config(run.config, index, Path("unused"), processes)
            except UserError as error:
                raise UserError(f"Run '{run.id}': {error.message}", error.fix) from None


def _check_problems(run_id: str, table: ProblemsConfig) -> None:
    try:
        found = len(load_problems(**table.model_dump()))
    except UserError as error:
        raise UserError(f"Run '{run_id}': {error.message}", error.fix) from None
    if table.limit is not None and found < table.limit:
        raise UserError(
            f"Run '{run_id}' asks for {table.limit} problems of '{table.name}', which has {found}.",
            "Lower `limit`: the run would be called what it is not.",
        )


def weaknesses(runs: Sequence[PlannedRun]) -> list[str]:
    """Return sentences on what a reviewer would miss or ask about."""
    found: list[str] = []
    rewards = {
        reward.type for run in runs if run.role is Role.CONTROL for reward in run.config.stages[0].reward
    }
    if "random" not in rewards:
        found.append(
            "No control with a random reward: what an arm gains or loses cannot be told from what training "
            'on noise does. Add a run with reward = "random" and role = "control".'
        )
    seeds = {run.arm: set[int]() for run in runs}
    for run in runs:
        seeds[run.arm].add(run.config.seed)
    if few := sorted(arm for arm, values in seeds.items() if len(values) < 3):
        found.append(
            f"Fewer than three seeds for {', '.join(few)}: differences to other arms carry no interval over "
            "seeds worth the name."
        )
    if ttt := sorted({run.arm for run in runs if trains_on_its_evaluation(run.config)}):
        found.append(
            f"Test-time training: {', '.join(ttt)} trains on problems it is evaluated on. Its scores say "
            "nothing of other problems."
        )
    return found


def trains_on_its_evaluation(config: RunConfig) -> bool:
    """Whether a stage's problems and the evaluation's come from one part of a data set, in one window."""
    return config.truth and any(_overlap(train, config.evaluation.problems) for train in _trained_on(config))


def _trained_on(config: RunConfig) -> list[ProblemsConfig]:
    return [config.stage_problems(index) for index in range(len(config.stages))]


def _overlap(train: ProblemsConfig, held_out: ProblemsConfig) -> bool:
    same = (train.name, train.split, train.seed) == (held_out.name, held_out.split, held_out.seed)
    apart = (train.end and held_out.start and train.end <= held_out.start) or (
        held_out.end and train.start and held_out.end <= train.start
    )
    return same and not apart
