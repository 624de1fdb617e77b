"""What a forked child does: runs one untrusted program and reports how it went."""

import atexit
import builtins
import contextlib
import io
import marshal
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, Literal, cast

from rlif.sandbox.inside import codec, prelude
from rlif.sandbox.inside.pages import Buffer
from rlif.sandbox.inside.reports import Reporter

CODE_FD = 4
"""A memory file by which the first of several runs of a script hands its compiled code to the others."""

_THREADS: Mapping[str, Any] = vars(threading)
_ATEXIT: Mapping[str, Any] = vars(atexit)

_WITH_PRELUDE = ModuleType("solution")
"""The module of a functional program, filled once; a child's changes to it are its own."""

_RECURSION_LIMIT = 50_000  # LiveCodeBench's, as is the next
_MAX_STR_DIGITS = 50_000


def run_functional(
    source: Buffer, entry_point: str, with_prelude: bool, inputs: Sequence[Buffer], report: Reporter
) -> int:
    """Define the program, then call its entry point on each input in turn, reporting after each call."""
    os.close(CODE_FD)
    code = _compile(source, report)
    if code is None:
        return 1
    module = _WITH_PRELUDE if with_prelude else ModuleType("solution")
    # A program that does not define `add` must not be served by operator's.
    vars(module).pop(entry_point, None)
    _enter(module)
    try:
        exec(code, vars(module))
    except BaseException as error:
        for _ in inputs:
            report.error(error)
        return 1
    for data in inputs:
        arguments = codec.loads(bytes(data))
        try:
            report.value(_target(module, entry_point)(*arguments))
        except BaseException as error:
            report.error(error)
    return 0


def run_script(source: Buffer, is_first: bool, keep_code: bool, report: Reporter) -> int:
    """Run the program as `python main.py` would; return its exit code.

    keep_code: others will follow that want the first one's compiled code.
    """
    if is_first:
        code = _compile(source, report)
        if code is None:
            return 1
        if keep_code:
            os.pwrite(CODE_FD, marshal.dumps(code), 0)
    else:
        code = marshal.loads(os.pread(CODE_FD, os.fstat(CODE_FD).st_size, 0))
    os.close(CODE_FD)
    module = ModuleType("__main__")
    _enter(module)
    sys.argv = ["main.py"]
    exit_code = _as_script(lambda: exec(code, vars(module)), report)
    vars(module).clear()  # as at a script's end: files that it left open are flushed
    for stream in (sys.stdout, sys.__stdout__):
        with contextlib.suppress(Exception):  # a program may have put anything there
            cast(Any, stream).flush()
    return exit_code


def make_standard_streams() -> None:
    """Open sys.stdin, stdout and stderr on descriptors 0 to 2, for all children to inherit unused."""

    def text(fd: int, mode: Literal["r", "w"]) -> io.TextIOWrapper:
        return open(fd, mode, encoding="utf-8", errors="surrogateescape", closefd=False)

    sys.stdin = sys.__stdin__ = text(0, "r")
    sys.stdout = sys.__stdout__ = text(1, "w")
    sys.stderr = sys.__stderr__ = text(2, "w")


def prepare() -> None:
    """Do in the zygote, once, what every child would have to: each page it writes to costs it a copy."""
    # What the zygote's own modules would do at its exit is no child's business.
    _ATEXIT["_clear"]()
    _THREADS["_threading_atexits"].clear()
    sys.setrecursionlimit(_RECURSION_LIMIT)
    sys.set_int_max_str_digits(_MAX_STR_DIGITS)
    vars(_WITH_PRELUDE).update(prelude.NAMES)


def _as_script(run: Callable[[], object], report: Reporter) -> int:
    exit_code = 0
    try:
        run()
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if exit_code:
            report.error(stop)
    except BaseException as error:
        report.error(error)
        exit_code = 1
    try:
        _run_at_exit()
    except BaseException as error:
        report.error(error)
        exit_code = 1
    return exit_code & 0xFF


def _run_at_exit() -> None:
    """Do what the interpreter does at a script's end, and a fork must do itself: wait for threads, `atexit`.

    Most programs have neither; looking costs less than doing it.
    """
    if _THREADS["_shutdown_locks"] or _THREADS["_threading_atexits"]:
        _THREADS["_shutdown"]()
    if _ATEXIT["_ncallbacks"]():
        _ATEXIT["_run_exitfuncs"]()


def _compile(source: Buffer, report: Reporter) -> CodeType | None:
    try:
        return compile(bytes(source).decode("utf-8", "surrogatepass"), "main.py", "exec", dont_inherit=True)
    except BaseException as error:
        report.error(error, "compile_error")
        return None


def _enter(module: ModuleType) -> None:
    vars(module)["__builtins__"] = builtins
    sys.modules[module.__name__] = module


def _target(module: ModuleType, entry_point: str) -> Callable[..., object]:
    """Return the method of a new `Solution`, or the top-level function, of that name."""
    solution: Any = vars(module).get("Solution")
    if isinstance(solution, type) and hasattr(solution, entry_point):
        return getattr(solution(), entry_point)
    function = vars(module).get(entry_point)
    if function is None:
        raise NameError(f"neither a function {entry_point!r} nor a class Solution with such a method")
    return function
