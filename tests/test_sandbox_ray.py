"""A sandbox on a Ray cluster gives what one on this machine gives, whatever happens to its actors."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlif.errors import UserError
from rlif.grading import grade
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Execution, Limits, Mode, Output, Program, RunStatus, Sandbox, cluster, isolation
from rlif.sandbox.cluster import RaySandbox, stop_service
from rlif.sandbox.ray_connection import connected

pytestmark = pytest.mark.slow
LIMITS = Limits(seconds=10, cpu_seconds=0.5, memory_mb=256, output_bytes=1 << 16, processes=8)
TRIVIAL = Program("print(input())", ("1",))


@pytest.fixture(scope="module")
def ray():
    """A cluster that thinks it has four CPUs."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'rlif[ray]'")
    with connected("local", workers=4) as ray:
        yield ray


@pytest.fixture(scope="module")
def sandbox(ray):
    with RaySandbox(workers=2, limits=LIMITS) as sandbox:
        yield sandbox


def statuses(execution: Execution) -> list[str]:
    return [output.status.value for output in execution.outputs]


def actors_of_services(ray: Any) -> list[str]:
    return sorted(actor["name"] for actor in ray.util.list_named_actors(True))


def notes_its_process(path: Path):
    """An `accept` that writes down which process it is asked in."""

    def accept(number: int, output: Output) -> bool:
        path.write_text(str(os.getpid()))
        return True

    return accept


def kills_its_process(path: Path, times: int):
    """An `accept` that kills the actor it is asked in, the first times that it is asked."""

    def accept(number: int, output: Output) -> bool:
        path.touch()
        with path.open("a") as file:
            file.write("x")
        if path.stat().st_size <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    return accept


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something holds within a few seconds; Ray ends actors in its own time."""
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


# The same verdicts -----------------------------------------------------------------------------------------

ADD = Problem(
    id="add",
    statement="Print the sum of two numbers.",
    starter_code="",
    entry_point=None,
    public_tests=(TestCase("1 2", "3"),),
    hidden_tests=(TestCase("-1 1", "0"), TestCase("10 20", "30")),
    source="here",
)
PAIRS = replace(
    ADD,
    id="pairs",
    statement="Return every number twice.",
    starter_code="def f(xs):",
    entry_point="f",
    public_tests=(TestCase("[1, 2]", "[[1, 1], [2, 2]]", "functional"),),
    hidden_tests=(TestCase("[]", "[]", "functional"),),
)
CODES = {
    ADD: [
        "a, b = map(int, input().split())\nprint(a + b)",
        "a, b = map(int, input().split())\nprint(abs(a) + b)",
        "print(3)",
        "print(",
        "",
        "1 / 0",
        "import os\nos._exit(0)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(-1, signal.SIGKILL)",
        "while True: pass",
        "x = bytearray(400 << 20)\nprint(3)",
        "print('x' * (1 << 20))",
        "import os\nwhile True: os.fork()",
        "print(open('/etc/passwd').read())",
        "import socket\nsocket.create_connection(('127.0.0.1', 6379))",
    ],
    PAIRS: [
        "def f(xs):\n    return [[x, x] for x in xs]",
        "def f(xs):\n    return [[x, x] for x in xs] or None",
        "def f(xs):\n    return xs.append(xs) or xs",
        "class Equal(list):\n    __eq__ = lambda self, other: True\ndef f(xs):\n    return Equal()",
        "def g(xs):\n    return []",
    ],
}


@pytest.mark.parametrize(
    ("mode", "all_tests"), [(Mode.NATIVE, True), (Mode.NATIVE, False), (Mode.OFFICIAL, False)]
)
def test_verdicts_are_those_of_a_sandbox_on_this_machine(sandbox, mode, all_tests):
    pairs = [(problem, code) for problem, codes in CODES.items() for code in codes]
    with Sandbox(workers=2, limits=LIMITS) as local:
        here = grade(pairs, local, mode, all_tests)
    there = grade(pairs, sandbox, mode, all_tests)
    assert there == here
    assert [verdict.passed for verdict in there].count(True) == 2  # the first of each problem
    assert len({verdict.status for verdict in there}) >= 7


def test_executions_say_what_they_cost(sandbox):
    [execution] = sandbox.run([Program("import sys\nsum(range(10**6))\nprint(input())", ("1",))])
    assert (execution.status, execution.outputs[0].value) == (RunStatus.OK, "1\n")
    assert 0.002 < execution.cpu_s < 0.5
    assert 5 < execution.peak_mb < 200
    assert execution.isolation == "bwrap"


def test_a_program_is_ended_when_its_output_is_not_accepted(sandbox):
    expected = ["1\n", "2\n", "3\n"]
    program = Program("print(min(2, int(input())))", ("1", "2", "3", "4"))
    program = replace(program, accept=lambda number, output: output.value == expected[number])
    [execution] = sandbox.run([program])
    assert statuses(execution) == ["ok", "ok", "ok", "not_run"]


def test_what_cannot_be_sent_is_the_same_error(sandbox):
    with pytest.raises(UserError, match="An argument for 'f' cannot be sent to the sandbox"):
        sandbox.run([Program("def f(x):\n    return x", ((object(),),), "f")])  # type: ignore[arg-type]
    assert sandbox.run([TRIVIAL])[0].status is RunStatus.OK


# Streams and back-pressure ---------------------------------------------------------------------------------


def test_executions_stream_as_they_finish_and_few_programs_are_taken_ahead(sandbox):
    taken = 0

    def programs():
        nonlocal taken
        for number in range(40):
            taken += 1
            yield Program(f"import time\ntime.sleep({0.5 if number == 0 else 0})\nprint({number})", ("",))

    ahead, order = [], []
    for index, execution in sandbox.stream(programs()):
        ahead.append(taken - len(order))
        order.append(index)
        assert execution.outputs[0].value == f"{index}\n"
    assert sorted(order) == list(range(40))
    assert order.index(0) > 5
    assert max(ahead) <= 4 * 2


def test_many_can_be_awaited(sandbox):
    async def all_of_them() -> list[Execution]:
        programs = [Program(f"print({number})", ("",)) for number in range(20)]
        return await asyncio.gather(*map(sandbox.run_async, programs))

    executions = asyncio.run(all_of_them())
    assert [execution.outputs[0].value for execution in executions] == [f"{n}\n" for n in range(20)]


# Actors that die -------------------------------------------------------------------------------------------


def test_what_an_actor_ran_when_it_died_is_run_once_more(sandbox, tmp_path):
    programs = [Program(f"print({number})", ("",)) for number in range(12)]
    programs[3] = replace(programs[3], accept=kills_its_process(tmp_path / "once", times=1))
    programs[5] = replace(programs[5], accept=kills_its_process(tmp_path / "always", times=99))
    executions = sandbox.run(programs)
    assert [execution.status.value for execution in executions] == ["ok"] * 5 + ["killed"] + ["ok"] * 6
    assert [(tmp_path / name).read_text() for name in ("once", "always")] == ["xx", "xx"]
    assert executions[5].error.startswith("a Ray actor was lost: The actor died unexpectedly")
    assert len(sandbox.run(programs[6:])) == 6


# Whose the actors are --------------------------------------------------------------------------------------


def test_a_trainer_s_own_actors_end_with_it_and_so_do_their_programs(ray, tmp_path):
    endless = Program("import time\ntime.sleep(60)", ("",))
    with RaySandbox(workers=1, limits=replace(LIMITS, seconds=60)) as own:
        [_] = own.run([replace(TRIVIAL, accept=notes_its_process(tmp_path / "pid"))])
        running = own.submit(endless)
        time.sleep(0.3)
    assert running.result().status is RunStatus.KILLED
    assert running.result().error == "the sandbox was closed"
    pid = int((tmp_path / "pid").read_text())
    assert soon(lambda: is_gone(pid))
    assert actors_of_services(ray) == []


def test_a_service_is_shared_and_stays_until_it_is_stopped(ray, tmp_path):
    slow = Program("import time\ntime.sleep(0.5)\nprint(1)", ("",))
    hurried = replace(LIMITS, seconds=0.2)
    with (
        RaySandbox(1, limits=LIMITS, name="graders") as one,
        RaySandbox(1, limits=hurried, name="graders") as two,
    ):
        pids = []
        for number, trainer in enumerate((one, two)):
            path = tmp_path / f"pid{number}"
            [_] = trainer.run([replace(TRIVIAL, accept=notes_its_process(path))])
            pids.append(int(path.read_text()))
        at_once = [trainer.submit(slow) for trainer in (one, two)]
        assert [future.result().status for future in at_once] == [RunStatus.OK, RunStatus.TIMEOUT]
    assert pids[0] == pids[1]
    assert actors_of_services(ray) == ["graders/bwrap/0"]
    with RaySandbox(1, limits=LIMITS, name="graders") as three:
        [_] = three.run([replace(TRIVIAL, accept=notes_its_process(tmp_path / "pid"))])
    assert int((tmp_path / "pid").read_text()) == pids[0]
    assert stop_service("graders") == 1
    assert soon(lambda: is_gone(pids[0]))
    assert soon(lambda: actors_of_services(ray) == [])
    assert stop_service("graders") == 0


# Errors ----------------------------------------------------------------------------------------------------


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'rlif\[ray\]'"), RaySandbox():
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "cluster", "host:x", ":1"])
def test_where_no_cluster_answers(ray, monkeypatch, address):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = address.format(port=unused.getsockname()[1])
        with pytest.raises(UserError, match=f"No Ray cluster can be used at '{address}'"):
            RaySandbox(address=address).__enter__()


def test_a_cluster_too_small(ray, monkeypatch):
    monkeypatch.setattr(cluster, "_START_S", 0.5)
    with pytest.raises(UserError, match=r"of 9 workers found a place .* it has 4, of which \d are free"):
        RaySandbox(workers=9, name="crowd").__enter__()
    assert soon(lambda: len(actors_of_services(ray)) <= 2)  # none is left waiting for a place
    stop_service("crowd")


def test_a_node_that_cannot_isolate_says_so_to_the_trainer(ray, monkeypatch):
    class Unable(cluster._SandboxActor):
        def open(self, kind: str) -> list[str]:
            isolation.shutil.which = lambda name: None
            isolation._bundled_bwrap = lambda: None
            return super().open(kind)

    monkeypatch.setattr(cluster, "_SandboxActor", Unable)
    with pytest.raises(UserError) as caught:
        RaySandbox(workers=1, name="unable").__enter__()
    assert "cannot be isolated here: bubblewrap (bwrap) is not installed" in caught.value.message
    assert caught.value.message.startswith(f"Node {socket.gethostname()}: ")
    assert "apt install bubblewrap" in caught.value.fix
    assert soon(lambda: "unable/bwrap/0" not in actors_of_services(ray))


def test_the_weaker_isolation_is_warned_of_and_leaves_no_files(ray):
    with pytest.warns(UserWarning, match="does not protect"), RaySandbox(1, "process") as weak:
        [execution] = weak.run([Program("import os\nprint(os.getcwd())", ("",))])
    assert execution.isolation == "process"
    private = Path(str(execution.outputs[0].value).strip()).parent
    assert private.name.startswith("rlif-")
    assert not private.exists()
