"""A class that goes wrong in every way that docs/troubleshooting.md speaks of, and the commands that do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from submissions import examples

ASSIGNMENT = """name = "homework"
title = "Homework"

[[part]]
id = "cvae"
title = "Conditional VAE"
task = "conditional-generation"
points = 25
pass = 0.98
deadline = 4

[[part]]
id = "pixels"
title = "Pixels"
task = "next-pixel"
points = 25
pass = 0.2
optional = true
"""
ENTRY = '[[entry]]\ntask = "conditional-generation"\npart = "cvae"\ncode = "model.py:load"\n'
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 7214\n"
_LOAD = "def load(checkpoint):\n    return Model()\n"


def _weights(content: str) -> Mapping[str, str]:
    entry = '[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "best.pt"\n'
    return {"submission.toml": entry, "best.pt": content}


def _code(body: str, head: str = "import torch\n", entry: str = ENTRY) -> Mapping[str, str]:
    """A submission whose model's method has this body."""
    name = "next_pixel_probabilities(self, binary)" if "next-pixel" in entry else "sample(self, noise, labels_one_hot)"
    text = f"{head}\n\nclass Model:\n    def {name}:\n        {body}\n\n\n{_LOAD}"
    return {"submission.toml": entry, "model.py": text}


PIXELS = '[[entry]]\ntask = "next-pixel"\ncode = "model.py:load"\n'
SEATS: Mapping[str, Mapping[str, str] | Callable[[Path], None]] = {
    "lfs": _weights(LFS),
    "drive": _weights("<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title>"),
    "corrupt": examples.corrupt,
    "incomplete": examples.incomplete,
    "collapsed": examples.collapsed,
    "typo": {"submission.toml": ENTRY.replace("code", "cod"), "model.py": _LOAD},
    "task": {"submission.toml": ENTRY.replace("generation", "generator"), "model.py": _LOAD},
    "absent": {"submission.toml": ENTRY.replace("model.py", "vae/model.py"), "model.py": _LOAD},
    "report": {"report.pdf": "%PDF"},
    "method": {"submission.toml": ENTRY, "model.py": f"class Model:\n    pass\n\n\n{_LOAD}"},
    "package": _code("return noise", "import einops\n"),
    "shape": _code("return torch.zeros(len(noise), 10)"),
    "nan": _code("return torch.full((len(noise), 1, 28, 28), float('nan'))"),
    "path": _code("return torch.load('../data/decoder.pt')(noise)"),
    "slow": _code("import time; time.sleep(60)"),
    "peeks": _code("return 0.98 * binary[:, 1:] + 0.01", entry=PIXELS),
}
"""The files that each seat of the class hands in."""


def build(folder: Path) -> None:
    """Write the class, and the assignment beside it."""
    (folder / "homework.toml").write_text(ASSIGNMENT)
    for seat, content in SEATS.items():
        place = folder / "class" / seat
        place.mkdir(parents=True)
        if callable(content):
            content(place)
            continue
        for name, text in content.items():
            (place / name).write_text(text)
    shutil.copytree(folder / "class" / "report", folder / "other" / "report")
