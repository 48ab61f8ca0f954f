"""Commands that tell what there is: in a checkpoint, in this installation, on this machine."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.console import console, fail, listing, note, print_json, progress, show
from reference import MODELS
from reference.options import Number, Values, described

if TYPE_CHECKING:
    from harness import mnist

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

OPTIONAL = {"distributed": "gradebench[cluster]"}

data = typer.Typer(help="Where the digits come from.", no_args_is_help=True)


def inspect(
    file: Annotated[Path, typer.Argument(help="A checkpoint of any format.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show what a checkpoint holds, without executing anything of it.

    Example: [bold]gradebench inspect best.pt[/]
    """
    from harness.sandbox.outside import Limits, WeightsWorkers, probe
    from harness.types import GradingError

    content = _content(file)
    try:
        with WeightsWorkers(probe()) as warm, warm.worker(Limits()) as worker:
            said = worker.describe(content, file.name)
    except GradingError as error:
        if as_json:
            print_json({"schema": 1, "file": file.name, "error": error.failure.message})
        raise fail(error.failure.message, 1) from error
    if as_json:
        print_json({"schema": 1, "file": file.name, **said})
        return
    show(f"[bold]{escape(file.name)}[/]  format {escape(str(said.get('format')))}")
    tensors = said.get("tensors", [])
    rows = [
        tuple(_short(tensor.get(key, "")) for key in ("name", "shape", "dtype", "bytes", "min", "max", "finite"))
        for tensor in tensors
    ]
    show(listing(("tensor", "shape", "dtype", "bytes", "min", "max", "finite"), rows))
    for sentence in said.get("notes", []):
        note(str(sentence))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _content(file: Path) -> bytes:
    """The bytes of a checkpoint, be it one file or several that belong together (TensorFlow's, by their prefix)."""
    from harness.checkpoint import together
    from harness.run.settings import CHECKPOINT_LIMIT

    beside = [path.name for path in file.parent.iterdir() if path.is_file()] if file.parent.is_dir() else []
    parts = [file.parent / name for name in together.companions(file.name, beside)] or [file]
    if not all(part.is_file() for part in parts):
        raise fail(f"{file}: no such file")
    size = sum(part.stat().st_size for part in parts)
    if size > CHECKPOINT_LIMIT:
        raise fail(f"{file}: {size:,} bytes; at most {CHECKPOINT_LIMIT:,} are read")
    if parts == [file]:
        return file.read_bytes()
    try:
        return together.pack({part.name: part.read_bytes() for part in parts})
    except ValueError as error:
        raise fail(f"{file}: {error}") from error


def tasks(as_json: JsonOption = False) -> None:
    """List the tasks. Example: [bold]gradebench tasks[/]"""
    from harness.tasks import TASKS, task

    if as_json:
        found = {name: task(name) for name in TASKS}
        print_json({n: {"summary": t.summary, "primary": t.primary, "protocol": t.protocol} for n, t in found.items()})
        return
    show(listing(("task", "what"), [(name, summary) for name, (_, summary) in TASKS.items()]))


def models(as_json: JsonOption = False) -> None:
    """List the architectures that can be submitted as weights. Example: [bold]gradebench models[/]"""
    from reference.listing import description

    found = {name: description(name) for name in MODELS}
    if as_json:
        print_json(
            {
                name: {"title": a.title, "task": a.task, "options": {o: _values(v) for o, v in a.options.items()}}
                for name, a in found.items()
            }
        )
        return
    rows = [
        (name, a.title, a.task, "; ".join(f"{o} = {described(v)}" for o, v in a.options.items()))
        for name, a in found.items()
    ]
    show(listing(("model", "what", "task", "options (default first)"), rows))


def _values(values: Values) -> object:
    return asdict(values) if isinstance(values, Number) else values


def assignments(as_json: JsonOption = False) -> None:
    """List the assignments and their parts. Example: [bold]gradebench assignments[/]"""
    from harness.assignments import coursework

    known = {name: found.assignment for name, found in coursework.shipped().items()}
    if as_json:
        print_json({name: assignment.model_dump(mode="json", by_alias=True) for name, assignment in known.items()})
        return
    for name, assignment in known.items():
        show(f"[bold]{name}[/]  {escape(assignment.title)}; {assignment.max_points:g} points")
        rows = [
            (part.id, part.task, f"{'+' * part.optional}{part.points:g}", f"{part.pass_mark:g}")
            for part in assignment.part
        ]
        show(listing(("part", "task", "points", "pass mark"), rows))
        gated: dict[str, list[str]] = {}
        for part in assignment.part:
            gated.setdefault(", ".join(part.gates), []).append(part.id)
        for gates, parts in gated.items():
            if gates:
                show(f" gates of {', '.join(parts)}: {gates}")
        if any(part.optional for part in assignment.part):
            show(" + optional: a bonus beside the full marks")
        show("")


def doctor(as_json: JsonOption = False) -> None:
    """Try what this machine has: isolation, data, threads, optional parts. Example: [bold]gradebench doctor[/]"""
    import torch

    from harness import mnist
    from harness.sandbox.outside import probe

    isolation = probe()
    sources = mnist.status()
    parts = {name: find_spec(name) is not None for name in OPTIONAL}
    if as_json:
        print_json(
            {
                "isolation": isolation.level,
                "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in isolation.checks],
                "data": [asdict(place) for place in sources],
                "threads": torch.get_num_threads(),
                "optional": parts,
            }
        )
        return
    show(f"isolation: [bold]{isolation.level}[/]")
    rows = [(c.name, "yes" if c.ok else "no", c.detail) for c in isolation.checks]
    show(listing(("check", "holds", "detail"), rows))
    if isolation.notice:
        show(escape(isolation.notice))
    _show_sources(sources)
    show(f"threads for the judge and for training: {torch.get_num_threads()}")
    for name, there in parts.items():
        show(f"{name} ({escape(OPTIONAL[name])}): {'installed' if there else 'not installed'}")


@data.command("status")
def data_status() -> None:
    """Show every source of digits, and which one is used now. Example: [bold]gradebench data status[/]"""
    from harness import mnist
    from harness.types import GradingError

    _show_sources(mnist.status())
    try:
        show(f"used now: {escape(mnist.load().source)}")
    except GradingError as error:
        raise fail(error.failure.message) from error


@data.command("fetch")
def data_fetch() -> None:
    """Download MNIST into the cache and verify it. Example: [bold]gradebench data fetch[/]"""
    from harness import mnist
    from harness.types import GradingError

    try:
        with progress("MNIST") as bar:
            folder = mnist.fetch(lambda file, done, total: bar(done, total, file))
    except GradingError as error:
        raise fail(error.failure.message, 3) from error
    console.print(f"MNIST is in {escape(str(folder))}", highlight=False, soft_wrap=True)


def _show_sources(sources: list[mnist.Place]) -> None:
    rows = [(place.name, place.state, "yes" if place.used else "", place.path, place.detail) for place in sources]
    show(listing(("source", "state", "used", "folder", "detail"), rows))
