"""`StudyDir`: several runs that are to be compared, and what each of them is.

STUDY/study.json        `StudyInfo`
STUDY/runs/<id>/        one run directory each
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from rlif.errors import UserError
from rlif.records.files import read_json, write_atomic
from rlif.records.run_dir import RunDir
from rlif.records.schema import Record


class Role(StrEnum):
    """What a run stands for in its study; reports draw and word each role in its own way."""

    INTRINSIC = "intrinsic"  # a reward from the model itself: certainty or consensus
    VERIFIABLE = "verifiable"  # tests (RLVR)
    CONTROL = "control"  # a reward that knows nothing: random, constant, length, format
    TRANSFER = "transfer"  # first intrinsic, then verifiable (RLIF -> RLVR)
    MIXTURE = "mixture"  # intrinsic and verifiable at once


class RunInfo(Record):
    """One run of a study.

    Attributes:
        id: name of its directory under runs/.
        label: what people call it, in a legend or a table.
        role: what it stands for; None lets the report judge by the rewards it was trained on.

    Anything else (seed, temperature, …) may be added and is kept.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.+-]*$")]
    label: str = ""
    role: Role | None = None


class StudyInfo(Record):
    """Contents of study.json: the study's name, a sentence about it, its runs in the order to show them."""

    name: str
    description: str = ""
    runs: list[RunInfo] = Field(default_factory=list[RunInfo])


class StudyDir:
    """The directory of a study.

    Args:
        path: where it is, or will be after `create`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.info_path = self.path / "study.json"

    @property
    def exists(self) -> bool:
        """Whether a study was started here."""
        return self.info_path.is_file()

    def create(self, info: StudyInfo) -> None:
        """Write study.json, replacing an older one."""
        write_atomic(self.info_path, info.model_dump_json(indent=2).encode() + b"\n")

    def info(self) -> StudyInfo:
        """Return what study.json says.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            return StudyInfo.model_validate(read_json(self.info_path))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise UserError(f"{self.info_path}: '{where}' — {fault['msg']}.", "Mend that entry.") from error

    def run_dir(self, run_id: str) -> RunDir:
        """Return the directory of a run, started or not."""
        return RunDir(self.path / "runs" / run_id)

    def runs(self) -> Iterator[tuple[RunInfo, RunDir]]:
        """Yield the runs that were started, in the order of study.json."""
        for info in self.info().runs:
            run = self.run_dir(info.id)
            if run.exists:
                yield info, run
