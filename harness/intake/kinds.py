"""Kinds of hand-ins, told by the name of a file: archives, checkpoints, documents, tables of the class."""

from __future__ import annotations

from pathlib import PurePosixPath

from harness.intake.archives import is_archive, stem
from harness.starters.layout import CHECKPOINT_SUFFIXES

_PACKED = (
    *(".tar.xz", ".tar.bz2", ".tar.zst", ".tar.lz", ".txz", ".tbz2", ".tbz", ".tzst"),
    *(".rar", ".7z", ".zipx", ".gz", ".xz", ".bz2", ".zst", ".lzma", ".lz", ".z", ".iso", ".dmg"),
)
"""Suffixes of archives beside those that can always be unpacked."""
_UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".opdownload")
"""Suffixes of downloads that were interrupted."""
_DOCUMENTS = {
    ".pdf": "a PDF document",
    ".ipynb": "a notebook",
    ".html": "a web page",
    ".htm": "a web page",
    ".url": "a link to a web page",
    ".webloc": "a link to a web page",
    ".doc": "a Word document",
    ".docx": "a Word document",
    ".odt": "a text document",
    ".rtf": "a text document",
    ".txt": "a text",
    ".md": "a text",
    ".tex": "a LaTeX source",
    ".py": "a Python file",
    ".png": "a picture",
    ".jpg": "a picture",
    ".jpeg": "a picture",
    ".onnx": "an ONNX model",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    ".pt2": "an exported program",
}
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
_OF_THE_CLASS = frozenset({"assignment.toml", "readme", "readme.md", "readme.txt", "readme.rst", "license"})


def is_packed(name: str) -> bool:
    """Return True if a file's name is that of an archive, be it of a kind that can't be unpacked."""
    lower = name.lower()
    return is_archive(name) or lower.endswith(_PACKED) or _finished(lower) != lower


def is_checkpoint(name: str) -> bool:
    """Return True if a file's name is that of a checkpoint."""
    return name.lower().endswith(CHECKPOINT_SUFFIXES)


def is_of_the_class(name: str) -> bool:
    """Return True for a file beside the hand-ins that is nobody's: a table of the class, its assignment, a README."""
    return name.lower() in _OF_THE_CLASS or name.lower().endswith(_TABLES)


def label_of(name: str) -> str:
    """Return a file's name without the suffix of its kind.

    >>> label_of("dan.tar.xz"), label_of("gil.zip.part"), label_of("eve.pt"), label_of("j.doe")
    ('dan', 'gil', 'eve', 'j.doe')
    """
    name = _finished(name)
    if is_archive(name):
        return stem(name) or name
    lower = name.lower()
    for suffix in (*_PACKED, *CHECKPOINT_SUFFIXES, *_DOCUMENTS):
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return name[: -len(suffix)]
    return name


def kind_of(name: str) -> str:
    """Describe a file that is no submission by its name, with an article."""
    if _finished(name.lower()) != name.lower():
        return "a download or copy that was interrupted"
    if is_checkpoint(name):
        return "a checkpoint alone"
    if is_archive(name):
        return "an archive"
    if is_packed(name):
        return "an archive of a kind that can't be unpacked"
    return _DOCUMENTS.get(PurePosixPath(name.lower()).suffix, "a single file")


def _finished(name: str) -> str:
    for suffix in _UNFINISHED:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name
