"""Files of samples: both forms, numbering, and what cannot be used, without holding the file."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.grading import json_records
from rlif.grading import samples as samples_module
from rlif.grading.json_records import Record, read_records
from rlif.grading.problem_file import ProblemFile
from rlif.grading.samples import MAX_CODE_CHARACTERS, Sample, read_samples
from rlif.problems.jsonl import BadLine


@pytest.fixture
def problems(tmp_path: Path) -> ProblemFile:
    """Problems "add" and "3094"; line 3 is cut off after its id, "broken"."""
    test = json.dumps([{"input": "", "output": ""}])
    rows = [{"question_id": q, "question_content": "", "public_test_cases": test} for q in ("add", "3094")]
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"question_id": "broken", "quest')
    return ProblemFile(path, check=lambda problem: None)


@pytest.fixture
def read(tmp_path: Path, problems: ProblemFile):
    """Write a samples file and read it."""

    def write_and_read(data: str | bytes) -> list[Sample | BadLine]:
        path = tmp_path / "samples.jsonl"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return list(read_samples(path, problems))

    return write_and_read


def test_samples_are_numbered_by_question_in_the_order_of_the_file(read):
    rows = [
        {"question_id": "add", "code": "a"},
        {"question_id": "3094", "code_list": ["b", "c"], "output_list": ["…", "…"], "question_title": "T"},
        {"question_id": "add", "code_list": []},
        {"question_id": "add", "code_list": ["d"]},
        {"question_id": 3094, "code": ""},
    ]
    expected = [
        Sample("add", 0, "a"),
        Sample("3094", 0, "b"),
        Sample("3094", 1, "c"),
        Sample("add", 1, "d"),
        Sample("3094", 2, ""),
    ]
    assert read("\n".join(map(json.dumps, rows))) == expected
    assert read(json.dumps(rows)) == expected
    assert read("\ufeff" + json.dumps(rows, indent=4) + "\n") == expected  # as LiveCodeBench's runner does
    assert read("\r\n\r\n".join(map(json.dumps, rows)) + "\r\n") == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"question_id": "add", "co', "not JSON: Unterminated string starting at, column 24"),
        ('{"question_id": "add", "code": "\udcff"}', "not UTF-8: byte 0xff at column 33"),
        ('{"question_id": "ad", "code": ""}', "unknown question_id 'ad'. Did you mean 'add'?"),
        ('{"question_id": "zzzzz", "code": ""}', "unknown question_id 'zzzzz'"),
        ('{"question_id": "broken", "code": ""}', "its problem could not be read ('broken', line 3 of the"),
        ('{"question_id": true, "code": ""}', "question_id is not a text but bool"),
        ('{"code": ""}', "no object with a 'question_id'"),
        ("[1]", "no object with a 'question_id'"),
        ("[" * 100_000, "not JSON that can be read: maximum recursion depth"),
        ('{"question_id": ' + "1" * 5000 + "}", "not JSON that can be read: Exceeds the limit"),
    ],
)
def test_a_bad_line_costs_that_line_only(read, line: str, reason: str):
    good = b'{"question_id": "add", "code": "x"}\n'
    first, bad, second = read(good + line.encode("utf-8", "surrogateescape") + b"\n" + good)
    assert (first, second) == (Sample("add", 0, "x"), Sample("add", 1, "x"))
    assert bad.number == 2
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize("code", ["", '"code": 7', '"code": null', '"code": ["x"]', '"code_list": "x"'])
def test_a_sample_that_cannot_be_used_keeps_its_number(read, code: str):
    """Mended later, it is graded, and the verdicts on those after it are still theirs."""
    bad = f'{{"question_id": "add"{code and ", "}{code}}}'
    assert read(bad + '\n{"question_id": "add", "code": "x"}') == [
        BadLine(1, "neither a text 'code' nor a list of texts 'code_list'"),
        Sample("add", 1, "x"),
    ]


def test_one_bad_program_of_a_list_costs_that_program_only(read):
    assert read('{"question_id": "add", "code_list": ["x", null, "y"]}') == [
        Sample("add", 0, "x"),
        BadLine(1, "neither a text 'code' nor a list of texts 'code_list' (2 of 3 in its code_list)"),
        Sample("add", 2, "y"),
    ]


def test_the_longest_program(read):
    longest = "#" * MAX_CODE_CHARACTERS
    assert read(json.dumps({"question_id": "add", "code": longest})) == [Sample("add", 0, longest)]
    [bad] = read(json.dumps({"question_id": "add", "code": longest + "#"}))
    assert bad == BadLine(1, "a program of 1,048,577 characters; at most 1,048,576 are accepted")


def test_a_long_file_and_long_programs_are_not_held(tmp_path: Path, problems: ProblemFile):
    """40 lines of 2 MB: what is held at a time is one line, as bytes and decoded, not the file."""
    path = tmp_path / "long.jsonl"
    with path.open("w") as file:
        for _ in range(40):
            file.write(json.dumps({"question_id": "add", "code": "#" * (2 << 20)}) + "\n")
    tracemalloc.start()
    number = sum(isinstance(item, BadLine) for item in read_samples(path, problems))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert number == 40
    assert peak < 20 << 20


def test_a_record_longer_than_the_limit_is_passed_over(read, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_records, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(json_records, "_CHUNK", 10)
    good = '{"question_id": "add", "code": "x"}'
    long = json.dumps({"question_id": "add", "code": "x" * 1000})
    for last in ("\n", ""):
        first, bad, *rest = read(f"{good}\n{long}\n{good}\n{long}{last}")
        assert (first, bad.number, bad.reason[:11]) == (Sample("add", 0, "x"), 2, "longer than")
        assert rest == [Sample("add", 1, "x"), BadLine(4, bad.reason)]
    *_, bad = read(f"[{good}, {long}, {good}]")
    assert "element 2 of the array is not JSON: longer than" in bad.reason


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            '[{"a": 1},\n{"b": ',
            2,
            "element 2 of the array is not JSON: Expecting value (cut off?); what follows",
        ),
        ('[{"a": 1},\n{"b": "', 2, "element 2 of the array is not JSON: Unterminated string"),
        ('[{"a": 1},\n', 2, "element 2 of the array is not JSON: Expecting value (cut off?)"),
        ('[{"a": 1}\n', 2, "the array is cut off or broken after element 1; what follows is lost"),
        ('[{"a": 1}\n{"b": 2}]', 2, "the array is cut off or broken after element 1"),
        ('[{"a": 1}]\n\n{"b": 2}', 3, "text after the end of the array"),
    ],
)
def test_a_damaged_array_is_read_up_to_the_damage(tmp_path: Path, text: str, line: int, reason: str):
    (tmp_path / "a.json").write_text(text)
    first, bad = read_records(tmp_path / "a.json")
    assert first == Record(1, {"a": 1})
    assert bad.number == line
    assert bad.reason.startswith(reason)


def test_bytes_that_are_no_text_cost_one_element_of_an_array(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": "\xff"},\n{"b": "\xc3\xa9 \\ud800"}]')
    assert list(read_records(path)) == [BadLine(1, "not UTF-8"), Record(2, {"b": "é \ud800"})]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    records=st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=5),
    chunk=st.integers(1, 50),
    indent=st.none() | st.integers(0, 2),
)
def test_arrays_and_lines_hold_the_same_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, records: list[Any], chunk: int, indent: int | None
):
    folder = tmp_path_factory.mktemp("records")
    (folder / "array").write_text(json.dumps(records, indent=indent, ensure_ascii=False), "utf-8")
    (folder / "lines").write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_CHUNK", chunk)
        assert [record.value for record in read_records(folder / "array")] == records
    assert [record.value for record in read_records(folder / "lines")] == records


def test_many_unknown_ids_do_not_cost_a_search_each(read, monkeypatch: pytest.MonkeyPatch):
    searched: list[str] = []
    monkeypatch.setattr(
        samples_module.difflib, "get_close_matches", lambda word, known, n: searched.append(word) or []
    )
    lines = [f'{{"question_id": "unknown{i % 500}", "code": ""}}' for i in range(1000)]
    assert len(read("\n".join(lines))) == 1000
    assert len(searched) == 100


def test_files_that_cannot_be_read(tmp_path: Path, problems: ProblemFile):
    with pytest.raises(UserError, match=r"Cannot read the samples file '.*nothing.jsonl': No such file"):
        list(read_samples(tmp_path / "nothing.jsonl", problems))
    with pytest.raises(UserError, match="Is a directory"):
        list(read_samples(tmp_path, problems))
