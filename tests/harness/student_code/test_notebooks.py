"""Tests of notebooks as submissions: reading their cells, and running their definitions in the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.sandbox.outside import CODE_LIMITS, Isolation, Worker
from harness.student_code import notebooks
from harness.types import ArraySpec, GradingError, Question

HOMEWORK = [
    "%matplotlib inline\n!pip install keras \\\n  tqdm\nimport torch\nfrom torch import nn\nimport keras",
    '%%time\nLATENT = 4\nWIDTH = int(2.5 * 2)\nSCALES = {"a": [1.0, -2.0]}\ntext = """\n%not a magic\n"""',
    "if torch.cuda.is_available():\n    device = 'cuda'\nelse:\n    device = 'cpu'\n"
    "where = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 2)\n"
    "    def double(self, x):\n        if x[0, 0] > 1e6:\n            raise ValueError('too large')\n"
    "        return self.fc(x.to(device)) * SCALES['a'][1] + WIDTH",
    "model = Net().to(device)\nfor epoch in range(1000):\n    raise SystemExit('training')\nmodel",
    "%%bash\nls -l",
    "this does not parse",
    "def load(path):\n    net = Net()\n    net.load_state_dict(torch.load(path))\n    return net.eval()",
]


def cell(source: str, *, lines: bool = False) -> dict[str, Any]:
    text = source.splitlines(keepends=True) if lines else source
    picture = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 100}}
    return {"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [picture], "source": text}


def notebook(*sources: str, lines: bool = False) -> str:
    """The JSON of a notebook, nbformat 4, with a text before each code cell."""
    cells = [one for text in sources for one in ({"cell_type": "markdown", "source": "# !x"}, cell(text, lines=lines))]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def asked(worker: Worker, value: float = 1.0) -> np.ndarray:
    x = np.array([[value, 2.0, -3.0]], np.float32)
    return worker.ask(Question("double", {"x": x}, {"y": ArraySpec((1, 2))}), 30.0)["y"]


def refusal(full: Isolation, root: Path, code: str = "hw4.ipynb:load") -> tuple[str, str, str]:
    with Worker(full, limits=CODE_LIMITS) as worker, pytest.raises(GradingError) as caught:
        worker.open_code(root, code, None)
    failure = caught.value.failure
    assert failure.fault == "submission"
    return failure.kind, failure.message, failure.detail


@pytest.mark.parametrize("lines", [False, True])
def test_definitions_of_a_notebook_are_run_and_the_rest_is_named(full: Isolation, tmp_path: Path, lines: bool) -> None:
    (tmp_path / "part 2").mkdir()
    (tmp_path / "part 2" / "hw4.ipynb").write_text(notebook(*HOMEWORK, lines=lines), encoding="utf-8")
    linear = torch.nn.Linear(3, 2)
    torch.save(linear.state_dict() and {f"fc.{k}": v for k, v in linear.state_dict().items()}, tmp_path / "net.pt")
    with Worker(full, limits=CODE_LIMITS) as worker:
        notes = worker.open_code(tmp_path, "part 2/hw4.ipynb:load", "net.pt")
        with torch.no_grad():
            expected = linear(torch.tensor([[1.0, 2.0, -3.0]])).numpy() * -2.0 + 5
        np.testing.assert_allclose(asked(worker), expected, rtol=1e-6)
        with pytest.raises(GradingError) as caught:
            asked(worker, 1e7)
    # The traceback names the cell, and shows its line.
    assert '"part 2/hw4.ipynb, cell 4", line 7, in double' in caught.value.failure.detail
    assert "raise ValueError('too large')" in caught.value.failure.detail
    named = "\n".join(notes)
    assert (
        '3 other statements were passed over: cell 5, line 1: "model = Net().to(device)"; '
        'cell 5, line 2: "for epoch in range(1000):"; cell 5, line 4: "model"' in named
    )
    assert '4 magics were passed over: "%matplotlib inline"; "!pip install keras \\"; "%%time"; and 1 more' in named
    assert "cells that can't be parsed were passed over: cell 7 (invalid syntax, line 1)" in named
    assert 'that failed were skipped: cell 1, line 6: "import keras" (ModuleNotFoundError: No module named' in named


def test_notebooks_of_nbformat_3_are_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "language": "python", "input": text} for text in ("A = 1", ["B = 2\n", "C = 3"])]
    text = json.dumps({"worksheets": [{"cells": [{"cell_type": "heading", "source": "x"}, *cells]}], "nbformat": 3})
    (tmp_path / "old.ipynb").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = notebooks.read(tmp_path / "old.ipynb", "old.ipynb")
    assert [(one.number, one.source, len(one.body)) for one in found] == [(1, "A = 1", 1), (2, "B = 2\nC = 3", 2)]


@pytest.mark.parametrize(
    ("text", "source", "magics"),
    [
        ("x = (5\n  % 3)", "x = (5\n  % 3)", ()),
        ('"""\n!a\n%b\n"""\n!a', '"""\n!a\n%b\n"""\npass', ("!a",)),
        ("x = 5 \\\n% 3", "x = 5 \\\n% 3", ()),
        ("for i in y:\n    !rm $i\n    z = 1", "for i in y:\n    pass\n    z = 1", ("!rm $i",)),
        ("def f():\n    x = [1,\n  %2]\n%pwd\nf?", "def f():\n    x = [1,\n  %2]\npass\npass", ("%pwd", "f?")),
        ("files = !ls\nt = %timeit -o f()\nr = a % b", "pass\npass\nr = a % b", ("files = !ls", "t = %timeit -o f()")),
        ("!pip install a \\\n   b\nx = 1", "pass\n\nx = 1", ("!pip install a \\",)),
        ("pip install torch\n??f\nx != 2", "pass\npass\nx != 2", ("pip install torch", "??f")),
        ("\n%%capture out\nx = 1", "\npass\nx = 1", ("%%capture out",)),
        ("%%html\n<b>", "", ("%%html",)),
        ("# why?\nx = 'what?'", "# why?\nx = 'what?'", ()),
    ],
)
def test_magics_are_replaced_and_lines_keep_their_numbers(text: str, source: str, magics: tuple[str, ...]) -> None:
    assert notebooks.without_magics(text) == (source, magics)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not valid JSON"),
        (b"\xff\xfe\x00", "is not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds no cells"),
        (b'{"cells": 3}', "holds no list of cells"),
        (b'{"worksheets": [3]}', "holds no list of cells"),
        (b'{"cells": [3]}', "holds a cell that is no table"),
        (b'{"cells": [{"cell_type": "code", "source": [3]}]}', "a cell whose source is no text"),
    ],
)
def test_a_file_that_is_no_notebook_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "hw4.ipynb").write_bytes(content)
    with pytest.raises(GradingError, match=reason) as caught:
        notebooks.read(tmp_path / "hw4.ipynb", "hw4.ipynb")
    assert caught.value.failure.kind == "bad-notebook"


def test_a_large_notebook_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "hw4.ipynb").open("wb") as file:
        file.truncate(31 << 20)
    with pytest.raises(GradingError, match=r"31 MiB; a notebook may have 20\. Clear its outputs"):
        notebooks.read(tmp_path / "hw4.ipynb", "hw4.ipynb")


def test_a_name_that_a_passed_over_statement_sets_is_named_with_its_cell(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "hw4.ipynb").write_text(
        notebook(
            "import keras as k\nlength = compute()",
            "unneeded = compute()",
            "def train(): return unneeded",
            "def build(): return k.Model(length)",
            "def load(path):\n    unneeded = 3\n    return build()",
        )
    )
    kind, message, detail = refusal(full, tmp_path)
    assert kind == "exception"
    assert "NameError: name 'k' is not defined. hw4.ipynb: load needs names" in message
    assert "k, cell 1, line 1 (ModuleNotFoundError: No module named 'keras'); length, cell 1, line 2. The" in message
    assert "The sandbox has torch, numpy and Python's standard library" in message
    assert "If keras is a file of yours, hand it in too" in detail
    assert 'File "hw4.ipynb, cell 4", line 1, in build' in detail


def test_a_class_that_a_missing_package_breaks_is_traced_to_its_import(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "hw4.ipynb").write_text(
        notebook(
            "import lightning.pytorch as pl", "class Net(pl.LightningModule): pass", "def load(path): return Net()"
        )
    )
    _, message, detail = refusal(full, tmp_path)
    assert (
        "pl, cell 1, line 1 (ModuleNotFoundError: No module named 'lightning'); Net, cell 2, line 1 (NameError"
        in message
    )
    assert "If lightning is a file of yours" in detail


def test_functions_written_as_lambdas_are_taken(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "hw4.ipynb").write_text(
        notebook(
            "import types",
            "double = lambda self, x: scaled(x)[:, :2]\nbad = lambda x=[].append(1): x",
            "scaled = lambda x: 2 * x",
            "def load(path):\n    class Net: pass\n    Net.double = double\n    return Net()",
        )
    )
    with Worker(full, limits=CODE_LIMITS) as worker:
        (note,) = worker.open_code(tmp_path, "hw4.ipynb:load", None)
        assert asked(worker).tolist() == [[2.0, 4.0]]
    assert '1 other statement was passed over: cell 2, line 2: "bad' in note


@pytest.mark.parametrize("terms", [900, 3_000, 20_000])
def test_long_expressions_do_not_stop_a_notebook(full: Isolation, tmp_path: Path, terms: int) -> None:
    long = "x = " + "+".join(["y"] * terms)
    (tmp_path / "hw4.ipynb").write_text(
        notebook(
            long,
            f"def f():\n    {long}",
            "class Net:\n    def double(self, x): return x[:, 1:]",
            "load = lambda path: Net()",
        )
    )
    with Worker(full, limits=CODE_LIMITS) as worker:
        worker.open_code(tmp_path, "hw4.ipynb:load", None)
        assert asked(worker).tolist() == [[2.0, -3.0]]


def test_a_missing_function_of_a_notebook_is_refused_with_the_reason(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "hw4.ipynb").write_text(notebook("x = 1", "def load(path) return 1", "make = wrap(x)"))
    kind, message, detail = refusal(full, tmp_path)
    assert kind == "missing-function"
    assert "hw4.ipynb has no function 'load'" in message
    assert "cells that can't be parsed were passed over: cell 2 (expected ':', line 1)" in detail
    assert "make, cell 3, line 1. Make them plain values" in refusal(full, tmp_path, "hw4.ipynb:make")[1]


def test_a_class_pickled_in_a_notebook_is_found_by_a_script_beside_it(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "train.ipynb").write_text(
        notebook("import torch", "class Double:\n    def double(self, x): return 2 * x[:, :2]", "torch.save(1, 'x')")
    )
    # A protocol-0 pickle of __main__.Double().
    (tmp_path / "net.pkl").write_bytes(b"(i__main__\nDouble\n.")
    (tmp_path / "adapter.py").write_text("import pickle\ndef load(path): return pickle.load(open(path, 'rb'))\n")
    with Worker(full, limits=CODE_LIMITS) as worker:
        notes = worker.open_code(tmp_path, "adapter.py:load", "net.pkl")
        assert asked(worker).tolist() == [[2.0, 4.0]]
    assert "Double was pickled from a notebook that was run; it was taken from train.ipynb." in notes
