"""`rlif train --launch`: the same command again, on several processes (accelerate) or on a Ray cluster."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rlif.errors import UserError
from rlif.records import RunDir

if TYPE_CHECKING:
    from rlif.training.run import Listener


class Launcher(StrEnum):
    """What starts the processes of a run."""

    ACCELERATE = "accelerate"
    RAY = "ray"


def accelerate_command(
    arguments: Sequence[str], processes: int | None, config: Path | None, gpu: bool
) -> list[str]:
    """Return the command that runs `rlif *arguments` on several processes.

    Args:
        arguments: of rlif.
        processes: how many in all; None: what the configuration says, else one for each GPU.
        config: an accelerate configuration file.
        gpu: whether there is a GPU here.

    Raises:
        UserError: no such file, or a number that is not positive.
    """
    if config is not None and not config.is_file():
        raise UserError(
            f"There is no accelerate configuration {config}.",
            "Take one of configs/accelerate/, or make one with: accelerate config --config_file FILE",
        )
    if processes is not None and processes < 1:
        raise UserError(f"--processes must be at least 1; got {processes}.")
    if processes is None and config is None and not gpu:
        processes = 1
    options = ["--config_file", str(config)] if config else []
    if processes is not None:
        options += ["--num_processes", str(processes)]
    if config is None:
        # Port 0: any free one, so that two runs do not meet on one machine.
        options += ["--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no"]
        if processes is not None and processes > 1:
            # accelerate's word for "processes started by torch": on CPUs alone it would want MPI.
            options.append("--multi_gpu")
    return [sys.executable, "-m", "accelerate.commands.launch", *options, "-m", "rlif", *arguments]


def launch_with_accelerate(
    arguments: Sequence[str], directory: Path, processes: int | None, config: Path | None
) -> None:
    """Run `rlif *arguments` on several processes of this machine, and wait.

    Raises:
        UserError: one of them failed, or the run was stopped.
    """
    import torch

    process = subprocess.Popen(
        accelerate_command(arguments, processes, config, gpu=torch.cuda.is_available())
    )

    def pass_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    # Ctrl-C reaches them without our help: they belong to the same terminal.
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
    }
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code:
        raise _ended(directory, f"exit code {code}; its message is above")


def launch_with_ray(arguments: Sequence[str], directory: Path, processes: int, listener: "Listener") -> None:
    """Run `rlif *arguments` on the Ray cluster of RAY_ADDRESS, else the one this machine belongs to; wait.

    RAY_ADDRESS=local starts one on this machine alone. What the run records is passed on as it appears.

    Raises:
        UserError: Ray is missing, the run failed, or it was stopped.
    """
    from rlif.sandbox.ray_connection import connected
    from rlif.study.cluster import RayJob
    from rlif.study.scheduler import Task

    directory.mkdir(parents=True, exist_ok=True)
    with connected("auto") as ray:
        gpu = ray.cluster_resources().get("GPU", 0) > 0
        task = Task(
            arguments=("-m", "rlif", *arguments),
            directory=directory.resolve(),
            cwd=Path.cwd(),
            num_cpus=processes,
            num_gpus=processes * gpu,
        )
        job = RayJob(ray, task)
        run, stops = RunDir(directory), 0
        told = (len(run.steps()), len(run.evals())) if run.exists else (0, 0)  # it may be continued
        while (ending := job.poll()) is None:
            try:
                told = _tell_news(run, listener, told)
                time.sleep(1)
            except KeyboardInterrupt:
                stops += 1
                (job.stop if stops == 1 else job.kill)()
        _tell_news(run, listener, told)
    status = RunDir(directory).read_status()
    if status is None or status.state != "complete":
        raise _ended(directory, ending.how)


def _tell_news(run: RunDir, listener: "Listener", told: tuple[int, int]) -> tuple[int, int]:
    """Tell what was recorded after the first `told` steps and evaluations; return how many there are now."""
    if not run.exists:
        return told
    steps, evals = run.steps(), run.evals()
    for step in steps[told[0] :]:
        listener.on_step(step)
    for evaluation in evals[told[1] :]:
        listener.on_eval(evaluation)
    return len(steps), len(evals)


def _ended(directory: Path, how: str) -> UserError:
    status = RunDir(directory).read_status()
    if status is not None and status.state == "interrupted":
        return UserError(
            f"Stopped. Everything so far is in {directory}.", "The same command continues from there."
        )
    fix = "If a process or its machine was lost, the same command continues from the last checkpoint."
    return UserError(f"The run in {directory} ended early: {how}.", fix if status else "")
