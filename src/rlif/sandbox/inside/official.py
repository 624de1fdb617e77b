"""A program as LiveCodeBench's checker runs it (repository at 28fef95): all inputs in one process.

stdin        a last `if __name__ == '__main__'` gives way to its body, imports move to the top, all the rest
             becomes the body of a function that is called once for each input. Standard input is imitated, by
             objects that do less than a file; what is printed to `sys.stdout` during the call is the output.
functional   the program is executed once; one `Solution` (or the module, if the code never says "class
             Solution") serves all inputs.

Both find the names of 18 modules in scope and some functions of `os` and others gone. A program can tell all
that, and its verdict can hang on it: this module reproduces each such detail, and none that no program sees.
It knows no time limits: those are enforced from outside, where the checker's own alarm can be caught.
"""

import ast
import builtins
import contextlib
import importlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType, ModuleType
from typing import Any, cast

from rlif.sandbox.inside import codec
from rlif.sandbox.inside.child import CODE_FD
from rlif.sandbox.inside.plain import plain
from rlif.sandbox.inside.reports import Reporter

_MODULES = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics",
    "itertools", "functools", "operator", "io", "sys", "json",
)  # fmt: skip
_STARRED = (*_MODULES, "builtins", "typing")  # later names replace earlier ones: `pow` is the builtin
_PRELUDE = compile(
    "".join(f"from {name} import *\n" for name in _STARRED)
    + "".join(f"import {name}\n" for name in _MODULES),
    "<prelude>",
    "exec",
)
_RECURSION_LIMIT, _PRELUDE_RECURSION_LIMIT = 1000, 50_000  # Python's own holds while a program is compiled
_STACK_BYTES = 8 << 20  # Linux's own limit: deep recursion through C ends the checker's process
_SWITCH_S, _POLL_S, _POLLS, _MOST_POLLS = 0.0045, 0.0005, 10, 400

_REMOVED: dict[ModuleType, tuple[str, ...]] = {
    builtins: ("quit", "help"),
    os: (
        "kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty",
        "killpg", "rename", "renames", "truncate", "replace", "unlink", "fchmod", "fchown", "chmod", "chown",
        "chroot", "lchflags", "lchmod", "lchown", "getcwd", "chdir",
    ),
    shutil: ("rmtree", "move", "chown"),
    subprocess: ("Popen",),
}  # fmt: skip
"""What is None for the program, so that calling it raises TypeError; `os.environ[…] = …` calls `putenv`."""
_FUNCTIONS: dict[ModuleType, dict[str, Any]] = {}
"""What those names stood for."""
_UNIMPORTABLE = ("ipdb", "joblib", "resource", "psutil", "tkinter")
_IMPORTED = ("numpy", "multiprocessing")
"""Modules that the checker itself has imported: once `getcwd` is gone, a program could not."""

_set_handler: Callable[..., Any] = vars(signal)["_signal"].signal  # signal.signal, without its enums
_MODULE = ModuleType("tmp_sol", "")  # not in sys.modules; its __name__ is not "__main__"
_WRAPPER = "wrapped_function"
_sys, _builtins = cast(Any, sys), cast(Any, builtins)  # to put there what is not of the type declared


def prepare() -> None:
    """Turn the zygote, once and for good, into the process that a program meets in the checker."""
    # As multiprocessing leaves it; descriptor 0 is an empty file in this mode.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    for module, names in _REMOVED.items():
        _FUNCTIONS[module] = {name: getattr(module, name, None) for name in names}
    _remove()
    exec(_PRELUDE, vars(_MODULE))
    sys.setrecursionlimit(_RECURSION_LIMIT)


def run(source: bytes, entry_point: str | None, inputs: Sequence[bytes], report: Reporter) -> int:
    """Run a program on its inputs until one fails, reporting after each; return the exit code.

    entry_point: the function or method that is called; None for a stdin program.
    inputs: texts in UTF-8, or for a functional program encoded lists of arguments.
    """
    os.close(CODE_FD)  # of no use here, and it may hold another program's code
    _prepare_process(source)
    try:
        text = source.decode("utf-8", "surrogatepass")
        text = text if entry_point else _as_function(text)
        # As in the checker, the program does not come first in its file: no `from __future__`, no docstring.
        code = compile("pass\n\n" + text, "<string>", "exec", dont_inherit=True)
    except BaseException as error:
        report.error(error, "compile_error")
        return 1
    try:
        method = _find(code, text, entry_point or _WRAPPER)
        for data in inputs:
            if entry_point:
                result = method(*codec.loads(data))
            else:
                result = _printed(method, data.decode("utf-8", "surrogateescape"))
            signal.alarm(0)  # one that the program has set does not outlive its input
            _report(result, report)
    except BaseException as error:
        report.error(error)
        return 1
    return 0


def _prepare_process(source: bytes) -> None:
    # Not in the zygote: a signal that it handles is one by which children can reach it.
    _set_handler(signal.SIGALRM, _raise_alarm)
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    if wanted := [name for name in _IMPORTED if name.encode() in source]:
        for module, functions in _FUNCTIONS.items():
            vars(module).update(functions)
        for name in wanted:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        _remove()
    # None: it cannot be imported. Not in the zygote, where `os.wait4` imports `resource`.
    _sys.modules.update(dict.fromkeys(_UNIMPORTABLE))


def _remove() -> None:
    for module, names in _REMOVED.items():
        vars(module).update(dict.fromkeys(names))


def _raise_alarm(_signal: int, _frame: object) -> None:
    print("alarm")  # spoils the output of a program that goes on
    raise TimeoutError("alarm")


def _as_function(source: str) -> str:
    """Return the text of a module that imports what the program does and has all the rest in one function.

    Text, as in the checker, because verdicts hang on it: comments are gone from it when "class Solution" is
    looked for, and Python 3.11 cannot write down every f-string that it can parse.
    """
    body = ast.parse(source).body
    if body and isinstance(last := body[-1], ast.If) and ast.unparse(last.test) == "__name__ == '__main__'":
        body[-1:] = last.body
    module = ast.parse(f"def {_WRAPPER}(): pass")
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = []
    module.body = []
    for statement in body:
        is_import = isinstance(statement, ast.Import | ast.ImportFrom)
        (module if is_import else function).body.append(statement)
    module.body.append(function)
    return ast.unparse(module)


def _find(code: CodeType, text: str, name: str) -> Callable[..., object]:
    """Execute the program and return what is to be called."""
    sys.setrecursionlimit(_PRELUDE_RECURSION_LIMIT)
    exec(code, vars(_MODULE))
    owner = vars(_MODULE)["Solution"]() if "class Solution" in text else _MODULE
    return getattr(owner, name)


def _report(value: object, report: Reporter) -> None:
    try:
        report.value(value)
    except TypeError:  # not of builtin types alone
        report.value(plain(value))


def _printed(method: Callable[..., object], text: str) -> str:
    """Call a program's function with a text on its imitated standard input; return what it prints."""
    lines = iter(text.split("\n"))
    stdin, stdout, open_ = _sys.stdin, _sys.stdout, _builtins.open
    # The process's own standard input, which `from sys import stdin` has bound, is empty but for these.
    stdin.readline = lambda *_: next(lines)
    stdin.readlines = lambda *_: text.split("\n")
    stdin.read = lambda *_: text
    captured: Any = io.StringIO()
    captured.close = lambda _: 1  # meant to do nothing, it wants an argument that nobody gives
    _sys.stdin, _sys.stdout, _builtins.open = _Stdin(text), captured, _open_on(text)
    before = _others_cpu_s()
    try:
        method()
        if threading.active_count() > 1:
            _give_way(before)
    except SystemExit:
        pass
    finally:
        _sys.stdin, _sys.stdout, _builtins.open = stdin, stdout, open_
    return captured.getvalue()


def _give_way(before: float) -> None:
    """See to it that threads which the program does not wait for have had their 5 ms of CPU.

    The checker does not wait for them either. But a thread runs from the moment it is started until Python
    takes its turn away, 5 ms later, and that is enough for many a program that does all its work in one. On a
    busy machine 5 ms by the clock may be nothing; here they are made up for.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_POLL_S)
    for poll in range(_MOST_POLLS):
        if threading.active_count() == 1 or _others_cpu_s() - before > _SWITCH_S:
            break
        if poll >= _POLLS and not _others_wait_for_a_processor():
            break
        time.sleep(_POLL_S)
    sys.setswitchinterval(interval)


def _others_wait_for_a_processor() -> bool:
    """Tell whether a thread but this one could run."""
    for thread in os.listdir("/proc/self/task"):
        if int(thread) == threading.get_native_id():
            continue
        with contextlib.suppress(OSError):  # it has just ended
            stat = os.open(f"/proc/self/task/{thread}/stat", os.O_RDONLY)  # `open` is imitated by now
            state = os.read(stat, 512).rpartition(b")")[2].split()[0]
            os.close(stat)
            if state == b"R":
                return True
    return False


def _others_cpu_s() -> float:
    """Return the CPU seconds of all threads but this one."""
    return time.process_time() - time.thread_time()


class _Stdin:
    """What `sys.stdin` is. It cannot be iterated over; only `readline`, hence `input()`, moves it on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = io.StringIO(text)
        self.buffer = _Buffer(text.encode("utf-8"))

    def read(self, *_: object) -> str:
        return self._text

    def readline(self, *arguments: int) -> str:
        return self._lines.readline(*arguments)

    def readlines(self, *_: object) -> list[str]:
        return self._text.split("\n")

    def __getattr__(self, name: str) -> object:
        return getattr(self._lines, name)


class _Buffer:
    """What `sys.stdin.buffer` is: all of it each time, or the first line each time."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, *_: object) -> bytes:
        return self._data

    def readline(self, *_: object) -> bytes:
        return self._data.split(b"\n")[0] + b"\n"


def _open_on(text: str) -> Callable[..., object]:
    """Return what `builtins.open` is (the program's own `open` is the prelude's): all files read as stdin."""

    @cache
    def mock() -> Callable[..., object]:
        from unittest.mock import mock_open  # a large module, for what hardly a program calls

        return mock_open(read_data=text)

    return lambda *arguments, **options: mock()(*arguments, **options)
