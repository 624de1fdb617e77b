"""What the soak does from outside, and what it looks for afterwards: `Killer` and `Leftovers`."""

import contextlib
import ctypes
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from process_tree import descendants

_PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 5.0


@dataclass
class Killer:
    """Kills, between enter and exit, a random process of a random worker every now and then.

    every_s: mean seconds between kills; 0 for none. hit: the workers that were killed, each by the key of its
    outer process.
    """

    rng: random.Random
    every_s: float
    hit: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    kills: int = 0

    def __enter__(self) -> "Killer":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while self.every_s and not self._stop.wait(self.rng.expovariate(1 / self.every_s)):
            self._kill_one()

    def _kill_one(self) -> None:
        """Kill either the outer process of a worker or the zygote inside."""
        below = [process for process in descendants(os.getpid()) if process.is_alive]
        workers = [process for process in below if process.parent == os.getpid()]
        if not workers:
            return
        worker = self.rng.choice(workers)
        inside = [process for process in below if process.parent == worker.pid]
        victim = self.rng.choice([worker, *inside])
        try:
            handle = os.pidfd_open(victim.pid)
        except ProcessLookupError:
            return
        try:
            # Else its number may by now be that of a process of somebody else.
            if victim.key in [process.key for process in descendants(os.getpid())]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                self.kills += 1
                self.hit.add(worker.key)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


@dataclass
class Leftovers:
    """What of this process can be left over; taken before, and compared afterwards."""

    token: str
    folder: Path
    descriptors: int = field(default_factory=lambda: len(os.listdir("/proc/self/fd")))
    threads: int = field(default_factory=threading.active_count)

    def find(self) -> dict[str, int]:
        """Return how many of each kind are left now."""
        places = (self.folder, Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path.home(), Path.cwd())
        found = {path for place in places for path in place.glob(f"{self.token}*")}
        return {
            "processes": _alive_below(),
            "files": len(found) + len(list(self.folder.iterdir())),
            "descriptors": len(os.listdir("/proc/self/fd")) - self.descriptors,
            "threads": threading.active_count() - self.threads,
        }


def adopt_orphans() -> None:
    """Become the parent of whatever below this process loses its own, so that nothing gets out of sight."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _alive_below() -> int:
    """Reap all orphans, and count those that do not end by themselves within a few seconds."""
    deadline = time.monotonic() + _GRACE_S
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = len(descendants(os.getpid()))
        if left == 0 or time.monotonic() > deadline:
            return left
        time.sleep(0.05)
