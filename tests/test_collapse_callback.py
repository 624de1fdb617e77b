"""`CollapseCallback` in an ordinary trainer of TRL: warns, stops, goes back."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from test_trl_contract import PROMPTS, config
from tiny_models import tiny_llama, tiny_tokenizer
from trl import GRPOTrainer

from rlif.diagnostics.stopping import Advice, Consensus, FixedStep, History, Signal, StoppingRule
from rlif.errors import UserError
from rlif.rewards import SelfCertainty
from rlif.training import CollapseCallback, IntrinsicGRPOTrainer
from rlif.training.collapse_callback import START, CollapseWarning, history_of


class At(StoppingRule):
    """Says stop after `step` updates, and that the policy after `best` was the best."""

    signals: ClassVar = (Signal.LENGTH_MEAN,)
    type: Literal["at"] = "at"
    step: int
    best: int

    def advise(self, history: History) -> Advice:
        best = np.minimum(history.steps, self.best)
        return Advice(history.steps >= self.step, best, lambda row: f"seen {len(history.steps)} steps")


def make(directory: Path, watch: CollapseCallback, **settings: Any) -> Any:
    """A plain GRPOTrainer on a tiny model, paid for many different tokens."""
    defaults = {"max_steps": 6, "save_strategy": "steps", "save_steps": 1, "learning_rate": 1e-2}
    tokenizer = tiny_tokenizer(chat=False)
    return GRPOTrainer(
        model=tiny_llama(tokenizer),
        reward_funcs=lambda completion_ids, **columns: [float(len(set(ids))) for ids in completion_ids],
        args=config(directory, **(defaults | settings)),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS * 4}),
        processing_class=tokenizer,
        callbacks=[watch],
    )


def weights(trainer: Any) -> torch.Tensor:
    return trainer.model.state_dict()["model.embed_tokens.weight"]


def saved(path: Path) -> torch.Tensor:
    return load_file(path / "model.safetensors")["model.embed_tokens.weight"]


def test_it_goes_back_to_the_best_checkpoint_though_others_are_rotated_away(tmp_path: Path) -> None:
    watch = CollapseCallback(At(step=5, best=2), action="rollback")
    trainer = make(tmp_path, watch, save_total_limit=2)

    with pytest.warns(CollapseWarning, match=r"at step 5 by the rule 'at': seen 5 steps.*after 2 updates"):
        trainer.train()

    assert trainer.state.global_step == 5
    assert watch.restored == tmp_path / "checkpoint-2"
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-5"}
    torch.testing.assert_close(weights(trainer), saved(tmp_path / "checkpoint-2"))
    assert not torch.equal(weights(trainer), saved(tmp_path / "checkpoint-5"))


def test_where_nothing_was_better_than_the_start_it_goes_back_to_the_start(tmp_path: Path) -> None:
    watch = CollapseCallback(At(step=3, best=0), action="rollback")
    trainer = make(tmp_path, watch)
    before = weights(trainer).clone()

    with pytest.warns(CollapseWarning):
        trainer.train()

    assert watch.restored == tmp_path / START
    torch.testing.assert_close(weights(trainer), before)


def test_the_best_may_lie_between_checkpoints_or_be_the_last_step(tmp_path: Path) -> None:
    between = CollapseCallback(At(step=6, best=5), action="rollback")
    last = CollapseCallback(FixedStep(steps=3), action="rollback")
    with pytest.warns(CollapseWarning):
        make(tmp_path / "a", between, save_steps=2).train()
    with pytest.warns(CollapseWarning):
        make(tmp_path / "b", last, save_steps=2).train()

    assert between.restored == tmp_path / "a" / "checkpoint-4"
    assert last.restored == tmp_path / "b" / "checkpoint-3"  # asked for when it stopped


def test_checkpoints_of_an_earlier_run_in_the_same_place_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, CollapseCallback(FixedStep(steps=9)), max_steps=2).train()
    watch = CollapseCallback(At(step=4, best=2), action="rollback")

    with pytest.warns(CollapseWarning):
        make(tmp_path, watch, save_steps=3).train()

    assert watch.restored == tmp_path / START


def test_a_resumed_run_decides_as_an_unbroken_one(tmp_path: Path) -> None:
    rule = At(step=5, best=2)
    make(tmp_path, CollapseCallback(rule, action="rollback"), max_steps=3, save_total_limit=2).train()
    watch = CollapseCallback(rule, action="rollback")
    trainer = make(tmp_path, watch, save_total_limit=2)

    with pytest.warns(CollapseWarning, match="seen 5 steps"):
        trainer.train(resume_from_checkpoint=True)

    assert trainer.state.global_step == 5
    assert watch.restored == tmp_path / "checkpoint-2"


def test_it_warns_once_with_numbers_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    watch = CollapseCallback(At(step=2, best=1))
    trainer = make(tmp_path, watch, max_steps=4, save_strategy="no")
    with caplog.at_level(logging.WARNING, "rlif"):
        trainer.train()

    assert trainer.state.global_step == 4
    assert len([w for w in recwarn if w.category is CollapseWarning]) == 1
    assert [r.message for r in caplog.records if "Collapse suspected at step 2" in r.message]
    assert watch.stopped is not None
    assert (watch.stopped.step, watch.stopped.best) == (2, 1)


def test_a_run_that_is_never_stopped_keeps_its_last_weights(tmp_path: Path) -> None:
    watch = CollapseCallback(At(step=99, best=1), action="rollback")
    trainer = make(tmp_path, watch, max_steps=2)
    trainer.train()

    assert watch.stopped is None
    assert watch.restored is None
    torch.testing.assert_close(weights(trainer), saved(tmp_path / "checkpoint-2"))


def test_it_reads_what_trl_logs(tmp_path: Path) -> None:
    trainer = make(tmp_path, CollapseCallback(FixedStep(steps=9)), max_steps=2)
    trainer.train()

    seen = history_of(trainer.state.log_history)
    assert seen.steps.tolist() == [1, 2]
    there = {Signal.REWARD, Signal.LENGTH_MEAN, Signal.ENTROPY, Signal.TRUNCATED, Signal.ZERO_VARIANCE_GROUPS}
    assert there <= set(seen.recorded(Signal))


def test_a_rule_whose_signals_are_not_logged_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="looks at majority_share; the trainer logs only") as error:
        make(tmp_path, CollapseCallback(Consensus())).train()
    assert "MaxReward()" in str(error.value)


def test_our_own_trainer_gives_the_signals_that_trl_does_not_log(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(chat=False)
    trainer = IntrinsicGRPOTrainer(
        model=tiny_llama(tokenizer),
        reward_funcs=SelfCertainty(),
        args=config(tmp_path, max_steps=2, save_strategy="steps", save_steps=2),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tokenizer,
    )
    trainer.add_callback(CollapseCallback(trainer=trainer))
    trainer.train()

    seen = history_of(trainer.state.log_history)
    assert np.isfinite(seen.signal(Signal.SELF_CERTAINTY)).all()
    assert np.isfinite(seen.signal(Signal.REASONING_RATE)).all()
    kept = json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())["log_history"]
    assert all("reasoning_rate" in row for row in kept)  # so that a resumed run knows them


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"save_strategy": "no"}, "needs checkpoints"),
        ({"logging_strategy": "no"}, "nothing is logged"),
        ({"metric_for_best_model": "reward"}, "the rule chooses"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    trainer = make(tmp_path, CollapseCallback(action="rollback"), **settings)

    with pytest.raises(UserError, match=message):
        trainer.train()
    assert trainer.state.global_step == 0


def test_an_unknown_action_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match="'restart' is unknown") as error:
        CollapseCallback(action="restart")
    assert "warn, stop, rollback" in str(error.value)


@pytest.mark.slow
def test_all_processes_stop_and_go_back_as_the_first_one_says(tmp_path: Path) -> None:
    script = Path(__file__).with_name("collapse_distributed_script.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    done = subprocess.run(
        [*command, str(script), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    first, second = (json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert (first["step"], first["reason"], first["restored"]) == (3, "process 0", "checkpoint-1")


@pytest.mark.slow
def test_the_example_stops_a_collapsing_run_and_restores_a_policy_that_still_reasons(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from collapse_callback import main

    with pytest.warns(CollapseWarning, match="length_mean is"):
        watch = main(str(tmp_path))

    assert watch.stopped is not None
    assert watch.stopped.step < 60
    assert watch.restored is not None
    assert watch.restored.name == START or int(watch.restored.name.partition("-")[2]) <= watch.stopped.best
