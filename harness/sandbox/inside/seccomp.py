"""A seccomp filter in classic BPF that refuses the system calls a model has no use for.

It is written by hand because libseccomp is not installed everywhere and the filter is short: check the architecture,
then compare the call's number with a deny list. Refused calls return EPERM, so that Python raises an ordinary
PermissionError that can be shown to the student; `clone3` returns ENOSYS, so that the C library falls back to
`clone`, whose flags a filter can see. References: seccomp(2), linux/seccomp.h, linux/filter.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_LD_WORD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_OFFSET_NUMBER = 0
_OFFSET_ARCHITECTURE = 4
_OFFSET_FIRST_ARGUMENT = 16
"""Offset of the low half of the first argument on a little-endian machine, which both architectures are."""

_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000
_CLONE3 = 435

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CLONE = {"x86_64": 56, "aarch64": 220}
_PRCTL = {"x86_64": 157, "aarch64": 167}
_SET_DEATH_SIGNAL = 1
_TGKILL = {"x86_64": 234, "aarch64": 131}
_PRLIMIT64 = {"x86_64": 302, "aarch64": 261}

# System calls from 424 on have the same number on every architecture.
_DENIED_EVERYWHERE = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}

# Name: numbers on (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # Network. A network namespace does not confine AF_VSOCK, so no socket of any kind.
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    "recvmmsg": (299, 243),
    "sendmmsg": (307, 269),
    # Processes. RLIMIT_NPROC does not bind root.
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "personality": (135, 92),
    # Files by their paths. Landlock hides what is in a file, not its mode, owner, times and attributes, nor that it is
    # opened or changed; and root's /dev/null is the machine's, in whatever namespace.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "inotify_rm_watch": (255, 28),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    # Memory and objects that outlive the process or escape RLIMIT_AS.
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # Kernel surface that a model never needs.
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
}


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def program(machine: str, own_pid: int) -> bytes:
    """The filter as BPF machine code for `machine`, "x86_64" or "aarch64"; KeyError for another one.

    Signals to the worker's own process (`tgkill`, which abort() needs) and its own limits (`prlimit64`) stay allowed:
    `own_pid` is its process id as it sees it itself. So does `prctl`, but for the signal on the parent's death: without
    it a worker would outlive a harness that is killed.
    """
    refuse = _instruction(_RETURN, _ERRNO | errno.EPERM)
    allow = _instruction(_RETURN, _ALLOW)
    load_argument = _instruction(_LD_WORD, _OFFSET_FIRST_ARGUMENT)
    code = [
        _instruction(_LD_WORD, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LD_WORD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        code += [_instruction(_JUMP_AT_LEAST, _X32_BIT, 0, 1), refuse]
    code += [_instruction(_JUMP_EQUAL, _CLONE3, 0, 1), _instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    code += [
        _instruction(_JUMP_EQUAL, _CLONE[machine], 0, 4),
        load_argument,
        _instruction(_JUMP_ANY_BIT, _CLONE_THREAD, 0, 1),
        allow,
        refuse,
    ]
    code += [
        _instruction(_JUMP_EQUAL, _TGKILL[machine], 0, 4),
        load_argument,
        _instruction(_JUMP_EQUAL, own_pid, 0, 1),
        allow,
        refuse,
    ]
    code += [
        _instruction(_JUMP_EQUAL, _PRLIMIT64[machine], 0, 5),
        load_argument,
        _instruction(_JUMP_EQUAL, 0, 1, 0),
        _instruction(_JUMP_EQUAL, own_pid, 0, 1),
        allow,
        refuse,
    ]
    code += [
        _instruction(_JUMP_EQUAL, _PRCTL[machine], 0, 4),
        load_argument,
        _instruction(_JUMP_EQUAL, _SET_DEATH_SIGNAL, 0, 1),
        refuse,
        allow,
    ]
    column = 0 if machine == "x86_64" else 1
    numbers = [pair[column] for pair in _DENIED.values()]
    for number in [*numbers, *_DENIED_EVERYWHERE.values()]:
        if number is not None:
            code += [_instruction(_JUMP_EQUAL, number, 0, 1), refuse]
    code.append(allow)
    return b"".join(code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine() -> None:
    """Installs the filter for every thread of this process; it can't be removed again.

    OSError where the kernel has no seccomp, KeyError on an architecture that this module has no table for.
    """
    machine = platform.machine()
    code = program(machine, os.getpid())
    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(code, len(code))
    holder = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    set_mode_filter, all_threads = 1, 1
    if library.syscall(_SECCOMP[machine], set_mode_filter, all_threads, ctypes.byref(holder)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
