"""Imports the scripts of docs/, which is no package."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from tests.docs.pages import ROOT


def script(path: str) -> ModuleType:
    """The module of a file below docs/, which may import those that lie beside it."""
    beside = str((ROOT / "docs" / path).parent)
    if beside not in sys.path:
        sys.path.append(beside)
    name = "docs_" + path.removesuffix(".py").replace("/", "_")
    spec = spec_from_file_location(name, ROOT / "docs" / path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
