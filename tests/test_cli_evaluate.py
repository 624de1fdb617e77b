"""`rlif evaluate` as a user runs it: files, table, and going on after a kill."""

import json
from pathlib import Path

import pytest
import typer
from tiny_models import tiny_llama, tiny_tokenizer
from typer.testing import CliRunner

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
        *("--out", str(tmp_path / "out"), "--style", "bare", "--batch-size", "1", "--max-tokens", "8"),
    ]


def run(arguments: list[str]):
    app = typer.Typer()
    app.command()(evaluate)
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
    del arguments[-2:]
    assert run(arguments).exit_code == 0
    [record] = lines(tmp_path / "out" / "evals.jsonl")
    assert record["max_tokens"] == 128  # half of the tiny model's 256
