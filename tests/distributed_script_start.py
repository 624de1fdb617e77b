"""Start a script on several processes of this machine that find one another (gloo), as a launcher would."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def start(count: int, arguments: Sequence[str], log: Path) -> list[subprocess.Popen[bytes]]:
    """Start `python *arguments` on `count` processes; what rank r prints goes to <log>-r.txt.

    Each has another PYTHONHASHSEED, as processes have by chance: 0 and 1 order {Scoring(), Scoring(EMA)}
    differently. Passes of sharded models made in the order of such a set would not fit together.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = list[subprocess.Popen[bytes]]()
    for rank in range(count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count)}
        own |= {"PYTHONHASHSEED": str(rank)}
        with log.with_name(f"{log.name}-{rank}.txt").open("wb") as file:
            started.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    env={**os.environ, "OMP_NUM_THREADS": "1", **(world | own if count > 1 else {})},
                    stdout=file,
                    stderr=file,
                )
            )
    return started


def launch(count: int, arguments: Sequence[str], log: Path, timeout: float = 300) -> None:
    """Start and wait; every process has to end well."""
    started = start(count, arguments, log)
    try:
        for rank, process in enumerate(started):
            code = process.wait(timeout)
            assert code == 0, log.with_name(f"{log.name}-{rank}.txt").read_text()[-3000:]
    finally:
        for process in started:
            process.kill()
            process.wait()
