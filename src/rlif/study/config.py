"""`load_study`: a study file, read and checked."""

from pathlib import Path

from rlif.config import read_table, validated
from rlif.errors import UserError
from rlif.study.expand import expand
from rlif.study.schema import StudyConfig


def load_study(path: Path) -> StudyConfig:
    """Read a study file and check all of its runs.

    Raises:
        UserError: unreadable, unknown keys, or a run that cannot be.
    """
    study = validated(StudyConfig, read_table(path), str(path))
    try:
        expand(study)
    except UserError as error:
        raise UserError(f"{path}: {error.message}", error.fix) from None
    return study
