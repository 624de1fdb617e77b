"""Problems from LiveCodeBench rows, private tests in both of their forms, and files that are not right."""

import base64
import contextlib
import datetime as dt
import json
import os
import pickle
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.problems import private_tests
from rlif.problems.jsonl import BadLine, ProblemLine, dump_jsonl, load_files, load_jsonl, read_lines
from rlif.problems.private_tests import decode_private_tests
from rlif.problems.types import Problem, TestCase

PRIVATE = json.dumps([{"input": "5\n", "output": "25\n", "testtype": "stdin"}])

ROW: dict[str, Any] = {
    "question_title": "Squares",
    "question_content": "Read n and print its square.",
    "platform": "atcoder",
    "question_id": "squares_a",
    "contest_id": "squares",
    "contest_date": "2024-01-06T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps([{"input": "3\n", "output": "9\n", "testtype": "stdin"}]),
    "private_test_cases": PRIVATE,
    "metadata": "{}",
}


def pack(value: Any, protocol: int = 4) -> str:
    """The hub's way of writing private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol=protocol))).decode()


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_a_stdin_row(tmp_path: Path):
    [problem] = load_jsonl(write(tmp_path / "own.jsonl", ROW))
    assert problem == Problem(
        id="squares_a",
        statement="Read n and print its square.",
        starter_code="",
        entry_point=None,
        public_tests=(TestCase("3\n", "9\n", "stdin"),),
        hidden_tests=(TestCase("5\n", "25\n", "stdin"),),
        source="own",
        date=dt.date(2024, 1, 6),
        difficulty="easy",
        platform="atcoder",
    )


def test_a_functional_row_takes_its_entry_point_from_the_metadata(tmp_path: Path):
    tests = json.dumps([{"input": "3\n4", "output": "7", "testtype": "functional"}])
    row = ROW | {"public_test_cases": tests, "private_test_cases": "", "metadata": '{"func_name": "add"}'}
    [problem] = load_jsonl(write(tmp_path / "p.jsonl", row | {"solution": "class Solution: ..."}))
    assert problem.entry_point == "add"
    assert problem.public_tests == (TestCase("3\n4", "7", "functional"),)
    assert problem.hidden_tests == ()
    assert problem.solution == "class Solution: ..."


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_packed_private_tests_decode_whatever_the_pickle_protocol(protocol: int):
    assert decode_private_tests(pack(PRIVATE, protocol)) == PRIVATE


@given(st.text())
def test_any_pickled_string_comes_back(text: str):
    assert decode_private_tests(pack(text)) == text


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path, protocol: int):
    packed = pack(Malicious(tmp_path / "owned"), protocol)
    path = write(tmp_path / "p.jsonl", ROW, ROW | {"question_id": "b", "private_test_cases": packed})
    good, malicious = load_jsonl(path)
    assert len(good.tests) == 2
    with pytest.raises(UserError, match=r"p\.jsonl, line 2: problem 'b': .*more than a string"):
        _ = malicious.tests
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("value", [b"bytes", ["a"], ("a", "b"), {"a": "b"}, 1, None])
def test_a_pickle_of_anything_but_a_string_is_refused(value: Any):
    with pytest.raises(ValueError, match="pickle"):
        decode_private_tests(pack(value))


def test_a_pickle_of_endlessly_many_harmless_instructions_is_refused_at_once():
    data = pickle.dumps("[]", protocol=4)
    long = data[:-1] + b"\x94" * 50_000_000 + data[-1:]  # MEMOIZE, MEMOIZE, …
    packed = base64.b64encode(zlib.compress(long, level=1)).decode()
    start = time.monotonic()
    with pytest.raises(ValueError, match="more than a string"):
        decode_private_tests(packed)
    assert time.monotonic() - start < 5


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_but_decode_or_raise_value_error(data: bytes):
    packed = base64.b64encode(zlib.compress(data)).decode()
    with contextlib.suppress(ValueError):
        assert isinstance(decode_private_tests(packed), str)


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(private_tests, "MAX_TESTS_BYTES", 1000)
    assert decode_private_tests(pack("a" * 900)) == "a" * 900
    with pytest.raises(ValueError, match="more than a gigabyte"):
        decode_private_tests(pack("a" * 1_000_000))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{not json", "line 2"),
        ("[1, 2]", "expected a JSON object"),
        ({k: v for k, v in ROW.items() if k != "question_content"}, "question_content is missing"),
        (ROW | {"question_id": 7}, "question_id is not a string but int"),
        (ROW, "question_id 'squares_a' was there before"),
        (ROW | {"public_test_cases": "[{}]"}, "public_test_cases: KeyError: 'input'"),
        (ROW | {"public_test_cases": '[{"input": "", "output": "", "testtype": "oral"}]'}, "testtype 'oral'"),
        (ROW | {"public_test_cases": '["a"]'}, "public_test_cases: TypeError: expected a list of objects"),
        (ROW | {"public_test_cases": '{"a": 1}'}, "public_test_cases: TypeError: expected a list of objects"),
        (ROW | {"metadata": '{"func_name": 7}'}, "func_name is not a string but int"),
        ('{"question_id": ' + "[" * 100_000, "recursion"),
        (ROW | {"private_test_cases": 7}, "private_test_cases is not a string but int"),
        (ROW | {"contest_date": "last week"}, "last week"),
        (
            ROW | {"public_test_cases": '[{"input": "1", "output": "1", "testtype": "functional"}]'},
            "no func_name",
        ),
    ],
)
def test_a_bad_line_names_file_line_and_fault(tmp_path: Path, bad: Any, message: str):
    path = write(tmp_path / "bad.jsonl", ROW, bad)
    with pytest.raises(UserError) as caught:
        load_jsonl(path)
    assert f"{path}, line 2: " in str(caught.value)
    assert message in str(caught.value)


def test_reading_goes_on_after_a_bad_line(tmp_path: Path):
    good, other = json.dumps(ROW), json.dumps(ROW | {"question_id": "other"})
    path = write(tmp_path / "p.jsonl", good, "", good[:50], '{"question_id": "cut", "quest', good, other)
    first, cut, named, again, last = read_lines(path)
    assert isinstance(first, ProblemLine)
    assert isinstance(last, ProblemLine)
    assert (first.number, first.problem.id) == (1, "squares_a")
    assert (last.number, last.problem.id) == (6, "other")
    assert last.problem.hidden_tests == (TestCase("5\n", "25\n"),)
    assert again == BadLine(5, "question_id 'squares_a' was there before, in line 1")
    assert isinstance(cut, BadLine)
    assert isinstance(named, BadLine)
    assert (cut.number, cut.question_id) == (3, None)
    assert (named.number, named.question_id) == (4, "cut")


def test_two_files_as_one_data_set_may_not_share_a_problem(tmp_path: Path):
    first, other = (
        write(tmp_path / "a.jsonl", ROW),
        write(tmp_path / "b.jsonl", ROW | {"question_id": "other"}),
    )
    assert [(p.id, p.source) for p in load_files([first, other], "both")] == [
        ("squares_a", "both"),
        ("other", "both"),
    ]
    with pytest.raises(
        UserError, match=rf"b\.jsonl, line 1: .*'other' was there before, in line 1 of {other}"
    ):
        load_files([other, first, write(tmp_path / "c" / "b.jsonl", ROW | {"question_id": "other"})])


def test_the_time_of_day_of_a_contest_is_kept(tmp_path: Path):
    [problem] = load_jsonl(write(tmp_path / "p.jsonl", ROW | {"contest_date": "2024-01-06T19:30:00"}))
    assert (problem.date, problem.time) == (dt.date(2024, 1, 6), dt.time(19, 30))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nothing\.jsonl"):
        load_jsonl(tmp_path / "nothing.jsonl")


test_cases = st.builds(
    TestCase,
    input=st.text(),
    output=st.text(),
    kind=st.sampled_from(["stdin", "functional", "literal"]),
    tolerance=st.sampled_from([0.0, 1e-6]),
)


@given(
    st.builds(
        Problem,
        id=st.text(),
        statement=st.text(),
        starter_code=st.text(),
        entry_point=st.just("f"),
        public_tests=st.lists(test_cases, max_size=2).map(tuple),
        hidden_tests=st.lists(test_cases, max_size=2).map(tuple),
        source=st.just("round"),
        date=st.just(dt.date(2024, 1, 6)),
        time=st.times(),
        difficulty=st.text(),
        solution=st.none() | st.text(min_size=1),
        platform=st.text(),
    )
)
def test_what_is_dumped_loads_again(tmp_path_factory: pytest.TempPathFactory, problem: Problem):
    path = tmp_path_factory.mktemp("round") / "round.jsonl"
    dump_jsonl([problem], path)
    assert load_jsonl(path) == [problem]
