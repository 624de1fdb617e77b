"""Grading, diagnosing and reporting work where torch is not installed; training says what to install.

A subprocess stands for such a place: an import hook there knows no torch, nor what builds on it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WITHOUT_TORCH = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "trl", "accelerate", "datasets", "peft"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""
COMMANDS = """
import contextlib, io, json
from rlif.cli import main

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["rlif", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""
ROOMS = (
    "problems",
    "sandbox",
    "grading",
    "rollouts",
    "rewards",
    "records",
    "diagnostics",
    "report",
    "config",
)


def python(code: str, *arguments: str, cwd: Path | None = None) -> str:
    """Run a program where torch is not installed; returns what it prints."""
    command = [sys.executable, "-c", WITHOUT_TORCH + code, *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rlif(commands: list[list[str]], cwd: Path) -> list[dict[str, Any]]:
    """Run commands of the command line; returns the exit code, output and messages of each."""
    return [json.loads(line) for line in python(COMMANDS, json.dumps(commands), cwd=cwd).splitlines()]


def test_the_hook_hides_torch():
    assert (
        python("try: import torch\nexcept ImportError as error: print(error)") == "No module named 'torch'\n"
    )


def test_these_rooms_import_without_torch():
    assert python(f"import {', '.join(f'rlif.{room}' for room in ROOMS)}, rlif.study.local") == ""


def test_a_program_is_graded_without_torch():
    printed = python(
        "from rlif.grading import grade\n"
        "from rlif.problems.load import load_problems\n"
        "from rlif.sandbox import Sandbox\n"
        "[problem] = load_problems('minicode', limit=1)\n"
        "with Sandbox(isolation='process') as sandbox:\n"
        "    right, wrong = grade([(problem, problem.solution), (problem, 'def f(x): pass')], sandbox)\n"
        "print(right.passed, wrong.passed)\n"
    )
    assert printed == "True False\n"


def test_commands_that_need_no_torch(tmp_path: Path):
    shown = {
        "--help": "quickstart",
        "rewards": "self_certainty",
        "report --help": "report.html",
        "grade --help": "--samples",
        "train --help": "RUN.toml",
        "evaluate --help": "--model",
        "base build --help": "--seed",
    }
    for word, result in zip(
        shown.values(), rlif([command.split() for command in shown], tmp_path), strict=True
    ):
        assert result["code"] == 0, result
        assert word in result["out"]


def test_commands_that_do_name_the_missing_extra(tmp_path: Path):
    (tmp_path / "run.toml").write_text('[[stages]]\nsteps = 1\nreward = "random"\n')
    commands = [
        ["train", "run.toml"],
        ["evaluate", "--model", "minicode-base", "--problems", "minicode"],
        ["base", "build"],
        ["quickstart"],
    ]
    results = rlif(commands, tmp_path)
    assert len(results) == len(commands)
    for result in results:
        assert result["code"] == 2, result
        what, fix = result["err"].splitlines()
        assert what.startswith("rlif: This needs the package '")
        assert fix == "Install it with: pip install 'rlif[train]'"
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]  # nothing half-written
