"""Builds what people hand in, and collects it with two models of one task."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from harness import intake
from harness.types import Submission

TASKS = ("conditional-generation",)
MODELS = {"cvae": {}, "cgan": {}}
TOML = '[submission]\nname = "{}"\n[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "best.pt"\n'


def collect(tmp_path: Path, *paths: Path) -> list[Submission]:
    workdir = tmp_path / "work"
    workdir.mkdir(exist_ok=True)
    return intake.collect(paths, workdir, tasks=TASKS, models=MODELS)


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def team(name: str = "Gauss", weights: bytes = b"weights") -> dict[str, str | bytes]:
    return {"submission.toml": TOML.format(name), "best.pt": weights}
