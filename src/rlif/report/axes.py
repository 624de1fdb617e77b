"""The axes that a study varied: which arm stands at which level of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlif.report.arms import Arm
from rlif.report.load import Study


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        name: as the study calls it, such as "temperature".
        levels: ascending; those that are no numbers stand last.
        centre: the one of `levels` at which everything else was varied.
        rows: a dict for each central arm that was varied along it: level -> arm.
    """

    name: str
    levels: tuple[str, ...]
    centre: str
    rows: tuple[dict[str, Arm], ...]

    def title(self, level: str) -> str:
        """Return what to write above a level: "temperature = 1.0 (centre)"."""
        if level != self.centre:
            return f"{self.name} = {level}"
        return level if level == "centre" else f"{self.name} = {level} (centre)"


def axes(study: Study) -> list[Axis]:
    """Return the axes of a study in its order; arms that differ along several at once belong to none."""
    names = dict.fromkeys(name for arm in study.arms if (name := _setting(arm)[0]))
    return [_axis(study, name) for name in names]


def _axis(study: Study, name: str) -> Axis:
    varied = [arm for arm in study.arms if _setting(arm)[0] == name]
    centres = [arm for arm in study.centre if any(arm.name == other.name for other in varied)]
    levels = sorted({_setting(arm)[1] for arm in varied}, key=_number)
    values = {_centre_value(arm, varied) for arm in centres}
    centre = values.pop() if len(values) == 1 and not values & set(levels) else "centre"
    ordered = ["centre", *levels] if centre == "centre" else sorted([centre, *levels], key=_number)
    rows = (
        {centre: arm} | {_setting(other)[1]: other for other in varied if other.name == arm.name}
        for arm in centres
    )
    return Axis(name, tuple(ordered), centre, tuple(rows))


def _setting(arm: Arm) -> tuple[str, str]:
    """Return axis and level of a variation "axis=level"; ("", "") at the centre and where several vary."""
    axis, _, level = arm.variation.partition("=")
    return (axis, level) if level and "," not in level and "=" not in level else ("", "")


def _centre_value(centre: Arm, varied: Sequence[Arm]) -> str:
    """Return the level at the centre: the value there of the key whose value is the level in all varied arms.

    A level may be a mere label, or an axis may set several keys to the same values: then it is "centre".
    """
    own = [arm for arm in varied if arm.name == centre.name]
    configs = [dict(_leaves(arm.runs[0].config)) for arm in own]
    found = {
        str(value)
        for key, value in _leaves(centre.runs[0].config)
        if all(str(config.get(key)) == _setting(arm)[1] for arm, config in zip(own, configs, strict=True))
    }
    return found.pop() if len(found) == 1 else "centre"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _leaves(inner, f"{key}.{name}")
    if not isinstance(value, dict | list):
        yield key, value


def _number(level: str) -> tuple[float, str]:
    try:
        return float(level), ""
    except ValueError:
        return float("inf"), level
