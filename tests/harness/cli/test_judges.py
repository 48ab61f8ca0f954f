"""A judge of one's own on the command line: trained, resumed, measured, and asked to grade."""

import json

import pytest

from classifiers import card
from tests.harness.cli.test_commands import classroom, gradebench, offline

__all__ = ["classroom", "offline"]

QUICK = ("--network", "three", "--epochs", "1")


@pytest.fixture(scope="module")
def own(offline, tmp_path_factory):
    """A folder with a judge of one member, trained for a moment on scikit-learn's digits with a secret seed."""
    folder = tmp_path_factory.mktemp("own")
    done = gradebench(offline, "judge", "train", *QUICK, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_judge_is_trained_with_its_card_and_a_seed_of_its_own(own, offline, tmp_path):
    assert {path.name for path in own.iterdir()} == {"seed", "three.checkpoint", "three.safetensors", "three.md"}
    seed = own.joinpath("seed").read_text(encoding="utf-8").strip()
    assert f"| three | {seed} | 1 |" in own.joinpath("three.md").read_text(encoding="utf-8")
    assert gradebench(offline, "judge", "train", *QUICK, "--out", tmp_path).returncode == 0
    assert tmp_path.joinpath("seed").read_text(encoding="utf-8").strip() != seed


def test_a_finished_training_is_taken_up_and_gives_the_same_judge(own, offline):
    before = own.joinpath("three.safetensors").read_bytes()
    done = gradebench(offline, "judge", "train", *QUICK, "--out", own)
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of 1" not in done.stderr
    assert own.joinpath("three.safetensors").read_bytes() == before


def test_a_checkpoint_of_other_options_is_not_taken_for_this_training(own, offline):
    done = gradebench(offline, "judge", "train", *QUICK, "--out", own, "--seed", "9")
    assert done.returncode == 2
    assert "three.checkpoint: belongs to another training: its seed" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_public_judges_seed_is_called_public(offline, tmp_path):
    done = gradebench(offline, "judge", "train", *QUICK, "--seed", "1", "--out", tmp_path)
    assert "seed 1 is the public judge's" in done.stderr


def test_a_judge_is_measured_as_json_and_in_its_card(own, offline):
    path = own / "three.safetensors"
    done = gradebench(offline, "judge", "evaluate", "--judge", path, "--json", "--write", own / "three.md")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["data"]["name"] == "digits"
    assert 0 <= figures["accuracy"] == figures["digits_accuracy"] <= 1  # both on the digits it did not learn from
    assert figures["members"][0]["name"] == "three"
    assert figures["times_plain_example"] > 0
    assert {name.partition(", ")[0] for name in figures["optimised"]} == {"three"}
    assert len(figures["optimised"]) == 3
    assert "trained on digits, not on MNIST" in done.stderr
    text = own.joinpath("three.md").read_text(encoding="utf-8")
    assert f"| SHA-256 | `{figures['sha256']}` |" in text
    assert (own / "pictures" / "reliability.png").is_file()


def test_a_card_without_marks_is_refused_before_anything_is_measured(offline, tmp_path):
    plain = tmp_path / "CARD.md"
    plain.write_text("no marks", encoding="utf-8")
    for path in (plain, tmp_path / "none.md"):
        done = gradebench(offline, "judge", "evaluate", "--write", path)
        assert done.returncode == 2
        assert card.BEGIN in done.stderr
    assert not (tmp_path / "pictures").exists()


def test_a_private_judge_grades_beside_the_public_one(own, offline, classroom, tmp_path):
    arguments = ("grade", classroom / "mediocre", "--judge", own / "three.safetensors", "--results", tmp_path, "--json")
    done = gradebench(offline, *arguments)
    assert "trained on digits, not on MNIST" in done.stderr
    entries = json.loads(done.stdout)["submissions"][0]["entries"]
    entry = next(entry for entry in entries if entry["status"] == "scored")
    metrics = entry["metrics"]
    assert metrics["accuracy_public_judge"]["value"] > metrics["accuracy"]["value"]
    assert metrics["judges_agree"]["value"] < 1
    digests = json.loads((tmp_path / "mediocre" / "cvae.json").read_text(encoding="utf-8"))
    assert "public judge" in json.dumps(digests)
