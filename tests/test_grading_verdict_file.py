"""`VerdictFile`: one line a verdict, whatever happens between and during writing them."""

import json
import math
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.grading import Mode, Verdict, VerdictStatus
from rlif.grading.samples import Sample
from rlif.grading.verdict_file import Settings, VerdictFile, code_sha
from rlif.sandbox import Execution, RunStatus

SETTINGS = Settings(Mode.NATIVE, "bwrap", 6.0, 1024, all_tests=False)
PASSED = Verdict(True, (True, True), VerdictStatus.PASSED)
WRONG = Verdict(False, (True, False), VerdictStatus.WRONG_ANSWER)
RUN = Execution(RunStatus.OK, (), cpu_s=0.12345, wall_s=0.25)
FIRST, SECOND = Sample("a", 0, "print(1)"), Sample("a", 1, "print(2)")
LINE = {
    "question_id": "a",
    "index": 0,
    "passed": True,
    "tests": [True, True],
    "status": "passed",
    "code_sha": "d287bb7f9d15abdc",  # printf 'print(1)' | sha256sum
    "cpu_s": 0.1235,
    "wall_s": 0.25,
    "mode": "native",
    "isolation": "bwrap",
    "timeout": 6.0,
    "memory": 1024,
    "all_tests": False,
}
WHOLE = json.dumps(LINE).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.jsonl"


def keys(path: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["question_id"], row["index"]) for row in rows]


def test_a_line_holds_the_verdict_and_how_it_was_made(path: Path):
    with VerdictFile(path, SETTINGS) as verdicts:
        verdicts.append(FIRST, PASSED, RUN)
        assert path.read_bytes() == WHOLE  # not only when the file is closed
        assert not verdicts.had(FIRST)
    with VerdictFile(path, SETTINGS) as verdicts:
        assert verdicts.had(FIRST)
        assert not verdicts.had(SECOND)
        verdicts.append(SECOND, WRONG, RUN)
        assert verdicts.tally.statuses == {VerdictStatus.PASSED: 1, VerdictStatus.WRONG_ANSWER: 1}
        assert verdicts.tally.problems["a"].cpu_s == pytest.approx(0.1235 + 0.12345)
    assert keys(path) == [("a", 0), ("a", 1)]


@given(cut=st.integers(0, 2 * len(WHOLE)))
def test_a_file_cut_off_anywhere_is_mended(tmp_path_factory: pytest.TempPathFactory, cut: int):
    path = tmp_path_factory.mktemp("cut") / "verdicts.jsonl"
    second = json.dumps(LINE | {"index": 1, "code_sha": code_sha(SECOND.code)}).encode() + b"\n"
    path.write_bytes((WHOLE + second)[:cut])
    with VerdictFile(path, SETTINGS) as verdicts:
        for sample in (FIRST, SECOND):
            if not verdicts.had(sample):
                verdicts.append(sample, PASSED, RUN)
        assert verdicts.tally.programs == 2
    assert keys(path) == [("a", 0), ("a", 1)]


def test_a_line_written_by_others_needs_only_the_five_keys(path: Path):
    names = ("question_id", "index", "passed", "tests", "status")
    line = json.dumps({name: LINE[name] for name in names})
    path.write_text(f"{line}\n\n{line}\n{line}")  # an empty line, and the same verdict again
    with VerdictFile(path, SETTINGS) as verdicts:
        assert verdicts.had(FIRST)
        assert verdicts.tally.programs == 1
        assert math.isnan(verdicts.tally.problems["a"].cpu_s)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"mode": Mode.OFFICIAL}, "made with --mode native, not with --mode official"),
        ({"isolation": "process"}, "made with --isolation bwrap, not with --isolation process"),
        ({"timeout": 3.0}, "Go on with --timeout 6.0, or give another --out"),
        ({"memory": 64}, "made with --memory 1024"),
        ({"all_tests": True}, "made with --first-failure, not with --all-tests"),
    ],
)
def test_a_file_made_with_other_settings_is_refused(path: Path, changed: dict[str, Any], expected: str):
    path.write_bytes(WHOLE)
    others = Settings(**{name: getattr(SETTINGS, name) for name in Settings.__slots__} | changed)
    with pytest.raises(UserError) as caught:
        VerdictFile(path, others)
    assert expected in str(caught.value)
    assert path.read_bytes() == WHOLE


def test_a_verdict_is_not_taken_for_that_of_another_program(path: Path):
    path.write_bytes(WHOLE)
    with VerdictFile(path, SETTINGS) as verdicts, pytest.raises(UserError, match="sample 0 of 'a'"):
        verdicts.had(Sample("a", 0, "print(1) "))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"question_id": "a", "code": "print(1)"}\n', "line 1 is no verdict: it has no 'index'"),
        (b'{"question_id": "a", "index": 0}\n', "it has no 'status'"),
        (b'{"question_id": "a", "index": 0, "status": "fine"}\n', "'fine' is not a valid VerdictStatus"),
        (WHOLE + b"[1]\n", "line 2 is no verdict: it is not an object"),
        (WHOLE + WHOLE[:50] + b"\n" + WHOLE, "line 2 is no verdict: it is not JSON"),
        (b"my diary, with no end of line", "line 1 is no verdict: it is not JSON"),
        (b"\xff\xfe\x00", "line 1 is no verdict: it is not JSON"),
    ],
)
def test_a_file_that_holds_something_else_is_left_alone(path: Path, content: bytes, why: str):
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        VerdictFile(path, SETTINGS)
    assert why in str(caught.value)
    assert path.read_bytes() == content


def test_a_file_is_written_by_one_process_at_a_time(path: Path):
    with VerdictFile(path, SETTINGS), pytest.raises(UserError, match="being written by another process"):
        VerdictFile(path, SETTINGS)
    with VerdictFile(path, SETTINGS):
        pass


def test_places_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    for place, why in [
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "verdicts.jsonl", "cannot be written"),
        (Path("/dev/null"), "not a regular file"),
    ]:
        with pytest.raises(UserError, match=why):
            VerdictFile(place, SETTINGS)
    with VerdictFile(tmp_path / "new" / "directory" / "verdicts.jsonl", SETTINGS):
        pass


@contextmanager
def files_at_most(size: int):
    """Let the system refuse to make a file longer, as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_whole_lines_and_the_next_run_goes_on(path: Path):
    with VerdictFile(path, SETTINGS) as verdicts:
        verdicts.append(FIRST, PASSED, RUN)
        with files_at_most(len(WHOLE) + 40), pytest.raises(UserError) as caught:
            verdicts.append(SECOND, WRONG, RUN)
        assert str(path) in caught.value.message
        assert "Make room there" in caught.value.fix
        assert path.read_bytes() == WHOLE
        assert verdicts.tally.programs == 1
    with VerdictFile(path, SETTINGS) as verdicts:
        verdicts.append(SECOND, WRONG, RUN)
    assert keys(path) == [("a", 0), ("a", 1)]
