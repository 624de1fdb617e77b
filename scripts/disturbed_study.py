"""Does a study that is killed again and again give the same results.parquet as one that is left in peace?

    python scripts/disturbed_study.py STUDY.toml OUT [--kills 10] [--seed 0] [--ray]

Runs the study twice, in OUT/quiet and in OUT/disturbed. The second time something is killed with -9 at
random moments: the runner (and started again, as a user would), a run's process, or with --ray, which runs it
on two nodes of a cluster made for it on this machine, a node's raylet (another node joins). Prints what was
killed when; exits with 1 if the tables differ.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import psutil

LONGEST_S = 18.0
"""Seconds between two kills, at most."""


class Nodes:
    """Two nodes of one CPU each, and a head without any."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        options = {"include_dashboard": False, "object_store_memory": 80_000_000}
        self.cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **options})
        self.nodes = [self._new(), self._new()]

    @property
    def address(self) -> str:
        """Where the cluster listens."""
        return self.cluster.address

    def lose_one(self) -> None:
        """Kill the raylet of a node, which is the end of the node; let another one join."""
        node = self.nodes.pop(0)
        raylet = node.all_processes["raylet"][0].process.pid
        os.kill(raylet, signal.SIGKILL)
        self.nodes.append(self._new())

    def _new(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=80_000_000)

    def close(self) -> None:
        """End the cluster."""
        self.cluster.shutdown()


def main() -> int:
    """Run both, compare, return the exit code."""
    arguments = _arguments()
    rng = random.Random(arguments.seed)
    quiet, disturbed = arguments.out / "quiet", arguments.out / "disturbed"
    command = [sys.executable, "-m", "rlif", "study", "run", str(arguments.study), "--out"]
    subprocess.run([*command, str(quiet)], check=True)
    nodes = Nodes() if arguments.ray else None
    try:
        ray = ["--ray", nodes.address] if nodes else []
        _disturbed([*command, str(disturbed), *ray], disturbed, arguments.kills, rng, nodes)
    finally:
        if nodes:
            nodes.close()
    tables = [pl.read_parquet(directory / "results.parquet") for directory in (quiet, disturbed)]
    same = tables[0].equals(tables[1])
    alike = (quiet / "results.parquet").read_bytes() == (disturbed / "results.parquet").read_bytes()
    print(f"{len(tables[0])} rows: {'the same' if same else 'DIFFERENT'}; {'byte for byte' if alike else ''}")
    return 0 if same else 1


def _disturbed(
    command: Sequence[str], directory: Path, kills: int, rng: random.Random, nodes: Nodes | None
) -> None:
    """Run the study to its end, killing so many things on the way."""
    runner, done, started = subprocess.Popen(command), 0, time.monotonic()
    while runner.poll() is None or done < kills:
        if runner.poll() is not None:
            raise SystemExit(f"The study ended after {done} kills: give it more to do, or kill more often.")
        if done == kills:
            runner.wait()
            break
        try:
            runner.wait(rng.uniform(LONGEST_S / 3, LONGEST_S))
            continue
        except subprocess.TimeoutExpired:
            pass
        victim = rng.choice(["runner", "run", "node"] if nodes else ["runner", "run"])
        if victim == "run":
            at_work = _runs_in(directory)
            if not at_work:
                continue
            rng.choice(at_work).kill()
        elif victim == "node" and nodes:
            nodes.lose_one()
        else:
            runner.kill()
            runner.wait()
            runner = subprocess.Popen(command)
        done += 1
        print(f"kill {done}, after {time.monotonic() - started:.0f} s: {victim}", flush=True)
    if runner.returncode:
        raise SystemExit(f"The study ended with {runner.returncode}.")


def _runs_in(directory: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "train" in words and any(word.startswith(str(directory)) for word in words):
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=lambda text: Path(text).resolve())
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
