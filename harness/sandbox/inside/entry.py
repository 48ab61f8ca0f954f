"""Starts every worker process: confines it, then imports PyTorch, then answers requests.

There are three modes. "serve" is one worker. "fork-server" imports everything and then forks a worker for each request,
so that no worker waits for PyTorch to be imported. "probe" attempts what a hostile model would, and reports what
succeeded.
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

from harness.sandbox.inside import confinement

_HIGH = 100
"""Lowest number that the protocol's descriptors are moved to, away from those that a model opens and closes."""


def main(config: Mapping[str, Any]) -> None:
    """Runs the process as `config` says (see `outside.process.Process`); returns when the parent is gone."""
    if config["parent"] is not None:
        confinement.die_with_parent(config["parent"])
    if config["mode"] == "fork-server":
        _serve_forks(config)
        return
    receive, send = _keep_only(config["receive"], config["send"])
    _limit(config["limits"])
    layers = confinement.restrict_files(config["paths"], config["required"]["landlock"])
    if config["mode"] == "probe":
        from harness.sandbox.inside import attempts

        layers |= confinement.filter_system_calls(required=False)
        os.write(send, json.dumps({"layers": layers, "attempts": attempts.run_all(config["secret"])}).encode())
        return
    from harness.sandbox.inside import serve

    registry = serve.architectures(config["registries"])
    layers |= confinement.filter_system_calls(config["required"]["seccomp"])
    serve.serve(receive, send, registry, layers)


def _limit(limits: Mapping[str, Any]) -> None:
    confinement.limit_resources(limits["memory"], limits["cpu_seconds"], limits["tmp_bytes"], limits["threads"])


def _keep_only(receive: int, send: int) -> tuple[int, int]:
    """Moves the protocol's descriptors to `_HIGH` and closes all others but stdin, stdout and stderr."""
    receive = fcntl.fcntl(receive, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    send = fcntl.fcntl(send, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.closerange(3, _HIGH)
    os.closerange(max(receive, send) + 1, 4096)
    return receive, send


def _serve_forks(config: Mapping[str, Any]) -> None:
    """Forks a worker for each request on a Unix socket. This process never gets a file or a question.

    Nothing is computed here, because a fork of a process that has run one parallel tensor operation hangs.
    """
    control = socket.socket(fileno=config["control"])
    layers = confinement.restrict_files(config["paths"], config["required"]["landlock"])
    # What is imported stays, so nothing of it is looked at again, neither now nor by a fork.
    gc.disable()
    from harness.sandbox.inside import serve

    registry = serve.architectures(config["registries"])
    serve.import_readers()
    gc.freeze()
    gc.enable()
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
            server = os.getpid()
            child = os.fork()
            if child == 0:
                control.close()
                _run_fork(config, request["limits"], descriptors, server, registry, layers)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(json.dumps({"pid": child}).encode())
        else:
            control.send(json.dumps(_reap(request["pid"], request["grace"])).encode())


def _run_fork(
    config: Mapping[str, Any],
    limits: Mapping[str, Any],
    descriptors: list[int],
    server: int,
    registry: Any,
    layers: dict[str, Any],
) -> None:
    """Confines this fork of the process `server`, and serves its requests; never returns."""
    from harness.sandbox.inside import serve

    status = 1
    try:
        receive, send, log = descriptors
        os.dup2(log, 1)
        os.dup2(log, 2)
        receive, send = _keep_only(receive, send)
        confinement.die_with_parent(server)
        _limit(limits)
        done = layers | confinement.filter_system_calls(config["required"]["seccomp"])
        serve.serve(receive, send, registry, done)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _reap(child: int, grace: float) -> dict[str, Any]:
    """Waits `grace` seconds for a fork to end, then kills it; its wait status, and whether it was killed here."""
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
