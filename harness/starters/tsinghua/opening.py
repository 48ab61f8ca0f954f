"""Opens models of repositories in the starter's layout, by the methods that the starter asks students to write.

Tsinghua University, Deep Learning, homework 3. `ebm/`: a class `Trainer` with `inpainting(corrupted, mask)` on images
(N, 1, 28, 28) in [0, 1], built and loaded by main.py. `flow/`: a whole pickled `FlowSequential` with
`inpainting(num_samples, inputs, mask, savedir)` on flat images that were dequantised and rescaled to [.0001, .9999],
which returns images (N, 1, 28, 28). In both, the mask is true where a pixel is corrupted. `vae/` and `gan/`: a module
with `sample(latent, label)`, which returns images (N, 1, 28, 28) in [0, 1].
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from harness.starters.tsinghua import energy, flow, generators
from harness.student_code import imports
from harness.student_code.discarded_writes import can_write, throw_away_writes
from harness.student_code.tolerated import tolerate
from harness.types import refuse

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".pdf", ".log")
_COPIED = 64 << 20
"""Bytes of a part's files that are copied, the smallest first; a worker's temporary folder holds 256 MiB."""


def open_starter(root: Path, code: str, checkpoint: str | None) -> Any:
    """Open the model of a repository at `root`. Runs the student's code, so only the worker may call this.

    Parameters
    ----------
    root : folder of the submission
    code : "starter:" and one of ebm, flow, vae, gan
    checkpoint : its file, relative to `root`

    Raises
    ------
    GradingError
        if the classes, the method or the weights can't be found.
    """
    part = code.partition(":")[2]
    if checkpoint is None:
        raise refuse("manifest", "no-checkpoint", f'code = "{code}" needs a file of weights: add checkpoint = "…".')
    path, folder = root / checkpoint, _folder(root, checkpoint, part)
    imports.find_first_in([folder, root])
    imports.find_main_in([folder, root])
    _work_in_a_copy(folder)
    loaded = torch.load(path)
    if part == "flow":
        return flow.open_flow(path, loaded)
    if part == "ebm":
        return energy.open_energy(path, loaded, folder, root)
    return generators.open_generator(path, loaded, folder, root)


def _folder(root: Path, checkpoint: str, part: str) -> Path:
    """Return the folder of the part, in upper or lower case: the one of the checkpoint, or one at the top."""
    names = [Path(checkpoint).parts[0], *sorted(path.name for path in root.iterdir())]
    found = next((name for name in names if name.lower() == part and (root / name).is_dir()), None)
    if found is None:
        message = (
            f"There is no folder {part}/ at the top of the submission. Put the starter's there, or write code = "
            '"path/to/file.py:function".'
        )
        raise refuse("manifest", "missing-folder", message)
    return root / found


def _work_in_a_copy(folder: Path) -> None:
    """Change into a writable folder with copies of the part's files, and with links to the largest.

    Students' methods save pictures and arrays in the working directory, over those that were handed in, and the
    submission is read-only. Files that they save beside their modules are discarded.
    """
    if not can_write():
        os.chdir(folder)
        throw_away_writes("This machine's isolation leaves no place to write; what the code saved was thrown away.")
        return
    top = Path(tempfile.mkdtemp()) / folder.name
    top.mkdir()
    found: list[tuple[int, Path, Path]] = []
    for place, folders, files in os.walk(folder):
        inside = top / Path(place).relative_to(folder)
        folders[:] = folders[:100]
        for name in folders:
            (inside / name).mkdir(exist_ok=True)
        for name in files[:1000]:
            path = Path(place) / name
            # Pictures are left out, because students' methods write new ones of the same names.
            if not name.lower().endswith(_PICTURES) and path.is_file():
                found.append((path.stat().st_size, path, inside / name))
    left = _COPIED
    for size, path, copy in sorted(found):
        left -= size
        with contextlib.suppress(OSError):
            if left >= 0:
                shutil.copyfile(path, copy)
            else:
                copy.symlink_to(path)
    os.chdir(top)
    throw_away_writes("The submission is read-only; what the code saved beside its own files was thrown away.")
    tolerate("The working directory is a writable copy, so that pictures can be saved; they are thrown away.")
