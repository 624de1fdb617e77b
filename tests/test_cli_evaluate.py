"""`rlif evaluate` and `rlif compare` as a user runs them: files, tables, and going on after a kill."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny_models import tiny_llama, tiny_tokenizer
from typer.testing import CliRunner

from rlif.cli.compare import compare
from rlif.cli.evaluate import evaluate
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.jsonl import dump_jsonl
from rlif.problems.types import Problem, TestCase


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    tests = (TestCase("1\n", "2\n"),)
    dump_jsonl(
        [Problem(f"p{i}", f"Print {i}.", "", None, tests, (), "own") for i in range(3)], tmp_path / "p.jsonl"
    )
    return [
        *("--model", str(tmp_path / "model"), "--problems", str(tmp_path / "p.jsonl")),
        *("--out", str(tmp_path / "out"), "--prompt", "bare", "--batch-size", "1", "--max-tokens", "8"),
    ]


def run(arguments: list[str], command: Any = evaluate):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, arguments)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_results_are_printed_and_written(arguments: list[str], tmp_path: Path):
    result = run([*arguments, "--samples", "2", "--temperature", "0.8"])
    assert result.exit_code == 0, result.output
    assert "3 problems" in result.output
    assert "pass@1" in result.output
    assert str(tmp_path / "out") in result.output.replace("\n", "")
    [record] = lines(tmp_path / "out" / "evals.jsonl")
    assert (record["problems"], record["samples"], record["pass_at_1"]) == (3, 2, 0.0)
    samples = lines(tmp_path / "out" / "samples.jsonl")
    assert {row["question_id"]: len(row["code_list"]) for row in samples} == {"p0": 2, "p1": 2, "p2": 2}
    assert "AUROC" in result.output
    assert "trajectory_logprob(length_normalised)" in record["selection"]
    assert len(lines(tmp_path / "out" / "scores.jsonl")) == 3
    verdicts = lines(tmp_path / "out" / "verdicts.jsonl")
    assert [(row["question_id"], row["index"]) for row in verdicts] == [
        (f"p{i}", n) for i in range(3) for n in range(2)
    ]


def test_after_a_kill_only_the_rest_is_drawn_and_once_finished_nothing(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draw, drawn = TransformersGenerator._draw, list[int]()

    def counted(self, prompt_ids, sampling, number):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(number)
        return draw(self, prompt_ids, sampling, number)

    monkeypatch.setattr(TransformersGenerator, "_draw", counted)
    assert run(arguments).exit_code != 0
    assert len(lines(tmp_path / "out" / "samples.jsonl")) == 2
    assert not (tmp_path / "out" / "evals.jsonl").exists()

    drawn.clear()
    assert run(arguments).exit_code == 0
    assert drawn == [2]
    drawn.clear()
    assert run(arguments).exit_code == 0
    assert drawn == []
    assert len(lines(tmp_path / "out" / "evals.jsonl")) == 1


def test_the_default_length_fits_a_short_context(arguments: list[str], tmp_path: Path):
    assert run(arguments[:-2]).exit_code == 0
    [record] = lines(tmp_path / "out" / "evals.jsonl")
    assert record["max_tokens"] == 128  # half of the tiny model's 256


def test_scores_asked_for_by_name_or_not_at_all(arguments: list[str], tmp_path: Path):
    sampled = [*arguments, "--samples", "2", "--temperature", "1"]
    longer = '{type = "length", prefer = "longer"}'
    assert run([*sampled, "--score", longer, "--score", "semantic_entropy"]).exit_code == 0
    assert run([*sampled, "--score", "none", "--seed", "1"]).exit_code == 0
    first, second = lines(tmp_path / "out" / "evals.jsonl")
    assert set(first["selection"]) == {"length(prefer=longer)", "semantic_entropy"}
    assert second["selection"] == {}
    wrong = run([*sampled, "--score", "{type = length}"])
    assert "is not a table of TOML" in str(wrong.exception)


def test_two_evaluations_are_compared_problem_by_problem(arguments: list[str], tmp_path: Path):
    run(arguments)
    other = [*arguments, "--out", str(tmp_path / "other"), "--max-tokens", "9"]
    assert run(other).exit_code == 0
    result = run([str(tmp_path / "out"), str(tmp_path / "other")], compare)
    assert result.exit_code == 0, result.output
    assert "the 3 problems that both answered" in result.output
    assert "max_tokens differs: 8 and 9" in result.output
    assert "+0.0 [+0.0, +0.0]" in result.output


PROBLEMS = ["--problems", "minicode", "--split", "validation", "--limit", "24"]
DRAWING = ["-n", "4", "--temperature", "1", "--batch-size", "16", "--max-tokens", "80"]
COMMAND = [sys.executable, "-m", "rlif", "evaluate", "--model", "minicode-base", *PROBLEMS, *DRAWING]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    subprocess.run([*COMMAND, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.mark.parametrize("answered", [8, 24], ids=["while generating", "while grading"])
@pytest.mark.slow
def test_killed_with_9_it_ends_as_if_it_had_not_been(whole: Path, tmp_path: Path, answered: int):
    samples = tmp_path / "samples.jsonl"
    process = subprocess.Popen([*COMMAND, "--out", str(tmp_path)], stdout=subprocess.DEVNULL)
    while not (samples.is_file() and samples.read_bytes().count(b"\n") >= answered):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (tmp_path / "evals.jsonl").exists()
    kept = samples.read_bytes()
    subprocess.run([*COMMAND, "--out", str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    assert samples.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    for name in ("samples", "verdicts", "scores"):
        by_id = [
            sorted(lines(out / f"{name}.jsonl"), key=lambda row: (row["question_id"], row.get("index")))
            for out in (tmp_path, whole)
        ]
        assert by_id[0] == by_id[1]
    [one], [other] = (lines(out / "evals.jsonl") for out in (tmp_path, whole))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
