"""The zygote: a warm Python process that forks one child for each program (`main` is all it does).

It is started by `rlif.sandbox.worker` and serves one program at a time: a request comes in on descriptor 0 (a
socket), children are forked and supervised, answers go out. It never runs a byte of a program itself, and
what children report passes through it unread but for the frame heads.
"""

import fcntl
import gc
import mmap
import os
import site
import socket

from rlif.sandbox.inside import child, frames, lockdown, official, reports
from rlif.sandbox.inside.job import Job
from rlif.sandbox.inside.pages import private_pages

_MAX_REQUEST = 1 << 30


def main(scratch: str) -> None:
    """Serve until rlif hangs up. scratch: the one writable directory, emptied after each child."""
    connection = _take_connection()
    os.chdir(scratch)
    child.make_standard_streams()
    site.setquit()  # `exit` and `quit`, which python -S leaves out
    has_seccomp = lockdown.lock_zygote()
    frames.send(connection, {"facts": {**lockdown.facts(), "seccomp": has_seccomp}})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # numpy would start a thread a core when imported
    child.prepare()
    _freeze()
    is_official = False
    while request := frames.receive(connection, _MAX_REQUEST, private_pages):
        if "stop" in request.header:  # for a program that had just ended by itself
            continue
        if request.header["mode"] == "official" and not is_official:
            official.prepare()  # for good: rlif sends a worker programs of one mode
            _freeze()
            is_official = True
        is_clean = Job(request, connection).run()
        request.body.madvise(mmap.MADV_DONTNEED)  # no later program is to find it
        if not is_clean:
            return


def _freeze() -> None:
    """Keep collections in a child from writing to the pages that it shares."""
    gc.collect()
    gc.freeze()


def _take_connection() -> socket.socket:
    """Move the socket off descriptor 0, and put on 0 to 9 the kind of file that children will have there."""
    connection = socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 10))
    null = os.open(os.devnull, os.O_RDWR)
    stdin = os.memfd_create("stdin", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(stdin, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL)  # no child may seal it against the next
    os.dup2(stdin, 0)
    os.dup2(os.pipe()[1], 1)
    os.dup2(os.memfd_create("code"), child.CODE_FD)
    for fd in (reports.REPORT_FD, *range(child.CODE_FD + 1, 10)):
        os.dup2(null, fd)
    return connection
