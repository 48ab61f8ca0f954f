"""A model that attacks. Each method takes a tensor; those under "Probing" return 1 where the attack succeeded, else 0.

Copied into a submission it is student code; imported by `fake_architectures` it runs in a worker of the fork server.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import torch


def load(checkpoint: object) -> Hostile:
    return Hostile()


def _flag(value: bool) -> torch.Tensor:
    return torch.tensor([float(value)])


def _succeeds(act) -> torch.Tensor:
    try:
        act()
    except (OSError, MemoryError, ImportError, RuntimeError, IndexError) as error:
        print("refused:", repr(error))
        return _flag(False)
    return _flag(True)


def _wires(writable: bool) -> list[int]:
    """The descriptors of the connection to the parent, found as any student's code could find them."""
    import fcntl

    found = []
    for descriptor in range(3, 4096):
        try:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        except OSError:
            continue
        if not writable or flags & os.O_ACCMODE != os.O_RDONLY:
            found.append(descriptor)
    return found


def _send(data: bytes) -> None:
    for descriptor in _wires(writable=True):
        os.write(descriptor, data)


class Liar(torch.Tensor):
    """A tensor that answers every operation with a false value."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.full((1,), 99.0)


class Hostile:
    # Behaving.

    def echo(self, x):
        return x * 2

    # Ending or hanging.

    def leave(self, x):
        os._exit(0)

    def segfault(self, x):
        ctypes.string_at(0)

    def spin(self, x):
        while True:
            pass

    def nap(self, x):
        time.sleep(1000)

    def stop(self, x):
        signal.raise_signal(signal.SIGSTOP)
        return x

    def abort(self, x):
        os.abort()

    def exit_softly(self, x):
        sys.exit(0)

    def ignore_signals_and_nap(self, x):
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        time.sleep(1000)

    def deadlock_at_exit(self, x):
        lock = threading.Lock()
        lock.acquire()
        threading.Thread(target=lock.acquire).start()
        import atexit

        atexit.register(lock.acquire)
        return x * 2

    # Exhausting.

    def gluttony(self, x):
        np.ones(1 << 30)
        return x

    def torch_gluttony(self, x):
        torch.ones(1 << 31)
        return x

    def swarm(self, x):
        threading.stack_size(32768)
        for _ in range(200_000):
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        return _flag(True)

    def flood_log(self, x):
        line = b"x" * 99_999 + b"\n"
        for _ in range(1000):
            os.write(1, line)
        os.write(2, b"the end")
        return x * 2

    def fill_disk(self, x):
        written = 0
        try:
            with open("/tmp/full", "wb") as file:
                while written < 1 << 30:
                    written += file.write(b"x" * (1 << 20))
        except OSError:
            pass
        try:
            for index in range(64):
                with open(f"/tmp/more{index}", "wb") as file:
                    written += file.write(b"x" * (8 << 20))
        except OSError:
            pass
        for path in [*glob.glob("/tmp/full"), *glob.glob("/tmp/more*")]:
            os.truncate(path, 0)
        return torch.tensor([float(written)])

    def fill_inodes(self, x):
        for index in range(3_000_000):
            os.close(os.open(f"/tmp/inode{index}", os.O_WRONLY | os.O_CREAT))
        return _flag(True)

    # Forging.

    def forge_json(self, x):
        print(json.dumps({"status": "scored", "accuracy": 1.0, "points": 100}))
        sys.__stdout__.write('{"images": [1.0]}\n')
        return x * 2

    def forge_twice(self, x):
        _send((b"A" + struct.pack("<I", 2) + b"[]" + struct.pack("<f", 7.0)) * 2)
        return x

    def forge_ahead(self, x):
        def later():
            time.sleep(0.2)
            _send(b"A" + struct.pack("<I", 2) + b"[]" + struct.pack("<f", 7.0))

        threading.Thread(target=later).start()
        return x * 2

    def forge_tag(self, x):
        _send(b"\x00" * 64)
        time.sleep(1000)

    def forge_length(self, x):
        _send(b"E" + struct.pack("<I", 0xFFFFFFFF) + b"x" * 4096)
        time.sleep(1000)

    def forge_error(self, x):
        _send(b"E" + struct.pack("<I", 9) + b'["scored"')
        time.sleep(1000)

    def forge_verdict(self, x):
        report = {"stage": "scored", "kind": "FULL MARKS", "message": "\x1b[31mok", "detail": "", "fault": "harness"}
        text = json.dumps(report).encode()
        _send(b"E" + struct.pack("<I", len(text)) + text)
        time.sleep(1000)

    def forge_deep_notes(self, x):
        text = b"[" * 60_000
        _send(b"A" + struct.pack("<I", len(text)) + text + struct.pack("<f", 1.0))
        time.sleep(1000)

    def forge_part(self, x):
        _send(b"A" + struct.pack("<I", 2) + b"[]\x00")
        os._exit(0)

    def forge_slowly(self, x):
        for byte in b"A" + struct.pack("<I", 2) + b"[]" + struct.pack("<f", 1.0) * 1000:
            _send(bytes([byte]))
            time.sleep(0.3)

    def close_wire(self, x):
        for descriptor in _wires(writable=False):
            os.close(descriptor)
        time.sleep(1000)

    # Lying.

    def liar(self, x):
        return torch.full((1,), 0.25).as_subclass(Liar)

    def leak_mode(self, x):
        """Leaves a mode on that answers each of torch's operations of this process with a false value."""
        from torch.utils._python_dispatch import TorchDispatchMode

        class False_(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                return np.full((1,), 99.0, np.float32)

        answer = torch.full((1,), 0.25)
        False_().__enter__()
        return answer

    def not_a_number(self, x):
        return torch.tensor([float("nan")])

    def infinite(self, x):
        return np.array([np.inf], dtype=np.float32)

    def whole_numbers(self, x):
        return torch.tensor([1])

    def wide(self, x):
        return torch.zeros(2, 3)

    def words(self, x):
        return "accuracy: 1.0"

    def objects(self, x):
        return np.array([{"accuracy": 1.0}], dtype=object)

    def sparse(self, x):
        return torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.int64), torch.ones(1), (1,))

    def needs_gradient(self, x):
        return torch.full((1,), 0.5, requires_grad=True)

    def narrow(self, x):
        return torch.full((1,), 0.5, dtype=torch.bfloat16)

    def colourful_error(self, x):
        raise ValueError("\x1b[2J\x1b]0;owned\x07 all is well \u202e<script>")

    def unprintable_error(self, x):
        class Nasty(Exception):
            def __str__(self):
                raise RuntimeError("no")

        raise Nasty

    def huge_error(self, x):
        raise ValueError("x" * 50_000_000)

    def flat(self, x):
        return torch.arange(784.0).repeat(2, 1)

    # Probing.

    def fork(self, x):
        def act():
            if os.fork() == 0:
                if os.fork() == 0:
                    time.sleep(1000)
                os._exit(0)

        return _succeeds(act)

    def clone_raw(self, x):
        library = ctypes.CDLL(None, use_errno=True)
        sigchld, clone, clone3 = 17, 56, 435
        done = library.syscall(clone, sigchld, 0, 0, 0, 0)
        if done == 0:
            os._exit(0)
        also = library.syscall(clone3, ctypes.create_string_buffer(88), 88)
        return _flag(done > 0 or also > 0 or ctypes.get_errno() != errno.ENOSYS)

    def run_program(self, x):
        return _succeeds(lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True))

    def exec_python(self, x):
        return _succeeds(lambda: os.execv(sys.executable or "/usr/bin/python3", ["python"]))

    def internet(self, x):
        return _succeeds(lambda: socket.create_connection(("127.0.0.1", 22), 1))

    def datagram(self, x):
        return _succeeds(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def unix_socket(self, x):
        return _succeeds(lambda: socket.socket(socket.AF_UNIX))

    def pair(self, x):
        return _succeeds(socket.socketpair)

    def virtual_machine_socket(self, x):
        return _succeeds(lambda: socket.socket(40, socket.SOCK_STREAM))

    def accounts(self, x):
        return _succeeds(lambda: open("/etc/shadow").read())

    def parent_memory(self, x):
        paths = [f"/proc/{process}/mem" for process in (1, os.getppid(), "self")]
        return _flag(any(float(_succeeds(lambda path=path: open(path, "rb"))) for path in paths))

    def environment_of_others(self, x):
        paths = [f"/proc/{process}/environ" for process in ("self", os.getppid(), 1, 2)]
        return _flag(any(float(_succeeds(lambda path=path: open(path, "rb").read())) for path in paths))

    def signal_parent(self, x):
        return _succeeds(lambda: os.kill(os.getppid(), signal.SIGTERM))

    def signal_everyone(self, x):
        return _succeeds(lambda: os.kill(-1, signal.SIGKILL))

    def trace_parent(self, x):
        library = ctypes.CDLL(None, use_errno=True)
        return _flag(library.ptrace(16, os.getppid(), None, None) == 0 or ctypes.get_errno() != errno.EPERM)

    def limit_parent(self, x):
        import resource

        return _succeeds(lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (10, 10)))

    def raise_own_limit(self, x):
        import resource

        def act():
            try:
                resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            except ValueError as error:
                raise OSError(str(error)) from error

        return _succeeds(act)

    def memory_outside_the_limit(self, x):
        return _succeeds(lambda: os.memfd_create("more"))

    def write_outside(self, x):
        places = [
            "/",
            "/usr/lib",
            "/dev",
            "/dev/shm",
            "/etc",
            "/submission",
            "/gradebench",
            "/root",
            os.getcwd(),
            "/var",
        ]
        places += [os.path.dirname(torch.__file__), os.path.dirname(os.__file__), os.path.dirname(__file__)]
        done = [place for place in places if float(_succeeds(lambda place=place: os.mkdir(place + "/written")))]
        print("written:", done)
        return _flag(bool(done))

    def digits(self, x):
        def act():
            from sklearn.datasets import load_digits

            load_digits()

        return _succeeds(act)

    def reference_weights(self, x):
        import importlib.util

        spec = importlib.util.find_spec("fake_architectures")
        folder = (
            os.path.join(os.path.dirname(spec.origin), "weights") if spec else "/gradebench/fake_architectures/weights"
        )
        return _succeeds(lambda: open(folder + "/secret.txt").read())

    def descriptors(self, x):
        """Counts the open descriptors besides stdin, stdout, stderr and the two of the connection."""
        return torch.tensor([float(len(_wires(writable=False)) - 2)])

    def mount(self, x):
        library = ctypes.CDLL(None, use_errno=True)
        return _flag(library.unshare(0x10000000) == 0 or library.mount(b"a", b"/tmp", b"tmpfs", 0, None) == 0)

    def privileges(self, x):
        class Data(ctypes.Structure):
            _fields_ = (("values", ctypes.c_uint32 * 6),)

        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), Data()
        ctypes.CDLL(None).capget(ctypes.byref(header), ctypes.byref(data))
        return _flag(any(data.values))

    def metadata(self, x):
        """Counts the calls that reach what Landlock does not hide of a file: mode, owner, times, attributes, uses."""
        library = ctypes.CDLL(None, use_errno=True)
        here, succeeded = os.path.abspath(__file__), []
        places = [here, os.path.dirname(here), torch.__file__, "/dev/null", "/", "/usr/lib", "/etc/passwd", "/tmp"]
        for place in filter(os.path.exists, places):
            name, mode, own = place.encode(), os.stat(place).st_mode & 0o7777, os.stat(place)
            descriptor = os.open(place, os.O_PATH)
            calls = {
                "chmod": lambda: library.chmod(name, mode),  # noqa: B023
                "fchmodat": lambda: library.fchmodat(-100, name, mode, 0),  # noqa: B023
                "fchmodat2": lambda: library.syscall(452, -100, name, mode, 0),  # noqa: B023
                "fchmod": lambda: library.fchmod(descriptor, mode),  # noqa: B023
                "chown": lambda: library.chown(name, own.st_uid, own.st_gid),  # noqa: B023
                "lchown": lambda: library.lchown(name, own.st_uid, own.st_gid),  # noqa: B023
                "fchownat": lambda: library.fchownat(-100, name, own.st_uid, own.st_gid, 0),  # noqa: B023
                "utimes": lambda: library.utimes(name, None),  # noqa: B023
                "utimensat": lambda: library.utimensat(-100, name, None, 0),  # noqa: B023
                "futimens": lambda: library.futimens(descriptor, None),  # noqa: B023
                "setxattr": lambda: library.setxattr(name, b"user.a", b"b", 1, 0),  # noqa: B023
                "lsetxattr": lambda: library.lsetxattr(name, b"trusted.a", b"b", 1, 0),  # noqa: B023
                "removexattr": lambda: library.removexattr(name, b"user.a"),  # noqa: B023
                "file_setattr": lambda: library.syscall(469, -100, name, ctypes.create_string_buffer(24), 24, 0),  # noqa: B023
            }
            for call, act in calls.items():
                ctypes.set_errno(0)
                if act() == 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
                    succeeded.append((call, place, ctypes.get_errno()))
            os.close(descriptor)
        print("reached:", succeeded)
        return torch.tensor([float(len(succeeded))])

    def watch_files(self, x):
        library = ctypes.CDLL(None, use_errno=True)
        return _flag(library.inotify_init() >= 0 or library.inotify_init1(0) >= 0 or library.fanotify_init(0, 0) >= 0)

    def outlive_parent(self, x):
        library = ctypes.CDLL(None, use_errno=True)
        raw = library.syscall(157 if os.uname().machine == "x86_64" else 167, (1 << 32) + 1, 0, 0, 0, 0)
        return _flag(library.prctl(1, 0, 0, 0, 0) == 0 or raw == 0)

    def import_gradebench(self, x):
        """Counts the modules of gradebench that student code can import, and their files that it can open."""
        import importlib

        modules = [
            "reference.cvae",
            "reference.architecture",
            "classifiers.judge",
            "submissions.examples",
            "reports.site",
        ]
        modules += [f"harness.{name}" for name in ("tasks", "metrics", "evidence", "mnist", "run", "cli", "records")]
        found = [name for name in modules if float(_succeeds(lambda name=name: importlib.import_module(name)))]
        import harness

        beside = os.path.dirname(os.path.dirname(harness.__file__))
        for place in dict.fromkeys([beside, *sys.path, *(os.path.dirname(path) for path in sys.path)]):
            files = ["reference/__init__.py", "classifiers/__init__.py", "harness/rubric.py", "harness/tasks/base.py"]
            files += ["harness/assignments/__init__.py", "reference/weights/w", "classifiers/weights/w"]
            for file in files:
                path = os.path.join(place, file)
                if float(_succeeds(lambda path=path: open(path).close())):
                    found.append(path)
        print("found:", found)
        return torch.tensor([float(len(found))])

    def walk_frames(self, x):
        """Counts what looks like labels in the frames of all threads and among all objects that Python tracks."""
        import gc

        held = list(gc.get_objects())
        for frame in sys._current_frames().values():
            while frame is not None:
                held += [*frame.f_locals.values(), *frame.f_globals.values()]
                frame = frame.f_back
        held += [value for one in held if type(one) in (dict, list, tuple) for value in gc.get_referents(one)]
        found = []
        for one in held:
            if type(one) is torch.Tensor and one.layout is torch.strided and not one.is_floating_point():
                one = one.detach().numpy()
            if type(one) is np.ndarray and one.dtype.kind in "iu" and one.size >= 100:
                found.append(sorted(set(one.ravel()[:1000].tolist())))
        found = [values for values in found if values and min(values) >= 0 and max(values) <= 9]
        print("found:", len(found))
        return torch.tensor([float(len(found))])

    # Leaving something for another worker of the same entry.

    def leave_traces(self, x):
        """Writes, links, names, makes shared memory, and reads files, whose times of access another may look at."""
        import multiprocessing.shared_memory
        import tempfile

        here = os.path.dirname(os.path.abspath(__file__))
        places = [here, os.path.join(here, "data"), "/tmp", "/dev/shm", "/var/tmp", "/run", "/", tempfile.gettempdir()]
        for place in places:
            for act in (
                lambda place=place: open(os.path.join(place, "trace"), "w").close(),
                lambda place=place: os.mkdir(os.path.join(place, "trace-folder")),
                lambda place=place: os.symlink("bit", os.path.join(place, "trace-link")),
                lambda place=place: os.mkfifo(os.path.join(place, "trace-pipe")),
                lambda place=place: os.rename(os.path.join(place, "bit0"), os.path.join(place, "trace-name")),
            ):
                _succeeds(act)
        for number in range(8):
            file = os.path.join(here, "data", f"bit{number}")
            _succeeds(lambda file=file: os.write(os.open(file, os.O_WRONLY), b"1"))
            _succeeds(lambda file=file: os.truncate(file, 0))
            if number % 2:
                pathlib.Path(file).read_bytes()
        os.listdir(os.path.join(here, "data"))
        _succeeds(lambda: multiprocessing.shared_memory.SharedMemory("trace", create=True, size=8))
        library = ctypes.CDLL(None, use_errno=True)
        library.shmget(77, 4096, 0o1666)
        library.msgget(77, 0o1666)
        library.semget(77, 1, 0o1666)
        return x

    def find_traces(self, x):
        """Counts what a worker before this one, or beside it, has left."""
        import multiprocessing.shared_memory
        import tempfile

        here = os.path.dirname(os.path.abspath(__file__))
        found = []
        places = [here, os.path.join(here, "data"), "/tmp", "/dev/shm", "/var/tmp", "/run", "/", tempfile.gettempdir()]
        for place in places:
            names = ("trace", "trace-folder", "trace-link", "trace-pipe", "trace-name")
            found += [path for name in names if os.path.lexists(path := os.path.join(place, name))]
        files = [os.path.join(here, "data", f"bit{number}") for number in range(8)]
        # Those of odd numbers were read, the others were not.
        for clock in ("st_atime_ns", "st_mtime_ns"):
            found += [clock] * (len({getattr(os.stat(file), clock) for file in files}) - 1)
        found += [file for file in files if pathlib.Path(file).read_bytes() != b"0"]
        if float(_succeeds(lambda: multiprocessing.shared_memory.SharedMemory("trace"))):
            found.append("shared memory")
        library = ctypes.CDLL(None, use_errno=True)
        found += [call for call in ("shmget", "msgget") if getattr(library, call)(77, 0, 0o666) >= 0]
        if library.semget(77, 1, 0o666) >= 0:
            found.append("semget")
        print("found:", found)
        return torch.tensor([float(len(found))])
