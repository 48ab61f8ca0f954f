"""First code of every worker process: puts up the fences, then imports PyTorch, then serves.

Three modes. `serve` is one worker. `zygote` imports everything and then forks a worker for each request, so that a
model need not wait for PyTorch. `try` attempts what a hostile model would, and reports what succeeded.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.sandbox import confine

_HIGH = 100
"""The wire's descriptors move to at least this number, out of the way of whatever a model opens and closes."""


def main(config: Mapping[str, Any]) -> None:
    """Runs a worker as `config` says (see `launch`); returns when the parent has gone."""
    if config["parent"] is not None:
        confine.die_with(config["parent"])
    if config["mode"] == "zygote":
        _zygote(config)
        return
    receive, send = _keep_only(config["receive"], config["send"])
    limits = config["limits"]
    confine.limit(limits["memory"], limits["cpu_seconds"], limits["tmp_bytes"], limits["threads"])
    layers = confine.fence(config["paths"], config["required"]["landlock"])
    if config["mode"] == "try":
        from harness.sandbox import attempts

        layers |= confine.filter_calls(required=False)
        os.write(send, json.dumps({"layers": layers, "attempts": attempts.all_of_them(config["secret"])}).encode())
        return
    from harness.sandbox import worker

    registry = worker.registry_of(config["registry"])
    layers |= confine.filter_calls(config["required"]["seccomp"])
    worker.serve(receive, send, registry, layers)


def _keep_only(receive: int, send: int) -> tuple[int, int]:
    """Moves the wire up and closes every other descriptor but stdin, stdout and stderr."""
    receive = fcntl.fcntl(receive, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    send = fcntl.fcntl(send, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.closerange(3, _HIGH)
    os.closerange(max(receive, send) + 1, 4096)
    return receive, send


def _zygote(config: Mapping[str, Any]) -> None:
    """Serves fork requests on a Unix socket: no file, truth or tensor operation ever reaches this process.

    A forked child of a process that has run one parallel operation hangs, which is why nothing is computed here.
    """
    control = socket.socket(fileno=config["control"])
    layers = confine.fence(config["paths"], config["required"]["landlock"])
    from harness.sandbox import worker

    registry = worker.registry_of(config["registry"])
    worker.import_all(registry)
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": layers}).encode())
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 3)
        except InterruptedError:
            continue
        if not message:
            return
        request = json.loads(message)
        if request["op"] == "fork":
            mother = os.getpid()
            child = os.fork()
            if child == 0:
                control.close()
                _forked(config, request["limits"], descriptors, mother, registry, layers)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(json.dumps({"pid": child}).encode())
        else:
            control.send(json.dumps(_reap(request["pid"], request["grace"])).encode())


def _forked(
    config: Mapping[str, Any],
    limits: Mapping[str, Any],
    descriptors: list[int],
    mother: int,
    registry: Any,
    layers: dict[str, Any],
) -> None:
    """The life of a forked worker; never returns."""
    from harness.sandbox import worker

    status = 1
    try:
        receive, send, log = descriptors
        os.dup2(log, 1)
        os.dup2(log, 2)
        receive, send = _keep_only(receive, send)
        confine.die_with(mother)
        confine.limit(limits["memory"], limits["cpu_seconds"], limits["tmp_bytes"], limits["threads"])
        done = layers | confine.filter_calls(config["required"]["seccomp"])
        worker.serve(receive, send, registry, done)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _reap(child: int, grace: float) -> dict[str, Any]:
    """Waits `grace` seconds for a child to end, then kills it: its wait status, and whether it was killed here."""
    end = time.monotonic() + grace
    while True:
        try:
            found, status = os.waitpid(child, os.WNOHANG)
            if found == child:
                return {"status": status, "killed": False}
            if time.monotonic() >= end:
                os.kill(child, signal.SIGKILL)
                return {"status": os.waitpid(child, 0)[1], "killed": True}
        except (ChildProcessError, ProcessLookupError):
            return {"status": 0, "killed": True}
        time.sleep(0.002)
