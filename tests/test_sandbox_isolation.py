"""How isolation is chosen, checked and refused; what the weaker kind still does."""

import time
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.sandbox import Limits, Program, RunStatus, Sandbox, probe
from rlif.sandbox import isolation as isolation_module
from rlif.sandbox.isolation import Isolation, find_bwrap, start_command

REMEDIES = ("pip install 'rlif[bwrap]'", "unprivileged_userns", 'isolation = "process"')


def fake_bwrap(directory: Path, version: str, otherwise: str = "exit 1") -> None:
    script = directory / "bwrap"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap {version}" && exit\n{otherwise}\n'
    )
    script.chmod(0o755)


def test_process_isolation_works_and_says_what_it_is():
    with (
        pytest.warns(UserWarning, match="does not protect"),
        Sandbox(workers=1, isolation="process") as sandbox,
    ):
        executions = sandbox.run(
            [
                Program("def f(x):\n    return x + 1", ((1,),), "f"),
                Program("import os\nopen('mark', 'w')\nprint(os.listdir('.'), input())", ("a", "b")),
            ]
        )
    assert [execution.isolation for execution in executions] == ["process"] * 2
    assert [output.value for output in executions[0].outputs] == [2]
    assert [output.value for output in executions[1].outputs] == ["['mark'] a\n", "['mark'] b\n"]


@pytest.mark.filterwarnings("ignore:Isolation")
def test_what_a_program_leaves_behind_cannot_fork_its_way_out():
    """It races with the killing, and holds standard output open: whoever waits for that would wait for it."""
    code = """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        time.sleep(5)
    os._exit(0)
print("done")
"""
    with Sandbox(workers=1, isolation="process", limits=Limits(seconds=10)) as sandbox:
        sandbox.run([Program("print(1)", ("",))])
        started = time.monotonic()
        executions = sandbox.run([Program(code, ("",))] * 40)
    assert [output.value for e in executions for output in e.outputs] == ["done\n"] * 40
    assert time.monotonic() - started < 5  # two in ten escaped once, each for as long as it slept


@pytest.mark.filterwarnings("ignore:Isolation")
def test_process_isolation_still_kills_and_limits(tmp_path):
    alive = tmp_path / "alive"
    daemon = f"""
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        time.sleep(2)
        open({str(alive)!r}, "w")
    os._exit(0)
print("done")
"""
    started = time.monotonic()
    with Sandbox(workers=1, isolation="process", limits=Limits(seconds=1, memory_mb=128)) as sandbox:
        executions = sandbox.run([Program(daemon, ("",)), Program("while True: pass", ("",))])
        executions += sandbox.run([Program("x = bytearray(10**9)", ("",)), Program("print(1)", ("",))])
    assert [e.status.value for e in executions] == ["ok", "timeout", "memory_limit", "ok"]
    time.sleep(max(0.0, started + 4 - time.monotonic()))
    assert not alive.exists()


@pytest.mark.filterwarnings("ignore:Isolation")
def test_process_isolation_survives_the_death_of_its_worker():
    with Sandbox(workers=1, isolation="process") as sandbox:
        programs = [Program("import os\nos.kill(os.getppid(), 9)", ("",)), Program("print(1)", ("",))]
        killed, following = sandbox.run(programs)
    assert killed.status is RunStatus.KILLED
    assert following.outputs[0].value == "1\n"


def test_the_probe_tells_the_kinds_apart():
    assert all(probe("bwrap").values())
    facts = probe("process")
    assert facts["no_new_privileges"]
    assert not facts["pid_namespace"]
    assert not facts["files_hidden"]


def test_a_system_bwrap_is_preferred_unless_it_is_too_old(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    bundled = Path("/somewhere/bwrap")
    monkeypatch.setattr(isolation_module, "_bundled_bwrap", lambda: None)
    with pytest.raises(UserError, match=r"bwrap.* is not installed"):
        find_bwrap()
    fake_bwrap(tmp_path, "0.6.1")
    with pytest.raises(UserError, match=r"is version 0\.6\.1"):
        find_bwrap()
    fake_bwrap(tmp_path, "0.11.0")
    monkeypatch.setattr(isolation_module, "_bundled_bwrap", lambda: str(bundled))
    assert find_bwrap() == tmp_path / "bwrap"


def test_a_kernel_that_forbids_namespaces_gives_the_remedies(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_bwrap(tmp_path, "0.11.0", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    start = time.monotonic()
    with pytest.raises(UserError) as refused, Sandbox(workers=2):
        pass
    assert time.monotonic() - start < 5
    assert refused.value.message.endswith("bwrap: No permissions to create new namespace")
    assert all(remedy in refused.value.fix for remedy in REMEDIES)


def test_a_bwrap_that_does_not_isolate_is_refused(monkeypatch, tmp_path):
    def unprotected(_isolation: Isolation, _private: Path | None) -> list[str]:
        return start_command(Isolation.PROCESS, tmp_path)

    monkeypatch.setattr("rlif.sandbox.worker.start_command", unprotected)
    with pytest.raises(UserError, match="protections are missing: pid_namespace"):
        probe("bwrap")
