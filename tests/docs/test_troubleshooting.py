"""The messages of docs/troubleshooting.md are those that gradebench gives: each is brought about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from harness.sandbox.outside import probe
from tests.docs import troubles
from tests.docs.pages import ROOT, blocks_of, text_of

PAGE = text_of("docs/troubleshooting.md")
QUOTES = [" ".join(block.split()) for block in blocks_of(PAGE, "text")]
STRANGE = "error: --scheduler tcp://10.0.0.5:8786"


def quoted(quote: str, message: str) -> bool:
    """True if a message is what the page quotes; "…" stands for any text."""
    pattern = ".*".join(re.escape(part) for part in quote.split("…"))
    return re.fullmatch(pattern, " ".join(message.split()), re.DOTALL) is not None


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All that is said of a class in which everything goes wrong, and by commands that do."""
    folder = tmp_path_factory.mktemp("troubles")
    troubles.build(folder)
    kept = {key: value for key, value in os.environ.items() if key not in ("GRADEBENCH_DATA", "GITHUB_ACTIONS")}
    environment = kept | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "500"}

    def said(*arguments: str, code: int, **changes: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *arguments],
            cwd=folder,
            env=environment | changes,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        found.extend(done.stderr.splitlines())
        return done.stdout

    found: list[str] = []
    homework = ("-a", "homework.toml", "--no-references")
    graded = json.loads(said("grade", "class", *homework, "--results", "results", "--json", code=1))
    found += [entry["reason"] for one in graded["submissions"] for entry in one["entries"]]
    said("grade", "class", *homework, "--only", "s9", code=2)
    said("grade", "other", *homework, "--results", "results", code=2)
    said("grade", "class", "-a", "tsinghua", code=2)
    said("decide", "results", "collapsed", "cvae", "accept", code=2)
    said("grade", "class", *homework, "--executor", "dask", "--scheduler", "tcp://10.0.0.5:8786", code=2)
    (folder / "bad.toml").write_text(troubles.ASSIGNMENT.replace("pass = 0.98\n", ""))
    said("grade", "class", "-a", "bad.toml", code=2)
    said("grade", "class/lfs", *homework, "--results", "elsewhere", code=1, PATH=str(folder))
    record = folder / "results" / "nan" / "cvae.json"
    record.write_text(record.read_text().replace('"schema": 2', '"schema": 1'))
    said("report", "results", "--site", "site", code=0)
    return found


@pytest.mark.parametrize("quote", QUOTES, ids=lambda quote: quote[:50])
def test_a_message_of_the_page_is_one_that_gradebench_gives(quote: str, messages: list[str]) -> None:
    if "namespaces" in quote and probe().level == "minimal":
        pytest.skip("this machine has no Landlock")
    if quote.startswith(STRANGE):
        pytest.importorskip("distributed", reason="needs the extra: pip install 'gradebench[cluster]'")
    assert any(quoted(quote, message) for message in messages), "\n".join(messages)


def test_the_page_has_a_message_for_each_way_in_which_the_class_goes_wrong(messages: list[str]) -> None:
    graded = [message for message in messages if not message.startswith(("note:", "error:"))]
    told = {quote for quote in QUOTES if any(quoted(quote, message) for message in graded)}
    # One for each seat, and one for the part that was not handed in.
    assert len(told) == len(troubles.SEATS) + 1
    assert len(QUOTES) == len(set(QUOTES)) >= 25
    assert not quoted(QUOTES[0], QUOTES[1])
