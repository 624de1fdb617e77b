"""The connection to a Ray cluster: Ray imported only here, and only when it is wanted."""

import importlib
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from rlif.errors import UserError, missing_extra

_ANSWER_S = 5.0


@contextmanager
def connected(address: str | None, workers: int = 0) -> Generator[Any]:
    """Connect to a cluster for as long as the context lasts; gives the module `ray`.

    Args:
        address: "host:port"; "auto" for that of RAY_ADDRESS, else the cluster that this machine is a node of;
            "local" to start one on this machine alone, and end it afterwards. None: that of RAY_ADDRESS, else
            "local". A process that is connected already stays so, whatever the address.
        workers: CPUs that a cluster started here offers at least.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise missing_extra("ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    if address in (None, "auto"):
        address = os.environ.get("RAY_ADDRESS", address or "local")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"num_cpus": max(workers, os.cpu_count() or 1), "include_dashboard": False}
    elif address != "auto":
        _check_answers(address)
    try:
        ray.init(address=address, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error)) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise `UserError` when nothing listens at "host:port"; Ray would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise _no_cluster(address, 'an address is "host:port", "auto" or "local"')
    try:
        socket.create_connection((host, int(port)), _ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, reason: str) -> UserError:
    return UserError(
        f"No Ray cluster can be used at {address!r}: {reason.rstrip('.')}.",
        "Start one with `ray start --head` and give the address it prints, or 'local' to use this machine "
        "(where nothing asks for an address: set RAY_ADDRESS to it). "
        "If that cluster asks for a token, set RAY_AUTH_MODE=token here too.",
    )
