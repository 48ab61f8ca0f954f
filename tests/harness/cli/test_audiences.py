"""The options of `report` that decide who may see a site: --staff, --names, --leave-out."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import records
from harness.cli.app import app
from harness.types import Failure
from tests.reports.examples import scored, unscored


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    refused = Failure("checkpoint", "runs-code", "cvae.pt: names posix.system.")
    for record in (
        scored("4711", "Zoë Quandt", 0.99, place="moodle:4711", figures=()),
        unscored("4712", "Ada Xylander", refused, place="moodle:4712"),
    ):
        records.save(folder, record)
    return folder


def site(results: Path, *options: str) -> str:
    """All text of the site that `report` writes, names of files among it."""
    folder = results.parent / f"site{'-'.join(options)}"
    done = CliRunner().invoke(app, ["report", str(results), "--site", str(folder), *options])
    assert done.exit_code == 0, done.output
    return "\n".join(f"{path.name}\n{path.read_text('utf-8')}" for path in sorted(folder.rglob("*.html")))


def test_the_public_site_has_pseudonyms_and_no_findings(results: Path) -> None:
    text = site(results)
    assert "Quandt" not in text and "4711" not in text.replace("#4711", "")
    assert "posix.system" not in text


def test_names_and_staff(results: Path) -> None:
    named = site(results, "--names")
    assert "Zoë Quandt" in named and "posix.system" not in named
    staff = site(results, "--staff")
    assert "Zoë Quandt" in staff and "posix.system" in staff
    both = site(results, "--staff", "--no-names")
    assert "Quandt" not in both and "posix.system" in both


def test_left_out(results: Path) -> None:
    text = site(results, "--names", "--leave-out", "4712")
    assert "Xylander" not in text and "1 submission is not shown, by request" in text


def test_exports_that_name_everybody_are_not_beside_pseudonymous_pages(results: Path) -> None:
    folder = results.parent / "site"
    CliRunner().invoke(app, ["report", str(results), "--site", str(folder), "--export", "csv"])
    assert not (folder / "scores.csv").exists()
    assert "Zoë Quandt" in (results / "@exports" / "scores.csv").read_text("utf-8")
    # And no record of anybody comes of it.
    assert len(records.load_all(results).records) == 2


def test_pseudonymous_pages_are_not_written_around_the_results(results: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(results), "--site", str(results.parent)])
    assert done.exit_code == 2
    assert "lies inside the pages' folder" in done.output.replace("\n", " ")
    assert not (results.parent / "index.html").exists()
