"""Writes the site: index.html and one page a submission, each a single file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.files import write_atomically
from harness.text import capitalised, cleaned
from harness.types import Record, Role
from reports.common import page_name
from reports.index import PAGES, index_view
from reports.page import submission_view
from reports.pairs import Entries, entries_of

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = b'<meta name="generator" content="gradebench">'
_PAGE_NAME = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}\.html")


def environment() -> Environment:
    """Jinja2 with autoescape on for every template whatever its name, and undefined names as errors."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["capitalised"] = capitalised
    return jinja


def finalize(value: object) -> object:
    """Clean a value that a template prints: the last net, whatever was cleaned before.

    Line breaks survive, for preformatted text; markup that jinja2 itself made (a macro's) is left alone.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return "\n".join(cleaned(line) for line in value.split("\n"))
    return value


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


def content_security_policy(jinja: Environment) -> str:
    """Forbids everything but our one style sheet and script, by their hashes, and pictures as data URIs.

    No style attributes, no event handlers, no frames, no forms, no connections: anything that a name smuggled past
    the escaping would still neither run nor fetch.
    """
    style = _hash(jinja.get_template("_style.html.j2").render())
    script = _hash(jinja.get_template("_script.html.j2").render())
    ours = f"img-src data:; style-src {style}; script-src {script}"
    return f"default-src 'none'; {ours}; base-uri 'none'; form-action 'none'"


def _remove_stale(folder: Path, kept: set[str]) -> None:
    """Take down pages of submissions that are no longer in the records; only files that this module wrote."""
    for path in sorted(folder.glob("*.html")):
        if path.name in kept or not _PAGE_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            ours = GENERATOR in file.read(2048)
        if ours:
            path.unlink()


def render(
    records: Sequence[Record],
    results: Path,
    site: Path,
    on_page: Callable[[int, int], None] | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> Path:
    """Write the whole site for `records` below `site`; returns the path of its index.html.

    `results` is the folder that the records' pictures and scores are relative to. `on_page(done, total)` is called
    after each page. Every file is replaced in one step, pages before the index, so that a reader never meets a dead
    link; pages of submissions that are gone are removed. The same records, pictures and scores give the same bytes.
    Raises `OSError` where the site can't be written. A record that can be read and not shown, edited by hand or a
    stranger's, costs its own row: it is left out, and `on_problem` gets a sentence about it.
    """
    try:
        return _rendered(records, results, site, on_page)
    except OSError:
        raise
    except Exception:
        left = _showable(records, results, on_problem or (lambda problem: None))
        if len(left) == len(records):
            raise
    return _rendered(left, results, site, on_page)


def _rendered(records: Sequence[Record], results: Path, site: Path, on_page: Callable[[int, int], None] | None) -> Path:
    jinja = environment()
    policy = content_security_policy(jinja)
    by_submission: dict[tuple[Role, str], list[Record]] = {}
    for record in sorted(
        records, key=lambda r: (r.submission, r.assignment, r.data, r.task, r.part, r.protocol, r.graded_at)
    ):
        by_submission.setdefault((record.role, record.submission), []).append(record)
    ordered = [record for own in by_submission.values() for record in own]
    total, entries = len(by_submission) + 1, entries_of(ordered)
    kept: set[str] = set()
    for done, ((role, submission), own) in enumerate(by_submission.items(), start=1):
        page = _page(own, results, jinja, policy, entries)
        name = page_name(submission, role)
        kept.add(name)
        write_atomically(site / PAGES / name, page.encode("utf-8"))
        if on_page is not None:
            on_page(done, total)
    index = site / "index.html"
    write_atomically(index, _index(ordered, results, jinja, policy).encode("utf-8"))
    _remove_stale(site / PAGES, kept)
    if on_page is not None:
        on_page(total, total)
    return index


def pages(submissions: Iterable[Sequence[Record]], results: Path) -> Iterator[str]:
    """Yield the page of each submission as a document of its own, which has no leaderboard to go back to."""
    jinja = environment()
    policy = content_security_policy(jinja)
    for own in submissions:
        yield _page(own, results, jinja, policy, home="")


def _page(
    own: Sequence[Record],
    results: Path,
    jinja: Environment,
    policy: str,
    others: Entries | None = None,
    home: str = "../index.html",
) -> str:
    template = jinja.get_template("submission.html.j2")
    return template.render(view=submission_view(own, results, others), policy=policy, home=home)


def _index(records: Sequence[Record], results: Path, jinja: Environment, policy: str) -> str:
    return jinja.get_template("index.html.j2").render(sections=index_view(records, results), policy=policy)


def _showable(records: Sequence[Record], results: Path, on_problem: Callable[[str], None]) -> Sequence[Record]:
    """The records that can be shown: each is tried alone."""
    jinja = environment()
    left = []
    for record in records:
        try:
            _page([record], results, jinja, "")
            _index([record], results, jinja, "")
        except Exception as error:
            on_problem(f"{record.submission} · {record.part}: can't be shown ({type(error).__name__}: {error})")
        else:
            left.append(record)
    return left
