"""Reads recommendations.json of a study directory, which `rlif study recommend` writes."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from rlif.errors import UserError
from rlif.records.schema import NAN, Number


class Recommendation(BaseModel):
    """One question with its advice and what it rests on; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    id: str
    question: str
    advice: str
    effect: Number = NAN
    low: Number = NAN
    high: Number = NAN
    unit: str = ""
    n: int | str = 0
    runs: list[str] = []
    decided: bool = False


def recommendations(directory: Path) -> list[Recommendation]:
    """Return them, the decided ones first; none where the file is missing.

    Raises:
        UserError: the file is not what it should be.
    """
    path = directory / "recommendations.json"
    if not path.is_file():
        return []
    try:
        found = TypeAdapter(list[Recommendation]).validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        fix = f"Write it anew: rlif study recommend {directory}"
        raise UserError(f"{path}: '{where}' — {fault['msg']}.", fix) from error
    return sorted(found, key=lambda item: not item.decided)
