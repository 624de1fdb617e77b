"""STUDY/environment.json: what a study's numbers depend on beside its settings.

Same seed, same machine and same versions give the same numbers; this file says which they were. It is
written once, when the study starts; one that goes on elsewhere is warned of.
"""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import rlif
from rlif.records.files import read_json, write_atomic

PACKAGES = ("rlif", "torch", "transformers", "trl", "accelerate", "numpy", "vllm", "ray")


def record_environment(directory: Path, isolation: Collection[str]) -> None:
    """Write environment.json unless it is there; then warn of what has changed since."""
    path = directory / "environment.json"
    now = environment(isolation)
    if not path.is_file():
        write_atomic(path, json.dumps(now, indent=2).encode() + b"\n")
        return
    then = read_json(path)
    if changed := [key for key in now if now[key] != then.get(key)]:
        warnings.warn(
            f"{', '.join(changed)} changed since the study began ({path} says what they were): runs from "
            "before and after may differ for that alone.",
            stacklevel=2,
        )


def environment(isolation: Collection[str]) -> dict[str, Any]:
    """Return versions, git state, hardware and isolation.

    Args:
        isolation: of the sandboxes that programs run in.
    """
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git(),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
            "gpus": _output(
                "nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"
            ).splitlines(),
        },
        "isolation": sorted(isolation),
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any]:
    """Return the commit that rlif's code is of, and whether it has changed; empty outside a checkout."""
    place = str(Path(rlif.__file__).parent)
    commit = _output("git", "-C", place, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {
        "commit": commit,
        "changed": bool(_output("git", "-C", place, "status", "--porcelain", "--", place)),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _output(program: str, *arguments: str) -> str:
    """Return what a program prints; "" when it is missing or fails."""
    if shutil.which(program) is None:
        return ""
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
