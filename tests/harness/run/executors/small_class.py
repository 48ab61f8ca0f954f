"""A class that is graded within seconds: nine weights each, for the example of an instructor's own coursework."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from classifiers.judge import Judge
from harness import intake, records
from harness.assignments import coursework
from harness.run import run as run_module
from harness.run.settings import Run
from harness.sandbox.outside import probe
from harness.tasks.base import Context
from harness.types import Record, Status
from tests.data import embedded_digits

OWN = Path(__file__).parents[4] / "submissions" / "examples" / "own_coursework"
CODE = """
class Model:
    def clean(self, images):
        from beside import half
        return half(images)

def load(path):
    return Model()
"""
BESIDE = "def half(images):\n    return images * 0.5\n"


def write_class(folder: Path, count: int) -> None:
    """Write submissions s000, s001 … with weights that differ."""
    for number in range(count):
        hand_in(folder / f"s{number:03d}", number)


def hand_in(place: Path, number: int) -> None:
    place.mkdir(parents=True)
    entry = 'task = "salt-and-pepper"\npart = "clean"\nmodel = "mean-filter"\ncheckpoint = "c.pt"'
    (place / "submission.toml").write_text(f'[submission]\nname = "S"\n\n[[entry]]\n{entry}\n', encoding="utf-8")
    noise = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(number))
    weights = {"filter.weight": torch.full((1, 1, 3, 3), 1 / 9) + 0.02 * noise, "filter.bias": torch.zeros(1)}
    torch.save({"model": weights}, place / "c.pt")


def hand_in_code(place: Path) -> None:
    """Hand in two Python files, of which one imports the other."""
    place.mkdir(parents=True)
    entry = 'task = "salt-and-pepper"\npart = "clean"\ncode = "model.py:load"'
    (place / "submission.toml").write_text(f'[submission]\nname = "C"\n\n[[entry]]\n{entry}\n', encoding="utf-8")
    (place / "model.py").write_text(CODE, encoding="utf-8")
    (place / "beside.py").write_text(BESIDE, encoding="utf-8")


def own_coursework(folder: Path, in_mark: str) -> Path:
    """Copy the example with `in_mark`, a statement, at the beginning of the marking, where `cleaned` is the answer."""
    shutil.copytree(OWN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "tasks.py"
    line = '        cleaned = answers[0]["images"]\n'
    text = file.read_text(encoding="utf-8")
    assert text.count(line) == 1
    file.write_text(text.replace(line, f"{line}        {in_mark}\n"), encoding="utf-8")
    return folder


def graded(
    classroom: Path,
    base: Path,
    folder: Path = OWN,
    on_record: Callable[[Record, bool], None] | None = None,
    **settings: object,
) -> dict[str, Record]:
    """Grade a class into `base`/results; the records of what was handed in, by submission."""
    of = coursework.find(str(folder))
    (base / "work").mkdir(parents=True)
    (base / "results").mkdir(exist_ok=True)
    found = intake.collect([classroom], base / "work", tasks=of.tasks, models=of.models)
    run = Run(Context(embedded_digits(), Judge.shipped(), seed=0), of, base / "results", probe(), **settings)
    return {
        record.submission: record
        for record in run_module.grade(found, run, on_record)
        if record.status is not Status.NOT_HANDED_IN
    }


def repeatable(found: dict[str, Record]) -> dict[str, object]:
    return {name: records.repeatable(record) for name, record in found.items()}


def files_beside(base: Path) -> dict[str, bytes]:
    """Pictures, scores, sketches and answers beside the records, by name."""
    folder = base / "results"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.suffix in (".npz", ".png")}
