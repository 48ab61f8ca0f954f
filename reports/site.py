"""Writes the site: index.html and one page a submission, each a single file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

from harness.files import write_atomically
from harness.text import capitalised, cleaned
from harness.types import Record, Role
from reports.audience import Audience, Visible, for_authors, visible
from reports.common import page_name
from reports.hidden import HiddenSection, hidden_view, sweep_partial, telling
from reports.index import FIRST_ROWS, PAGES, PARTS, Section, index_view
from reports.page import submission_view
from reports.pairs import Entries, entries_of
from reports.pseudonyms import keep
from reports.standing import Standings

TEMPLATES = Path(__file__).parent / "templates"
VENDOR = Path(__file__).parent / "vendor"
"""Libraries that pages contain, each with its licence."""
GENERATOR = b'<meta name="generator" content="gradebench">'
EVERYBODY = Audience()
_PAGE_NAME = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}\.html")


class TellingError(Exception):
    """Files in a site's folder, `paths`, may tell scores that are hidden."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(", ".join(map(str, paths)))
        self.paths = tuple(paths)


def environment() -> Environment:
    """Jinja2 with autoescape on for every template whatever its name, and undefined names as errors."""
    jinja = Environment(
        loader=ChoiceLoader([FileSystemLoader(TEMPLATES, encoding="utf-8"), DictLoader({"list.js": table_library()})]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["capitalised"] = capitalised
    return jinja


def table_library() -> str:
    """The template of List.js, which searches, filters, sorts and pages tables, below its licence."""
    licence = (VENDOR / "LICENSE-list.js").read_text("utf-8").strip()
    code = (VENDOR / "list-2.3.1.min.js").read_text("utf-8")
    # A browser's tools would look for the map.
    code = re.sub(r"^//# sourceMappingURL=.*$", "", code, flags=re.MULTILINE).strip()
    return f"{{% raw %}}/*! List.js 2.3.1, listjs.com\n\n{licence}\n*/\n{code}{{% endraw %}}"


def finalize(value: object) -> object:
    """Clean a value that a template prints: the last net, whatever was cleaned before.

    Line breaks survive, for preformatted text; markup that jinja2 itself made (a macro's) is left alone.
    """
    # Nearly all is plain; a large class prints millions of values.
    if type(value) is str and value.isascii() and value.isprintable():
        return value
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return "\n".join(cleaned(line) for line in value.split("\n"))
    return value


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


def content_security_policy(jinja: Environment) -> str:
    """Forbids everything but our style sheet and scripts, by their hashes, and pictures as data URIs.

    No style attributes, no event handlers, no frames, no forms, no connections: anything that a name smuggled past
    the escaping would still neither run nor fetch.
    """
    style = _hash(jinja.get_template("_style.html.j2").render())
    scripts = [jinja.get_template("_scripts.html.j2").render(tables=tables) for tables in (True, False)]
    # In the head, so that no page is shown in other colours first.
    scripts.append(jinja.get_template("_theme.html.j2").render())
    ours = f"img-src data:; style-src {style}; script-src {' '.join(map(_hash, scripts))}"
    return f"default-src 'none'; {ours}; base-uri 'none'; form-action 'none'"


def _remove_stale(folder: Path, kept: set[str]) -> None:
    """Take down pages of submissions that are no longer in the records; only files that this module wrote."""
    for path in _pages_in(folder):
        if path.name not in kept:
            path.unlink()


def _pages_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that this module wrote as pages of submissions or parts."""
    for path in sorted(folder.glob("*.html")):
        if not _PAGE_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            ours = GENERATOR in file.read(2048)
        if ours:
            yield path


def _own_files(site: Path) -> list[Path]:
    """The files of a site's folder that a rendering replaces or deletes."""
    return [site / "index.html", *_pages_in(site / PAGES), *_pages_in(site / PARTS)]


def render(
    records: Sequence[Record],
    results: Path,
    site: Path,
    on_page: Callable[[int, int], None] | None = None,
    on_problem: Callable[[str], None] = lambda problem: None,
    audience: Audience = EVERYBODY,
) -> Path:
    """Write the whole site for `records` below `site`; returns the path of its index.html.

    `audience` decides what is shown of them. Where it gets pseudonyms, the file `pseudonyms.csv` in `results`, which
    only its owner can read, tells whose they are.

    `results` is the folder that the records' pictures and scores are relative to. `on_page(done, total)` is called
    after each page. Every file is replaced in one step, pages before the index, so that a reader never meets a dead
    link; pages of submissions that are gone are removed. Of assignments whose scores are hidden, the index alone tells
    who handed in which part. The same records, pictures and scores give the same bytes.
    Raises `OSError` where the site can't be written, `SecretError` where pseudonyms can't be made, and `TellingError`
    where scores are hidden and other files in the folder may tell them; nothing is written then. A record that
    can be read and not shown, edited by hand or a stranger's, costs its own row: it is left out, and `on_problem` gets
    a sentence about it, as about hand-ins of teams that don't count.
    """
    seen = visible(records, results, audience, on_problem)
    hidden = hidden_view(seen.records, seen.hidden, seen.left_out)
    if hidden and (left := list(telling(site, _own_files(site)))):
        raise TellingError(left)
    if seen.pseudonyms:
        keep(results, seen.pseudonyms)
    shown = seen.scored
    try:
        return _rendered(shown, results, site, on_page, seen, audience.staff, hidden)
    except OSError:
        raise
    except Exception:
        left_over = _showable(shown, results, on_problem)
        if len(left_over) == len(shown):
            raise
    return _rendered(left_over, results, site, on_page, seen, audience.staff, hidden)


def _rendered(
    records: Sequence[Record],
    results: Path,
    site: Path,
    on_page: Callable[[int, int], None] | None,
    seen: Visible,
    staff: bool,
    hidden: Sequence[HiddenSection] = (),
) -> Path:
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
    standings = Standings(records)
    for done, ((role, submission), own) in enumerate(by_submission.items(), start=1):
        page = _page(own, results, jinja, policy, entries, standings=standings, staff=staff)
        name = page_name(submission, role)
        kept.add(name)
        write_atomically(site / PAGES / name, page.encode("utf-8"))
        if on_page is not None:
            on_page(done, total)
    index = site / "index.html"
    sections = index_view(ordered, results, seen.left_out)
    parts: set[str] = set()
    for number, section in enumerate(sections):
        sections = (*sections[:number], _with_part_pages(section, site, parts, jinja, policy), *sections[number + 1 :])
    write_atomically(index, _index(sections, jinja, policy, hidden).encode("utf-8"))
    _remove_stale(site / PAGES, kept)
    _remove_stale(site / PARTS, parts)
    if hidden:
        sweep_partial([site, site / PAGES, site / PARTS])
    if on_page is not None:
        on_page(total, total)
    return index


def pages(submissions: Iterable[Sequence[Record]], results: Path) -> Iterator[str]:
    """Yield the page of each submission as a document of its own, which has no leaderboard to go back to.

    Each is for its author: with the names of nobody else, and without security findings.
    """
    jinja = environment()
    policy = content_security_policy(jinja)
    given = [list(own) for own in submissions]
    for own in for_authors(given):
        yield _page(own, results, jinja, policy, home="")


def _with_part_pages(section: Section, site: Path, names: set[str], jinja: Environment, policy: str) -> Section:
    """The section as the index shows it; where its tables are long, each is a page of its own, added to `names`."""
    if not section.large:
        return section
    tables = []
    for table in section.tables:
        name = f"{table.anchor}-{hashlib.sha256(f'{section.anchor}/{table.anchor}'.encode()).hexdigest()[:12]}.html"
        names.add(name)
        page = jinja.get_template("part.html.j2").render(section=section, table=table, policy=policy, tables=True)
        write_atomically(site / PARTS / name, page.encode("utf-8"))
        tables.append(table.first(FIRST_ROWS, f"{PARTS}/{name}"))
    return replace(section, tables=tuple(tables), large=True)


def _page(
    own: Sequence[Record],
    results: Path,
    jinja: Environment,
    policy: str,
    others: Entries | None = None,
    home: str = "../index.html",
    standings: Standings | None = None,
    staff: bool = False,
) -> str:
    template = jinja.get_template("submission.html.j2")
    view = submission_view(own, results, others, standings, staff)
    return template.render(view=view, policy=policy, home=home)


def _index(sections: Sequence[Section], jinja: Environment, policy: str, hidden: Sequence[HiddenSection] = ()) -> str:
    return jinja.get_template("index.html.j2").render(sections=sections, hidden=hidden, policy=policy, tables=True)


def _showable(records: Sequence[Record], results: Path, on_problem: Callable[[str], None]) -> Sequence[Record]:
    """The records that can be shown: each is tried alone."""
    jinja = environment()
    left = []
    for record in records:
        try:
            _page([record], results, jinja, "")
            _index(index_view([record], results), jinja, "")
        except Exception as error:
            on_problem(
                f"passed over: {record.submission} · {record.part}: can't be shown ({type(error).__name__}: {error})"
            )
        else:
            left.append(record)
    return left
