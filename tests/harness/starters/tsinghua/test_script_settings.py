"""Tests of reading settings off a student's script, and the definitions of scripts that can't be run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.starters.tsinghua import script_settings
from harness.student_code import imports

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
        parser.add_argument("--play", action="store_true")
        parser.add_argument("--odd", type=not_installed_anywhere.kind)
        parser.add_argument("folder")
        main(parser.parse_args())
"""


def arguments(folder: Path, **texts: str) -> tuple[script_settings.Settings, list[Any], dict[str, Any]]:
    (folder / "main.py").write_text(textwrap.dedent(SCRIPT))
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    call = next(script_settings.find_calls("Trainer", folder))
    assert call.path.name == "main.py"
    settings = script_settings.read_settings(call.path, [folder], {"deep": False, "absent": 1})
    if settings.values.lr is None:
        settings.values.lr = 1.0
    given = script_settings.evaluate(call, settings, {"device": "here"})
    return settings, given.arguments, given.named


def test_defaults_give_the_arguments_of_the_script(tmp_path: Path) -> None:
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
def test_flags_are_read_from_a_text_beside_the_script(
    tmp_path: Path, text: str, size: int, k: int, rate: float
) -> None:
    _, (net, found), named = arguments(tmp_path, commands=text)
    assert (net.size, found, named["rate"]) == (size, k, rate)


OTHER = "python main.py --eval --latent_dim 100"


@pytest.mark.parametrize(
    ("text", "k"),
    [
        (f"python ebm/main.py --play --k 60\npython vae/main.py {OTHER[15:]} --k 9", 60),
        (f"cd ebm; python main.py --play --k 60\ncd ../vae; {OTHER} --k 9", 60),
        (f"$ cd vae\n$ {OTHER} --k 9\n$ cd ../ebm && python main.py --k 60", 60),
        (f"# VAE\nRun `cd vae && {OTHER} --k 9`.\n# EBM\nRun `python main.py --k 60` to train.", 60),
        (f"```\ncd vae\n# train\n{OTHER} --k 9\n```\n# EBM\n`python main.py --k 60`", 60),
        ("git clone git@host:us/hw.git\ncd hw\npython main.py --k 60\ncd vae\npython main.py --k 9", 60),
        (f"python main.py --play --k 60\n{OTHER} --k 9", 60),
        ("python main.py --play --k 60\npython main.py --play --k many", 60),
        ("python main.py --k 60 > log.txt && python train_main.py --k 9", 60),
        (OTHER, 3),
        ("cd ../vae\npython main.py --k 9", 3),
        ("python ../VAE/main.py --k 9\ncd ../EBM\npython main.py --k 60\ncd ..; python ebm/main.py --k 7", 7),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_the_command_of_another_part_is_ignored(tmp_path: Path, text: str, k: int, inside: bool) -> None:
    folder = tmp_path / "ebm"
    folder.mkdir()
    (folder / "main.py").write_text(textwrap.dedent(SCRIPT))
    ((folder if inside else tmp_path) / "README.md").write_text(text)
    settings = script_settings.read_settings(folder / "main.py", [folder, tmp_path], {})
    assert settings.values.k == k
    assert settings.found_in == (None if k == 3 else "README.md")


def given(folder: Path, source: str, **fixed: Any) -> script_settings.Evaluated:
    """Evaluate the arguments that the one script of a folder passes to its `Trainer`."""
    (folder / "main.py").write_text(textwrap.dedent(source))
    call = next(script_settings.find_calls("Trainer", folder))
    settings = script_settings.read_settings(call.path, [folder], fixed)
    before = dict(vars(settings.values))
    found = script_settings.evaluate(call, settings, {"device": "here"})
    assert vars(settings.values) == before
    return found


GUARD = """
    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--k", type=int, default=3)
        parser.add_argument("--cuda", action="store_true")
        parser.add_argument("--load_dir")
        parser.add_argument("--play", action="store_true")
        args = parser.parse_args()
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "net = args.k * 2\ntrainer = Trainer(net, args.k)\nnet = trainer.train()"),
        ("", "if args.k > 3:\n    n = args.k\n    Trainer(n + 3, args.k and 3)"),
        ("def test(net, args):\n    trainer = Trainer(net, args.k)", "model = args.k * 2\ntrainer = test(model, args)"),
        ("def test(args, net=6):\n    Trainer(net, args.k)", "test(args)"),
        ("def go(a, b):\n    Trainer(b, a)\ndef test(net, hps):\n    go(hps.k, net)", "test(net=6, hps=args)"),
        ("def test(net, h):\n    Trainer(net, h.k)", "test(6, parser.parse_args())"),
        ("def test():\n    Trainer(net, args.k)", "net = args.k * 2\nnet = net\nnumber = test()"),
        ("class T:\n    def go(self, net):\n        Trainer(net, 3)\nnet = 6", "T().go(7)"),
    ],
)
def test_values_of_the_main_block_reach_the_call(tmp_path: Path, before: str, after: str) -> None:
    source = "import argparse\n" + before + textwrap.dedent(GUARD) + textwrap.indent(after, "    ")
    if "self" in before:
        with pytest.raises(NameError):
            given(tmp_path, source)
    else:
        found = given(tmp_path, source)
        assert (found.arguments, found.named) == ([6, 3], {})


def test_assignments_to_the_flags_are_kept(tmp_path: Path) -> None:
    (args, size), _, names = given(
        tmp_path,
        """
        import argparse

        def main(args, size):
            args.k += 1
            args.late = args.k * 10
            trainer = Trainer(args, size)
            args.k = 0
        """
        + GUARD.replace("\n    ", "\n        ")
        + """
            args.cuda = not args.cuda
            args.k *= 2
            args.data = missing(args.k)
            args.load_dir = "runs/1"
            if args.play:
                size = 5
                args.size = size
            else:
                args.size = 6
            main(args, args.k)
        """,
        play=True,
        load_dir="checkpoint.pt",
    )
    expected = {"k": 7, "late": 70, "cuda": True, "load_dir": "checkpoint.pt", "play": True, "size": 5}
    assert (vars(args), size) == (expected, 6)
    assert names["args"] is args


@pytest.mark.parametrize("run", ["inside()", "trainer = Trainer(Net())"])
def test_globals_that_classes_read_are_found_where_the_script_sets_them(tmp_path: Path, run: str) -> None:
    found = given(
        tmp_path,
        """
        import argparse
        from math import prod

        def double(x):
            return factor * x

        class Net:
            def forward(self, x):
                local = double(x) + args.k
                return local

        def train():
            return unused

        """
        + ("def inside():\n            return Trainer(Net())" if run == "inside()" else "")
        + GUARD.replace("\n    ", "\n        ")
        + f"""
            factor = prod([2, 5])
            local = unused = factor
            {run}
        """,
    )
    assert found.arguments[0].forward(4) == 2 * 5 * 4 + 3
    assert not {"unused", "local"} & set(found.names)


def test_definitions_exclude_statements_that_act_or_fail(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import sys, not_installed_anywhere\nfrom json import dumps\nA = 2\nB = A * 3\nC = sys.exit(1)\n"
        "D = unknown\nclass Net:\n    size = B\ndef f(): return dumps(A)\nf.called = f()\n"
        "for _ in iter(int, 1): pass\nif True: E = 1\n"
    )
    found = imports.definitions(tmp_path / "train.py")
    assert (found["A"], found["B"], found["Net"].size, found["f"]()) == (2, 6, 6, "2")
    assert not {"C", "D", "E"} & set(found)
    assert not hasattr(found["f"], "called")
