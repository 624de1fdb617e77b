"""`Sandbox`: runs untrusted programs on a few warm, isolated workers."""

import asyncio
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from rlif.errors import UserError
from rlif.sandbox.isolation import Isolation
from rlif.sandbox.types import Execution, Limits, Mode, Output, Program, RunStatus
from rlif.sandbox.worker import Worker, WorkerDiedError

_START_ATTEMPTS, _START_PAUSE_S = 3, 0.2


class Sandbox:
    """A pool of workers; a context manager, usable from any thread.

    Each worker runs one program at a time. A worker that dies is replaced: its program gets status KILLED and
    no other is affected. Leaving the context kills whatever still runs.

    Args:
        workers: number of worker processes.
        isolation: "bwrap", or "process" for the weaker kind (see `rlif.sandbox.isolation`).
        limits: limits of each program.

    Raises:
        UserError: on entering, when that isolation does not work here.
    """

    def __init__(self, workers: int = 2, isolation: str = "bwrap", limits: Limits | None = None) -> None:
        if workers < 1:
            raise UserError(f"workers must be at least 1; got {workers}.")
        self.isolation = Isolation.parse(isolation)
        self.limits = limits or Limits()
        self._ahead = 4 * workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="rlif-sandbox")
        # A worker belongs to one thread of the executor: bwrap ends when the thread that started it does.
        self._own = threading.local()
        self._workers: set[Worker] = set()
        self._lock = threading.Lock()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._closed = False
        self._is_proven = False

    def __enter__(self) -> Self:
        if self.isolation is Isolation.PROCESS:
            warnings.warn(_PROCESS_WARNING, stacklevel=2)
        try:
            self._executor.submit(self._worker).result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers and everything in them; programs that were running get status KILLED."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, set()
        for worker in workers:
            worker.close()
        self._executor.shutdown(cancel_futures=True)

    def run(self, programs: Iterable[Program]) -> list[Execution]:
        """Run programs; return their executions in the same order."""
        executions = dict(self.stream(programs))
        return [executions[index] for index in range(len(executions))]

    def stream(self, programs: Iterable[Program]) -> Iterator[tuple[int, Execution]]:
        """Run programs; yield (index, execution) as they finish.

        Programs are taken from the iterable a few ahead of the workers, so that it may be long.
        """
        source = enumerate(programs)
        pending: dict[Future[Execution], int] = {}
        try:
            while True:
                for index, program in islice(source, self._ahead - len(pending)):
                    pending[self.submit(program)] = index
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
        finally:
            for future in pending:
                future.cancel()

    async def run_async(self, program: Program) -> Execution:
        """Run one program without blocking the event loop.

        However many are awaited, only a few are queued ahead of the workers; the others wait for their turn.
        """
        loop = asyncio.get_running_loop()
        async with self._turns.setdefault(loop, asyncio.Semaphore(self._ahead)):
            return await asyncio.wrap_future(self.submit(program))

    async def stream_async(self, programs: Iterable[Program]) -> AsyncIterator[tuple[int, Execution]]:
        """Run programs without blocking the event loop; yield (index, execution) as they finish.

        Programs are taken from the iterable a few ahead of the workers, as by `stream`.
        """
        source = enumerate(programs)
        pending: dict[asyncio.Future[Execution], int] = {}
        try:
            while True:
                for index, program in islice(source, self._ahead - len(pending)):
                    pending[asyncio.wrap_future(self.submit(program))] = index
                if not pending:
                    return
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    yield pending.pop(future), future.result()
        finally:
            for future in pending:
                future.cancel()

    def submit(self, program: Program) -> Future[Execution]:
        """Queue one program; return the future of its execution. The queue has no bound: see `stream`."""
        return self._executor.submit(self._execute, program)

    def _execute(self, program: Program) -> Execution:
        if not program.code.strip():
            return self._all(program, RunStatus.NO_CODE)
        if self._closed:
            return self._all(program, RunStatus.KILLED, "the sandbox was closed")
        try:
            worker = self._worker(program.mode)
        except UserError as error:  # isolation worked when the sandbox was entered
            return self._all(program, RunStatus.KILLED, f"no worker could be started: {error.message}")
        try:
            return worker.execute(program, self.limits)
        except WorkerDiedError as error:
            worker.retired = True
            return self._all(program, RunStatus.KILLED, str(error))

    def _all(self, program: Program, status: RunStatus, error: str = "") -> Execution:
        outputs = tuple(Output(status) for _ in program.inputs)
        return Execution(status, outputs, error=error, isolation=self.isolation)

    def _worker(self, mode: Mode | None = None) -> Worker:
        """Return this thread's worker for a mode, started or replaced if need be.

        A worker serves the one mode of its first program; under None is kept one that has served none yet.
        """
        mine: dict[Mode | None, Worker] = vars(self._own).setdefault("workers", {})
        worker = mine.pop(mode, None) or mine.pop(None, None)
        if worker is not None and worker.retired:
            with self._lock:
                self._workers.discard(worker)
            worker.close()
            worker = None
        if worker is None:
            worker = self._start_worker()
            with self._lock:
                if self._closed:
                    worker.close()
                self._workers.add(worker)
        mine[mode] = worker
        return worker

    def _start_worker(self) -> Worker:
        """Start a worker. Where isolation was seen to work, one killed as it starts is tried again."""
        attempts = _START_ATTEMPTS if self._is_proven else 1
        while True:
            attempts -= 1
            try:
                worker = Worker(self.isolation)
            except UserError:
                if attempts == 0:
                    raise
                time.sleep(_START_PAUSE_S)
            else:
                self._is_proven = True
                return worker


def probe(isolation: str = "bwrap") -> dict[str, bool]:
    """Start one worker and return which protections it finds in force, by name.

    Raises `UserError` with the usual remedies when the isolation does not work here.
    """
    worker = Worker(Isolation.parse(isolation))
    worker.close()
    return worker.facts


_PROCESS_WARNING = (
    'Isolation "process" does not protect this machine from hostile programs: they can read your files, use '
    "the network and signal your processes. Use it only for programs that you trust."
)
