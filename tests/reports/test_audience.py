"""Who sees what of a site: pseudonyms that nobody can undo, no names of others, security findings for staff alone."""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.types import Evidence, Failure, Record, Role
from reports.audience import OPT_OUT, Audience, visible
from reports.pseudonyms import KEY_FILE, pseudonyms
from reports.scrubbing import Scrubber
from reports.site import pages, render
from tests.reports.examples import sample_grid, scored, unscored

CLASS = {
    "moodle:4711": ("4711", "Zoë Quandt-Özdemir"),
    "moodle:4712": ("4712", "Ada Xylander"),
    "canvas:99812": ("xylander_99812", "Xylander, Bo"),
    "gradescope:555123": ("555123", "Li Wu"),
}
"""Seats, ids and names."""


def a_platform_class(results: Path) -> list[Record]:
    """Records whose every sentence has somebody's name or number in it."""
    records: list[Record] = []
    for number, (place, (own, name)) in enumerate(CLASS.items()):
        first = name.split()[0].lower()
        record = scored(own, name, 0.97 + 0.005 * number, place=place, graded_at=f"2026-03-02T10:15:0{number}Z")
        file = f"{own}/cvae-samples.png"
        sample_grid(results / file, seed=number)
        other = CLASS["moodle:4712" if own != "4712" else "moodle:4711"]
        assert record.score is not None
        record = replace(
            record,
            stage_notes={"intake": (f"{name}_{own}_assignsubmission_file: {first}_vae.pt was taken.",)},
            compared=(
                Evidence("copied", True, 1.0, None, 0.5, f"The same weights as {other[1]} ({other[0]}).", "copied"),
            ),
            score=replace(record.score, explanation=f"{record.score.explanation} {first}.pt"),
            digests={**record.digests, "manifest": hashlib.sha256(name.encode()).hexdigest()},
            figures=(replace(record.figures[0], file=file, caption=f"By {name}."), *record.figures[1:]),
            options={"note": name},
            entry=f"{first}-vae",
        )
        failure = Failure(
            "worker", "exception", f"{first}_gan.py of {name} failed.", detail=f"/home/{first}/{own}/gan.py"
        )
        records += [record, unscored(own, name, failure, place=place, part="cgan", order=1)]
    records.append(scored("cvae", "Reference cVAE", 0.9972, role=Role.REFERENCE, graded_at="2026-03-02T09:00:00Z"))
    return records


def leaks(site: Path) -> list[tuple[str, str]]:
    """Ids, names, parts of names and times of day anywhere below a site, in names of files and in what they hold."""
    wanted = {word for own, name in CLASS.values() for word in (own, name, *re.findall(r"\w{3,}", name))}
    wanted |= set(CLASS) | {"99812", "555123", "10:15:0"}
    digests = {hashlib.sha256(word.encode()).hexdigest()[:12] for word in set(wanted)}
    found = []
    for path in sorted(site.rglob("*")):
        text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", path.read_text("utf-8")) if path.is_file() else ""
        # Numbers of CSS and of drawings are not a student's.
        numbers = {word for word in wanted if word.isdigit()}
        text = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)
        for word in wanted | digests:
            short = len(word) == 3
            pattern = rf"(?<![\d.]){word}(?!\d)" if word in numbers else rf"\b{word}\b" if short else re.escape(word)
            if re.search(pattern, f"{path.relative_to(site)}\n{text}", re.IGNORECASE):
                found.append((str(path.relative_to(site)), word))
    return found


def test_a_published_site_names_nobody_anywhere(tmp_path: Path) -> None:
    results = tmp_path / "results"
    records = a_platform_class(results)
    render(records, results, tmp_path / "site")
    assert leaks(tmp_path / "site") == []
    pages = [path.name for path in (tmp_path / "site" / "submissions").iterdir()]
    assert len([name for name in pages if name.startswith("entry-")]) == 4
    # The search itself finds what is there.
    render(records, results, tmp_path / "named", audience=Audience(names=True))
    assert {word for _, word in leaks(tmp_path / "named")} >= {"Zoë Quandt-Özdemir", "4711", "99812"}


def test_named_pages_disappear_once_the_site_is_pseudonymous(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    records = a_platform_class(results)
    render(records, results, site, audience=Audience(names=True))
    render(records, results, site)
    assert leaks(site) == []


def test_pseudonyms_are_stable_and_keyed_by_a_private_seed(tmp_path: Path) -> None:
    results = tmp_path / "results"
    records = a_platform_class(results)
    first = visible(records, results, Audience())
    again = visible(list(reversed(records)), results, Audience())
    assert first.pseudonyms == again.pseudonyms
    assert sorted(first.pseudonyms.values()) == sorted(own for own, _ in CLASS.values())
    seed = next(results.glob(".secret-seed"))
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600
    for elsewhere in (tmp_path / "another", tmp_path / "third"):
        elsewhere.mkdir()
        other = visible(records, elsewhere, Audience())
        assert not set(other.pseudonyms) & set(first.pseudonyms)
    # A pseudonym is none of the plain digests of what a class list holds.
    plain = {
        hashlib.new(kind, text.encode()).hexdigest()[:8]
        for kind in ("md5", "sha1", "sha256")
        for text in [*CLASS, *(word for pair in CLASS.values() for word in pair)]
    }
    assert not plain & {name.removeprefix("entry-") for name in first.pseudonyms}


def test_the_key_of_pseudonyms_is_the_owners_alone_and_outside_the_site(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    render(a_platform_class(results), results, site)
    assert stat.S_IMODE((results / KEY_FILE).stat().st_mode) == 0o600
    assert len((results / KEY_FILE).read_text("utf-8").splitlines()) == 1 + len(CLASS)
    assert not list(site.rglob(KEY_FILE))


def test_pseudonyms_that_would_clash_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.pseudonyms._digest", lambda seat, key: "aaaaaaaab" + ("c" if seat == "one" else "d"))
    found = pseudonyms([scored("one", "One", 0.99), scored("two", "Two", 0.99)], b"key")
    assert found == {"one": "entry-aaaaaaaabc", "two": "entry-aaaaaaaabd"}


def test_folders_keep_their_names_unless_pseudonyms_are_asked_for(tmp_path: Path) -> None:
    records = [scored("gauss", "Team Gauss", 0.99, place="085a7884e442/gauss")]
    assert visible(records, tmp_path, Audience()).records[0].name == "Team Gauss"
    assert not list(tmp_path.iterdir())
    hidden = visible(records, tmp_path, Audience(names=False)).records[0]
    assert hidden.name == hidden.submission
    assert hidden.name.startswith("entry-")


@pytest.mark.parametrize("line", ["4712", "moodle:4712", "PSEUDONYM"])
def test_who_opted_out_is_on_no_page(tmp_path: Path, line: str) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    records = a_platform_class(results)
    known = {own: name for name, own in visible(records, results, Audience()).pseudonyms.items()}
    (results / OPT_OUT).write_text(f"# asked by mail\n\n {line.replace('PSEUDONYM', known['4712'])} \n")
    for audience in (Audience(), Audience(names=True), Audience(staff=True)):
        seen = visible(records, results, audience)
        assert seen.left_out == 1
        assert len({record.submission for record in seen.records}) == len(CLASS)
    render(records, results, site)
    text = (site / "index.html").read_text("utf-8")
    assert known["4712"] not in text
    assert "1 submission is not shown, by request" in text
    assert len(list((site / "submissions").iterdir())) == len(CLASS)


def findings(submission: str, **changes: Any) -> list[Record]:
    refused = Failure(
        "checkpoint",
        "runs-code",
        "cvae.pt: names posix.system, which would run programs; nothing of it was run.",
        detail="For the instructor: the pickle names posix.system.\nmissing: fc.weight (2, 3)",
    )
    notes = {"ask": ("The pickle names os.getcwd, which was not called.", "Read from the key model_state.")}
    return [
        unscored(submission, "Team Mallory", refused, **changes),
        scored(submission, "Team Mallory", 0.99, part="cgan", order=1, stage_notes=notes, **changes),
    ]


def test_security_findings_are_on_the_staffs_pages_alone(tmp_path: Path) -> None:
    records = findings("mallory")
    render(records, tmp_path / "results", tmp_path / "site")
    render(records, tmp_path / "results", tmp_path / "staff", audience=Audience(staff=True))
    read = {
        folder: "".join(path.read_text("utf-8") for path in sorted((tmp_path / folder).rglob("*.html")))
        for folder in ("site", "staff")
    }
    for word in ("posix.system", "os.getcwd", "made this file to do something"):
        assert word not in read["site"]
        assert word in read["staff"]
    # What the student can act on is for both.
    assert all("Read from the key model_state." in text for text in read.values())
    assert "no model was found in it" in read["site"]


def test_a_page_names_no_other_student_to_students(tmp_path: Path) -> None:
    message = "The same weights as Team Bernoulli (s2002), handed in before; the best file was best.pt."
    copied = (Evidence("copied", True, 1.0, None, 0.5, message, "copied"),)
    records = [
        scored("s2001", "Team Gauss", 0.99, compared=copied),
        scored("s2002", "Team Bernoulli", 0.99),
        scored("best", "best", 0.99),
    ]
    own = visible(records, tmp_path, Audience()).records[0]
    assert own.compared[0].message == (
        "The same weights as another submission, handed in before; the best file was best.pt."
    )
    assert visible(records, tmp_path, Audience(staff=True)).records[0].compared[0].message == message


def test_entries_that_evidence_is_about_are_the_staffs_to_see(tmp_path: Path) -> None:
    others = (("student", "4712", "cvae"), ("reference", "cvae", "cvae"))
    copied = Evidence("copied", True, 1.0, None, 0.5, "The same weights.", "copied", others=others)
    records = a_platform_class(tmp_path)
    records[0] = replace(records[0], compared=(copied,))
    seen = visible(records, tmp_path, Audience()).records[0]
    assert seen.compared[0].others == others[1:]
    assert visible(records, tmp_path, Audience(staff=True)).records[0].compared[0].others == others
    both = visible(records, tmp_path, Audience(staff=True, names=False))
    known = {own: name for name, own in both.pseudonyms.items()}
    assert both.records[0].compared[0].others[0] == ("student", known["4712"], "cvae")


def test_pages_for_their_authors_have_their_own_names_and_no_others(tmp_path: Path) -> None:
    records = a_platform_class(tmp_path)
    own, other = [r for r in records if r.submission == "4711"], [r for r in records if r.submission == "4712"]
    first, _ = pages([own, other], tmp_path)
    assert "Zoë Quandt-Özdemir" in first
    assert "Ada Xylander" not in first and "4712" not in first
    (refused,) = pages([findings("mallory")], tmp_path)
    assert "posix.system" not in refused


def test_scrubbing_leaves_no_first_name_of_a_namesake() -> None:
    records = [scored("1", "Ada Xylander", 0.99, place="moodle:1"), scored("2", "Bo Xylander", 0.99, place="moodle:2")]
    scrub = Scrubber(records, {"1": "entry-a", "2": "entry-b"})
    assert scrub("as Ada Xylander", "2") == "as another submission"
    assert scrub("as Ada Xylander", "1") == "as entry-a"


def test_scrubbing_of_own_words_in_any_company() -> None:
    record = scored("4711", "Zoë Quandt", 0.99, place="moodle:4711")
    scrub = Scrubber([record], {"4711": "entry-x"})
    assert scrub("zoëquandt.pt, QUANDT_final.pt and 4711", "4711") == "entry-x.pt, entry-x_final.pt and entry-x"
    assert scrub("epoch 47110 of 14711, vae4711b", "4711") == "epoch 47110 of 14711, vaeentry-xb"
