"""Loading by name, narrowing by date, platform and difficulty, and the messages when nothing is left."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.problems.check import Failure, duplicates, self_check
from rlif.problems.describe import describe
from rlif.problems.jsonl import dump_jsonl
from rlif.problems.load import load_problems
from rlif.problems.types import Problem


def problem(name: str, date: dt.date | None = None, solution: str | None = None) -> Problem:
    return Problem(name, "Say hello.", "", None, (), (), "dated", date=date, solution=solution)


@pytest.fixture
def dated(tmp_path: Path) -> str:
    days = [dt.date(2024, 1, 1), dt.date(2024, 2, 1), dt.date(2024, 3, 1), None]
    path = tmp_path / "dated.jsonl"
    dump_jsonl([problem(f"p{i}", day) for i, day in enumerate(days)], path)
    return str(path)


def ids(problems: list[Problem]) -> list[str]:
    return [p.id for p in problems]


def test_a_file_is_loaded_in_its_order_and_limited_to_the_first(dated: str):
    assert ids(load_problems(dated)) == ["p0", "p1", "p2", "p3"]
    assert ids(load_problems(dated, limit=2)) == ["p0", "p1"]


def test_both_ends_of_a_window_are_inclusive_and_undated_problems_are_outside(dated: str):
    assert ids(load_problems(dated, start=dt.date(2024, 2, 1))) == ["p1", "p2"]
    assert ids(load_problems(dated, end=dt.date(2024, 2, 1))) == ["p0", "p1"]
    assert ids(load_problems(dated, start=dt.date(2024, 1, 2), end=dt.date(2024, 2, 29))) == ["p1"]


def test_the_limit_counts_problems_within_the_window(dated: str):
    assert ids(load_problems(dated, start=dt.date(2024, 2, 1), limit=1)) == ["p1"]


def test_an_empty_window_names_the_dates_there_are(dated: str):
    with pytest.raises(UserError, match="no problem dated 2025-01-01 to the end") as caught:
        load_problems(dated, start=dt.date(2025, 1, 1))
    assert "3 dated problems run from 2024-01-01 to 2024-03-01" in str(caught.value)


def test_a_window_on_a_data_set_without_dates_says_so(tmp_path: Path):
    dump_jsonl([problem("undated")], tmp_path / "p.jsonl")
    with pytest.raises(UserError, match="no dates: leave start and end out"):
        load_problems(str(tmp_path / "p.jsonl"), end=dt.date(2025, 1, 1))


def test_an_empty_file_is_an_error(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UserError, match="holds no problems"):
        load_problems(str(tmp_path / "empty.jsonl"))


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'humaneval'"):
        load_problems("humanevl")


def test_a_split_of_a_data_set_without_splits_is_refused(dated: str):
    with pytest.raises(UserError, match="has no splits; got split 'test'"):
        load_problems(dated, split="test")


def test_a_limit_below_one_is_refused(dated: str):
    with pytest.raises(UserError, match="at least 1; got 0"):
        load_problems(dated, limit=0)


def test_minicode_by_split_seed_and_date():
    first = load_problems("minicode", split="validation", limit=5, seed=3)
    assert len(first) == 5
    assert first == load_problems("minicode", split="validation", limit=6, seed=3)[:5]
    assert first != load_problems("minicode", split="validation", limit=5, seed=4)
    day = first[0].date
    assert all(
        p.date == day for p in load_problems("minicode", split="validation", seed=3, start=day, end=day)
    )
    with pytest.raises(UserError, match="Did you mean 'validation'"):
        load_problems("minicode", split="validaton")


def test_the_window_ends_at_midnight_at_the_beginning_of_its_last_day(tmp_path: Path):
    # As LiveCodeBench counts: `--end_date 2024-01-06` is compared with 2024-01-06T19:30:00.
    day = dt.date(2024, 1, 6)
    evening = dataclasses.replace(problem("evening", day), time=dt.time(19, 30))
    dump_jsonl([problem("midnight", day), evening], tmp_path / "p.jsonl")
    assert ids(load_problems(str(tmp_path / "p.jsonl"), end=day)) == ["midnight"]
    assert ids(load_problems(str(tmp_path / "p.jsonl"), start=day)) == ["midnight", "evening"]


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    kinds = [("leetcode", "easy"), ("atcoder", "easy"), ("atcoder", "hard"), ("codeforces", "medium")]
    problems = [
        dataclasses.replace(problem(f"p{i}"), platform=platform, difficulty=difficulty)
        for i, (platform, difficulty) in enumerate(kinds)
    ]
    dump_jsonl(problems, tmp_path / "mixed.jsonl")
    return str(tmp_path / "mixed.jsonl")


def test_platforms_and_difficulties_narrow_and_several_may_be_asked_for(mixed: str):
    assert ids(load_problems(mixed, platform=["atcoder"])) == ["p1", "p2"]
    assert ids(load_problems(mixed, platform=["leetcode", "codeforces"])) == ["p0", "p3"]
    assert ids(load_problems(mixed, platform=["atcoder"], difficulty=["hard", "medium"])) == ["p2"]
    assert ids(load_problems(mixed, difficulty=["easy"], limit=1)) == ["p0"]


def test_a_platform_or_difficulty_that_no_problem_has_is_named(mixed: str, dated: str):
    with pytest.raises(UserError, match=r"no platform 'atcodr'.*\n.*Did you mean 'atcoder'"):
        load_problems(mixed, platform=["atcodr"])
    with pytest.raises(UserError, match="no difficulty: leave it out"):
        load_problems(dated, difficulty=["easy"])
    with pytest.raises(UserError, match=r"None of 4 problems of .* is leetcode and hard"):
        load_problems(mixed, platform=["leetcode"], difficulty=["hard"])


def test_a_folder_is_all_its_files(tmp_path: Path):
    dump_jsonl([problem("b")], tmp_path / "b.jsonl")
    dump_jsonl([problem("a")], tmp_path / "a.jsonl")
    assert ids(load_problems(str(tmp_path))) == ["a", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no .jsonl file"):
        load_problems(str(tmp_path / "empty"))


class Word:
    def __init__(self, status: str) -> None:
        self.passed, self.status = status == "passed", status


def test_self_check_returns_the_problems_whose_solution_fails():
    good, bad, unsolved = problem("good", solution="ok"), problem("bad", solution="no"), problem("unsolved")
    failures = self_check(
        [good, bad, unsolved],
        lambda pairs: [Word("passed" if code == "ok" else "timeout") for _, code in pairs],
    )
    assert failures == [Failure(bad, "timeout")]


def test_duplicates_are_statements_that_differ_in_nothing_but_case_and_punctuation():
    first, other = problem("a"), problem("b")
    again = dataclasses.replace(problem("c"), statement="say HELLO")
    sum_of, difference = (dataclasses.replace(problem(s), statement=f"Print a {s} b") for s in "+-")
    assert duplicates([first, sum_of, difference, again]) == [[first, again]]
    assert duplicates([first, dataclasses.replace(other, starter_code="def f():")]) == []


def test_a_description_counts_and_tells_the_window():
    problems = [problem("a", dt.date(2024, 3, 1)), problem("b", dt.date(2024, 1, 5)), problem("c")]
    facts = describe([dataclasses.replace(p, platform="own" if p.date else "") for p in problems])
    assert facts.headline == "3 problems, 2024-01-05 to 2024-03-01"
    assert (facts.undated, facts.platforms, facts.public_tests) == (1, {"": 1, "own": 2}, (0, 0, 0))
    assert facts.months == {"": 1, "2024-01": 1, "2024-03": 1}
    assert describe(problems[2:]).headline == "1 problem"
