"""What a zygote and its children give up before untrusted code runs, and the facts by which it is checked."""

import ctypes
import os
import random
import re
import resource
import signal
from functools import cache, lru_cache

from rlif.sandbox.inside import seccomp

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 4, 38, 36
_SIGKILL = 9
_MAIN_STACK = 128 << 20
"""What the kernel keeps free below a stack; deep recursion through C needs more than 8 MB."""
_MAX_FILES = 64

RLimits = tuple[tuple[int, tuple[int, int]], ...]
"""Which resource, and its soft and hard limit."""

_libc = ctypes.CDLL(None, use_errno=True)
_fork = ctypes.PyDLL(None).fork  # PyDLL: the interpreter's lock is kept


def lock_zygote() -> bool:
    """Make this process unreadable to its children and heir of their orphans; True if it is filtered too."""
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no ptrace, no /proc/PID/mem or fd for the same user
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.environ.clear()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # pid 1 gets no signal that it does not handle
    return seccomp.install(_libc)


def fork() -> int:
    """Fork this process, which must have a single thread; return the child's pid, 0 in the child.

    `os.fork` would have the child run what its modules registered for that case, mostly repairs of locks that
    other threads might have held. Here there are none, and they cost a third of a short program's time (each
    page written to after a fork is copied). What is of use is done below.
    """
    pid: int = _fork()
    if pid == 0:
        random.seed()
    elif pid < 0:
        raise OSError("cannot fork")
    return pid


def child_limits(memory_bytes: int, cpu_seconds: int, file_bytes: int, processes: int) -> RLimits:
    """Return what `lock_child` is to set; worked out before the fork, where it costs nothing twice.

    memory_bytes is address space beyond what the zygote itself has; file_bytes limits each file written.
    """
    pages = int(os.pread(_own_statm(), 64, 0).split()[0])
    return _child_limits(memory_bytes + pages * resource.getpagesize(), cpu_seconds, file_bytes, processes)


def lock_child(limits: RLimits) -> None:
    """Confine a freshly forked child; it and its children can only lower the limits."""
    os.setsid()
    if os.getppid() != 1:  # a pid namespace ends with its pid 1 anyway
        _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # its own /proc/self (hence /dev/stdin) is its to open
    for which, limit in limits:
        resource.setrlimit(which, limit)


def facts() -> dict[str, bool]:
    """Return which protections are in force around this process (seccomp is told by `lock_zygote`)."""
    with open("/proc/self/status") as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    with open("/proc/net/dev") as devices:
        interfaces = [line.split(":")[0].strip() for line in devices if ":" in line]
    return {
        "pid_namespace": os.getpid() == 1,
        "network_namespace": set(interfaces) <= {"lo"},
        "no_capabilities": int(fields["CapEff"], 16) == 0,
        "no_new_privileges": fields["NoNewPrivs"].strip() == "1",
        "files_hidden": not any(map(os.path.exists, ("/etc/passwd", "/home", "/var", "/sys"))),
        "read_only_root": _refuses_writes("/probe") and _refuses_writes("/dev/probe"),
        "read_only_proc": _refuses_writes("/proc/self/comm"),
        "empty_environment": not os.environ,
    }


@cache
def _own_statm() -> int:
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


@lru_cache(64)
def _child_limits(address_space: int, cpu_seconds: int, file_bytes: int, processes: int) -> RLimits:
    wanted = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_DATA: address_space,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: _MAX_FILES,
        resource.RLIMIT_CORE: 1,  # 0 would still start a core_pattern's program; 1 is too small for any dump
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if _counts_own_processes():
        wanted[resource.RLIMIT_NPROC] = processes + 1  # the zygote counts too
    hard_and_soft = {which: _within_hard(which, limit) for which, limit in wanted.items()}
    limits = [(which, (limit, limit)) for which, limit in hard_and_soft.items()]
    stack = resource.RLIMIT_STACK
    limits.append((stack, (_within_hard(stack, _MAIN_STACK), resource.getrlimit(stack)[1])))
    return tuple(limits)


def _within_hard(which: int, limit: int) -> int:
    hard = resource.getrlimit(which)[1]
    return limit if hard == resource.RLIM_INFINITY else min(limit, hard)


def _counts_own_processes() -> bool:
    """Tell whether RLIMIT_NPROC counts this namespace alone and not all processes of the same user."""
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    return os.getpid() == 1 and (int(major), int(minor)) >= (5, 14)


def _refuses_writes(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        return True
    return False
