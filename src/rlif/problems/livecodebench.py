"""LiveCodeBench (Jain et al. 2024, arXiv 2403.07974): which files a release is made of, and where they are.

The hub's data set `livecodebench/code_generation_lite` is six files, one for each period of collection:

    test.jsonl test2.jsonl test3.jsonl test4.jsonl test5.jsonl test6.jsonl
           400         111         101         101         167         175  problems

    release_vN        all files up to the N-th: 400, 511, 612, 713, 880, 1055 problems
    release_latest    release_v6
    vN                the N-th file alone
    vA_vB             the A-th to the B-th

Papers mean different things by "v6": always tell the number of problems and their dates. A seventh file would
be a release that this version does not know, and is not read.
"""

import os
import re
from pathlib import Path

from rlif.errors import UserError
from rlif.problems import hub

REPOSITORY = "livecodebench/code_generation_lite"
REVISION = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"
"""The commit that is read; another one by the environment variable `RLIF_LIVECODEBENCH_REVISION`."""

FILES = ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))
LATEST = "release_latest"


def release_files(release: str) -> tuple[str, ...]:
    """Return the names of the files that a release is made of.

    Raises:
        UserError: no such release; lists them.
    """
    last = len(FILES)
    if release == LATEST:
        return FILES
    if match := re.fullmatch(r"(release_)?v([1-9])", release):
        first, end = (1 if match[1] else int(match[2])), int(match[2])
        if end <= last:
            return FILES[first - 1 : end]
    if match := re.fullmatch(r"v([1-9])_v([1-9])", release):
        first, end = int(match[1]), int(match[2])
        if first < end <= last:
            return FILES[first - 1 : end]
    raise UserError(
        f"LiveCodeBench has no release '{release}'.",
        f"Known: release_v1 to release_v{last} (everything up to there), {LATEST}, v1 to v{last} (one period "
        f"alone), and ranges of these such as v2_v4.",
    )


def from_hub(release: str) -> list[Path]:
    """Return the files of a release, fetched unless they are in the hub's cache already.

    Raises:
        UserError: no such release, or they cannot be fetched; says how to get them by hand.
    """
    names = release_files(release)
    revision = os.environ.get("RLIF_LIVECODEBENCH_REVISION", REVISION)
    try:
        return [hub.fetch(REPOSITORY, revision, name) for name in names]
    except hub.FetchError as error:
        addresses = "\n".join(f"  {hub.address(REPOSITORY, revision, name)}" for name in names)
        raise UserError(
            f"Cannot fetch LiveCodeBench: {error}",
            f"To get it by hand, download these into one folder, their names unchanged:\n{addresses}\n"
            f"and give the folder for the name 'livecodebench': FOLDER --split {release}",
        ) from error


def from_folder(folder: Path, release: str) -> list[Path]:
    """Return the files of a release in a folder.

    Raises:
        UserError: no such release, or one of its files is not there.
    """
    paths = [folder / name for name in release_files(release)]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise UserError(
            f"'{folder}' does not hold {', '.join(missing)}, which {release} needs.",
            "Leave the split out to read all .jsonl files that are there.",
        )
    return paths
