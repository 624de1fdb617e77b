"""Small hostile programs for the soak: each wants to outlive, stall, flood, forge or litter; none solves.

`TOKEN` in a code is replaced by a word that the soak later looks for in the names of the host's files.
"""

HOSTILE = {
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "thread bomb": """
import threading, time
while True:
    try:
        threading.Thread(target=time.sleep, args=(1000,)).start()
    except RuntimeError:
        pass
""",
    "memory flood": """
held = []
while True:
    held.append(b"x" * (1 << 24))
""",
    "memory flood in children": """
import os
for _ in range(8):
    if os.fork() == 0:
        held = []
        while True:
            held.append(b"x" * (1 << 22))
for _ in range(8):
    os.wait()
""",
    "file flood": """
import os
for number in range(100000):
    with open(f"/tmp/TOKEN-{number}", "wb") as file:
        file.write(b"x" * (1 << 20))
""",
    "file litter": """
import os
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), "/"):
    for number in range(50):
        try:
            open(f"{folder}/TOKEN-{number}", "w").close()
            os.makedirs(f"{folder}/TOKEN-{number}-d/a/b")
        except OSError:
            pass
""",
    "folders that forbid their removal": """
import os
os.makedirs("TOKEN/a/b")
os.symlink("/", "TOKEN/root")
os.mkfifo("TOKEN/fifo")
for path in ("TOKEN/a/b", "TOKEN/a", "TOKEN", "."):
    os.chmod(path, 0)
""",
    "deep folders": """
import os
for _ in range(2000):
    os.mkdir("TOKEN" * 10)
    os.chdir("TOKEN" * 10)
""",
    "daemon": """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    if os.fork() == 0:
        while True:
            time.sleep(1000)
""",
    "daemon that holds the pipes": """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
os._exit(0)
""",
    "output flood": """
while True:
    print("x" * 65536)
""",
    "output flood on every descriptor": """
import os
while True:
    for number in range(10):
        try:
            os.set_blocking(number, False)
            os.write(number, b"x" * 65536)
        except OSError:
            pass
""",
    "endless loop": """
while True:
    pass
""",
    "endless sleep, signals ignored": """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1000)
""",
    "forged frames": """
import os, struct
for _ in range(100):
    os.write(3, struct.pack(">BI", 0, 4) + b"true")
os._exit(0)
""",
    "forged frame of a gigabyte": """
import os, struct
os.write(3, struct.pack(">BI", 0, 1 << 30) + b"1")
os._exit(0)
""",
    "half a frame": """
import os
os.write(3, bytes(3))
os._exit(0)
""",
    "early exit": "import os\nos._exit(0)",
    "kill everybody": """
import os, signal
for target in (-1, 0, 1, os.getppid()):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(target, number)
        except OSError:
            pass
""",
    "stop oneself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "segmentation fault": "import ctypes\nctypes.string_at(0)",
    "endless recursion": "def again():\n    return again()\nagain()",
    "all descriptors": """
import os
while True:
    os.dup(0)
""",
    "stuck in its own error": """
class Stuck(Exception):
    def __str__(self):
        while True:
            pass
raise Stuck
""",
    "compiler bomb": "x = " + "(" * 5000 + ")" * 5000,
    "constant bomb": "x = " + "((1 << 60000) ** 400)",
    "exit handlers without end": """
import atexit, time
@atexit.register
def stay():
    while True:
        time.sleep(1000)
""",
}
"""Name -> code of a script."""
