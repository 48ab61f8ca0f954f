"""The weight files that come with gradebench, and what their headers say. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

WEIGHTS = Path(__file__).parent / "weights"


def facts(model: str, folder: Path = WEIGHTS) -> dict[str, Any]:
    """Read the header of a weight file: model, seed, epochs, data, options."""
    with safe_open(folder / f"{model}.safetensors", "np") as file:
        said: dict[str, Any] = json.loads(file.metadata()["gradebench"])
    return said
