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
from rlif.records import RunDir, RunState

if TYPE_CHECKING:
    from rlif.study.cluster import RayJob
    from rlif.study.scheduler import Ending
    from rlif.training.run import Listener

_QUOTED_LINES = 12
_QUOTED_BYTES = 1 << 16


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

    launch = _Launch(directory)
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
        raise launch.failure(f"exit code {code}; its message is above")


def launch_with_ray(arguments: Sequence[str], directory: Path, processes: int, listener: "Listener") -> None:
    """Run `rlif *arguments` on the Ray cluster of RAY_ADDRESS, else the one this machine belongs to; wait.

    RAY_ADDRESS=local starts one on this machine alone. What the run records is passed on as it appears.

    Raises:
        UserError: Ray is missing, no node can hold the run, it failed, or it was stopped.
    """
    from rlif.sandbox.ray_connection import connected
    from rlif.study.cluster import RayJob, check_room
    from rlif.study.scheduler import Task

    launch = _Launch(directory)
    with connected("auto") as ray:
        gpu = ray.cluster_resources().get("GPU", 0) > 0
        task = Task(
            arguments=("-m", "rlif", *arguments),
            directory=directory.resolve(),
            cwd=Path.cwd(),
            num_cpus=processes,
            num_gpus=processes * gpu,
        )
        check_room(ray, task, "Lower --processes, or add a node.")
        directory.mkdir(parents=True, exist_ok=True)  # for its log
        news = _News(RunDir(directory), listener)
        job = RayJob(ray, task)
        ending = _follow(job, news)
    status = launch.status()
    # A command that refuses to train leaves the status of an earlier, complete run as it is.
    if job.exit_code != 0 or status is None or status.state != "complete":
        raise launch.failure(ending.how, launch.log())


def _follow(job: "RayJob", news: "_News") -> "Ending":
    """Wait for a job and tell its news; Ctrl-C asks it to stop, a second one ends it."""
    stops = 0
    while True:
        try:
            ending = job.poll()
            news.tell()
            if ending is not None:
                return ending
            time.sleep(1)
        except KeyboardInterrupt:
            stops += 1
            (job.stop if stops == 1 else job.kill)()


class _News:
    """What a run in another process records from now on, told to a listener as if it trained here."""

    def __init__(self, run: RunDir, listener: "Listener") -> None:
        self._run, self._listener = run, listener
        self._steps = self._evals = self._stops = self._total = 0
        if run.exists:  # it may be continued
            self._steps, self._evals, self._stops = len(run.steps()), len(run.evals()), len(run.stops())

    def tell(self) -> None:
        """Tell what is new since the last time."""
        if not self._run.exists:
            return
        steps, evals, stops = self._run.steps(), self._run.evals(), self._run.stops()
        for step in steps[self._steps :]:
            self._listener.on_step(step)
        for evaluation in evals[self._evals :]:
            self._listener.on_eval(evaluation)
        for stop in stops[self._stops :]:
            self._listener.on_stop(stop)
        self._steps, self._evals, self._stops = len(steps), len(evals), len(stops)
        status = self._run.read_status()
        if status is not None and status.total_steps != self._total:
            self._total = status.total_steps
            self._listener.on_total_steps(self._total)


class _Launch:
    """One launch into a run directory; what an earlier one left there says nothing of how this one ended."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._log = directory, directory / "log.txt"
        self._status_before = RunDir(directory).read_status()
        self._log_before = self._log.stat().st_size if self._log.is_file() else 0

    def status(self) -> RunState | None:
        """Return what this launch said of itself; None when it never came to that.

        By what changed, not by `updated`: that is another machine's clock.
        """
        status = RunDir(self._directory).read_status()
        return None if status == self._status_before else status

    def log(self) -> str:
        """Return rlif's message in what this launch added to log.txt, else its last lines."""
        if not self._log.is_file():
            return ""
        with self._log.open("rb") as file:
            file.seek(max(self._log_before, self._log.stat().st_size - _QUOTED_BYTES))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        # The first: torch's launcher prints a page of its own after the message of a process that failed.
        messages = (number for number, line in enumerate(lines) if line.startswith("rlif: "))
        start = next(messages, max(0, len(lines) - _QUOTED_LINES))
        return "\n".join(f"  {line}" for line in lines[start : start + _QUOTED_LINES])

    def failure(self, how: str, log: str = "") -> UserError:
        """Return the error for a launch that did not end well."""
        status = self.status()
        if status is not None and status.state == "interrupted":
            return UserError(
                f"Stopped. Everything so far is in {self._directory}.",
                "The same command continues from there.",
            )
        message = f"The run in {self._directory} ended early: {how}."
        fix = "If a process or its machine was lost, the same command continues from the last checkpoint."
        return UserError(f"{message}\n{log}" if log else message, fix if status else "")
