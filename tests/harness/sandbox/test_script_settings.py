"""Settings read off a student's script, and the definitions of scripts that can't be run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.sandbox import own_modules, script_settings

SCRIPT = """
    import argparse
    import not_installed_anywhere
    from math import prod

    WIDTH = 3
    open("/nowhere/else")

    def main(args):
        data = not_installed_anywhere.load("../data")
        if args.deep:
            sizes = [args.hidden] * 3
        else:
            sizes = [args.hidden, WIDTH]
        sizes += [1]
        net = Net(prod(sizes), name="a")
        net = net
        raise SystemExit("trains")
        trainer = Trainer(net, args.k, rate=args.lr / 2, where=device)

    class Net:
        def __init__(self, size, name):
            self.size, self.name = size, name

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--hidden", "-n", type=int, default=5)
        parser.add_argument("--deep", action="store_true")
        parser.add_argument("--k", type=int, default=WIDTH)
        parser.add_argument("--lr", type=float, required=True)
        parser.add_argument("--odd", type=not_installed_anywhere.kind)
        parser.add_argument("folder")
        main(parser.parse_args())
"""


def arguments(folder: Path, **texts: str) -> tuple[script_settings.Settings, list[Any], dict[str, Any]]:
    (folder / "main.py").write_text(textwrap.dedent(SCRIPT))
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    call = script_settings.find_call("Trainer", folder)
    assert call is not None and call.path.name == "main.py"
    settings = script_settings.read_settings(call.path, [folder], {"deep": False, "absent": 1})
    if settings.values.lr is None:
        settings.values.lr = 1.0
    return settings, *script_settings.evaluate(call, settings, {"device": "here"})


def test_defaults_build_what_the_script_would_build(tmp_path: Path) -> None:
    settings, (net, k), named = arguments(tmp_path)
    assert (net.size, net.name, k, named) == (5 * 3 * 1, "a", 3, {"rate": 0.5, "where": "here"})
    assert settings.required == ("--lr",)
    assert not hasattr(settings.values, "absent")


@pytest.mark.parametrize(
    ("text", "size", "k", "rate"),
    [
        ("python main.py out --lr 4 -n 2", 6, 3, 2.0),
        ("python main.py --lr 4 --k 9\n$ python3 ./main.py --lr 8 --play --k 7\npython main.py --lr 2", 15, 7, 4.0),
        ("CUDA_VISIBLE_DEVICES=1 python main.py \\\n  --lr 6 --k 2 --unknown 3 [optional arguments]", 15, 2, 3.0),
        ("python main.py --lr 4 --k many", 15, 3, 0.5),
        ("python other.py --lr 4", 15, 3, 0.5),
        ("python main.py --lr 'unclosed", 15, 3, 0.5),
    ],
)
def test_flags_stand_in_a_text_beside_the_script(tmp_path: Path, text: str, size: int, k: int, rate: float) -> None:
    _, (net, found), named = arguments(tmp_path, commands=text)
    assert (net.size, found, named["rate"]) == (size, k, rate)


def test_definitions_leave_out_what_acts_and_survive_what_fails(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import sys, not_installed_anywhere\nfrom json import dumps\nA = 2\nB = A * 3\nC = sys.exit(1)\n"
        "D = unknown\nclass Net:\n    size = B\ndef f(): return dumps(A)\nf.called = f()\n"
        "for _ in iter(int, 1): pass\nif True: E = 1\n"
    )
    found = own_modules.definitions(tmp_path / "train.py")
    assert (found["A"], found["B"], found["Net"].size, found["f"]()) == (2, 6, 6, "2")
    assert not {"C", "D", "E"} & set(found)
    assert not hasattr(found["f"], "called")
