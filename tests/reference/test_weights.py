"""Tests of the sizes of what the repository ships."""

from pathlib import Path

import reference
from reference import shipped

ROOT = Path(reference.__file__).parent.parent
MOST = 60e6
"""Bytes of all weights and pictures."""


def test_weights_and_pictures_stay_small():
    files = [
        path
        for folder in ("reference/weights", "reference/pictures", "classifiers/weights", "classifiers/pictures")
        for path in (ROOT / folder).iterdir()
    ]
    assert len(files) > 20
    assert sum(path.stat().st_size for path in files) <= MOST


def test_no_floating_point_tensor_takes_more_than_two_bytes_a_number():
    from safetensors import safe_open

    for path in shipped.WEIGHTS.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            for key in file.keys():  # noqa: SIM118  # a safetensors file is no dictionary
                assert file.get_slice(key).get_dtype() in ("F16", "I64", "BOOL", "U8", "I32"), (path.name, key)
