"""Runs on a Ray cluster: one actor for each, on whichever node has room for what it takes.

The actor starts the same process as on this machine and waits for it. The study's directory must be one that
all nodes share (a network file system with locks, or one machine), and the same rlif must be installed on
all of them. When a node is lost its runs are started again elsewhere, from their last checkpoints; that
counts as one of their attempts.
"""

import subprocess
from contextlib import ExitStack
from typing import Any, Self

from rlif.errors import UserError
from rlif.sandbox.ray_connection import connected
from rlif.study.scheduler import Ending, Task, ending_of, start_process

_KILL = 9
_TERMINATE = 15
_ANSWER_S = 5.0


class RayScheduler:
    """A `Scheduler` on a Ray cluster.

    Args:
        address: "host:port", "auto" or "local"; see `rlif.sandbox.ray_connection`.

    Raises:
        UserError: on entering, when Ray is not installed or no cluster answers.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = ExitStack()
        self._ray: Any = None
        self._had_room = False

    def __enter__(self) -> Self:
        self._ray = self._connection.enter_context(connected(self.address))
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def capacity(self, task: Task) -> int:
        """Return how many such tasks all living nodes hold together.

        Raises:
            UserError: no node is large enough for one; not after there once was.
        """
        fix = "Lower resources.num_cpus and num_gpus in the study file, or add a node."
        try:
            room = check_room(self._ray, task, fix)
        except UserError:
            if self._had_room:
                return 0
            raise
        self._had_room = True
        return room

    def start(self, task: Task) -> "RayJob":
        """Start an actor; it waits for its place by itself."""
        return RayJob(self._ray, task)


class RayJob:
    """One run's actor.

    Attributes:
        exit_code: of its process; None while that runs, and where it was lost with its worker.
    """

    def __init__(self, ray: Any, task: Task) -> None:
        self.exit_code: int | None = None
        self._ray, self._task = ray, task
        options = {"num_cpus": task.num_cpus, "num_gpus": task.num_gpus, "max_restarts": 0}
        # Two threads: one waits for the process, the other takes signals for it.
        self._actor = ray.remote(_RunActor).options(max_concurrency=2, **options).remote()
        self._code = self._actor.run.remote(task)
        self._ending: Ending | None = None

    def poll(self) -> Ending | None:
        """Return how it ended, or None while it has not."""
        if self._ending is None and self._ray.wait([self._code], timeout=0)[0]:
            try:
                code: int = self._ray.get(self._code)
                self.exit_code, self._ending = code, ending_of(code, self._task)
            except self._ray.exceptions.RayError as error:
                self._ending = Ending(f"its Ray worker was lost: {str(error).strip().splitlines()[0]}")
            self._ray.kill(self._actor)
        return self._ending

    def stop(self) -> None:
        """Send SIGTERM."""
        self._actor.signal.remote(_TERMINATE)

    def kill(self) -> None:
        """Send SIGKILL; an actor that does not take it, having no place yet, is given up."""
        taken = self._actor.signal.remote(_KILL)
        if not self._ray.wait([taken], timeout=_ANSWER_S)[0]:
            self._ray.kill(self._actor)
            self._ending = Ending("it was stopped while it waited for a place on the cluster")


class _RunActor:
    """What Ray starts on a node: one process, waited for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._signal = 0

    def run(self, task: Task) -> int:
        """Run a task; return its exit code."""
        if self._signal:
            return -self._signal
        self._process = start_process(task)
        return self._process.wait()

    def signal(self, number: int) -> None:
        """Send the process a signal; one that has not begun does not begin."""
        self._signal = number
        if self._process is not None:
            self._process.send_signal(number)


def check_room(ray: Any, task: Task, fix: str) -> int:
    """Return how many such tasks all living nodes hold together.

    Raises:
        UserError: no node is large enough for one; it ends with `fix`.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(_room(node, task) for node in nodes)
    if not room:
        most = {kind: max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
        raise UserError(
            f"A run takes {task.num_cpus} CPUs and {task.num_gpus} GPUs, and no node of the Ray cluster "
            f"has as many: at most {most['CPU']:g} and {most['GPU']:g}.",
            fix,
        )
    return room


def _room(node: dict[str, float], task: Task) -> int:
    """Return how many such tasks a node holds; at least one CPU each, so never endlessly many."""
    cpus = int(node.get("CPU", 0) // task.num_cpus)
    return min(cpus, int(node.get("GPU", 0) // task.num_gpus)) if task.num_gpus else cpus
