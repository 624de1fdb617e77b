"""`RaySandbox`: the same sandbox on the machines of a Ray cluster, for one trainer or shared by many.

Each worker is a Ray actor that holds a `Sandbox` of one worker: the code that isolates a program, enforces
its limits and reads its answers is the same as without Ray, and so are executions and verdicts. Ray carries
programs there and executions back, and finds the actors a place; each asks for one CPU. The same rlif, and
bubblewrap, must be installed on every node.

`Program.accept` travels with its program (by cloudpickle) and is asked in the actor's process, outside the
sandbox: expected outputs that it holds come no nearer to the program. What it changes is not sent back.

Ray protects nothing by itself: who reaches a cluster's ports can run code on its nodes.
"""

import contextlib
import platform
import time
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Self

from rlif.errors import UserError
from rlif.sandbox.pool import Sandbox
from rlif.sandbox.ray_connection import connected
from rlif.sandbox.types import Execution, Limits, Program, RunStatus

_NAMESPACE = "rlif"
_TRIES = 2
_START_S = 120.0
"""How long actors may wait for a place on the cluster and for their first worker."""
_CLOSE_S = 1.0
_GLANCE_S = 0.5
"""How often a thread that waits for an actor looks whether the sandbox was closed."""


class RaySandbox(Sandbox):
    """A `Sandbox` whose workers are Ray actors; wherever a `Sandbox` is taken, this is too.

    Each trainer has at most one program on each actor; the others wait on its own side. An actor that dies
    (its node is lost, or out of memory) is replaced as soon as the cluster has room. What it was to run is
    run once more, on whichever actor is free, and gets status KILLED if that one dies too.

    With a name, the actors are a service: those of that name and isolation are used, and started where there
    are none. They serve any number of trainers and stay until `stop_service`. Without a name they are this
    trainer's own and end with it, however it ends.

    Args:
        workers: number of actors; of a service, how many of its actors to use.
        isolation: as for `Sandbox`.
        limits: as for `Sandbox`; each trainer's own, also on a service.
        address: of the cluster: "host:port", "auto" or "local" (see `rlif.sandbox.ray_connection`).
        name: of a service.

    Raises:
        UserError: on entering, when Ray is not installed, no cluster answers, it has no room for that many
            workers, or a node cannot isolate programs.
    """

    def __init__(
        self,
        workers: int = 2,
        isolation: str = "bwrap",
        limits: Limits | None = None,
        *,
        address: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(workers, isolation, limits)
        self._count = workers
        self._address = address
        self._name = name
        self._connection = ExitStack()
        self._ray: Any = None
        self._actors: dict[int, Any] = {}
        self._alive: set[int] = set()
        self._idle: SimpleQueue[_Idle] = SimpleQueue()

    def __enter__(self) -> Self:
        try:
            self._ray = self._connection.enter_context(connected(self._address, self._count))
            opening = [self._start(number) for number in range(self._count)]
            if wait_for(opening, _START_S).not_done:
                raise self._no_room()
            texts = {text for opened in opening for text in self._opened(opened)}
        except BaseException as error:
            _end(self._ray, [self._actors[number] for number in self._actors.keys() - self._alive])
            self.close()
            if isinstance(error, _ActorLostError):
                fix = "Install the same rlif, and bubblewrap, on every node."
                raise UserError(f"A worker could not be started on the Ray cluster: {error}", fix) from None
            raise
        for text in texts:
            warnings.warn(text, stacklevel=2)
        return self

    def close(self) -> None:
        """End the actors, but not a service's; programs that were running get status KILLED."""
        super().close()  # the threads that wait for actors notice, and end
        if self._name is None:
            _end(self._ray, list(self._actors.values()))
        self._actors.clear()
        self._connection.close()

    def _execute(self, program: Program) -> Execution:
        reason = ""
        for _ in range(_TRIES):
            idle = self._take()
            if idle is None:
                break
            try:
                self._opened(idle.opened)
                execution = self._result(idle.actor.run.remote(program, self.limits))
            except _ActorLostError as lost:
                reason = str(lost).splitlines()[0]
                if not self._closed:
                    self._replace(idle.number)
            except BaseException:
                self._idle.put(idle)
                raise
            else:
                self._idle.put(idle)
                return execution
        return self._all(program, RunStatus.KILLED, reason or "the sandbox was closed")

    def _start(self, number: int) -> "Future[list[str]]":
        """Start an actor, or find a service's; it is put with the idle ones once it is open, or cannot be."""
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0}
        if self._name is not None:
            name = f"{self._name}/{self.isolation}/{number}"
            options |= {"name": name, "namespace": _NAMESPACE, "lifetime": "detached", "get_if_exists": True}
        actor = self._actors[number] = self._ray.remote(_SandboxActor).options(**options).remote()
        opened: Future[list[str]] = actor.open.remote(self.isolation).future()
        opened.add_done_callback(partial(self._has_opened, number, actor))
        return opened

    def _has_opened(self, number: int, actor: Any, opened: "Future[list[str]]") -> None:
        if opened.exception() is None:
            self._alive.add(number)
        self._idle.put(_Idle(number, actor, opened))

    def _replace(self, number: int) -> None:
        self._alive.discard(number)
        if self._name is None:
            self._ray.kill(self._actors[number])  # it may be out of reach only
        self._start(number)

    def _take(self) -> "_Idle | None":
        """Return an idle actor; None once closed."""
        latest = time.monotonic() + _START_S
        while not self._closed:
            with contextlib.suppress(Empty):
                return self._idle.get(timeout=_GLANCE_S)
            if not self._alive and time.monotonic() > latest:
                raise self._no_room()
        return None

    def _result(self, execution: Any) -> Execution:
        """Wait for an actor's answer, as long as this sandbox is not closed."""
        while not self._ray.wait([execution], timeout=_GLANCE_S)[0]:
            if self._closed:
                raise _ActorLostError("the sandbox was closed")
        with self._errors():
            return self._ray.get(execution)

    def _opened(self, opened: "Future[list[str]]") -> list[str]:
        """Return what an actor's sandbox warned of when it was opened."""
        with self._errors():
            return opened.result()

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Raise what was raised in an actor; `_ActorLostError` when there is no answer."""
        try:
            yield
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise _ActorLostError(f"a Ray actor was lost: {error}") from None

    def _no_room(self) -> UserError:
        total, free = (
            resources.get("CPU", 0)
            for resources in (self._ray.cluster_resources(), self._ray.available_resources())
        )
        return UserError(
            f"Only {len(self._alive)} of {self._count} workers found a place on the Ray cluster in "
            f"{_START_S:.0f} s. Each needs a CPU: it has {total:.0f}, of which {free:.0f} are free.",
            "Ask for fewer workers, or add nodes.",
        )


def stop_service(name: str, address: str = "auto") -> int:
    """End the actors of a service; return how many there were.

    address: as for `RaySandbox`. Trainers that are still using the service start it again.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """
    with connected(address) as ray:
        actors = [
            actor["name"] for actor in ray.util.list_named_actors(True) if actor["namespace"] == _NAMESPACE
        ]
        ended = [ray.get_actor(actor, _NAMESPACE) for actor in actors if actor.rsplit("/", 2)[0] == name]
        _end(ray, ended)
        return len(ended)


def _end(ray: Any, actors: Sequence[Any]) -> None:
    """Let actors tidy up, those that are free at once, and kill them."""
    if actors:
        ray.wait([actor.close.remote() for actor in actors], num_returns=len(actors), timeout=_CLOSE_S)
    for actor in actors:
        ray.kill(actor)


class _SandboxActor:
    """What runs on the cluster; Ray calls its methods one at a time."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._warnings: list[str] = []

    def open(self, isolation: str) -> list[str]:
        """Start the sandbox, unless another trainer has; return what it warned of."""
        if self._sandbox is None:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    self._sandbox = Sandbox(1, isolation).__enter__()
            except UserError as error:
                raise UserError(f"Node {platform.node()}: {error.message}", error.fix) from None
            self._warnings = [str(warning.message) for warning in caught]
        return self._warnings

    def run(self, program: Program, limits: Limits) -> Execution:
        assert self._sandbox is not None
        self._sandbox.limits = limits  # those of the trainer that asks
        return self._sandbox.run([program])[0]

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()


@dataclass(frozen=True, slots=True)
class _Idle:
    """An actor without a program; one that could not be opened says why to whoever takes it."""

    number: int
    actor: Any
    opened: "Future[list[str]]"


class _ActorLostError(Exception):
    """An actor, or the way to it, was lost before it answered."""
