"""What every page says in the same words: which data, which outcome, where a submission's page lies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.types import HOUSE, Kind, Record, Status
from reports.cleaning import one_line
from reports.leaderboard import primary_metric

_NOTICES = {"mnist": "", "digits": "scikit-learn’s digits, not MNIST"}
_LABELS = {"mnist": "MNIST", "digits": "scikit-learn’s digits"}


def data_notice(data: str) -> str:
    """What must stand beside every score that wasn't measured on MNIST; empty for MNIST."""
    return _NOTICES.get(data, f"{one_line(data, 40) or 'unnamed data'}, not MNIST")


def data_label(data: str) -> str:
    """The data's name as a person writes it."""
    return _LABELS.get(data, one_line(data, 40) or "unnamed data")


_SPELLINGS = {
    "pca": "PCA",
    "ebl": "EBL",
    "lstm": "LSTM",
    "gru": "GRU",
    "realnvp": "RealNVP",
    "bayes": "Bayes",
    "cvae": "cVAE",
    "cgan": "cGAN",
    "vae": "VAE",
    "gan": "GAN",
    "dcgan": "DCGAN",
    "ebm": "EBM",
    "mse": "MSE",
    "elbo": "ELBO",
    "mnist": "MNIST",
    "onnx": "ONNX",
}
"""How the field writes what identifiers hold in lower case."""


_PHRASES = (
    (re.compile(r"\bcross entropy (\d+)$"), r"cross-entropy over \1 pixels"),
    (re.compile(r"\baccuracy (\d+)$"), r"accuracy over \1 pixels"),
    (re.compile(r"\b(over 1 pixel)s$"), r"\1"),
    (re.compile(r"\bcross entropy\b"), "cross-entropy"),
    (re.compile(r"\bm([1-4])$"), r"M\1"),
    (re.compile(r" (stream \d+)$"), r", \1"),
    (re.compile(r"\btwo by two\b"), "two-by-two"),
    (re.compile(r"\bnext pixel\b"), "next-pixel"),
    (re.compile(r"\bone pixel\b"), "one-pixel"),
)
"""What the field hyphenates, and numbers that say of what."""


def words(name: str) -> str:
    """An identifier as words: kebab- and snake-case become spaces, abbreviations get their capitals.

    >>> words("mode-collapse"), words("masked_mse"), words("cross_entropy_28")
    ('mode collapse', 'masked MSE', 'cross-entropy over 28 pixels')
    """
    text = one_line(name.replace("-", " ").replace("_", " "), 60)
    for pattern, phrase in _PHRASES:
        text = pattern.sub(phrase, text)
    return " ".join(_SPELLINGS.get(word, word) for word in text.split(" "))


def titled(name: str) -> str:
    """`words` with a capital first letter, unless it begins with an abbreviation."""
    text = words(name)
    return text if text.split(" ")[0] in _SPELLINGS.values() else text[:1].upper() + text[1:]


def slug(text: str, limit: int = 40) -> str:
    """Lower-case ASCII letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text[: 4 * limit].lower()).strip("-")[:limit].strip("-")


def page_name(submission: str) -> str:
    """File name of a submission's page: a readable slug of its id and 12 hex digits of the id's SHA-256.

    The digest keeps apart what the slug, or a file system that ignores case, would make one.
    """
    digest = hashlib.sha256(submission.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{slug(submission) or 'submission'}-{digest}.html"


def is_house(record: Record) -> bool:
    """Whether the record stands beside the class: a trivial baseline or a reference model, which earns nothing."""
    return record.submission.startswith(HOUSE)


def house_label(record: Record) -> str:
    """What a house row is called: "baseline" or "reference"; empty for a submission."""
    if not is_house(record):
        return ""
    return "baseline" if record.kind == Kind.BASELINE else "reference"


@dataclass(frozen=True)
class Verdict:
    """An outcome in words, and the class that colours it. The words alone say everything."""

    text: str
    kind: str
    """pass, below, fail or none."""


def verdict(record: Record) -> Verdict:
    """The outcome of one part."""
    if record.status is Status.FAILED:
        return Verdict("Failed", "fail")
    if record.status is Status.NOT_GRADABLE:
        return Verdict("Not gradable", "none")
    if primary_metric(record) is None:
        return Verdict("Not measured", "none")
    if record.score is None:
        return Verdict("Measured", "none")
    # "Below the mark" would be said of an error that is above it.
    return Verdict("Passed", "pass") if record.score.passed else Verdict("Mark missed", "below")


def short(digest: str) -> str:
    """The first 12 characters of a digest."""
    return one_line(digest, 200)[:12]


def distinct(values: Sequence[str]) -> tuple[str, ...]:
    """Each value once, empty ones left out, sorted."""
    return tuple(sorted({one_line(value, 120) for value in values} - {""}))


def day(graded_at: str) -> str:
    """The date of an ISO 8601 time."""
    return one_line(graded_at, 40)[:10]
