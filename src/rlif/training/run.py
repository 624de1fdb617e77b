"""`run`: one training run from its configuration to its run directory, through all its stages.

May be killed at any moment. Called again with the same configuration and directory it goes on from the last
whole checkpoint, drops what was recorded after it, and ends with the numbers of an uninterrupted run.
"""

import fcntl
import importlib.metadata
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import PrinterCallback

from rlif.config import ProblemsConfig, RunConfig
from rlif.diagnostics.stopping import Action
from rlif.errors import UserError
from rlif.evaluation.models import load_model
from rlif.problems.extraction import extraction_of
from rlif.problems.leaks import find_leaks
from rlif.problems.load import load_problems
from rlif.problems.types import Problem
from rlif.records import EvalRecord, RunDir, RunState, StepRecord, StopRecord
from rlif.records.files import write_atomic
from rlif.rewards import Need
from rlif.sandbox import Limits, Sandbox
from rlif.training.callbacks import CheckpointCallback, EvaluationCallback, RecordCallback, StopOnSignal
from rlif.training.checkpoints import (
    check_adapters,
    check_processes,
    checkpoint_step,
    last_checkpoint,
    model_directory,
    stage_directory,
)
from rlif.training.data import stage_dataset
from rlif.training.failures import user_error
from rlif.training.grpo_args import grpo_config
from rlif.training.held_out import held_out_evaluation
from rlif.training.processes import any_of_all, check_shared_out, processes
from rlif.training.stage_stopping import PruneCheckpoints, StageStopping, check_rollback
from rlif.training.trackers import check_trackers
from rlif.training.trainer import IntrinsicGRPOTrainer
from rlif.training.vllm_checks import check_vllm


@dataclass(slots=True)
class Listener:
    """Whom a run tells how it goes; progress bars are made of this. Fewer steps: a stage ended early."""

    on_step: Callable[[StepRecord], None] = lambda record: None
    on_eval: Callable[[EvalRecord], None] = lambda record: None
    on_stop: Callable[[StopRecord], None] = lambda record: None
    on_total_steps: Callable[[int], None] = lambda total: None


class Interrupted(Exception):
    """The run was asked to stop and did, with a checkpoint; the same command continues it."""


def run(config: RunConfig, directory: Path, listener: Listener | None = None) -> RunDir:
    """Train by `config`, writing only under `directory`; continue what is already there.

    Raises:
        UserError: anything the user can mend.
        Interrupted: Ctrl-C or SIGTERM; everything up to here is saved.
    """
    torch.set_num_threads(config.torch_threads)
    return _Run(config, RunDir(directory), listener or Listener()).execute()


class _Run:
    """The state of one call of `run`."""

    def __init__(self, config: RunConfig, record: RunDir, listener: Listener) -> None:
        self.config, self.record, self.listener = config, record, listener
        if record.exists:
            record.create(config.model_dump(mode="json"))  # refuses another configuration
        self.main = processes().is_main_process
        tables = [config.stage_problems(index) for index in range(len(config.stages))]
        loaded = {table: _load(table) for table in dict.fromkeys(tables)}
        self.problems = [loaded[table] for table in tables]
        self.held_out = _load(config.evaluation.problems)
        processes().wait_for_everyone()  # none may create the directory before all have looked for it
        table = config.sandbox
        limits = Limits(table.seconds, table.seconds, memory_mb=table.memory_mb)
        self.sandbox = Sandbox(table.workers, table.isolation, limits)
        before = record.read_status()
        self.seconds_before = before.seconds if before else 0.0
        self.started = time.time()
        self.stage, self.step, self.total_steps = config.stages[0].label, 0, config.total_steps

    def execute(self) -> RunDir:
        """Run all stages; say in status.json how it ended."""
        with ExitStack() as stack:
            stack.enter_context(self.sandbox)
            stop = stack.enter_context(StopOnSignal())
            if not self.record.exists:
                self._check()
                if self.main:
                    self.record.create(self.config.model_dump(mode="json"))
            if self.main:
                stack.enter_context(_alone(self.record.path))
                self._tell_leaks()
            self._say("running")
            return self._watched(stop)

    def _check(self) -> None:
        """Raise what would stop the run at once, while nothing is written yet."""
        check_trackers(self.config.report_to)
        check_rollback(self.config)
        load_model(self.config.model, self.config.dtype, _in_4bit(self.config))
        for index, stage in enumerate(self.config.stages):
            directory = stage_directory(self.record, index, stage.label)
            grpo_config(self.config, index, directory, processes().num_processes)
            check_vllm(self.config.model, self.config.stage_grpo(index))

    def _tell_leaks(self) -> None:
        """Warn of problems that are trained on and evaluated on; the run's leaks.txt names all of them."""
        trained_on = {problem.id: problem for problems in self.problems for problem in problems}
        if leaks := find_leaks(list(trained_on.values()), self.held_out):
            text = "".join(f"{leak}\n" for leak in leaks)
            write_atomic(self.record.path / "leaks.txt", text.encode())
            leaked = len({leak.test.id for leak in leaks})
            warnings.warn(
                f"{leaked} of {len(self.held_out)} evaluation problems are trained on too ({leaks[0]}). "
                f"All: {self.record.path / 'leaks.txt'}",
                stacklevel=2,
            )

    def _watched(self, stop: StopOnSignal) -> RunDir:
        try:
            self._stages(stop)
        except (KeyboardInterrupt, Interrupted):
            self._say("interrupted")
            raise Interrupted from None
        except BaseException as error:
            self._say("failed", f"{type(error).__name__}: {error}")
            if (told := user_error(error)) is not None:
                raise told from error
            raise
        self._say("complete")
        return self.record

    def _stages(self, stop: StopOnSignal) -> None:
        source, offset = self.config.model, 0
        for index, stage in enumerate(self.config.stages):
            self.stage = stage.label
            directory = stage_directory(self.record, index, stage.label)
            checkpoint = last_checkpoint(directory)
            done = checkpoint_step(checkpoint) if checkpoint else 0
            self.step = offset + done
            if done < stage.steps and not self._ended(offset, done):
                if checkpoint:
                    check_processes(checkpoint)
                if self.main:
                    # What a run begins with is evaluated again, so the evaluation of step 0 goes too.
                    self.record.truncate_after(self.step if self.step else -1)
                self._train(index, source, directory, checkpoint, offset, stop)
                checkpoint = last_checkpoint(directory)
                done = checkpoint_step(checkpoint) if checkpoint else 0
                self.step = offset + done
            if self._ended(offset, done):
                self.total_steps -= stage.steps - done
                self.listener.on_total_steps(self.total_steps)
            if any_of_all(stop.requested) and offset + done < self.total_steps:
                raise Interrupted
            source = str(model_directory(checkpoint)) if checkpoint else source
            offset += done

    def _ended(self, offset: int, done: int) -> bool:
        """Whether a rule ended the stage that began at `offset` after the `done` steps saved of it."""
        ends = {stop.step for stop in self.record.stops() if stop.action != Action.WARN}
        return done > 0 and offset + done in ends

    def _train(
        self,
        index: int,
        source: str,
        directory: Path,
        checkpoint: Path | None,
        offset: int,
        stop: StopOnSignal,
    ) -> None:
        config, stage, problems = self.config, self.config.stages[index], self.problems[index]
        model, tokenizer = load_model(source, config.dtype, _in_4bit(config))
        table = config.stage_grpo(index)
        chat = tokenizer.chat_template is not None
        arguments = grpo_config(config, index, directory, processes().num_processes)
        extract = extraction_of(config.prompt_style)
        trainer = IntrinsicGRPOTrainer(
            model=model,
            args=arguments,
            reward_funcs=list(stage.reward),
            train_dataset=stage_dataset(
                problems, config.prompt_style, chat, stage.steps, table.prompts_per_step, arguments.seed
            ),
            processing_class=tokenizer,
            peft_config=_adapters(config),
            problems={problem.id: problem for problem in problems},
            sandbox=self.sandbox,
            token_stats_temperature=config.token_stats_temperature,
            extract=extract,
            ema_decay=config.ema_decay,
            observe=[Need.TOKEN_STATS, Need.EXECUTIONS, *([Need.HIDDEN_TESTS] if config.truth else [])],
        )
        check_shared_out(trainer.accelerator)
        check_adapters(trainer)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(stop)
        trainer.add_callback(
            RecordCallback(self.record, trainer, stage.label, offset, config.rollouts_every, self._on_step)
        )
        measure = held_out_evaluation(config, trainer, self.held_out, self.sandbox, index, self._on_eval)
        watch = None
        if (stopping := config.stage_stopping(index)) is not None:
            every, tell = config.checkpoint_every, self.listener.on_stop
            watch = StageStopping(stopping, self.record, stage.label, offset, every, trainer, tell)
            trainer.add_callback(watch)
        trainer.add_callback(EvaluationCallback(measure, offset, config.evaluation.every))
        trainer.add_callback(CheckpointCallback(trainer, offset, config.checkpoint_every))
        if watch is not None:
            trainer.add_callback(PruneCheckpoints(watch))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    def _on_step(self, record: StepRecord) -> None:
        self.step = record.step
        self._say("running")
        self.listener.on_step(record)

    def _on_eval(self, record: EvalRecord) -> None:
        self.record.append_eval(record)
        self.listener.on_eval(record)

    def _say(self, state: Any, error: str = "") -> None:
        if not self.main:
            return
        now = time.time()
        self.record.write_status(
            RunState(
                state=state,
                step=self.step,
                total_steps=self.total_steps,
                stage=self.stage,
                error=error,
                isolation=self.config.sandbox.isolation,
                versions=_versions(),
                started=self.started,
                updated=now,
                pid=os.getpid(),
                seconds=self.seconds_before + now - self.started,
            )
        )


@contextmanager
def _alone(directory: Path) -> Generator[None]:
    """Hold the directory's lock, which ends with the process: two writers would spoil the records."""
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another process is training in {directory}.",
                "Wait for it, stop it, or choose another --out.",
            ) from None
        yield


def _adapters(config: RunConfig) -> LoraConfig | None:
    """Return what peft makes adapters by; nothing where all weights are trained."""
    if config.lora is None:
        return None
    table = config.lora.model_dump(exclude={"load_in_4bit"})
    return LoraConfig(**table, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")


def _in_4bit(config: RunConfig) -> bool:
    return bool(config.lora and config.lora.load_in_4bit)


def _load(table: ProblemsConfig) -> list[Problem]:
    return load_problems(**table.model_dump())


def _versions() -> dict[str, str]:
    packages = ("rlif", "torch", "transformers", "trl", "accelerate", "numpy")
    return {
        "python": platform.python_version(),
        "platform": sys.platform,
        **{name: importlib.metadata.version(name) for name in packages},
    }
