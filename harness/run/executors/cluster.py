"""Executes plans on the hosts of a Dask cluster: https://distributed.dask.org.

Dask itself speaks in pickles, between hosts that trust each other, and trust is what it needs here: whoever reaches the
scheduler can run code on every host, so it is refused unless it is on this machine alone or under TLS (`addresses`).
The hosts are the instructor's: they get the truth, and mark.

A submission is not trusted, on whatever host, and nothing that came of it is unpickled. Host and parent exchange bytes
(`parcels`), which Dask passes on as they are; the client is told to read results in no other form, so that even a host
that returned an object would be refused. Sandboxed workers have no network, and see neither scheduler nor certificates.

Dask gives the entries of a host that dies to others, and gives an entry up after `distributed.scheduler.
allowed-failures` more hosts; it is then sent once more, alone, so that no entry is blamed for a neighbour's deed. An
entry that is lost then, too, is not gradable, and the run goes on.
"""

from __future__ import annotations

import importlib.util
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.run.executors import addresses, cluster_host
from harness.run.executors import kit as kits
from harness.run.executors.gate import Company, Places
from harness.run.executors.interface import Examiner, Executor, ExecutorError
from harness.run.executors.remote import Carrier, Elsewhere, HostLostError
from harness.run.executors.threads import in_threads
from harness.run.plan import Plan
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.sandbox.outside.process import Level
from harness.types import broken

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")

MOST = 256
"""Submissions under way at a time, at most."""
_AHEAD = 2
"""Submissions under way for each thread of the cluster: one at work, and one that waits there."""
_CONNECT_SECONDS = 20
_JOIN_SECONDS = 300
_COUNT_SECONDS = 2.0
"""Seconds between two counts of the cluster's threads."""
_FORMS = ["dask", "msgpack"]
"""Dask's names of the forms in which results are read; "pickle" is the one left out."""


class Cluster(Executor):
    """Grades as many submissions at a time as the cluster that `run.scheduler` names has room for."""

    def __init__(self, run: Run, questions: Questions, warm: Sequence[WeightsWorkers] = ()) -> None:
        kit = kits.packed(run)
        self._questions = questions
        self._client = _connected(run.scheduler)
        try:
            self._carrier = _Dask(self._client, kit)
            level = self._carrier.prepare()
        except BaseException:
            self._client.close()
            raise
        self.isolation = run.isolation if level == run.isolation.level else replace(run.isolation, level=level)
        self._run = replace(run, isolation=self.isolation)
        self._company = Company()

    @staticmethod
    def problem(run: Run) -> str:
        if importlib.util.find_spec("distributed") is None:
            return "--executor dask needs Dask: pip install 'gradebench[cluster]', here and on every host"
        return addresses.problem(run.scheduler) or _without_certificates(run.scheduler)

    def each(self, work: Callable[[Plan, Examiner], Result], plans: Sequence[Plan]) -> Iterator[Result]:
        places = Places(lambda: _AHEAD * self._carrier.threads())

        def placed(plan: Plan, examiner: Examiner) -> Result:
            with places.taken():
                return work(plan, examiner)

        return in_threads(placed, plans, min(MOST, len(plans)), self._examiner, self._carrier.close)

    def close(self) -> None:
        self._carrier.close()
        self._client.close()

    def _examiner(self) -> Examiner:
        return Elsewhere(self._run, self._questions, self._carrier, self._company)


class _Dask(Carrier):
    """Carries parcels as tasks of a Dask client."""

    # Dask has tried several hosts already when it gives a task up.
    tries = 1

    def __init__(self, client: Client, kit: bytes) -> None:
        self._client = client
        self._name = f"gradebench-{uuid.uuid4().hex}"
        self._expected = json.dumps(dict(kits.origin()))
        # A task and not scattered data: it is there again where all hosts that held it have died.
        self._kit = client.submit(bytes, kit, key=f"{self._name}-kit", pure=False)
        self._lock = threading.Lock()
        self._threads, self._counted = 0, -_COUNT_SECONDS
        self._refusing: set[str] = set()
        self._closed = False

    def prepare(self) -> Level:
        """Send the kit to all hosts of now; the isolation level of most of them. ExecutorError for an unsuited one."""
        futures = [
            self._client.submit(cluster_host.described, self._kit, self._expected, workers=[one], pure=False)
            for one in self._client.nthreads()
        ]
        try:
            found = [json.loads(future.result()) for future in futures]
        except Exception as error:
            raise ExecutorError(
                f"A host of the cluster can't be prepared ({type(error).__name__}: {error}). Is gradebench installed "
                "there, with the same versions of all packages?"
            ) from error
        if problem := next((one["problem"] for one in found if one["problem"]), ""):
            raise ExecutorError(problem)
        level = Counter(one["level"] for one in found).most_common(1)[0][0]
        return cast("Level", level)

    def threads(self) -> int:
        """Return the number of threads of the cluster, as it was a moment ago."""
        with self._lock:
            if time.monotonic() - self._counted > _COUNT_SECONDS:
                with suppress(OSError, ValueError):
                    self._threads = sum(self._client.nthreads().values())
                self._counted = time.monotonic()
            return self._threads

    def carried(self, parcel: bytes) -> bytes:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        if self._closed:
            raise broken("worker", "closed", "The run has ended.")
        try:
            future = self._client.submit(
                cluster_host.work, self._kit, self._expected, self._name, parcel, pure=False, **self._others()
            )
            reply: bytes = future.result()
        except KilledWorker as error:
            raise HostLostError(str(error)) from error
        except FutureCancelledError as error:
            raise broken("worker", "cluster-lost", f"The cluster gave this entry up: {error}. Run again.") from error
        except OSError as error:
            raise broken("worker", "cluster-lost", f"The scheduler was lost: {error}. Run again.") from error
        if reply[:1] == cluster_host.ANSWERED:
            return reply[1:]
        raise HostLostError(self._refused(reply[1:].decode()))

    def close(self) -> None:
        """Ends what waits for a host, and closes the run's hosts."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with suppress(Exception):
            self._client.run(cluster_host.forget, self._name)

    def _others(self) -> dict[str, Any]:
        """Options that prefer hosts which have not refused."""
        if not self._refusing:
            return {}
        return {
            "workers": [one for one in self._client.nthreads() if one not in self._refusing],
            "allow_other_workers": True,
        }

    def _refused(self, sentence: str) -> str:
        self._refusing |= {one for one in self._client.nthreads() if one in sentence}
        return sentence


def _connected(address: str) -> Client:
    """A client of the scheduler at an address, with at least one host. ExecutorError where it can't be used."""
    import dask
    from distributed import Client
    from distributed.security import Security

    secure = address.startswith(f"{addresses.SECURE}://")
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})
    try:
        client = Client(
            address,
            security=Security(require_encryption=True) if secure else None,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            deserializers=_FORMS,
        )
    except (OSError, ValueError, TypeError) as error:
        raise ExecutorError(f"--scheduler {address}: no scheduler could be reached there: {error}") from error
    try:
        client.wait_for_workers(1, timeout=_JOIN_SECONDS)
        info = client.scheduler_info()
        if found := addresses.exposed([info["address"], *info["workers"]]):
            raise ExecutorError(
                f"--scheduler {address}: {found} listens to the network without TLS, where anybody could run code. "
                "Start scheduler and workers with --host 127.0.0.1, or with TLS (docs/cluster.md)."
            )
    except TimeoutError as error:
        client.close()
        raise ExecutorError(
            f"--scheduler {address}: no worker has joined within {_JOIN_SECONDS} s; start some, such as "
            f"`dask worker {address} --nthreads 1`"
        ) from error
    except BaseException:
        client.close()
        raise
    return client


def _without_certificates(address: str) -> str:
    """A sentence on what is to be set for TLS; empty if nothing is."""
    import dask
    import distributed  # noqa: F401  (its import sets the defaults that are asked for)

    if not address.startswith(f"{addresses.SECURE}://"):
        return ""
    wanted = ("tls.ca-file", "tls.client.cert")
    missing = [name for name in wanted if not dask.config.get(f"distributed.comm.{name}")]
    if not missing:
        return ""
    variables = [f"DASK_DISTRIBUTED__COMM__{name.upper().replace('.', '__').replace('-', '_')}" for name in missing]
    return f"--scheduler {address}: no certificates are set for TLS; set {' and '.join(variables)} (docs/cluster.md)"
