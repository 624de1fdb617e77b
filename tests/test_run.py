"""One whole run: stages, records, held-out evaluation, and what happens when it is killed or stopped.

The model is tiny and random, so it solves nothing; what is tested is that everything that happens is
recorded, once, and that a run that was interrupted ends with the numbers of one that was not.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.config import RunConfig
from rlif.diagnostics import Verdict, diagnose
from rlif.errors import UserError
from rlif.records import RunDir
from rlif.training.checkpoints import last_checkpoint, stage_directory
from rlif.training.run import Interrupted, Listener, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def settings(model: Path, **changes: Any) -> dict[str, Any]:
    """Four steps on a certainty reward, then two on tests; a checkpoint every two steps."""
    table: dict[str, Any] = {
        "name": "test",
        "model": str(model),
        "prompt": "bare",
        "problems": {"name": "minicode", "limit": 8},
        "grpo": {
            "learning_rate": 1e-3,
            "prompts_per_step": 2,
            "num_generations": 4,
            "max_completion_length": 12,
        },
        "stages": [
            {"name": "rlif", "steps": 4, "reward": "self_certainty"},
            {
                "name": "rlvr",
                "steps": 2,
                "problems": {"name": "minicode", "limit": 2},  # the few that have tests, say
                "reward": ["unit_tests", {"type": "random", "weight": 0.5}],
            },
        ],
        "evaluation": {
            "every": 2,
            "samples": 2,
            "problems": {"name": "minicode", "split": "validation", "limit": 4},
        },
        "checkpoint_every": 2,
        "rollouts_every": 2,
    }
    return table | changes


def config(model: Path, **changes: Any) -> RunConfig:
    return RunConfig.model_validate(settings(model, **changes))


def numbers(path: Path) -> tuple[list[Any], list[Any]]:
    """All records of a run, without the times, which no two runs share."""

    def lines(name: str) -> list[Any]:
        rows = [json.loads(line) for line in (path / name).read_text().splitlines()]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    return lines("metrics.jsonl"), lines("evals.jsonl")


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("finished") / "run"
    run(config(model), directory)
    return directory


def test_every_step_of_every_stage_is_recorded_once(finished: Path) -> None:
    steps = RunDir(finished).steps()

    assert [(s.step, s.stage) for s in steps] == [(i, "rlif") for i in (1, 2, 3, 4)] + [
        (5, "rlvr"),
        (6, "rlvr"),
    ]
    assert list(steps[0].rewards) == ["self_certainty"]
    assert list(steps[5].rewards) == ["unit_tests", "random"]
    assert np.all(np.diff([s.tokens for s in steps]) > 0)


def test_a_random_model_passes_nothing_and_the_record_says_so(finished: Path) -> None:
    for step in RunDir(finished).steps():
        assert step.pass_rate == 0.0  # measured, not undefined
        assert np.isnan(step.reward_truth_auroc)  # one class only: undefined, not 0.5
        assert step.entropy > 0
        assert 0 < step.length_mean <= 12


def test_held_out_problems_are_evaluated_before_during_and_after(finished: Path) -> None:
    evals = RunDir(finished).evals()

    assert [(e.step, e.mode) for e in evals] == [(s, m) for s in (0, 2, 4, 6) for m in ("sampled", "greedy")]
    assert {e.problems for e in evals} == {4}
    assert set(evals[0].correct) == set(evals[-1].correct)


def test_the_second_stage_continues_from_the_model_of_the_first(finished: Path) -> None:
    first = last_checkpoint(stage_directory(RunDir(finished), 0, "rlif"))
    second = last_checkpoint(stage_directory(RunDir(finished), 1, "rlvr"))

    assert first is not None
    assert second is not None
    state = json.loads((second / "trainer_state.json").read_text())
    assert (first.name, second.name, state["global_step"]) == ("checkpoint-4", "checkpoint-2", 2)


def test_a_stage_may_have_problems_of_its_own(finished: Path) -> None:
    record = RunDir(finished)
    seen = {stage: set[str]() for stage in ("rlif", "rlvr")}
    for step in record.rollout_steps():
        table = record.rollouts(step)
        seen[table["stage"][0]] |= set(table["problem_id"])
    assert len(seen["rlif"]) > 2
    assert len(seen["rlvr"]) == 2


def test_rollouts_are_kept_with_their_rewards_and_verdicts(finished: Path) -> None:
    record = RunDir(finished)
    table = record.rollouts(2)

    assert record.rollout_steps() == [1, 2, 4, 5, 6]
    assert table.height == 8
    assert table["reward"].to_list() == table["reward_self_certainty"].to_list()
    assert set(table["status"]) <= {"no_code", "compile_error", "runtime_error", "wrong_answer"}


def test_the_directory_holds_what_is_needed_to_run_it_again(finished: Path, model: Path) -> None:
    record = RunDir(finished)
    status = record.read_status()

    assert RunConfig.model_validate(record.config()) == config(model)
    assert status is not None
    assert (status.state, status.step, status.total_steps) == ("complete", 6, 6)
    assert {"torch", "trl", "transformers", "rlif"} <= set(status.versions)


def test_a_complete_run_called_again_changes_nothing(finished: Path, model: Path) -> None:
    before = numbers(finished)

    run(config(model), finished)

    assert numbers(finished) == before


def test_another_configuration_in_the_same_directory_is_refused(finished: Path, model: Path) -> None:
    with pytest.raises(UserError, match="another configuration"):
        run(config(model, seed=1), finished)


def test_stopped_cleanly_and_continued_it_ends_with_the_same_numbers(
    finished: Path, model: Path, tmp_path: Path
) -> None:
    def stop(record: Any) -> None:
        if record.step == 3:  # between two checkpoints
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(config(model), tmp_path / "run", Listener(on_step=stop))
    status = RunDir(tmp_path / "run").read_status()
    assert status is not None
    assert status.state == "interrupted"

    run(config(model), tmp_path / "run")

    assert numbers(tmp_path / "run") == numbers(finished)


def test_killed_and_continued_it_ends_with_the_same_numbers(
    finished: Path, model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(settings(model)))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "rlif", "train", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    metrics = out / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) >= 3):
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        assert time.monotonic() < deadline, "no third step within two minutes"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = RunDir(out).read_status()
    assert status is not None
    assert status.state == "running"  # it could not say more

    run(config(model), out)

    assert numbers(out) == numbers(finished)


def test_a_checkpoint_that_a_kill_left_half_written_is_not_used(model: Path, tmp_path: Path) -> None:
    record = RunDir(tmp_path)
    directory = stage_directory(record, 0, "rlif")
    whole, half = directory / "checkpoint-2", directory / "checkpoint-4"
    for path in (whole, half):
        path.mkdir(parents=True)
    (whole / "rlif-complete").touch()

    assert last_checkpoint(directory) == whole
    assert not half.exists()


def test_with_lora_a_stage_ends_with_its_adapters_merged(model: Path, tmp_path: Path) -> None:
    stages = [{"steps": 1, "reward": "self_certainty"}, {"steps": 1, "reward": "random"}]
    run(config(model, lora={"r": 2, "lora_alpha": 4}, stages=stages), tmp_path)
    first = last_checkpoint(stage_directory(RunDir(tmp_path), 0, "self_certainty"))
    assert first is not None
    assert (first / "adapter_model.safetensors").is_file()
    assert (first / "merged" / "model.safetensors").is_file()  # what the second stage began with
    assert [step.stage for step in RunDir(tmp_path).steps()] == ["self_certainty", "random"]


def test_without_truth_answers_are_described_and_no_hidden_test_is_touched(
    model: Path, tmp_path: Path
) -> None:
    stages = [{"steps": 1, "reward": "functional_majority"}]

    record = run(config(model, truth=False, stages=stages), tmp_path / "run")

    assert [(e.step, e.mode) for e in record.evals()] == [
        (s, m) for s in (0, 1) for m in ("sampled", "greedy")
    ]
    for evaluation in record.evals():
        assert np.isnan(evaluation.pass_at_1)
        assert (evaluation.correct, evaluation.statuses) == ({}, {})
        assert len(evaluation.lengths) == len(evaluation.reasoned) == evaluation.problems == 4
    found = diagnose(record)
    assert (found.performance, found.verdict) == (None, Verdict.UNDECIDED)
    step = record.steps()[0]
    assert np.isnan(step.pass_rate)
    assert np.isnan(step.label_accuracy)


def test_two_processes_do_not_train_in_one_directory(finished: Path, model: Path) -> None:
    with (finished / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="Another process is training"):
            run(config(model), finished)


def test_a_run_that_cannot_start_leaves_nothing_behind(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")

    unknown = config(model, grpo={"extra": {"learning_rat": 1.0}})
    for cannot_start in (config(broken), unknown):
        with pytest.raises(UserError):
            run(cannot_start, tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_what_a_run_began_with_is_recorded_once_however_often_it_begins(model: Path, tmp_path: Path) -> None:
    def lost(record: Any) -> None:
        raise RuntimeError("before the first checkpoint")

    stages = [{"steps": 1, "reward": "random"}]
    with pytest.raises(RuntimeError):
        run(config(model, stages=stages), tmp_path, Listener(on_step=lost))
    assert [record.step for record in RunDir(tmp_path).evals()] == [0, 0]  # sampled and greedy

    run(config(model, stages=stages), tmp_path)

    assert [record.step for record in RunDir(tmp_path).evals()] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("key", "why"),
    [("logging_steps", "every step is recorded"), ("learning_rate", "Write grpo.learning_rate")],
)
def test_what_records_rest_on_is_not_set_behind_their_back(
    key: str, why: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=why):
        run(config(model, grpo={"extra": {key: 5}}), tmp_path / "run")


def test_problems_on_both_sides_are_told_and_listed(model: Path, tmp_path: Path, finished: Path) -> None:
    both = {"every": 2, "samples": 2, "problems": {"name": "minicode", "split": "train", "limit": 4}}
    stages = [{"steps": 1, "reward": "random"}]
    with pytest.warns(UserWarning, match="4 of 4 evaluation problems are trained on too"):
        run(config(model, stages=stages, evaluation=both), tmp_path)
    assert len((tmp_path / "leaks.txt").read_text().splitlines()) == 4
    assert not (finished / "leaks.txt").exists()
