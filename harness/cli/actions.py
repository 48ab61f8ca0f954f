"""Output for GitHub Actions: a fence around all that is printed, annotations, and a job summary.

A runner takes each line of a step's output that begins with "::", or holds "##[", as a command. A traceback or a name
of a submission may hold such a line; so commands are stopped under a random word before anything of it is printed, and
go on only after that (GitHub's "Workflow commands for GitHub Actions", stopping and starting workflow commands). The
summary is HTML without blank lines, in which Markdown has no meaning, with strangers' text escaped and in <code>.
"""

from __future__ import annotations

import html
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.text import many_lines, one_line

if TYPE_CHECKING:
    from harness.types import Record

MOST_ANNOTATIONS = 10
"""Annotations of a kind that GitHub shows for a step."""
LARGEST_SUMMARY = 900_000
"""Bytes of a summary; GitHub takes 1 MiB of all that a step writes."""
_DETAIL = 8_000


def on_a_runner(environment: Mapping[str, str] = os.environ) -> bool:
    """Decide whether a runner of GitHub Actions reads what is printed."""
    return environment.get("GITHUB_ACTIONS") == "true"


@contextmanager
def fenced() -> Iterator[None]:
    """Stop the runner's commands until the end, under a word that nothing which is printed can know."""
    word = secrets.token_hex(24)
    _say(f"::stop-commands::{word}")
    try:
        yield
    finally:
        sys.stdout.flush()
        # On a line of its own, whatever was printed last.
        _say(f"\n::{word}::")


def annotate(records: Sequence[Record], notice: str) -> None:
    """Print an error for each part that failed or missed its mark, and one notice with the outcome."""
    from harness.totals import reason
    from harness.types import Status

    told = 0
    for record in records:
        passed = record.score is not None and not record.held and (record.score.passed or record.earlier_of)
        if passed or record.status is Status.NOT_HANDED_IN or told == MOST_ANNOTATIONS:
            continue
        kind = "warning" if record.held or record.status is Status.NOT_GRADABLE else "error"
        told += 1
        _say(command(kind, reason(record) or "below its pass mark", title=record.part_title or record.part))
    _say(command("notice", notice, title="gradebench"))


def command(name: str, message: str, title: str = "") -> str:
    r"""A workflow command on one line, with its title and message escaped.

    >>> command("error", "50 %\n::set-output name=x::y", title="a: b, c")
    '::error title=a%3A b%2C c::50 %25 ::set-output name=x::y'
    """
    clean = _data(one_line(title, 200)).replace(":", "%3A").replace(",", "%2C")
    return f"::{name} title={clean}::{_data(one_line(message, 1000))}"


def summarise(
    records: Sequence[Record], heading: str, sentences: Sequence[str], environment: Mapping[str, str] = os.environ
) -> None:
    """Append the outcome to the job summary, where the runner has one; said, not raised, where it can't be written."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="replace") as file:
            file.write(summary(records, heading, sentences))
    except OSError as error:
        _say(f"The job summary could not be written: {error.strerror}")


def summary(records: Sequence[Record], heading: str, sentences: Sequence[str]) -> str:
    """The outcome of one submission as HTML for a job summary: heading, sentences, table and details, a line each."""
    from harness.numbers import plain_interval, plain_number
    from harness.totals import earned, primary_metric, reason
    from harness.types import Status

    rows, details = [], []
    for record in records:
        metric = primary_metric(record)
        value = (
            f"{plain_number(metric.value, metric.unit)} [{plain_interval(metric, '–')}]" if metric is not None else ""
        )
        points = earned(record)
        of = f" of {record.score.max_points:g}" if record.score is not None else ""
        cells = (
            record.part_title or record.part,
            _verdict(record),
            value,
            f"{points:g}{of}" if points is not None else "",
        )
        rows.append("".join(f"<td>{_code(cell)}</td>" for cell in (*cells, reason(record))))
        if record.failure is not None and record.failure.detail and record.status is not Status.NOT_HANDED_IN:
            detail = html.escape(many_lines(record.failure.detail, _DETAIL)).replace("\n", "&#10;")
            details.append(f"<details><summary>{_code(record.part)}, in detail</summary><pre>{detail}</pre></details>")
    heads = "".join(f"<th>{name}</th>" for name in ("part", "verdict", "score [95 %]", "points", "why"))
    table = f"<table><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
    told = [f"<h3>gradebench: {_code(heading)}</h3>", *(f"<p>{_code(sentence)}</p>" for sentence in sentences), table]
    size = sum(len(line.encode()) for line in told)
    for detail in details:
        size += len(detail.encode())
        if size > LARGEST_SUMMARY:
            told.append("<p>More details stand in the step's log.</p>")
            break
        told.append(detail)
    return "\n\n".join(told) + "\n"


def _verdict(record: Record) -> str:
    from harness.types import Status

    if record.status is not Status.SCORED or record.score is None:
        return record.state.replace("-", " ")
    if record.held:
        return "held"
    return "passed" if record.score.passed else "below the mark"


def _code(text: str) -> str:
    """Strangers' text as code, on one line: no markup, no mention, no link."""
    return f"<code>{html.escape(one_line(text, 1000))}</code>" if text else ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _say(line: str) -> None:
    """Print to stderr, where all else is printed, too."""
    print(line, file=sys.stderr, flush=True)
