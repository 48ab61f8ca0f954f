"""The command line, as a person and as a program use it."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from submissions import examples

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """An environment in which no MNIST is to be found."""
    environment = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
    return environment | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "class"
    examples.build(folder)
    return folder


def gradebench(environment, *arguments):
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src") and value]


def test_demo_grades_the_class_and_writes_pages(offline, tmp_path):
    done = gradebench(offline, "demo", "--site", tmp_path / "site", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["data"]["name"] == "digits"
    assert {s["id"] for s in document["submissions"]} == set(examples.EXAMPLES)
    statuses = {s["id"]: {e["status"] for e in s["entries"]} for s in document["submissions"]}
    assert statuses["strong"] == {"scored", "not-handed-in"}
    assert statuses["corrupt"] == statuses["hostile"] == {"failed", "not-handed-in"}
    (collapsed,) = [s for s in document["submissions"] if s["id"] == "collapsed"]
    (held,) = [e for e in collapsed["entries"] if e["status"] == "scored"]
    assert (held["state"], held["rank"], held["points"], held["provisional_points"]) == ("held", None, None, 25)
    assert collapsed["complete"] is False
    # Of two teams with one model neither counts before the instructor decides; honest entries are not held.
    held = {s["id"] for s in document["submissions"] if any(e.get("state") == "held" for e in s["entries"])}
    assert held == {"collapsed", "copy", "copied-from"}
    links = Links()
    links.feed((tmp_path / "site" / "index.html").read_text(encoding="utf-8"))
    pages = [link for link in links.found if link.endswith(".html")]
    assert len(pages) >= len(examples.EXAMPLES)
    assert all((tmp_path / "site" / page).is_file() for page in pages)
    assert "scikit-learn" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("identity", "code"), [("strong", 0), ("mediocre", 1), ("hostile", 1)])
def test_check_gives_verdict_exit_code_and_junit(offline, classroom, tmp_path, identity, code):
    junit = tmp_path / "report.xml"
    done = gradebench(offline, "check", classroom / identity, "--junit", junit, "--json")
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert len(document["submissions"]) == 1
    entry = next(e for e in document["submissions"][0]["entries"] if e["status"] != "not-handed-in")
    assert entry["passed"] is (code == 0)
    suite = ElementTree.parse(junit).getroot()[0]
    assert int(suite.get("failures")) == (0 if code == 0 else 1)


def test_grade_resumes_and_report_renders_what_it_left(offline, classroom, tmp_path):
    results = tmp_path / "results"
    arguments = ("grade", classroom / "mediocre", classroom / "corrupt", "--results", results)
    first = gradebench(offline, *arguments)
    assert first.returncode == 1, first.stderr
    stamp = (results / "mediocre" / "cvae.json").stat().st_mtime_ns
    assert gradebench(offline, *arguments).returncode == 1
    assert (results / "mediocre" / "cvae.json").stat().st_mtime_ns == stamp
    done = gradebench(offline, "report", results, "--site", tmp_path / "site", "--export", "csv", "--export", "junit")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
    assert "mediocre" in (tmp_path / "site" / "scores.csv").read_text(encoding="utf-8")
    assert (tmp_path / "site" / "junit.xml").is_file()


def test_inspect_shows_tensors_and_runs_nothing(offline, classroom, tmp_path):
    path = tmp_path / "c.pt"
    torch.save({"model": {"w": torch.arange(6.0).reshape(2, 3)}, "epoch": 4}, path)
    done = gradebench(offline, "inspect", path, "--json")
    assert done.returncode == 0, done.stderr
    tensor = json.loads(done.stdout)["tensors"][0]
    assert tensor["shape"] == [2, 3]
    assert tensor["name"].endswith("w")
    hostile = gradebench(offline, "inspect", classroom / "hostile" / "cvae.pt")
    assert "system" in hostile.stderr


def test_inspect_takes_the_prefix_of_a_tensorflow_checkpoint(offline):
    folder = ROOT / "tests/harness/checkpoint/tensorflow"
    (index, *_) = sorted(folder.glob("*.index"))
    done = gradebench(offline, "inspect", index.with_suffix(""), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["format"] == "tensorflow"
    assert json.loads(done.stdout)["tensors"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade", "no-such-folder"), "no-such-folder"),
        (("grade", ".", "--assignment", "no-such"), "no-such"),
        (("grade", ".", "--task", "no-such"), "no-such"),
        (("check", "no-such.zip"), "no-such.zip"),
        (("report", "no-such-results"), "no-such-results"),
        (("inspect", "no-such.pt"), "no-such.pt"),
        (("judge", "train", "--network", "no-such"), "no-such"),
        (("reference", "train", "no-such"), "no-such"),
        (("reference", "evaluate", "--also", "no-such"), "--also no-such"),
    ],
)
def test_usage_errors_name_what_is_wrong(offline, arguments, said):
    done = gradebench(offline, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["tasks", "models", "assignments", "doctor"])
def test_listings_speak_json(offline, name):
    done = gradebench(offline, name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    done = gradebench(offline, name)
    assert done.returncode == 0
    # The extra that a part is installed by is shown with its brackets, which are no markup.
    assert name != "doctor" or "(gradebench[cluster])" in done.stdout + done.stderr


@pytest.mark.parametrize(("change", "said"), [('gates = ["no-such"]', "no-such"), ('models = ["no-such"]', "no-such")])
def test_an_assignment_that_asks_for_what_is_not_there_is_a_usage_error(offline, classroom, tmp_path, change, said):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\ntitle = "Mine"\n[[part]]\nid = "cvae"\ntitle = "V"\ntask = "conditional-generation"\n'
        f"points = 1\npass = 0.5\n{change}\n",
        encoding="utf-8",
    )
    done = gradebench(offline, "grade", classroom / "corrupt", "--assignment", file, "--results", tmp_path / "r")
    assert done.returncode == 2
    assert said in done.stderr


def test_results_that_cannot_be_written_are_a_usage_error(offline, classroom, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = gradebench(offline, "grade", classroom / "corrupt", "--results", tmp_path / "file" / "results")
    assert done.returncode == 2
    assert "--results" in done.stderr


def test_a_foreign_record_is_named_and_stops_neither_verdicts_nor_pages(offline, classroom, tmp_path):
    results = tmp_path / "results"
    (results / "zz").mkdir(parents=True)
    (results / "zz" / "cvae.json").write_text("{}", encoding="utf-8")
    arguments = ("grade", classroom / "corrupt", "--results", results, "--site", tmp_path / "site", "--json")
    done = gradebench(offline, *arguments)
    assert done.returncode == 1
    assert json.loads(done.stdout)["submissions"][0]["id"] == "corrupt"
    assert "zz/cvae.json: not a readable record" in " ".join(done.stderr.split())
    assert "corrupt" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_mark_marks_kept_answers_again_and_names_those_that_it_would_have_to_ask(offline, classroom, tmp_path):
    results = tmp_path / "results"
    grade = ("grade", classroom / "strong", "--results", results, "--task", "conditional-generation", "--no-references")
    first = gradebench(offline, *grade)
    assert first.returncode == 0, first.stderr
    same = gradebench(offline, "mark", results, "--json")
    assert same.returncode == 0, same.stderr
    assert "0 changed" in same.stderr
    assert json.loads(same.stdout)["submissions"][0]["points"] == 50.0
    # A coursework of the same name with other thresholds: scored again, from the records alone.
    strict = (ROOT / "harness/assignments/tsinghua-hw3/assignment.toml").read_text(encoding="utf-8")
    (tmp_path / "strict.toml").write_text(strict.replace("pass = 0.98\n", "pass = 0.9999\n"), encoding="utf-8")
    stricter = gradebench(offline, "mark", results, "-a", tmp_path / "strict.toml", "--json")
    assert stricter.returncode == 1, stricter.stderr
    assert "changed" in stricter.stderr and "0 changed" not in stricter.stderr
    # Answers of 31 MB were not kept, so that another judge's marks need the models again.
    other = tmp_path / "judge.safetensors"
    other.write_bytes((ROOT / "classifiers/weights/judge.safetensors").read_bytes())
    with other.open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\x00\x3c")
    asked = gradebench(offline, "mark", results, "--judge", other, "--json")
    assert asked.returncode == 3, asked.stderr
    assert asked.stderr.count("its answers were not kept") == 2
    assert "strong · cgan" in asked.stderr
    again = gradebench(offline, "mark", results, "--judge", other, "--ask", classroom / "strong", "--json")
    assert again.returncode == 0, again.stderr
    record = json.loads((results / "strong" / "cvae.json").read_text(encoding="utf-8"))
    assert "public judge" in record["digests"]
    # With their answers kept, nobody is asked.
    kept = gradebench(offline, *grade, "--keep-answers", "--fresh")
    assert "up to 65 MB" in " ".join(kept.stderr.split())
    assert gradebench(offline, "mark", results, "--judge", other).returncode == 0
