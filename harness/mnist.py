"""Loads the digits to grade with: MNIST's four IDX files, verified, or the digits that scikit-learn ships, resampled.

The files are LeCun, Cortes and Burges's MNIST in IDX format (http://yann.lecun.com/exdb/mnist/), gzipped or not,
verified by the SHA-256 of their uncompressed bytes. Where they are not available, scikit-learn's 1,797 handwritten
digits (Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49) are resampled to MNIST's frame.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from harness.files import write_atomically
from harness.types import Failure, GradingError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each file's uncompressed bytes."""
MNIST = hashlib.sha256("\n".join(FILES.values()).encode()).hexdigest()
"""Digest of MNIST (`Digits.digest`)."""
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
"""Addresses that `<name>.gz` is downloaded from, tried in this order."""
VARIABLE = "GRADEBENCH_DATA"
"""Environment variable that names a directory with the four files."""

SIDE = 28
RESAMPLING = "lanczos3-20-stretch-0.1-0.9-v1"
"""Version of how `embedded` resamples and splits; part of its digest, and changed whenever either changes."""
_EMBEDDED_TEST = 500
_EMBEDDED_SEED = 1797
MAX_FILE_BYTES = 64 << 20
"""Maximum size of a file, compressed or not; MNIST's largest has 47,040,016 bytes."""

OnProgress = Callable[[str, int, int], None]
"""Called during a download with the file's name, the bytes received, and the bytes expected (0 if unknown)."""


@dataclass(frozen=True)
class Split:
    """Images and their labels."""

    images: NDArray[np.float32]
    """(N, 1, 28, 28), in [0, 1]; ink is 1."""
    labels: NDArray[np.int64]
    """(N,), 0 to 9."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Digits:
    """A training and a test set, and their origin.

    The digest is known before anything is read: only files with the published digests are ever taken for MNIST.
    """

    name: Literal["mnist", "digits"]
    digest: str
    """SHA-256, hexadecimal, of the four files' digests, or of the embedded pixels, labels and `RESAMPLING`."""
    source: str
    """A sentence for people about where the digits came from."""
    read: Callable[[], tuple[Split, Split]] = field(repr=False, compare=False)
    """Reads the training and the test set. Raises DataError for a file that is not the one that `digest` is of."""

    @property
    def train(self) -> Split:
        """The training set, read at the first use of either set."""
        return self._splits[0]

    @property
    def test(self) -> Split:
        """The test set, read at the first use of either set."""
        return self._splits[1]

    @cached_property
    def _splits(self) -> tuple[Split, Split]:
        return self.read()


@dataclass(frozen=True)
class Place:
    """A row of `gradebench data status`: a place that digits can come from."""

    name: Literal["directory", "environment", "cache", "embedded"]
    path: str
    """The directory; empty where there is none."""
    state: Literal["verified", "damaged", "incomplete", "absent"]
    detail: str
    """A sentence about what was found."""
    used: bool
    """True if `load` would take the digits from here."""


class DataError(GradingError):
    """Raised where a data file is missing, damaged or a different one: the environment's fault, not a submission's."""

    def __init__(self, kind: str, message: str, found: str = "", expected: str = "") -> None:
        detail = f"SHA-256 found:    {found}\nSHA-256 expected: {expected}" if expected else ""
        super().__init__(Failure("data", kind, message, "harness", detail))
        self.found = found
        """SHA-256 of the bytes found; empty where there were none."""
        self.expected = expected
        """SHA-256 of the right file."""


def load(directory: Path | None = None, *, download: bool = False, on_progress: OnProgress | None = None) -> Digits:
    """Loads the digits from `directory`, else $GRADEBENCH_DATA, the cache, a download if allowed, or `embedded`.

    Raises
    ------
    DataError
        where a directory that was named, by argument or environment, lacks a file, or where a file there or in the
        cache isn't MNIST's. No other place is used silently instead.
    """
    digits = locate(directory, download=download, on_progress=on_progress)
    _ = digits.train
    return digits


def locate(directory: Path | None = None, *, download: bool = False, on_progress: OnProgress | None = None) -> Digits:
    """Finds the digits as `load` does, but reads and verifies MNIST's files only when its images or labels are used.

    Raises
    ------
    DataError
        where a directory that was named, by argument or environment, lacks a file. A file that isn't MNIST's is found
        out at its use.
    """
    if directory is not None:
        return _located(directory.expanduser(), "MNIST, from the directory that was given.")
    if named := os.environ.get(VARIABLE):
        return _located(Path(named).expanduser(), f"MNIST, from the directory that ${VARIABLE} names.")
    missing = _missing(cache())
    if not missing:
        return _located(cache(), "MNIST, from the cache.")
    why = "it was not found"
    if 0 < len(missing) < len(FILES):
        why = f"the cache lacks {' and '.join(missing)}"
    if download:
        try:
            fetch(on_progress)
        except DataError as error:
            why = f"it could not be downloaded ({error.failure.message.rstrip('.')})"
        else:
            return _located(cache(), "MNIST, downloaded and kept in the cache.")
    return embedded(f"MNIST was not used: {why}.")


def cache() -> Path:
    """The directory that `fetch` keeps MNIST in, below the user's cache directory by the platform's convention."""
    import pooch

    return Path(pooch.os_cache("gradebench")) / "mnist"


def fetch(on_progress: OnProgress | None = None) -> Path:
    """Downloads MNIST into the cache, and returns the cache's directory.

    Files that are there and right are kept, and damaged ones are replaced. A file is written only after its bytes were
    verified.

    Raises
    ------
    DataError
        where no mirror sent the right file; the message says what each of them sent.
    """
    target = cache()
    target.mkdir(parents=True, exist_ok=True)
    for name, expected in FILES.items():
        found = _find(target, name)
        if found is not None and hashlib.sha256(_content(found)).hexdigest() == expected:
            continue
        place = target / f"{name}.gz"
        _download(name, expected, place, on_progress)
        if found is not None and found != place:
            found.unlink()
    return target


def status(directory: Path | None = None) -> list[Place]:
    """Verifies every place that digits can come from, in the order in which `load` tries them."""
    named = os.environ.get(VARIABLE)
    places: list[tuple[Literal["directory", "environment", "cache"], Path | None, str]] = [
        ("directory", directory, "No directory was given."),
        ("environment", Path(named) if named else None, f"${VARIABLE} is not set."),
        ("cache", cache(), ""),
    ]
    rows: list[Place] = []
    taken = False
    for name, path, absent in places:
        if path is None:
            rows.append(Place(name, "", "absent", absent, False))
            continue
        state, detail = _state(path.expanduser())
        # A named directory is used or is an error, and so is a cache with all four files.
        used = not taken and (name != "cache" or state in {"verified", "damaged"})
        taken = taken or used
        rows.append(Place(name, str(path), state, detail, used))
    detail = "The 1,797 handwritten digits of scikit-learn, resampled to MNIST's frame; not MNIST."
    return [*rows, Place("embedded", "", "verified", detail, not taken)]


def embedded(why: str = "") -> Digits:
    """Resamples the digits that scikit-learn ships to MNIST's frame: 1,297 to train and 500 to test, stratified.

    Each 8 x 8 image is enlarged to MNIST's 20 x 20 box by Lanczos resampling. Its contrast is stretched so that the
    faintest tenth of its range becomes 0 and the darkest tenth 1, and the box is placed so that its centre of mass lies
    at MNIST's, pixel (14, 14). Pixels are multiples of 1/255, as MNIST's are.

    Parameters
    ----------
    why : a sentence about why these digits are used, appended to `source`
    """
    coarse, labels = _coarse()
    pixels = np.stack([_centred(_stretched(_enlarged(image))) for image in coarse])  # (1797, 28, 28) uint8
    train, test = _stratified(labels)
    digest = hashlib.sha256(RESAMPLING.encode())
    for array in (pixels[train], labels[train], pixels[test], labels[test]):
        digest.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes())
    splits = Split(_images(pixels[train]), labels[train]), Split(_images(pixels[test]), labels[test])
    source = "Not MNIST: the 1,797 handwritten digits that scikit-learn ships, resampled to MNIST's frame."
    return Digits("digits", digest.hexdigest(), f"{source} {why}".rstrip(), lambda: splits)


def _coarse() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The images (1797, 8, 8), 0 to 16, and labels (1797,) that `sklearn.datasets.load_digits` gives.

    They are read from scikit-learn's file, since the import of scikit-learn takes longer than all else that is done
    with them.
    """
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("missing-file", "The digits of scikit-learn were not found: scikit-learn is not installed.")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",")  # (1797, 65): 64 gray values and the label
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int64)


def _enlarged(image: NDArray[np.float64], side: int = 20, lobes: int = 3) -> NDArray[np.float64]:
    """Resamples a square image to `side` x `side` by Lanczos (Duchon 1979); weights at the border sum to one."""
    weights = _lanczos(image.shape[0], side, lobes)
    result: NDArray[np.float64] = weights @ image @ weights.T
    return result


@lru_cache
def _lanczos(width: int, side: int, lobes: int) -> NDArray[np.float64]:
    """The weights (side, width) of the old pixels in each new one."""
    centres = (np.arange(side) + 0.5) * width / side - 0.5
    distance = centres[:, None] - np.arange(width)[None, :]  # (side, width)
    weights: NDArray[np.float64] = np.sinc(distance) * np.sinc(distance / lobes) * (np.abs(distance) < lobes)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _stretched(image: NDArray[np.float64], paper: float = 0.1, ink: float = 0.9) -> NDArray[np.uint8]:
    """Stretches values from `paper` to `ink`, as shares of the largest one, over 0 to 255."""
    share = (image / image.max() - paper) / (ink - paper)
    pixels: NDArray[np.uint8] = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    return pixels


def _centred(box: NDArray[np.uint8], centre: int = SIDE // 2) -> NDArray[np.uint8]:
    """Places `box` in a 28 x 28 frame, its centre of mass within half a pixel of `centre` if the frame allows."""
    side = box.shape[0]
    # Integer sums, so that no machine rounds an exact half another way.
    weight = int(box.sum(dtype=np.int64))
    corner = []
    for axis in (1, 0):
        moment = int((box.sum(axis=axis, dtype=np.int64) * np.arange(side)).sum())
        corner.append(min(max((2 * (centre * weight - moment) + weight) // (2 * weight), 0), SIDE - side))
    frame = np.zeros((SIDE, SIDE), np.uint8)
    top, left = corner
    frame[top : top + side, left : left + side] = box
    return frame


def _stratified(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers to train and to test on, shuffled; each class has its share of the test rows, to within one."""
    # The raw stream of PCG64 never changes, which numpy doesn't promise for its permutations.
    key = np.random.PCG64(_EMBEDDED_SEED).random_raw(len(labels))
    by_class = np.lexsort((key, labels))
    picked = (np.arange(_EMBEDDED_TEST) * 2 + 1) * len(labels) // (2 * _EMBEDDED_TEST)
    is_test = np.zeros(len(labels), bool)
    is_test[by_class[picked]] = True
    shuffled = np.argsort(key, kind="stable")
    return shuffled[~is_test[shuffled]], shuffled[is_test[shuffled]]


def _images(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts pixels (N, 28, 28), 0 to 255, to images (N, 1, 28, 28), float32 in [0, 1]."""
    images: NDArray[np.float32] = np.divide(pixels.reshape(-1, 1, SIDE, SIDE), np.float32(255), dtype=np.float32)
    return images


def _located(directory: Path, source: str) -> Digits:
    """MNIST in a directory; DataError for the first file that is missing."""
    for name in FILES:
        _present(directory, name)
    return Digits("mnist", MNIST, source, partial(_read, directory))


def _read(directory: Path) -> tuple[Split, Split]:
    """Reads MNIST from a directory; DataError for the first file that is missing or wrong."""
    contents = {name: _verified(directory, name) for name in FILES}
    train, test = (
        Split(
            _images(_idx(contents[f"{part}-images-idx3-ubyte"], 3)),
            _idx(contents[f"{part}-labels-idx1-ubyte"], 1).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return train, test


def _idx(content: bytes, dimensions: int) -> NDArray[np.uint8]:
    """Parses an IDX file of unsigned bytes: magic 0x0000 08 d, d big-endian sizes, then the values."""
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    values: NDArray[np.uint8] = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    return values


def _find(directory: Path, name: str) -> Path | None:
    """Finds the file `name`, spelled as published or with a dot before "idx", gzipped or not."""
    dotted = name.replace("-idx", ".idx")
    for folder in (directory, directory / "MNIST" / "raw"):
        for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
            if (folder / candidate).is_file():
                return folder / candidate
    return None


def _missing(directory: Path) -> list[str]:
    return [name for name in FILES if _find(directory, name) is None]


def _content(path: Path) -> bytes:
    """The uncompressed bytes of a file, at most `MAX_FILE_BYTES`; empty where it can't be read or unpacked."""
    try:
        with path.open("rb") as file:
            return _unpacked(file) if path.suffix == ".gz" else file.read(MAX_FILE_BYTES)
    except OSError:
        return b""


def _unpacked(file: BinaryIO) -> bytes:
    """The uncompressed bytes of a gzip file, at most `MAX_FILE_BYTES`; empty where it can't be unpacked."""
    try:
        with gzip.open(file) as plain:
            return plain.read(MAX_FILE_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _present(directory: Path, name: str) -> Path:
    """The path of one of the four files; DataError where it is missing."""
    path = _find(directory, name)
    if path is None:
        where = f"has no file {name} or {name}.gz" if directory.is_dir() else "is not a directory"
        raise DataError("missing-file", f"{directory} {where}.", expected=FILES[name])
    return path


def _verified(directory: Path, name: str) -> bytes:
    """Reads the uncompressed bytes of one of the four files; DataError where it is missing or has another SHA-256."""
    path = _present(directory, name)
    content = _content(path)
    found = hashlib.sha256(content).hexdigest() if content else ""
    if found == FILES[name]:
        return content
    wanted = f"SHA-256 {FILES[name][:12]}… uncompressed"
    if found in FILES.values():
        other = next(key for key, value in FILES.items() if value == found)
        message = f"{path} holds the wrong file: it is {other}. Replace it by {name}, {wanted}."
        raise DataError("wrong-file", message, found, FILES[name])
    what = f"has SHA-256 {found[:12]}… uncompressed" if found else "can't be read or unpacked (incomplete?)"
    message = f"{path} is damaged or not MNIST's: it {what}, not {wanted}. Replace it."
    raise DataError("damaged-file", message, found, FILES[name])


def _state(directory: Path) -> tuple[Literal["verified", "damaged", "incomplete", "absent"], str]:
    missing = _missing(directory)
    if len(missing) == len(FILES):
        return "absent", "None of the four files was found."
    if missing:
        return "incomplete", f"Missing: {', '.join(missing)}."
    for name in FILES:
        try:
            _verified(directory, name)
        except DataError as error:
            return "damaged", error.failure.message
    return "verified", "All four files have the SHA-256 of MNIST's."


class _Received(io.BytesIO):
    """The file and the progress bar that pooch writes a download to; OSError for one of over `MAX_FILE_BYTES`."""

    def __init__(self, name: str, on_progress: OnProgress | None) -> None:
        super().__init__()
        self.name, self.on_progress = name, on_progress
        self.total = 0

    def write(self, chunk: Buffer) -> int:
        count = super().write(chunk)
        if self.tell() > MAX_FILE_BYTES:
            raise OSError(f"more than {MAX_FILE_BYTES} bytes were sent")
        if self.on_progress is not None:
            self.on_progress(self.name, self.tell(), max(self.total, 0))
        return count

    # pooch's interface of a progress bar; `write` reports the progress instead.
    def update(self, count: int) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


def _download(name: str, expected: str, place: Path, on_progress: OnProgress | None) -> None:
    """Downloads `<name>.gz` to `place` from the first mirror that sends the right file; DataError where none does."""
    import pooch

    tried: list[str] = []
    for mirror in MIRRORS:
        received = _Received(name, on_progress)
        try:
            pooch.HTTPDownloader(progressbar=received, timeout=30)(f"{mirror}{name}.gz", received, None)
            found = hashlib.sha256(_unpacked(io.BytesIO(received.getvalue()))).hexdigest()
            if found == expected:
                write_atomically(place, received.getvalue())
                return
            tried.append(f"{mirror}: a file with SHA-256 {found[:12]}… uncompressed")
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            tried.append(f"{mirror}: {type(error).__name__}")
    message = f"{name} could not be downloaded from any mirror ({'; '.join(tried)})."
    raise DataError("no-mirror", message, expected=expected)
