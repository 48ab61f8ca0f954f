"""The kit that a host needs to ask and mark the entries of a run: assignment, code of the coursework, digits, judge.

It travels once to each host, as a parcel. Hosts need no shared folder and no MNIST of their own. It holds truth, so
hosts are the instructor's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.judge import Judge
from harness import provenance
from harness.assignments.coursework import ARCHITECTURES, TASKS, Coursework
from harness.mnist import Digits, Split
from harness.rubric import Assignment
from harness.run import floors
from harness.run.executors.interface import ExecutorError
from harness.run.executors.parcels import pack, unpack
from harness.run.settings import Run
from harness.sandbox.outside import probe
from harness.secret import Secret
from harness.tasks.base import Cases, Context
from harness.tasks.base import Judge as AnyJudge
from harness.types import Array

_LEVEL = 1
"""Level of zlib: digits shrink to a quarter; higher levels take longer than they save."""


def packed(run: Run) -> bytes:
    """Pack what hosts need of a run. Raises ExecutorError where its judge or test cases can't travel."""
    context, coursework = run.context, run.coursework
    files = {ARCHITECTURES: coursework.architectures_file, TASKS: coursework.tasks_file}
    value = {
        "assignment": coursework.assignment.model_dump(mode="json", by_alias=True),
        "files": {name: path.read_bytes() for name, path in files.items() if path is not None},
        "data": _digits(context.data),
        "judge": _judge(context.judge),
        "second": None if context.second is None else _judge(context.second),
        "official": {task: _cases(task, cases) for task, cases in context.official.items()},
        "seed": context.seed,
        "floors": floors.dumped(context.floors),
        "full": context.full,
        "secret": None if context.secret is None else context.secret.seed,
        "trust_code": run.trust_code,
        "limits": run.limits,
        "code_limits": run.code_limits,
    }
    return zlib.compress(pack(value), _LEVEL)


def unpacked(kit: bytes, folder: Path) -> Run:
    """Unpack a kit into a run of this host, with this host's isolation; files are written to `folder`, an empty one."""
    value = unpack(zlib.decompress(kit))
    own = folder / "coursework"
    own.mkdir()
    for name in (ARCHITECTURES, TASKS):
        if name in value["files"]:
            (own / name).write_bytes(value["files"][name])
    coursework = Coursework(Assignment.model_validate(value["assignment"]), own)
    results = folder / "results"
    results.mkdir()
    context = Context(
        _from_digits(value["data"]),
        _from_judge(value["judge"], folder / "judge.safetensors"),
        value["seed"],
        None if value["second"] is None else _from_judge(value["second"], folder / "second.safetensors"),
        {task: _from_cases(coursework, task, cases, folder) for task, cases in value["official"].items()},
        floors.loaded(value["floors"]),
        value["full"],
        None if value["secret"] is None else Secret(value["secret"]),
    )
    return Run(
        context,
        coursework,
        results,
        probe(),
        trust_code=value["trust_code"],
        limits=value["limits"],
        code_limits=value["code_limits"],
    )


@cache
def origin() -> Mapping[str, str]:
    """Return the versions of Python and packages here, and a digest of gradebench's own sources.

    A host on which they differ would give results under the wrong keys, so it gives none.
    """
    whole = hashlib.sha256()
    for package in provenance.OURS:
        for path in sorted(_folder(package).rglob("*.py")):
            whole.update(f"{package}/{path.relative_to(_folder(package))}\0".encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return {**provenance.versions(), "sources": whole.hexdigest()[:16]}


def other_origin(expected: Mapping[str, str], host: str) -> str:
    """Return a sentence on how this host differs from the one with the `expected` versions; empty if it does not."""
    found = origin()
    differing = [
        f"{name} {found.get(name)} (there {expected[name]})" for name in expected if found.get(name) != expected[name]
    ]
    if not differing:
        return ""
    return (
        f"The host {host} has {', '.join(differing)}; install the same versions of gradebench and all packages there."
    )


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent


def _digits(data: Digits) -> dict[str, Any]:
    splits = {
        name: (_pixels(split.images), split.labels) for name, split in (("train", data.train), ("test", data.test))
    }
    return {"name": data.name, "digest": data.digest, "source": data.source, **splits}


def _pixels(images: Array) -> Array:
    """Images as bytes, a quarter of their size, where they come back from these to the last bit."""
    pixels = np.rint(images * 255).astype(np.uint8)
    return pixels if np.array_equal(_images(pixels), images) else images


def _images(pixels: Array) -> Array:
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels


def _from_digits(value: Mapping[str, Any]) -> Digits:
    train, test = (Split(_images(images), labels) for images, labels in (value["train"], value["test"]))
    return Digits(value["name"], value["digest"], value["source"], lambda: (train, test))


def _judge(judge: AnyJudge) -> tuple[str, bytes]:
    """The judge's digest and the bytes of its file."""
    file = getattr(judge, "file", None)
    content = file.read_bytes() if file is not None else b""
    return _checked("The judge", judge.digest, file, content)


def _from_judge(value: tuple[str, bytes], file: Path) -> Judge:
    file.write_bytes(value[1])
    return Judge.read(file)


def _cases(task: str, cases: Cases) -> tuple[str, str, bytes]:
    """The name, digest and bytes of the file of a coursework's own test cases."""
    content = cases.file.read_bytes() if cases.file is not None else b""
    digest, content = _checked(f"The test cases of {task}", cases.digest, cases.file, content)
    return cases.file.name if cases.file is not None else "", digest, content


def _from_cases(coursework: Coursework, task: str, value: tuple[str, str, bytes], folder: Path) -> Cases:
    name, _, content = value
    own = folder / f"cases-{task}"
    own.mkdir()
    (own / Path(name).name).write_bytes(content)
    cases: Cases = coursework.task(task).own_cases(own)  # type: ignore[attr-defined]
    return cases


def _checked(what: str, digest: str, file: Path | None, content: bytes) -> tuple[str, bytes]:
    if file is None:
        raise ExecutorError(f"{what} is of no file, so it can't be sent to another process; use --executor threads.")
    if hashlib.sha256(content).hexdigest() != digest:
        raise ExecutorError(f"{what}: {file} has changed since it was read; run the command again.")
    return digest, content
