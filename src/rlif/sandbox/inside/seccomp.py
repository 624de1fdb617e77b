"""A seccomp filter: system calls that no program needs and that lead out of the sandbox or outlive a program.

The namespaces are the wall; this is the second one. It denies what reaches other processes' memory, mounts
and namespaces, kernel facilities with a history of escapes, objects that survive their maker (System V IPC,
message queues, keys), and every socket family but AF_UNIX (a network namespace does not confine AF_VSOCK).
"""

import ctypes
import errno
import platform
import struct

_NUMBERS: dict[str, tuple[int, int]] = {  # name: (x86_64, aarch64); -1 where there is none
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "setns": (308, 268), "unshare": (272, 97),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "syslog": (103, 116), "personality": (135, 92),
    "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
}  # fmt: skip
_IGNORED: dict[str, tuple[int, int]] = {
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, -1), "fchown": (93, 55), "lchown": (94, -1), "fchownat": (260, 54),
    "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
"""Calls that seem to succeed and do nothing. A program run as root owns the host's device files, which bwrap
binds into /dev, and what it does to the modes of its own standard input would meet the next program."""
_CLONE, _CLONE3, _SOCKET, _PRLIMIT = (56, 220), (435, 435), (41, 198), (302, 261)
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_AF_UNIX = 1
_X32_BIT = 0x40000000
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENT = (
    0,
    4,
    16,
)  # offsets in struct seccomp_data; low half of the first argument
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


def install(libc: ctypes.CDLL) -> bool:
    """Filter this process and its children from now on; False where machine or kernel does not support it.

    PR_SET_NO_NEW_PRIVS must be set.
    """
    if platform.machine() not in _MACHINES:
        return False
    code = program(platform.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))  # struct sock_fprog
    return libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0


def program(machine: str) -> bytes:
    """Return the BPF instructions for a machine as `platform.machine()` names it."""
    column, arch = _MACHINES[machine]
    deny = _instruction(_RETURN, _ERRNO | errno.EPERM)
    lines = [
        _instruction(_LOAD, _AT_ARCH),
        _instruction(_JUMP_EQ, arch, yes=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _AT_NUMBER),
    ]
    if machine == "x86_64":  # the x32 calls would be a way around the numbers below
        lines += [_instruction(_JUMP_GE, _X32_BIT, no=1), deny]
    for numbers in _NUMBERS.values():
        if numbers[column] >= 0:
            lines += [_instruction(_JUMP_EQ, numbers[column], no=1), deny]
    for numbers in _IGNORED.values():
        if numbers[column] >= 0:
            lines += [_instruction(_JUMP_EQ, numbers[column], no=1), _instruction(_RETURN, _ERRNO)]
    # clone3 hides its flags behind a pointer; told that there is no such call, libc falls back on clone.
    lines += [_instruction(_JUMP_EQ, _CLONE3[column], no=1), _instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    # Whoever has the same uid may set another process's limits, pid 1's included; here only its own.
    lines += [
        _instruction(_JUMP_EQ, _PRLIMIT[column], no=4),
        _instruction(_LOAD, _AT_ARGUMENT),
        _instruction(_JUMP_EQ, 0, no=1),
        _instruction(_RETURN, _ALLOW),
        deny,
    ]
    lines += [
        _instruction(_JUMP_EQ, _CLONE[column], no=3),
        _instruction(_LOAD, _AT_ARGUMENT),
        _instruction(_JUMP_ANY_BIT, _NEW_NAMESPACES, no=4),
        deny,
        _instruction(_JUMP_EQ, _SOCKET[column], no=2),
        _instruction(_LOAD, _AT_ARGUMENT),
        _instruction(_JUMP_EQ, _AF_UNIX, no=1),
        _instruction(_RETURN, _ALLOW),
        deny,
    ]
    return b"".join(lines)


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)  # struct sock_filter
