"""What ordinary programs see: a function is called, a script has a real standard input and output."""

import asyncio
import math
import threading
import time

import pytest

from rlif.errors import UserError
from rlif.sandbox import Execution, Limits, Output, Program, RunStatus, Sandbox, Value
from rlif.sandbox.isolation import Isolation
from rlif.sandbox.worker import Worker, WorkerDiedError


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1, limits=Limits(seconds=4, cpu_seconds=2)) as sandbox:
        yield sandbox


def call(sandbox: Sandbox, code: str, *arguments: tuple[Value, ...], name: str = "f") -> Execution:
    [execution] = sandbox.run([Program(code, arguments, name)])
    return execution


def script(sandbox: Sandbox, code: str, *inputs: str) -> Execution:
    [execution] = sandbox.run([Program(code, inputs or ("",))])
    return execution


def values(execution: Execution) -> list[Value]:
    assert execution.status is RunStatus.OK, execution.error
    return [output.value for output in execution.outputs]


def statuses(execution: Execution) -> list[str]:
    return [output.status.value for output in execution.outputs]


# Functional programs ---------------------------------------------------------------------------------------


def test_a_function_is_called_on_each_input(sandbox):
    assert values(call(sandbox, "def f(x, y):\n    return x - y", (5, 2), (2, 5))) == [3, -3]


def test_a_method_of_solution_gets_a_fresh_instance_for_each_call(sandbox):
    code = """
class Solution:
    def __init__(self):
        self.n = 0
    def f(self):
        self.n += 1
        return self.n
"""
    assert values(call(sandbox, code, (), (), ())) == [1, 1, 1]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -7, 2**64, 1.5, math.inf, 2j, "", "é\ud800\n", b"\x00\xff", [],
        [1, "a", None], (), (1, (2,)),
        {1, 2}, frozenset({"a"}), {1: "a", (1, 2): [3]}, [[1.0, 2], [True]],
    ],
)  # fmt: skip
def test_plain_values_go_in_and_come_out_as_they_were(sandbox, value):
    [result] = values(call(sandbox, "def f(x):\n    return x", (value,)))
    assert repr(result) == repr(value)


def test_an_int_may_be_longer_than_python_prints(sandbox):
    assert values(call(sandbox, "def f(x):\n    return [x * x]", (10**5000,))) == [[10**10000]]


def test_a_result_is_taken_before_a_later_call_can_change_it(sandbox):
    code = "seen = []\ndef f(x):\n    seen.append(x)\n    return seen"
    assert values(call(sandbox, code, (1,), (2,))) == [[1], [1, 2]]


def test_arguments_are_fresh_for_each_call(sandbox):
    code = "def f(x):\n    x.append(9)\n    return x"
    assert values(call(sandbox, code, ([1],), ([1],))) == [[1, 9], [1, 9]]


def test_a_failed_call_does_not_keep_the_others_from_running(sandbox):
    execution = call(sandbox, "def f(x):\n    return 1 // x", (1,), (0,), (2,))
    assert statuses(execution) == ["ok", "runtime_error", "ok"]
    assert execution.status is RunStatus.RUNTIME_ERROR
    assert execution.error == "ZeroDivisionError: integer division or modulo by zero"


def test_a_prelude_gives_the_names_that_leetcode_gives(sandbox):
    code = "def f(x: List[int]) -> int:\n    return gcd(*x) + pow(2, 3, 5) + len(Counter(x))"
    [with_prelude] = sandbox.run([Program(code, (([4, 6],),), "f", prelude=True)])
    assert values(with_prelude) == [2 + 3 + 2]
    assert call(sandbox, code, ([4, 6],)).status is RunStatus.RUNTIME_ERROR


def test_a_main_block_of_a_functional_program_does_not_run(sandbox):
    code = "def f():\n    return 1\nif __name__ == '__main__':\n    raise SystemExit(input())"
    assert values(call(sandbox, code, ())) == [1]


def test_a_missing_entry_point_is_a_runtime_error(sandbox):
    assert call(sandbox, "def g():\n    return 1", ()).error.startswith("NameError: neither a function 'f'")


def test_an_argument_that_cannot_be_sent_is_a_user_error(sandbox):
    with pytest.raises(UserError, match="'f' cannot be sent"):
        call(sandbox, "def f(x):\n    return 1", (object(),))  # type: ignore[arg-type]


# Scripts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "print(sum(map(int, (input(), input()))))",
        "import sys\nprint(sum(map(int, sys.stdin)))",
        "import sys\nfirst = sys.stdin.readline()\nprint(int(first) + int(sys.stdin.read()))",
        "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
        "print(sum(map(int, open(0))))",
        "print(sum(map(int, open('/dev/stdin'))))",
        "import os\nos.write(1, b'%d' % sum(map(int, os.read(0, 99).split())))",
        "from sys import stdin, stdout\nstdout.write(str(sum(map(int, stdin.readlines()))))",
        "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, sys.stdin.buffer)))",
        "import fileinput\nprint(sum(map(int, fileinput.input())))",
        "out = open(1, 'w')\nout.write(str(int(input()) + int(input())))",
        "n = 0\ndef add():\n    global n\n    n += int(input())\nadd(); add()\nprint(n)",
        "if __name__ == '__main__':\n    print(int(input()) + int(input()))\nx = 1",
        "print(int(input()) + int(input()))\nexit()",
        "import sys\nprint(int(input()) + int(input()))\nsys.exit(0)\nprint('no')",
        "import os\nprint(int(input()) + int(input()), flush=True)\nos._exit(0)",
        "import atexit\natexit.register(lambda: print(int(input()) + int(input())))",
        "import threading\nthreading.Thread(target=lambda: print(int(input()) + int(input()))).start()",
        "from __future__ import annotations\nprint(int(input()) + int(input()))",
    ],
)
def test_a_script_may_read_and_write_in_any_way(sandbox, code):
    outputs = values(script(sandbox, code, "3\n4\n", "-3\n5"))
    assert [str(output).strip() for output in outputs] == ["7", "2"]


def test_no_state_leaks_from_one_input_to_the_next(sandbox):
    code = (
        "import os, math\nprint(os.path.exists('mark'), math.pi == 3)\nopen('mark', 'w').close()\nmath.pi = 3"
    )
    assert values(script(sandbox, code, "", "")) == ["False False\n"] * 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("exit('bad input')", "SystemExit: bad input"),
        ("import os\nos._exit(3)", "exited with code 3"),
        ("print(1)\n1/0", "ZeroDivisionError: division by zero"),
        ("input()", "EOFError: EOF when reading a line"),
        ("def f():\n    f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_a_script_that_fails_is_a_runtime_error(sandbox, code, error):
    execution = script(sandbox, code)
    assert (execution.status, execution.error) == (RunStatus.RUNTIME_ERROR, error)
    assert execution.outputs[0].value is None


@pytest.mark.parametrize("code", ["print(", "x = '\0'", "return 1", "x = '\ud800'", "(" * 300 + ")" * 300])
def test_a_program_that_does_not_compile(sandbox, code):
    assert statuses(script(sandbox, code, "1", "2")) == ["compile_error"] * 2
    assert statuses(call(sandbox, code, (), ())) == ["compile_error"] * 2


def test_deep_recursion_works(sandbox):
    code = "import functools\n@functools.cache\ndef f(n):\n    return n and 1 + f(n - 1)\nprint(f(20000))"
    assert values(script(sandbox, code)) == ["20000\n"]


# The pool --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["", " \n\t"])
def test_no_code_is_not_run(sandbox, code):
    assert statuses(script(sandbox, code, "1", "2")) == ["no_code"] * 2


def test_executions_come_back_in_order_and_say_what_they_cost(sandbox):
    programs = [Program(f"import sys\nsum(range({10**6}))\nprint({i})", ("",)) for i in range(3)]
    executions = sandbox.run(programs)
    assert [values(execution) for execution in executions] == [["0\n"], ["1\n"], ["2\n"]]
    for execution in executions:
        assert 0.002 < execution.cpu_s < 2
        assert 0.002 < execution.outputs[0].wall_s <= execution.wall_s
        assert 5 < execution.peak_mb < 200
        assert execution.isolation == "bwrap"


def test_peak_memory_is_the_program_s_own(sandbox):
    small = script(sandbox, "x = 1")
    large = script(sandbox, "x = bytearray(100 << 20)")
    assert 95 < large.peak_mb - small.peak_mb < 110
    assert script(sandbox, "x = 1").peak_mb < small.peak_mb + 5


def test_stream_and_async():
    slow = Program("import time\ntime.sleep(0.5)", ("",))
    with Sandbox(workers=2) as sandbox:
        order = [index for index, _ in sandbox.stream([slow, Program("x = 1", ("",))])]
        execution = asyncio.run(sandbox.run_async(Program("print(1)", ("",))))
    assert order == [1, 0]
    assert values(execution) == ["1\n"]


def test_a_batch_is_taken_in_a_few_at_a_time():
    taken = []

    def programs():
        for number in range(30):
            taken.append(number)
            yield Program(f"print({number})", ("",))

    async def ahead_of_results(sandbox: Sandbox) -> int:
        done = 0
        most = 0
        async for _ in sandbox.stream_async(programs()):
            done += 1
            most = max(most, len(taken) - done)
        return most

    with Sandbox(workers=1) as sandbox:
        assert asyncio.run(ahead_of_results(sandbox)) <= 4
        assert len(taken) == 30
        taken.clear()
        results = sandbox.stream(programs())
        next(results)
        assert len(taken) <= 5


def test_thirty_at_once_without_blocking():
    async def all_of_them(sandbox: Sandbox) -> list[Execution]:
        programs = [Program(f"print({number})", ("",)) for number in range(30)]
        return await asyncio.gather(*map(sandbox.run_async, programs))

    with Sandbox(workers=2) as sandbox:
        executions = asyncio.run(all_of_them(sandbox))
    assert [values(execution) for execution in executions] == [[f"{number}\n"] for number in range(30)]


@pytest.mark.parametrize("entry_point", [None, "f"])
def test_a_program_is_ended_when_its_output_is_not_accepted(sandbox, entry_point):
    seen = []

    def accept(number: int, output: Output) -> bool:
        seen.append((number, output.value))
        return number < 1

    if entry_point:
        code = "import time\ndef f(x):\n    time.sleep(0.5 if x == 2 else 0)\n    return x"
        program = Program(code, tuple((x,) for x in range(6)), "f", accept=accept)
    else:
        code = "import time\nx = int(input())\ntime.sleep(0.5 if x == 2 else 0)\nprint(x, end='')"
        program = Program(code, tuple(map(str, range(6))), accept=accept)
    [execution] = sandbox.run([program])
    statuses = [output.status for output in execution.outputs]
    assert statuses == [RunStatus.OK] * 2 + [RunStatus.NOT_RUN] * 4
    assert seen == ([(0, 0), (1, 1)] if entry_point else [(0, "0"), (1, "1")])
    assert execution.wall_s < 0.5  # it was ended in its third input
    assert values(script(sandbox, "print(1)")) == ["1\n"]


def test_an_unaccepted_last_output_changes_nothing(sandbox):
    program = Program("def f(x): return x", ((1,), (2,)), "f", accept=lambda number, _: number == 0)
    for _ in range(20):
        [execution] = sandbox.run([program])
        assert values(execution) == [1, 2]


def test_results_do_not_depend_on_the_worker():
    program = Program("print(*{'apple', 'pear', 'plum', 'fig'})", ("",))
    outputs = set()
    for _ in range(2):
        with Sandbox(workers=1) as sandbox:
            outputs.add(str(values(sandbox.run([program])[0])))
    assert len(outputs) == 1


def test_leaving_the_sandbox_does_not_wait_for_running_programs():
    start = time.monotonic()
    with Sandbox(workers=1, limits=Limits(seconds=60, cpu_seconds=60)) as sandbox:
        future = sandbox.submit(Program("while True: pass", ("",)))
        time.sleep(0.3)
    assert time.monotonic() - start < 3
    assert future.result().status is RunStatus.KILLED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"workers": 0}, "at least 1; got 0"), ({"isolation": "bwarp"}, "Did you mean 'bwrap'")],
)
def test_impossible_settings(arguments, message):
    with pytest.raises(UserError, match=message):
        Sandbox(**arguments)


def test_a_worker_killed_as_it_starts_costs_no_program(monkeypatch):
    starts = []

    def start(isolation: Isolation) -> Worker:
        starts.append(isolation)
        if len(starts) == 2:  # the one that replaces the first
            raise UserError("exit code -9")
        return Worker(isolation)

    monkeypatch.setattr("rlif.sandbox.pool.Worker", start)
    with Sandbox(workers=1) as sandbox:
        [first] = sandbox._workers
        first._process.kill()
        killed, *others = sandbox.run([Program("print(1)", ("",))] * 3)
    assert killed.status is RunStatus.KILLED
    assert [values(execution) for execution in others] == [["1\n"]] * 2
    assert len(starts) == 3


def test_a_worker_closed_by_another_thread_has_died():
    worker = Worker(Isolation.BWRAP)
    worker.close()
    with pytest.raises(WorkerDiedError):
        worker.execute(Program("x = 1", ("",)), Limits())


def test_a_worker_whose_last_words_are_gone_has_died():
    worker = Worker(Isolation.BWRAP)
    worker._stderr.close()  # as `close` in another thread does, a moment before this one looks
    threading.Timer(0.3, worker._process.kill).start()
    with pytest.raises(WorkerDiedError):
        worker.execute(Program("while True: pass", ("",)), Limits())
    worker.close()


@pytest.mark.parametrize(
    "isolation", ["bwrap", pytest.param("process", marks=pytest.mark.filterwarnings("ignore"))]
)
def test_programs_may_import_numpy_and_no_other_package(isolation):
    with Sandbox(workers=1, isolation=isolation) as sandbox:
        assert values(script(sandbox, "import numpy\nprint(numpy.arange(4).sum())")) == ["6\n"]
        assert script(sandbox, "import pydantic").error == "ModuleNotFoundError: No module named 'pydantic'"
