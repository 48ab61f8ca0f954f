"""The pages: nothing of a stranger's text becomes markup, nothing is fetched, the same records give the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from harness.types import Evidence, Failure, Figure, Gate, Metric, Record, Role, Score
from reports import site
from reports.common import page_name
from reports.page import check_command, regrade_command, submission_view
from reports.site import TEMPLATES, environment, finalize, render
from tests.reports.examples import a_class, samples, scored, unscored

HOSTILE = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "</style><img src=x onerror=window.pwned=1>",
    "\"><svg onload=window.pwned=1>",
    "' onmouseover='window.pwned=1",
    "javascript:window.pwned=1",
    "[x](javascript:window.pwned=1)",
    "https://evil.example/x.png",
    "{{ 7*7 }}{% raw %}",
    "<!--", "]]>", "&lt;b&gt;",
    "\x1b[31mred\x1b]8;;http://evil.example\x07",
    "abc\u202egnp.exe\u2066",
    "lone\ud800surrogate",
    "../../etc/passwd",
    "A" * 2_000_000,
    "",
    "Z" + "\u0335" * 5000,
]  # fmt: skip
ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "div",
    "header",
    "footer",
    "main",
    "section",
    "article",
    "nav",
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
    "strong",
    "b",
    "bdi",
    "br",
    "code",
    "pre",
    "details",
    "summary",
    "figure",
    "figcaption",
    "img",
    "svg",
    "line",
    "rect",
    "circle",
    "path",
    "text",
    "script",
    "label",
    "input",
    "select",
    "option",
    "button",
    "ol",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "role",
    "scope",
    "colspan",
    "tabindex",
    "src",
    "width",
    "height",
    "alt",
    "decoding",
    "viewbox",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "d",
    "text-anchor",
    "aria-label",
    "aria-labelledby",
    "aria-hidden",
    "aria-sort",
    "data-sortable",
    "data-order",
    "data-sort",
    "data-value",
    "data-label",
    "data-part-block",
    "data-filter",
    "data-theme-choice",
    "type",
    "autocomplete",
    "value",
    "hidden",
}


class Page(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.title = ""
        """Text of the element `title`."""
        self.past_title = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.elements and self.elements[-1][0] == "title" and not self.past_title:
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self.past_title = self.past_title or tag == "title"

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment in the page")

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile_records(text: str, results: Path) -> list[Record]:
    """Records with `text` in every field that holds text."""
    base = replace(a_class(results)[0], role=Role.STUDENT)
    everywhere: dict[str, Any] = {
        "submission": text, "name": text, "part": text, "task": text, "kind": text, "model": text, "assignment": text,
        "data": text, "device": text, "isolation": text, "graded_at": text, "primary": text,
        "stage_notes": {"ask": (text, text)},
        "digests": {text: text, "data": text, "judge": text}, "versions": {text: text, "gradebench": text},
        "timings": {text: 1.0}, "gates": {text: Gate(True, text)}, "assignment_title": text, "part_title": text,
        "task_title": text, "model_title": text,
    }  # fmt: skip
    metrics = {
        text: Metric(0.5, text, "higher", 10, 0.4, 0.6, title=text),
        "other": Metric(None, text, "lower", 0, title=text),
        "untitled": Metric(1.0, "ms", "lower", 3),
    }
    evidence = (Evidence(text, True, 0.5, 0.1, 0.2, text, text), Evidence(text + "2", True, 0.5, 0.1, 0.2, text))

    def figure(kind: Any, data: dict[str, Any], **more: Any) -> Figure:
        words = {"columns": (text,) * 3, "series": (text,) * 2, "x": text, "y": text, "unit": text, "file": text}
        return Figure(text, kind, text, data, text, **{**words, **more})

    steps = [[0.25, 0.75], [0.5, 0.5]]
    figures = (
        samples(base.figures[0].file),
        figure("picture", {}),
        figure("picture", {}, group=text, file=base.figures[0].file),
        figure("bars", {"values": [1, 2, 3], "gate": [1, 1, 1], "real": [2, 2, 2]}),
        figure("matrix", {"counts": [[1, 2, 3]] * 3}),
        figure("histogram", {"counts": [1, 2], "edges": [0, 1, 2]}),
        figure("line", {"values": [1, 2, 3]}),
        figure("bands", {"panels": [steps, steps]}),
        figure("table", {"values": [[text, None], [1.5]]}),
        # None of these has the shape of its kind.
        figure("bars", {"values": [text, 0.5]}),
        figure("matrix", {"counts": [[text]]}),
        figure("histogram", {text: text}),
        figure("line", {"values": text}),
        figure("bands", {"panels": [[text]]}),
        figure("table", {}),
    )
    good = replace(
        base, **everywhere, metrics=metrics, evidence=evidence, figures=figures, score=Score(1.0, 2.0, True, text)
    )
    bad = unscored("s", "S", Failure(text, text, text, detail=text))
    bad = replace(bad, **{**everywhere, "part": text + "2"})
    return [good, replace(bad, primary=None)]


def pages(site: Path) -> dict[str, Page]:
    return {str(path.relative_to(site)): Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def check_markup(page: Page, name: str, site: Path) -> None:
    for tag, attributes in page.elements:
        assert tag in ELEMENTS, (name, tag)
        for attribute, value in attributes.items():
            assert attribute in ATTRIBUTES, (name, tag, attribute)
            if attribute == "src":
                assert tag == "img"
                assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", value or ""), name
            if attribute == "href":
                target = (value or "").split("#")[0]
                assert re.fullmatch(
                    r"(|index\.html|\.\./index\.html|submissions/[a-z0-9-]+-[0-9a-f]{12}\.html)", target
                )
                assert target == "" or ((site / name).parent / target).resolve().is_file()
    # That of the colours, before anything is shown, and all others at the end.
    assert len(page.of("script")) == 2
    assert len(page.of("style")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], Path, Path]:
    root = tmp_path_factory.mktemp("classroom")
    records = a_class(root / "results")
    render(records, root / "results", root / "site")
    return records, root / "results", root / "site"


@pytest.mark.corpus(
    "Reports", "`<script>` and `javascript:` in names", "<script>window.pwned=1</script>", "javascript:window.pwned=1"
)
@pytest.mark.corpus("Reports", "Markdown links and table breaks", "[x](javascript:window.pwned=1)")
@pytest.mark.corpus("Reports", "ANSI and OSC in logs", "\x1b[31mred\x1b]8;;http://evil.example\x07")
@pytest.mark.corpus("Reports", "megabyte names, lone surrogates", "lone\ud800surrogate")
@pytest.mark.parametrize("text", HOSTILE, ids=[f"{i}" for i in range(len(HOSTILE))])
def test_hostile_text_stays_text(text: str, tmp_path: Path) -> None:
    records = hostile_records(text, tmp_path / "results")
    render(records, tmp_path / "results", tmp_path / "site")
    found = pages(tmp_path / "site")
    assert len(found) == 2
    for name, page in found.items():
        check_markup(page, name, tmp_path / "site")
        content = (tmp_path / "site" / name).read_text("utf-8")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", content)
        assert len(content) < 400_000
        assert page.title
        if text.startswith("{{"):  # of which jinja2 would make 49
            assert text in page.title and "49" not in page.title
    if text.startswith("<script>"):
        assert any(text in words for words in found["index.html"].words)


@pytest.mark.corpus("Reports", "`<script>` and `javascript:` in names")
def test_every_page_is_sound_and_fetches_nothing(classroom: tuple[list[Record], Path, Path]) -> None:
    _, _, site = classroom
    for name, page in pages(site).items():
        check_markup(page, name, site)
        text = (site / name).read_text("utf-8")
        assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
        policies = [m["content"] or "" for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1
        assert policies[0].startswith("default-src 'none'; img-src data:;")
        assert "unsafe" not in policies[0]
        assert page.of("html")[0]["lang"] == "en"
        assert len(page.of("h1")) == 1
        assert page.of("a")[0]["href"] == "#content"
        assert page.of("main")[0]["id"] == "content"
        assert all(image.get("alt") for image in page.of("img"))
        assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.of("svg"))


def test_autoescape_is_on_for_every_template_and_nothing_is_marked_safe() -> None:
    jinja = environment()
    assert jinja.autoescape is True
    assert jinja.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    # Text that no view cleaned is still cleaned when it is printed, in a macro too.
    macro = "{% macro m(x) %}<i>{{ x }}</i>{% endmacro %}{{ m(x) }}"
    assert jinja.from_string(macro).render(x="a\x1b[1m\u202e<\ud800") == "<i>a&lt;\ufffd</i>"
    with pytest.raises(UndefinedError):
        jinja.from_string("{{ missing }}").render()
    templates = list(TEMPLATES.glob("*.j2"))
    assert len(templates) >= 4
    assert all(path.name.endswith(".html.j2") for path in templates)
    for path in templates:
        source = path.read_text("utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup|\bstyle=|\bon[a-z]+=", source), path.name
    for path in TEMPLATES.parent.rglob("*.py"):
        assert "Markup(" not in path.read_text("utf-8")


def test_finalize_cleans_text_and_leaves_the_rest() -> None:
    assert finalize("a\x1b[1m\u202eb\nc") == "ab\nc"
    assert finalize(3.5) == 3.5
    assert finalize(None) is None


def test_same_records_same_bytes(classroom: tuple[list[Record], Path, Path], tmp_path: Path) -> None:
    records, results, site = classroom
    render(list(reversed(records)), results, tmp_path)
    first = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    second = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first == second


def test_sorted_column_is_marked(classroom: tuple[list[Record], Path, Path]) -> None:
    _, _, site = classroom
    page = Page((site / "index.html").read_text("utf-8"))
    heads = [head for head in page.of("th") if head.get("aria-sort")]
    # The total, and the rank of both parts' tables.
    assert [(head["data-sort"], head["aria-sort"]) for head in heads] == [
        ("number-down", "descending"),
        ("number", "ascending"),
        ("number", "ascending"),
    ]
    assert len([table for table in page.of("table") if "data-sortable" in table]) == 3


def test_the_notice_stands_wherever_a_score_does(tmp_path: Path) -> None:
    records = a_class(tmp_path / "results", data="digits")
    render(records, tmp_path / "results", tmp_path / "site")
    for path in sorted((tmp_path / "site").rglob("*.html")):
        text = path.read_text("utf-8")
        assert text.count("scikit-learn’s digits, not MNIST") >= 2, path.name
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert index.count('class="score"') == index.count('<br><span class="unit">not MNIST</span>') == 8


def test_mnist_needs_no_notice(classroom: tuple[list[Record], Path, Path]) -> None:
    assert "not MNIST" not in (classroom[2] / "index.html").read_text("utf-8")


def test_failures_show_reason_advice_and_no_points(classroom: tuple[list[Record], Path, Path]) -> None:
    site = classroom[2]
    cut = (site / "submissions" / page_name("s1005")).read_text("utf-8")
    assert "ends after 1,048,576 of 7,163,904 bytes" in cut
    assert "The file ends too early." in cut
    assert "end of central directory: not found" in cut
    assert "of 20 points" not in cut
    unlucky = (site / "submissions" / page_name("s1007")).read_text("utf-8")
    assert "nothing is held against it" in unlucky
    assert "Try it before you hand it in" not in unlucky


def test_unknown_metrics_and_tables_are_drawn_plainly(tmp_path: Path) -> None:
    record = replace(
        scored("s", "S", 0.99),
        figures=tuple(
            Figure(name, "table", "", {"values": values})
            for name, values in {
                "spectrum": [1.25, None, 3],
                "ragged": [[1, 2, 3], [4]],
                "deep": [[[1, 2], [3]]],
                "scalar": 5,
            }.items()
        ),
        metrics={
            "accuracy": Metric(0.99, "share", "higher", 10),
            "bits_per_dim": Metric(1.891, "bits/dim", "lower", 10),
        },
    )
    render([record], tmp_path, tmp_path / "site")
    text = (tmp_path / "site" / "submissions" / page_name("s")).read_text("utf-8")
    for shown in ("Spectrum", "Ragged", "Deep", "Scalar", "1.25", "Bits per dim", "1.891"):
        assert shown in text


@pytest.mark.corpus("Reports", "`../` in an output name")
def test_page_names_are_safe_and_apart() -> None:
    names = [page_name(i) for i in ("A", "a", "a ", "../a", "ä", "", "con", "\ud800", "x" * 5000, "a/b", "a-b")]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}-[0-9a-f]{12}\.html", name) for name in names)


def test_regrade_command_quotes_what_the_record_says() -> None:
    record = replace(scored("s; rm -rf ~", "S", 0.99), assignment="$(id)", device="`id`")
    assert regrade_command(record) == (
        "gradebench grade SUBMISSIONS '--assignment=$(id)' '--only=s; rm -rf ~' "
        "--task=conditional-generation --seed=0 --fresh"
    )


def test_a_receipt_says_that_an_entry_was_measured_in_full(tmp_path: Path) -> None:
    brief = scored("ada", "Ada", 0.99)
    for record, full in ((brief, False), (replace(brief, full=True), True)):
        (part,) = submission_view([record], tmp_path, staff=True).parts
        assert ("--full" in part.command.split(), "--full" in check_command(record).split()) == (full, full)
        assert (("Measured", "all of the samples (--full)") in part.facts) is full


def test_progress_and_pages_of_gone_submissions(tmp_path: Path) -> None:
    records = [replace(scored(s, s, 0.99), figures=()) for s in ("a", "b")]
    calls: list[tuple[int, int]] = []
    render(records, tmp_path, tmp_path / "site", lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    foreign = tmp_path / "site" / "submissions" / "notes-0123456789ab.html"
    foreign.write_text("<p>mine</p>")
    render(records[:1], tmp_path, tmp_path / "site")
    left = {path.name for path in (tmp_path / "site" / "submissions").iterdir()}
    assert left == {page_name("a"), foreign.name}


def test_no_records_make_a_page(tmp_path: Path) -> None:
    index = render([], tmp_path, tmp_path / "site")
    assert "Nothing has been graded yet" in index.read_text("utf-8")


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_reaches_wcag_aa(scheme: str) -> None:
    css = site.environment().get_template("_style.html.j2").render()
    selector = ":root" if scheme == "light" else ":root:not([data-theme])"
    block = re.findall(re.escape(selector) + r" \{(.*?)\}", css, re.S)[0]
    # What a reader chooses is what the system would choose.
    assert scheme == "light" or block.strip() in css.replace(block, "", 1)
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
    text = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("paper", "card", "faint")]
    text += [
        ("accent", "accent-soft"),
        ("warn", "warn-soft"),
        ("bad", "bad-soft"),
        ("warn", "paper"),
        ("warn", "faint"),
    ]
    text += [("ink", f"{kind}-{level}") for kind in ("hit", "miss") for level in (1, 2, 3, 4)]
    text += [("on-deep", f"{kind}-{level}") for kind in ("hit", "miss") for level in (5, 6)]
    for ink, ground in text:
        a, b = sorted((_luminance(colours[ink]), _luminance(colours[ground])))
        assert (b + 0.05) / (a + 0.05) >= 4.5, (scheme, ink, ground)


def test_a_record_that_can_not_be_shown_costs_its_own_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [scored("ada", "Ada", 0.99), scored("odd", "Odd", 0.98), scored("zoe", "Zoe", 0.97)]
    made = site.submission_view

    def view(own: list[Record], results: Path, *given: Any) -> Any:
        if own[0].submission == "odd":
            raise ZeroDivisionError("an odd number")
        return made(own, results, *given)

    monkeypatch.setattr(site, "submission_view", view)
    problems: list[str] = []
    index = render(records, tmp_path, tmp_path / "site", on_problem=problems.append)
    assert problems == ["passed over: odd · cvae: can't be shown (ZeroDivisionError: an odd number)"]
    assert "Ada" in index.read_text() and "Zoe" in index.read_text() and "Odd" not in index.read_text()
    assert {path.name for path in (tmp_path / "site" / site.PAGES).iterdir()} == {
        page_name(name, Role.STUDENT) for name in ("ada", "zoe")
    }
    alone = render([records[0], records[2]], tmp_path, tmp_path / "alone")
    assert alone.read_bytes() == index.read_bytes()
    monkeypatch.setattr(site, "index_view", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        render([], tmp_path, tmp_path / "nothing")
