"""What kind of reward a run was trained on, in words that results are grouped by, and for how many steps."""

from collections.abc import Iterable, Sequence

from rlif.config import RunConfig
from rlif.diagnostics.stopping import Action
from rlif.records import Role, StepRecord, StopRecord
from rlif.rewards import AnyReward, Combination

FAMILIES = {
    "certainty": (
        "self_certainty",
        "token_entropy",
        "trajectory_logprob",
        "probability",
        "mean_probability",
        "rlsc",
        "probability_margin",
    ),
    "consensus": ("functional_majority", "majority_vote", "semantic_entropy", "co_rewarding"),
    "verifiable": ("unit_tests",),
    "control": ("random", "length", "format", "constant"),
}
"""Family -> its rewards. Those that are of two kinds, or of none, are in no family."""

_FAMILY_OF = {reward: family for family, rewards in FAMILIES.items() for reward in rewards}


def role_of(steps: Sequence[StepRecord]) -> Role:
    """Return the role of a run by the rewards that each of its stages was trained on."""
    tests = set(FAMILIES["verifiable"])
    stages: dict[str, set[str]] = {}
    for record in steps:
        stages.setdefault(record.stage, set()).update(record.rewards)
    kinds = list(stages.values())
    if not kinds or not any(kinds):
        return Role.INTRINSIC
    if len(kinds) > 1 and kinds[-1] <= tests and not kinds[0] <= tests:
        return Role.TRANSFER
    used = set[str].union(*kinds)
    if used <= tests:
        return Role.VERIFIABLE
    if used <= set(FAMILIES["control"]):
        return Role.CONTROL
    return Role.MIXTURE if used & tests else Role.INTRINSIC


def reward_text(config: RunConfig) -> str:
    """Return a run's rewards: those of a stage joined by "+", stages by ">"."""
    return ">".join("+".join(str(reward.type) for reward in stage.reward) for stage in config.stages)


def family_of(config: RunConfig) -> str:
    """Return the one family that all rewards of a run belong to, "" where there is none."""
    families = {_FAMILY_OF.get(name, "") for stage in config.stages for name in _types(stage.reward)}
    return families.pop() if len(families) == 1 else ""


def stage_steps(config: RunConfig, stops: Iterable[StopRecord]) -> list[int]:
    """Return the steps of each stage: those asked for, or fewer where a stopping rule ended it.

    Steps that a rollback threw away were made, and count.
    """
    ends = sorted(stop.step for stop in stops if stop.action != Action.WARN)
    made, start = list[int](), 0
    for stage in config.stages:
        last = start + stage.steps
        end = next((step for step in ends if start < step <= last), last)
        made.append(end - start)
        start = end
    return made


def rlif_steps(config: RunConfig, made: Sequence[int]) -> int:
    """Return the steps before the stage that rewards tests alone; 0 without such a stage.

    Args:
        config: of the run.
        made: by each stage, as `stage_steps` has them.
    """
    for index, stage in enumerate(config.stages):
        if all(_FAMILY_OF.get(name) == "verifiable" for name in _types(stage.reward)):
            return sum(made[:index])
    return 0


def _types(rewards: Iterable[AnyReward]) -> Iterable[str]:
    for reward in rewards:
        if isinstance(reward, Combination):
            yield from _types(reward.rewards)
        else:
            yield str(reward.type)
