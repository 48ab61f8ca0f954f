"""A Dask cluster of two worker processes gives the records of one process, also where workers die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra: pip install 'gradebench[cluster]'")

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from harness.run.executors import cluster as cluster_module
from harness.run.executors import kit
from harness.run.executors.interface import ExecutorError
from harness.run.prepare import Request, RequestError, prepare
from harness.types import Status
from tests.harness.run.executors.small_class import (
    files_beside,
    graded,
    hand_in_code,
    own_coursework,
    repeatable,
    write_class,
)

pytestmark = [
    # Dask's own, when workers come and go.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:distributed.*"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
# Stands for a host that runs out of memory while it marks.
KILLED_BY_BRIGHT = "import os; cleaned.mean() > 0.9 and os._exit(9)"


def started(**options):
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.daemon": True}
    with dask.config.set(settings):
        return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, **options)


@pytest.fixture(scope="module")
def local():
    with started() as running:
        yield running


def workers(address: str) -> list[int]:
    with Client(address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_worker_that_is_killed_midway_loses_nothing(local, tmp_path):
    write_class(tmp_path / "class", 10)
    hand_in_code(tmp_path / "class" / "code")
    expected = graded(tmp_path / "class", tmp_path / "here")
    assert {r.status for r in expected.values()} == {Status.SCORED}, [r.failure for r in expected.values()]
    victim = workers(local.scheduler_address)[0]
    seen = []

    def kill(record, known):
        seen.append(record.submission)
        if len(seen) == 4:
            os.kill(victim, signal.SIGKILL)

    found = graded(
        tmp_path / "class", tmp_path / "there", on_record=kill, executor="dask", scheduler=local.scheduler_address
    )
    assert len(seen) > 4
    assert victim not in workers(local.scheduler_address)
    assert repeatable(found) == repeatable(expected)
    assert files_beside(tmp_path / "there") == files_beside(tmp_path / "here")


def test_what_a_cluster_has_graded_is_known_to_one_process(local, tmp_path):
    write_class(tmp_path / "class", 1)
    known = []
    graded(tmp_path / "class", tmp_path / "there", executor="dask", scheduler=local.scheduler_address)
    shutil.rmtree(tmp_path / "there" / "work")
    graded(tmp_path / "class", tmp_path / "there", on_record=lambda record, old: known.append(old))
    assert set(known) == {True}


def test_an_entry_that_kills_its_hosts_is_not_gradable_and_stops_no_other(local, tmp_path):
    write_class(tmp_path / "class", 3)
    hand_in_code(tmp_path / "class" / "bright")
    bright = tmp_path / "class" / "bright" / "beside.py"
    bright.write_text("def half(images):\n    return images * 0 + 1\n", encoding="utf-8")
    folder = own_coursework(tmp_path / "own", KILLED_BY_BRIGHT)
    found = graded(tmp_path / "class", tmp_path / "there", folder, executor="dask", scheduler=local.scheduler_address)
    failure = found.pop("bright").failure
    assert (failure.kind, failure.fault) == ("host-lost", "harness"), failure
    assert {r.status for r in found.values()} == {Status.SCORED}, [r.failure for r in found.values()]


def test_hosts_with_other_versions_are_refused(local, tmp_path, monkeypatch):
    write_class(tmp_path / "class", 1)
    other = {**kit.origin(), "torch": "9.9.9"}
    monkeypatch.setattr(kit, "origin", lambda: other)
    with pytest.raises(ExecutorError, match=r"torch .* \(there 9\.9\.9\)"):
        graded(tmp_path / "class", tmp_path / "there", executor="dask", scheduler=local.scheduler_address)


def trap(path: str) -> object:
    """Return an object that makes a folder where it is unpickled."""
    return type("Sent", (), {"__reduce__": lambda self: (os.mkdir, (path,))})()


def test_a_result_that_is_no_bytes_is_not_unpickled(local, tmp_path):
    with Client(local.scheduler_address, set_as_default=False) as plain:
        plain.submit(trap, str(tmp_path / "by-a-plain-client"), pure=False).result(timeout=60)
    assert (tmp_path / "by-a-plain-client").exists()
    client = cluster_module._connected(local.scheduler_address)
    try:
        with pytest.raises(TypeError, match="only able to deserialize data with"):
            client.submit(trap, str(tmp_path / "by-ours"), pure=False).result(timeout=60)
    finally:
        client.close()
    assert not (tmp_path / "by-ours").exists()


def test_a_scheduler_that_listens_to_the_network_is_refused(tmp_path):
    with started(host="0.0.0.0") as running:
        port = running.scheduler_address.rpartition(":")[2]
        with pytest.raises(ExecutorError, match="listens to the network without TLS"):
            cluster_module._connected(f"tcp://127.0.0.1:{port}")


def test_requests_that_no_cluster_can_serve_are_refused_at_once(tmp_path):
    def request(**options):
        return Request("tsinghua-hw3", tmp_path, None, 0, **options)

    for options, said in (
        ({"executor": "dask"}, "--scheduler ADDRESS"),
        ({"executor": "dask", "scheduler": "tcp://10.0.0.5:8786"}, "neither on this machine nor under TLS"),
        ({"executor": "dask", "scheduler": "tls://10.0.0.5:8786"}, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        ({"executor": "kubernetes"}, "there are threads, pool, dask"),
    ):
        with pytest.raises(RequestError, match=said):
            prepare(request(**options))


def certificate(folder: Path) -> Path:
    """Make a key and a certificate that vouches for itself, as docs/cluster.md does."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    made = folder / "cluster.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gradebench"]
    subprocess.run([*command, "-keyout", made, "-out", folder / "cert.pem"], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + (folder / "cert.pem").read_bytes())
    return made


def test_a_cluster_under_tls_is_used_and_one_without_our_certificate_is_not_joined(tmp_path, monkeypatch):
    made = str(certificate(tmp_path))
    names = ("tls_client_cert", "tls_scheduler_cert", "tls_worker_cert")
    security = Security(require_encryption=True, tls_ca_file=made, **dict.fromkeys(names, made))
    write_class(tmp_path / "class", 2)
    expected = graded(tmp_path / "class", tmp_path / "here")
    with started(security=security, protocol="tls://") as running:
        assert running.scheduler_address.startswith("tls://")
        keys = ("ca-file", "client.cert")
        with dask.config.set({f"distributed.comm.tls.{key}": made for key in keys}):
            found = graded(tmp_path / "class", tmp_path / "there", executor="dask", scheduler=running.scheduler_address)
        assert repeatable(found) == repeatable(expected)
        (tmp_path / "other").mkdir()
        stranger = str(certificate(tmp_path / "other"))
        monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 3)
        strange = dask.config.set({f"distributed.comm.tls.{key}": stranger for key in keys})
        with strange, pytest.raises(ExecutorError, match="no scheduler could be reached"):
            cluster_module._connected(running.scheduler_address)
