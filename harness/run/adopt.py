"""Finds the files of a repository that answer an assignment, and writes the manifest that would hand them in.

Checkpoints are opened in the sandbox by the inert reader, with each architecture that a part takes: the one that a file
fits is the one it is of. Among several that fit a part, names decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness import intake
from harness.rubric import Part
from harness.run import hand_in, likely
from harness.run.settings import Run
from harness.run.workers import weights_workers
from harness.starters import starters_of
from harness.types import Entry, GradingError, Kind, Submission

MOST = 200
"""Files that are opened; further ones are named."""


Opening = tuple[str, tuple[tuple[str, str], ...]]
"""An architecture, and the options that a part states."""


@dataclass(frozen=True)
class Adopted:
    """A manifest for a repository, and what was found on the way."""

    lines: list[str]
    """Lines of submission.toml."""
    found: int
    """Number of parts that it answers."""
    notes: list[str] = field(default_factory=list)


def adopt(root: Path, run: Run, on_file: Callable[[int, int, str], None] | None = None) -> Adopted:
    """Scan a repository for files that answer the parts of the run's assignment."""
    listing = intake.listed(root)
    notes = list(listing.notes)
    entries = _by_layout(listing.files, run)
    wanted = [part for part in run.assignment.part if part.id not in entries]
    openings = {opening for part in wanted for opening in _openings(part, run)}
    candidates = likely.candidates(listing.files)
    if len(candidates) > MOST:
        notes.append(f"{len(candidates) - MOST} of {len(candidates)} files that may be checkpoints were not opened.")
    fits = _fitting(root, candidates[:MOST], sorted(openings), run, on_file)
    taken: set[str] = set()
    for part in wanted:
        best = _best(part, fits, run, taken)
        if best is not None:
            model, file = best
            taken.add(file)
            entries[part.id] = Entry(part.task, Kind.WEIGHTS, part.id, model, file)
    scripts = [file for file in listing.files if file.endswith((".py", ".ipynb"))]
    lines = ["[submission]", f'name = "{_quoted(root.resolve().name)}"']
    for part in run.assignment.part:
        lines += ["", *_lines(part, entries.get(part.id), scripts)]
    return Adopted(lines, len(entries), notes)


def _by_layout(files: Sequence[str], run: Run) -> dict[str, Entry]:
    """The entries of a known layout, by part, where the repository has one at its top or in one folder."""
    for depth in range(3):
        for prefix in sorted({"/".join(PurePosixPath(file).parts[:depth]) for file in files}):
            head = f"{prefix}/" if prefix else ""
            inside = [file.removeprefix(head) for file in files if file.startswith(head)]
            for starter in starters_of({file.partition("/")[0] for file in inside}):
                made, _ = starter.entries(inside, run.coursework.tasks, run.coursework.models)
                found = {}
                for entry in made:
                    part = run.assignment.part_for(entry.part, entry.task, entry.options)
                    # Code of a layout is looked for at the top of what is handed in.
                    if part is not None and (not head or entry.kind is not Kind.CODE):
                        file = None if entry.file is None else head + entry.file
                        found[part.id] = Entry(entry.task, entry.kind, part.id, entry.model, file, entry.code)
                if found:
                    return found
    return {}


def _fitting(
    root: Path,
    files: Sequence[str],
    openings: Sequence[Opening],
    run: Run,
    on_file: Callable[[int, int, str], None] | None,
) -> dict[Opening, list[str]]:
    """The files that each architecture's weights, with a part's options, can be read from."""
    submission = Submission("adopted", "adopted", root)
    fits: dict[Opening, list[str]] = {opening: [] for opening in openings}
    with weights_workers(run) as warm:
        for number, file in enumerate(files):
            if on_file is not None:
                on_file(number, len(files), file)
            try:
                content = hand_in.content_of(submission, Entry("", Kind.WEIGHTS, "", None, file))
            except GradingError:
                continue
            for model, options in openings:
                try:
                    with warm.worker(run.limits) as worker:
                        worker.open_weights(model, dict(options), content, file)
                except GradingError:
                    continue
                fits[model, options].append(file)
    return fits


def _best(part: Part, fits: dict[Opening, list[str]], run: Run, taken: set[str]) -> tuple[str, str] | None:
    """The architecture and file that most likely answer a part."""
    choices = [(opening[0], file) for opening in _openings(part, run) for file in fits.get(opening, ())]
    return min(choices, key=lambda choice: likely.rank(part, choice[0], choice[1], taken), default=None)


def _openings(part: Part, run: Run) -> list[Opening]:
    models = part.models or run.coursework.answering(run.coursework.task(part.task))
    return [(model, tuple(sorted(part.options.items()))) for model in models]


def _lines(part: Part, entry: Entry | None, scripts: Sequence[str]) -> list[str]:
    """The lines of one [[entry]]; comments where nothing was found."""
    head = f"# {part.title}"
    if entry is None:
        script = scripts[0] if scripts else "FILE.py"
        return [
            f"{head}: no file fits. To hand it in, take the signs off these lines and put in your names:",
            "# [[entry]]",
            f'# task = "{part.task}"',
            f'# part = "{part.id}"',
            f'# code = "{_quoted(script)}:load"',
        ]
    lines = [head, "[[entry]]", f'task = "{part.task}"', f'part = "{part.id}"']
    if entry.kind is Kind.OUTPUTS:
        return [*lines, f'outputs = "{_quoted(entry.file or "")}"']
    if entry.kind is Kind.WEIGHTS:
        lines.append(f'model = "{entry.model}"')
    if entry.code is not None:
        lines.append(f'code = "{_quoted(entry.code)}"')
    return [*lines, f'checkpoint = "{_quoted(entry.file)}"'] if entry.file is not None else lines


def _quoted(text: str) -> str:
    """The text as a TOML basic string holds it."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain if not 0xD800 <= ord(c) < 0xE000)
