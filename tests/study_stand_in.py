"""A stand-in for `rlif train` in tests of studies: writes records as training does, and behaves as its arm's
name says. Its numbers follow from the run's seed alone, and it goes on from the step it was at.

    python study_stand_in.py RUN_DIRECTORY
"""

import fcntl
import os
import signal
import sys
import time

from rlif.records import EvalRecord, RunDir, RunState, StepRecord

run = RunDir(sys.argv[1])
config = run.config()
behaviour = config["name"].partition("-")[0]
seed, total = config["seed"], sum(stage["steps"] for stage in config["stages"])
PATIENCE_S = 60


def mended():
    return bool(os.environ.get("MENDED")) or (run.path / "mended").exists()


pause = 0.3 if behaviour.startswith("slow") else float(os.environ.get("STAND_IN_PAUSE", "0"))

if behaviour == "refuses":
    print("rlif: There is no model 'tiny'.")
    sys.exit(2)
lock = (run.path / ".lock").open("w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("rlif: Another process is training here.")
    sys.exit(2)

done = [record.step for record in run.steps()]
step = done[-1] if done else 0
run.truncate_after(step)


def say(state, error=""):
    run.write_status(
        RunState(state=state, step=step, total_steps=total, stage="s", error=error, pid=os.getpid())
    )


def wait():
    end = time.monotonic() + PATIENCE_S
    while not mended() and time.monotonic() < end:
        time.sleep(0.01)


def stop(*_):
    say("interrupted")
    sys.exit(1)


def evaluate():
    if any(record.step == step for record in run.evals()):
        return
    correct = {f"p{i}": (seed + step + i) % 3 for i in range(4)}
    for mode, samples in (("sampled", 2), ("greedy", 1)):
        right = {name: min(count, samples) for name, count in correct.items()}
        score = sum(right.values()) / (samples * len(right))
        run.append_eval(
            EvalRecord(
                step=step,
                stage="s",
                mode=mode,
                samples=samples,
                temperature=1,
                max_tokens=8,
                problems=len(right),
                pass_at_1=score,
                correct=right,
            )
        )


signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else stop)
say("running")
if behaviour == "fails" and not mended():
    say("failed", "ValueError: out of luck")
    sys.exit(1)
if behaviour in ("hangs", "stubborn"):
    wait()
if step == 0:
    evaluate()
while step < total:
    if behaviour.startswith("halfway") and step == total // 2:
        wait()
    time.sleep(pause)
    step += 1
    evaluate()
    run.append_step(StepRecord(step=step, stage="s", reward=seed + step, entropy=1 / step))
    say("running")
say("complete")
