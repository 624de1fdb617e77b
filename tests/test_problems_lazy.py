"""Hidden tests that stay in their file: read when used, a bounded part kept, equal to a tuple of them."""

import base64
import json
import pickle
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import jsonl, row

from rlif.errors import UserError
from rlif.problems import lazy
from rlif.problems.jsonl import load_jsonl
from rlif.problems.lazy import StoredTests
from rlif.problems.types import Problem, TestCase


def private(*outputs: str) -> str:
    tests = [{"input": "", "output": output, "testtype": "stdin"} for output in outputs]
    return json.dumps(tests)


def load(path: Path, **tests: str) -> list[Problem]:
    path.write_bytes(jsonl([row(name, private_test_cases=packed) for name, packed in tests.items()]))
    return load_jsonl(path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the problems whose tests are read from the file, as it happens."""
    monkeypatch.setattr(lazy, "_kept", lazy._Kept())
    ids: list[str] = []
    decode = StoredTests.decode

    def recorded(tests: StoredTests) -> tuple[TestCase, ...]:
        ids.append(tests.problem_id)
        return decode(tests)

    monkeypatch.setattr(StoredTests, "decode", recorded)
    return ids


def test_nothing_is_decoded_before_it_is_used(tmp_path: Path, decoded: list[str]):
    a, b = load(tmp_path / "p.jsonl", a=private("1", "2"), b=private("3"))
    assert (a.id, b.statement, a.public_tests) == ("a", "Read n and print 2n + 0.", (TestCase("0", "0"),))
    assert hash(a) == hash(replace(a))
    assert decoded == []
    assert len(b.hidden_tests) == 1
    assert [test.output for test in a.tests] == ["0", "1", "2"]
    assert decoded == ["b", "a"]


def test_stored_tests_are_a_sequence_equal_to_a_tuple(tmp_path: Path):
    [problem] = load(tmp_path / "p.jsonl", a=private("1", "2", "3"))
    tests, same = problem.hidden_tests, (TestCase("", "1"), TestCase("", "2"), TestCase("", "3"))
    assert isinstance(tests, StoredTests)
    assert tests == same
    assert same == tests
    assert tests != same[:2]
    assert tests != "123"
    assert (tests[0], tests[-1], tests[1:], list(tests)) == (same[0], same[2], same[1:], list(same))
    assert problem == replace(problem, hidden_tests=same)
    assert problem != replace(problem, hidden_tests=())


def test_a_row_without_private_tests_has_an_empty_tuple(tmp_path: Path):
    [problem] = load(tmp_path / "p.jsonl", a="")
    assert problem.hidden_tests == ()
    assert isinstance(problem.hidden_tests, tuple)


def test_they_travel_to_another_process_without_their_content(tmp_path: Path):
    [problem] = load(tmp_path / "p.jsonl", a=private("x" * 100_000))
    sent = pickle.dumps(problem)
    assert len(sent) < 2000
    assert pickle.loads(sent) == problem


def test_those_used_last_are_kept(tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lazy, "KEPT_CHARACTERS", 25)
    a, b, c = load(tmp_path / "p.jsonl", **{name: private(name * 10) for name in "abc"})
    for problem in (a, b, a, b, c, b, a):  # c drives a out, a then c
        assert problem.hidden_tests[0].output == problem.id * 10
    assert decoded == ["a", "b", "c", "a"]


def test_one_larger_than_all_that_is_kept_can_be_used(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lazy, "KEPT_CHARACTERS", 5)
    large, small = load(tmp_path / "p.jsonl", large=private("x" * 50), small=private("y"))
    for problem in (large, large, small, small):
        assert len(problem.tests) == 2
    assert decoded == ["large", "small"]


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        ("%%%", "neither JSON nor base64"),
        ("[{}]", "KeyError: 'input'"),
        ('[{"input": "1"', "private_test_cases: JSONDecodeError"),
        ('[{"input": "1", "output": "1", "testtype": "functional"}]', "no func_name"),
        (base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-5]).decode(), "is cut off"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_malformed_tests_name_file_line_and_problem_when_used(tmp_path: Path, packed: str, reason: str):
    _, bad = load(tmp_path / "p.jsonl", good=private("1"), bad=packed)
    with pytest.raises(UserError) as caught:
        _ = bad.tests
    assert f"{tmp_path / 'p.jsonl'}, line 2: problem 'bad': " in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_has_changed_or_gone_is_noticed(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    first, second = load(path, a=private("1"), b=private("2"))
    path.write_bytes(path.read_bytes().replace(b"Read n", b"Read m", 1))  # as long as before
    with pytest.raises(UserError, match=r"p\.jsonl, line 1: problem 'a': the file has changed"):
        _ = first.tests
    assert second.hidden_tests[0].output == "2"  # its line is the same
    path.unlink()
    with pytest.raises(UserError, match="can no longer be read"):
        first.hidden_tests[0]


MEASURE = """
import resource, sys
from rlif.problems import lazy
from rlif.problems.load import load_problems

lazy.KEPT_CHARACTERS = 1 << 20
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
load_problems(sys.argv[1], limit=1)[0].tests  # what one problem needs
before = peak()
characters = sum(len(t.output) for problem in load_problems(sys.argv[1]) for t in problem.tests)
print(characters >> 20, peak() - before)
"""


def test_memory_does_not_grow_with_the_tests(tmp_path: Path):
    # 60 problems of 3 MiB: what compresses well keeps the file small, and the test fast.
    path = tmp_path / "p.jsonl"
    packed = base64.b64encode(zlib.compress(pickle.dumps(private(*["7" * 2**18] * 12)))).decode()
    load(path, **{f"p{number}": packed for number in range(60)})
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    decoded_mib, growth_mib = map(int, done.stdout.split())
    assert decoded_mib == 180
    assert growth_mib < 30
