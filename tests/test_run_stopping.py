"""`[stopping]` in a run file: a rule ends a stage early, and the next begins from the policy kept.

The model is tiny and random, so the rule is one that speaks at a known step: `fixed_step`, after five of the
eight steps that the first stage could take. Its best policy is the one it stops at; to see a run go back, a
fixture makes it praise the policy two updates before. Checkpoints and evaluations are two steps apart.
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_run import numbers, settings
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.config import RunConfig
from rlif.diagnostics.stopping import Advice, FixedStep, History
from rlif.errors import UserError
from rlif.records import RunDir, StopRecord
from rlif.training import callbacks, held_out
from rlif.training.checkpoints import START, last_checkpoint, model_directory, stage_directory
from rlif.training.run import Interrupted, Listener, run

pytestmark = pytest.mark.slow

STOP = {"rule": {"type": "fixed_step", "steps": 5}, "action": "stop"}
ROLLBACK = STOP | {"action": "rollback"}
WARN = STOP | {"action": "warn"}

RLIF = {"name": "rlif", "steps": 8, "reward": "self_certainty"}
RLVR = {"name": "rlvr", "steps": 2, "reward": "unit_tests"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


class Killed(BaseException):
    """Stands for SIGKILL: nothing in rlif catches it and goes on."""


def config(model: Path, stopping: dict[str, Any] | None, **changes: Any) -> RunConfig:
    return RunConfig.model_validate(
        settings(model, stopping=stopping, **({"stages": [RLIF, RLVR]} | changes))
    )


def checkpoint(place: Path, stage: int, step: int) -> Path:
    return stage_directory(RunDir(place), stage, ("rlif", "rlvr")[stage]) / f"checkpoint-{step}"


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def everything(place: Path) -> tuple[Any, ...]:
    """All that a run recorded without its times, and the model that it ended with."""
    last = weights(checkpoint(place, 1, 2))
    return *numbers(place), RunDir(place).stops(), {name: value.tolist() for name, value in last.items()}


@pytest.fixture
def praises_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `fixed_step` praise the policy two updates before it stops: 3, whose last checkpoint is 2."""
    monkeypatch.setattr(FixedStep, "advise", _advise_two_before)


def _advise_two_before(self: FixedStep, history: History) -> Advice:
    best = np.minimum(history.steps, self.steps - 2)
    return Advice(history.steps >= self.steps, best, lambda row: f"step {history.steps[row]}")


@pytest.fixture(scope="module")
def stopped(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stopped") / "run"
    run(config(model, STOP), place)
    return place


@pytest.fixture(scope="module")
def rolled_back(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rolled-back") / "run"
    seen: dict[int, float] = {}
    evaluate = held_out.evaluate

    def look(generator: Any, *arguments: Any, step: int, stage: str) -> Any:
        seen[step] = float(generator.model.get_input_embeddings().weight.detach().double().abs().sum())
        return evaluate(generator, *arguments, step=step, stage=stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FixedStep, "advise", _advise_two_before)
        patch.setattr(held_out, "evaluate", look)
        run(config(model, ROLLBACK), place)
    (place.parent / "evaluated.json").write_text(json.dumps(seen))
    return place


def test_stop_ends_the_stage_and_the_next_one_takes_over(stopped: Path) -> None:
    record = RunDir(stopped)
    status = record.read_status()

    assert [(s.step, s.stage) for s in record.steps()] == [
        *[(step, "rlif") for step in (1, 2, 3, 4, 5)],
        *[(step, "rlvr") for step in (6, 7)],
    ]
    assert [(e.step, e.stage) for e in record.evals() if e.mode == "sampled"] == [
        *[(step, "rlif") for step in (0, 2, 4, 5)],  # 5 is no multiple of 2, but the end of a stage
        *[(step, "rlvr") for step in (6, 7)],
    ]
    assert record.stops() == [
        StopRecord(
            step=5, stage="rlif", rule="fixed_step", reason="step 5 of 5", action="stop", best=5, policy=5
        )
    ]
    assert status is not None
    assert (status.state, status.step, status.total_steps) == ("complete", 7, 7)


def test_the_numbers_up_to_the_stop_are_those_of_a_run_without_it(
    stopped: Path,
    model: Path,
    tmp_path: Path,
) -> None:
    told: list[StopRecord] = []
    run(config(model, WARN, stages=[RLIF]), tmp_path / "warned", Listener(on_stop=told.append))
    run(config(model, None, stages=[RLIF]), tmp_path / "plain")

    steps, evals = numbers(tmp_path / "plain")
    assert numbers(tmp_path / "warned") == (steps, evals)
    assert RunDir(tmp_path / "warned").stops() == told
    assert [(stop.step, stop.action, stop.policy) for stop in told] == [(5, "warn", 5)]  # once
    assert numbers(stopped)[0][:5] == steps[:5]


def test_rollback_ends_with_the_last_checkpoint_before_the_best_policy(rolled_back: Path) -> None:
    record = RunDir(rolled_back)
    [stop] = record.stops()
    assert (stop.step, stop.best, stop.policy, stop.action) == (5, 3, 2, "rollback")

    kept, end = weights(checkpoint(rolled_back, 0, 2)), weights(checkpoint(rolled_back, 0, 5))
    assert all(torch.equal(kept[name], end[name]) for name in kept)
    collapsed = weights(checkpoint(rolled_back, 0, 4))
    assert not all(torch.equal(kept[name], collapsed[name]) for name in kept)

    seen = json.loads((rolled_back.parent / "evaluated.json").read_text())
    assert seen["5"] == seen["2"]  # the evaluation at the stop is of the policy that is kept
    assert seen["5"] != seen["4"]


@pytest.mark.parametrize("action", ["stop", "rollback"])
def test_the_next_stage_begins_with_exactly_that_policy(
    action: str,
    stopped: Path,
    rolled_back: Path,
    model: Path,
    tmp_path: Path,
) -> None:
    """A run of the second stage alone, on the model that the first one ended with, has the same numbers."""
    whole, kept = (stopped, 5) if action == "stop" else (rolled_back, 2)
    idle = {"name": "rlif", "steps": 1, "reward": {"type": "constant"}, "grpo": {"learning_rate": 1e-30}}
    run(config(checkpoint(whole, 0, kept), None, stages=[idle, RLVR]), tmp_path / "alone")

    def second_stage(place: Path) -> list[Any]:
        rows = [row for row in numbers(place)[0] if row["stage"] == "rlvr"]
        return [{k: v for k, v in row.items() if k not in ("step", "tokens")} for row in rows]

    assert second_stage(tmp_path / "alone") == second_stage(whole)


def test_where_nothing_was_better_than_the_start_the_stage_ends_with_the_start(
    model: Path,
    tmp_path: Path,
    praises_the_past: None,
) -> None:
    early = {"rule": {"type": "fixed_step", "steps": 3}, "action": "rollback"}
    run(config(model, early), tmp_path)

    [stop] = RunDir(tmp_path).stops()
    assert (stop.step, stop.best, stop.policy) == (3, 1, 0)
    start, end = weights(model), weights(checkpoint(tmp_path, 0, 3))
    assert all(torch.equal(start[name], end[name]) for name in end)


def test_with_lora_the_merged_model_is_that_of_the_policy_kept(
    model: Path,
    tmp_path: Path,
    praises_the_past: None,
) -> None:
    lora = {"r": 2, "lora_alpha": 4}
    # merged after two steps: what the run that stops there ends with
    run(config(model, None, lora=lora, stages=[RLIF | {"steps": 2}]), tmp_path / "two")
    run(config(model, ROLLBACK, lora=lora, stages=[RLIF]), tmp_path / "back")

    two = weights(model_directory(checkpoint(tmp_path / "two", 0, 2)))
    back = weights(model_directory(checkpoint(tmp_path / "back", 0, 5)))
    for name, value in two.items():
        torch.testing.assert_close(back[name], value)
    start = weights(model)
    assert not all(torch.equal(start[name], back[name]) for name in start)


def kill_after(function: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
    """Return the function, and the kill right after the call for which `when` holds."""

    def replaced(*arguments: Any) -> Any:
        result = function(*arguments)
        if when(*arguments):
            raise Killed
        return result

    return replaced


def kill_before(function: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
    """Return the function, and the kill right before the call for which `when` holds."""

    def replaced(*arguments: Any) -> Any:
        if when(*arguments):
            raise Killed
        return function(*arguments)

    return replaced


def end_of_rlif(path: Path) -> bool:
    return path.name == "checkpoint-5"


KILLS: dict[str, tuple[Any, str, Callable[..., Any], Callable[..., bool]]] = {
    "two steps before the stop": (RunDir, "append_step", kill_after, lambda run, r: r.step == 3),
    "when it is recorded": (RunDir, "append_stop", kill_after, lambda run, r: True),
    "before its checkpoint is whole": (callbacks, "mark_whole", kill_before, end_of_rlif),
    "after its checkpoint is whole": (callbacks, "mark_whole", kill_after, end_of_rlif),
    "in the next stage": (RunDir, "append_step", kill_after, lambda run, r: r.step == 6),
}


@pytest.mark.parametrize(
    ("action", "moment"),
    [*(("rollback", moment) for moment in KILLS), *(("stop", m) for m in list(KILLS)[2:4])],
)
def test_killed_around_the_stop_and_continued_it_ends_with_the_same_numbers(
    action: str,
    moment: str,
    stopped: Path,
    rolled_back: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if action == "rollback":
        monkeypatch.setattr(FixedStep, "advise", _advise_two_before)
    settings = config(model, STOP if action == "stop" else ROLLBACK)
    owner, name, kill, when = KILLS[moment]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, kill(getattr(owner, name), when))
        with pytest.raises(Killed):
            run(settings, tmp_path)

    run(settings, tmp_path)

    assert everything(tmp_path) == everything(stopped if action == "stop" else rolled_back)


def test_no_checkpoint_is_deleted_before_the_next_one_is_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This rule holds the newest policy for the best, so that every older checkpoint may go."""
    with monkeypatch.context() as patch:
        unmarked = kill_before(callbacks.mark_whole, lambda path: path.name == "checkpoint-4")
        patch.setattr(callbacks, "mark_whole", unmarked)
        with pytest.raises(Killed):
            run(config(model, ROLLBACK), tmp_path)

    assert last_checkpoint(checkpoint(tmp_path, 0, 4).parent) == checkpoint(tmp_path, 0, 2)


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_going_back_under_a_sharding_launcher_is_refused_before_the_first_stage(
    name: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    second = RLVR | {"reward": "random", "stopping": ROLLBACK | {"rule": {"type": "fixed_step", "steps": 2}}}
    changes = {"stages": [RLIF, second], "checkpoint_every": 1}
    with pytest.raises(UserError, match="does not work with FSDP or DeepSpeed"):
        run(config(model, None, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_interrupted_between_checkpoints_it_goes_back_no_further_and_no_less(
    rolled_back: Path,
    model: Path,
    tmp_path: Path,
    praises_the_past: None,
) -> None:
    """Ctrl-C leaves a checkpoint at step 3, off schedule and nearer to the best policy; it is not taken."""

    def interrupt(record: Any) -> None:
        if record.step == 2:  # recorded after the step's own end: the signal is seen at that of the next
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(config(model, ROLLBACK), tmp_path, Listener(on_step=interrupt))
    assert checkpoint(tmp_path, 0, 3).is_dir()

    run(config(model, ROLLBACK), tmp_path)

    assert everything(tmp_path) == everything(rolled_back)


def test_a_complete_run_called_again_changes_nothing(stopped: Path, model: Path) -> None:
    before, totals = everything(stopped), list[int]()

    run(config(model, STOP), stopped, Listener(on_total_steps=totals.append))

    status = RunDir(stopped).read_status()
    assert status is not None
    assert (everything(stopped), totals, status.total_steps) == (before, [7], 7)


def test_checkpoints_older_than_the_best_policy_are_not_kept(rolled_back: Path) -> None:
    stage = checkpoint(rolled_back, 0, 5).parent
    assert {path.name for path in stage.glob("checkpoint-*")} == {
        "checkpoint-2",
        "checkpoint-4",
        "checkpoint-5",
    }
    assert not (stage / START).exists()
