"""Studies of stand-in runs (study_stand_in.py)."""

from pathlib import Path
from typing import Any

from rlif.study.schema import StudyConfig

STAND_IN = Path(__file__).parent / "study_stand_in.py"


def study_of(*behaviours: str, steps: int = 2, **settings: Any) -> StudyConfig:
    """Return a study with a run for each behaviour."""
    runs = [
        {"id": name, "label": name.title(), "role": "control", "change": {"model": name}}
        for name in behaviours
    ]
    base = {"stages": [{"steps": steps, "reward": "random"}]}
    table = {"name": "stand-in", "base": base, "runs": runs, **settings}
    return StudyConfig.model_validate(table)
