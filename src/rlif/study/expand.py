"""`expand`: a study to its runs, each with its whole configuration and an id that stays the same.

An arm is run as it stands (the *centre*), and once more for each value of each axis that varies it alone.
Where crossed axes apply to an arm, it is run at each combination of their values instead, and axes that vary
it alone still do so around the centre. A configuration that an arm reaches twice, as it does where an axis
lists the centre's value, is one run.

Ids are arm, variation, seed and a hash of the configuration: a changed setting is another run, in a directory
of its own, and what is there already of the others still counts. A study with neither seeds nor axes has one
run an arm, called as the arm is.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlif.config import RunConfig, validated
from rlif.errors import UserError
from rlif.records import Role, RunInfo, StudyInfo
from rlif.study.schema import Axis, Combine, StudyConfig, StudyRun, merged

CENTRE = ""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        id: name of its directory. label: for people.
        arm, role: of the arm it belongs to.
        variation: in what it differs from its arm's centre, such as "temperature=0.6"; "" at the centre.
        config: all settings.
    """

    id: str
    label: str
    arm: str
    role: Role
    variation: str
    config: RunConfig

    def info(self) -> RunInfo:
        """Return its entry in study.json."""
        entry = {
            "id": self.id,
            "label": self.label,
            "role": self.role,
            "arm": self.arm,
            "variation": self.variation,
            "seed": self.config.seed,
            "total_steps": self.config.total_steps,
        }
        return RunInfo.model_validate(entry)


def study_info(study: StudyConfig, runs: Sequence[PlannedRun]) -> StudyInfo:
    """Return what study.json says."""
    return StudyInfo(name=study.name, description=study.description, runs=[run.info() for run in runs])


def expand(study: StudyConfig) -> list[PlannedRun]:
    """Return all runs of a study: arm by arm, the centre first, then its variations; each with all its seeds.

    Raises:
        UserError: a run that cannot be, or that two arms share.
    """
    runs: dict[str, PlannedRun] = {}
    for arm in study.runs:
        for settings, variation, seeds in _variations(study, arm):
            table = merged(study.base, arm.change)
            for key, value in settings.items():
                table = _placed(table, key.split("."), value, f"axis '{key}' of study '{study.name}'")
            for seed in seeds if seeds is not None else [None]:
                run = _run(study, arm, table, variation, seed)
                key = _fingerprint(run.config)
                known = runs.setdefault(key, run)
                if known.arm != arm.id:
                    raise UserError(
                        f"Runs '{known.arm}' and '{arm.id}' of study '{study.name}' are the same run"
                        f"{f' at {variation}' if variation else ''}.",
                        "Leave one of them out, or change what they differ in.",
                    )
    return list(runs.values())


def _variations(
    study: StudyConfig, arm: StudyRun
) -> Iterator[tuple[dict[str, Any], str, tuple[int, ...] | None]]:
    """Yield settings, what they are called, and seeds of all points of an arm."""
    axes = [axis for axis in study.axes if not axis.runs or arm.id in axis.runs]
    crossed = [axis for axis in axes if axis.combine is Combine.CROSSED]
    if not crossed:
        yield {}, CENTRE, study.seeds
    else:
        for indices in itertools.product(*(range(axis.size) for axis in crossed)):
            points = list(zip(crossed, indices, strict=True))
            settings = {key: value for axis, i in points for key, value in axis.settings(i).items()}
            yield settings, ",".join(axis.variation(i) for axis, i in points), _fewest(crossed, study.seeds)
    for axis in axes:
        if axis.combine is Combine.ALONE:
            for i in range(axis.size):
                yield axis.settings(i), axis.variation(i), axis.seeds or study.seeds


def _fewest(axes: Sequence[Axis], seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the seeds of crossed axes: the shortest list that one of them asks for, else the study's."""
    asked = [axis.seeds for axis in axes if axis.seeds]
    return min(asked, key=len) if asked else seeds


def _run(
    study: StudyConfig, arm: StudyRun, table: dict[str, Any], variation: str, seed: int | None
) -> PlannedRun:
    where = f"run '{arm.id}'{f' with {variation}' if variation else ''} of study '{study.name}'"
    if seed is not None:
        if "seed" in table:
            raise UserError(f"{where} sets a seed, and so does the study.", "Leave out one of them.")
        table = {**table, "seed": seed}
    config = validated(RunConfig, {**table, "name": arm.id}, where)
    if variation and _fingerprint(config) == _fingerprint(_centre(study, arm, seed)):
        variation = CENTRE
    parts = [arm.id, *re.sub(r"[^\w.,+-]+", "-", variation).split(",")] if variation else [arm.id]
    label = [arm.label or arm.id, *([variation.replace(",", ", ")] if variation else [])]
    if seed is not None:
        parts.append(f"s{seed}")
        label.append(f"seed {seed}")
    plain = study.seeds is None and not study.axes
    name = arm.id if plain else "-".join([*parts, _fingerprint(config)[:6]])
    return PlannedRun(
        id=name,
        label=", ".join(label),
        arm=arm.id,
        role=arm.role,
        variation=variation,
        config=config.model_copy(update={"name": name}),
    )


def _centre(study: StudyConfig, arm: StudyRun, seed: int | None) -> RunConfig:
    table = {**merged(study.base, arm.change), "name": arm.id}
    return validated(RunConfig, table if seed is None else {**table, "seed": seed}, f"run '{arm.id}'")


def _fingerprint(config: RunConfig) -> str:
    """Return a hash of everything that a run's numbers follow from: all settings but its name.

    What is None is left out, so that a setting new in rlif, None by default, does not rename every run.
    """
    settings = config.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _placed(node: Any, keys: list[str], value: Any, where: str) -> Any:
    """Return a copy of a table with `value` at a dotted key; numbers name entries of lists."""
    key, *rest = keys
    if isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            raise UserError(f"{where} names entry '{key}' of a list of {len(node)}.", "The first entry is 0.")
        place = int(key)
        new = _placed(node[place], rest, value, where) if rest else value
        return [*node[:place], new, *node[place + 1 :]]
    if not isinstance(node, dict):
        raise UserError(f"{where} goes below a value, not a table.", "Name a key of the run file.")
    return {**node, key: _placed(node.get(key, {}), rest, value, where) if rest else value}
