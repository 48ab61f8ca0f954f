"""Tests the order of the places that digits come from, verification, downloads, and the embedded digits."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness import mnist
from harness.mnist import DataError

NAMES = list(mnist.FILES)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files in MNIST's format, whose hashes replace MNIST's."""
    generator = np.random.default_rng(3)
    made = {}
    for part, n in (("train", 20), ("t10k", 7)):
        made[f"{part}-images-idx3-ubyte"] = idx(generator.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        made[f"{part}-labels-idx1-ubyte"] = idx(generator.integers(0, 10, n, dtype=np.uint8))
    monkeypatch.setattr(mnist, "FILES", {name: hashlib.sha256(made[name]).hexdigest() for name in NAMES})
    return made


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes the data directory from the environment, and gives the test a cache of its own."""
    monkeypatch.delenv(mnist.VARIABLE, raising=False)
    monkeypatch.setattr(mnist, "cache", lambda: tmp_path / "cache")


def put(directory: Path, contents: dict[str, bytes], packed: bool = True) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if packed:
            (directory / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (directory / name).write_bytes(content)
    return directory


def test_pixels_and_labels_equal_those_in_the_files(tmp_path: Path, contents: dict[str, bytes]) -> None:
    digits = mnist.load(put(tmp_path / "d", contents))
    raw = np.frombuffer(contents["t10k-images-idx3-ubyte"][16:], np.uint8).reshape(7, 1, 28, 28)
    assert digits.name == "mnist"
    assert digits.test.images.dtype == np.float32 and digits.test.labels.dtype == np.int64
    np.testing.assert_array_equal(np.rint(digits.test.images * 255).astype(np.uint8), raw)
    assert digits.train.labels.tolist() == list(contents["train-labels-idx1-ubyte"][8:])
    assert len(digits.train) == 20 and len(digits.test) == 7


@pytest.mark.parametrize("spelling", ["{}", "{}.gz", "dotted", "dotted.gz", "MNIST/raw"])
def test_every_usual_spelling_of_the_names_is_found(tmp_path: Path, contents: dict[str, bytes], spelling: str) -> None:
    folder = tmp_path / "d" / ("MNIST/raw" if spelling == "MNIST/raw" else "")
    folder.mkdir(parents=True)
    for name, content in contents.items():
        shown = name.replace("-idx", ".idx") if "dotted" in spelling else name
        if spelling.endswith(".gz"):
            (folder / f"{shown}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / shown).write_bytes(content)
    assert len(mnist.load(tmp_path / "d").test) == 7


def test_the_digest_does_not_depend_on_compression(tmp_path: Path, contents: dict[str, bytes]) -> None:
    packed = mnist.load(put(tmp_path / "a", contents))
    plain = mnist.load(put(tmp_path / "b", contents, packed=False))
    assert packed.digest == plain.digest != mnist.embedded().digest


def test_the_error_for_a_wrong_hash_names_the_file(tmp_path: Path, contents: dict[str, bytes]) -> None:
    damaged = bytearray(contents["t10k-images-idx3-ubyte"])
    damaged[500] ^= 1
    directory = put(tmp_path / "d", contents | {"t10k-images-idx3-ubyte": bytes(damaged)})
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz is damaged") as caught:
        mnist.load(directory)
    assert caught.value.found == hashlib.sha256(damaged).hexdigest()
    assert caught.value.expected == mnist.FILES["t10k-images-idx3-ubyte"]
    assert caught.value.failure.fault == "harness" and caught.value.failure.kind == "damaged-file"


def test_digits_that_are_located_are_verified_when_they_are_used(tmp_path: Path, contents: dict[str, bytes]) -> None:
    directory = put(tmp_path / "d", contents)
    expected = mnist.load(directory)
    located = mnist.locate(directory)
    assert (located.name, located.digest, located.source) == (expected.name, expected.digest, expected.source)
    np.testing.assert_array_equal(located.train.images, expected.train.images)
    assert located.test is located.test
    (directory / f"{NAMES[0]}.gz").write_bytes(b"damaged")
    assert mnist.locate(directory).digest == expected.digest
    for part in ("train", "test"):
        with pytest.raises(DataError, match=f"{NAMES[0]}.gz is damaged"):
            getattr(mnist.locate(directory), part)
    (directory / f"{NAMES[0]}.gz").unlink()
    with pytest.raises(DataError, match=f"has no file {NAMES[0]}"):
        mnist.locate(directory)


def test_embedded_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    images, labels = mnist._coarse()
    np.testing.assert_array_equal(images, load_digits().images)
    np.testing.assert_array_equal(labels, load_digits().target)


def test_the_error_for_a_truncated_gzip_names_the_file(tmp_path: Path, contents: dict[str, bytes]) -> None:
    directory = put(tmp_path / "d", contents)
    path = directory / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz .* can't be read or unpacked"):
        mnist.load(directory)


def test_a_gzip_bomb_is_read_only_up_to_the_limit(
    tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MAX_FILE_BYTES", 1 << 20)
    directory = put(tmp_path / "d", contents)
    (directory / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    with pytest.raises(DataError) as caught:
        mnist.load(directory)
    assert caught.value.found == hashlib.sha256(bytes(1 << 20)).hexdigest()


def test_a_file_in_place_of_another_is_recognised(tmp_path: Path, contents: dict[str, bytes]) -> None:
    swapped = contents | {"t10k-labels-idx1-ubyte": contents["train-labels-idx1-ubyte"]}
    with pytest.raises(DataError, match="it is train-labels-idx1-ubyte") as caught:
        mnist.load(put(tmp_path / "d", swapped))
    assert caught.value.failure.kind == "wrong-file"


def test_a_missing_file_in_a_named_directory_is_never_replaced_by_another_place(
    tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "cache", contents)
    directory = put(tmp_path / "d", contents)
    (directory / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="has no file train-images-idx3-ubyte"):
        mnist.load(directory)
    monkeypatch.setenv(mnist.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="is not a directory"):
        mnist.load()


def test_the_places_are_tried_in_order(
    tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mnist.load().name == "digits"
    put(tmp_path / "cache", contents)
    assert mnist.load().source.endswith("from the cache.")
    monkeypatch.setenv(mnist.VARIABLE, str(put(tmp_path / "env", contents)))
    assert mnist.VARIABLE in mnist.load().source
    assert "was given" in mnist.load(put(tmp_path / "d", contents)).source
    rows = {row.name: row for row in mnist.status(tmp_path / "d")}
    assert [name for name, row in rows.items() if row.used] == ["directory"]
    assert {name: row.state for name, row in rows.items()} == dict.fromkeys(rows, "verified")


def test_a_damaged_cache_is_an_error_and_an_incomplete_one_is_reported(
    tmp_path: Path, contents: dict[str, bytes]
) -> None:
    cache = put(tmp_path / "cache", contents)
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    digits = mnist.load()
    assert digits.name == "digits" and "lacks t10k-labels-idx1-ubyte" in digits.source
    assert [(row.name, row.state) for row in mnist.status()][2] == ("cache", "incomplete")
    (cache / "t10k-labels-idx1-ubyte.gz").write_bytes(b"junk")
    with pytest.raises(DataError, match="t10k-labels"):
        mnist.load()
    assert mnist.status()[2].state == "damaged" and mnist.status()[2].used


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A web server on this machine: its folder, its address, and the paths requested so far."""
    folder, asked = tmp_path / "www", []
    folder.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path = folder / self.path.lstrip("/")
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if path.is_file() else 404)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def test_a_download_keeps_the_first_right_file(
    tmp_path: Path,
    contents: dict[str, bytes],
    mirror: tuple[Path, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address, asked = mirror
    put(folder / "bad", dict.fromkeys(contents, b"not MNIST"))
    put(folder / "good", contents)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}gone/", f"{address}bad/", f"{address}good/"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    seen: dict[str, tuple[int, int]] = {}
    digits = mnist.load(download=True, on_progress=lambda name, done, total: seen.update({name: (done, total)}))
    assert digits.name == "mnist" and "downloaded" in digits.source
    packed = (folder / "good" / f"{NAMES[0]}.gz").stat().st_size
    assert seen[NAMES[0]] == (packed, packed)
    assert sorted(os.listdir(tmp_path / "cache")) == sorted(f"{name}.gz" for name in NAMES)
    asked.clear()
    (tmp_path / "cache" / f"{NAMES[1]}.gz").write_bytes(b"damaged meanwhile")
    mnist.fetch()
    assert asked == [f"/{part}/{NAMES[1]}.gz" for part in ("gone", "bad", "good")]
    assert mnist.load().name == "mnist"


def test_a_failed_download_leaves_nothing_and_falls_back_with_a_reason(
    tmp_path: Path,
    contents: dict[str, bytes],
    mirror: tuple[Path, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address, _ = mirror
    put(folder, dict.fromkeys(contents, b"not MNIST"))
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    digits = mnist.load(download=True)
    assert digits.name == "digits" and "could not be downloaded" in digits.source
    assert os.listdir(tmp_path / "cache") == []
    with pytest.raises(DataError, match="could not be downloaded from any mirror"):
        mnist.fetch()


def test_a_download_over_the_limit_is_stopped(
    tmp_path: Path,
    contents: dict[str, bytes],
    mirror: tuple[Path, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address, _ = mirror
    put(folder, contents)
    (folder / f"{NAMES[0]}.gz").write_bytes(os.urandom(200_000))
    monkeypatch.setattr(mnist, "MAX_FILE_BYTES", 60_000)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match="OSError"):
        mnist.fetch()


def test_embedded_digits_never_change() -> None:
    digits, again = mnist.embedded(), mnist.embedded("No network.")
    assert digits.digest == "043ef4e87d7c0a7f06b0bee1d96acdc40f9b7ccd5270727c290b54c27f1d842e"
    assert digits.digest == again.digest and again.source.endswith("No network.")
    np.testing.assert_array_equal(digits.test.images, again.test.images)


def test_embedded_digits_lie_in_mnists_frame() -> None:
    digits = mnist.embedded()
    assert digits.name == "digits"
    for split, n in ((digits.train, 1297), (digits.test, 500)):
        assert split.images.shape == (n, 1, 28, 28) and split.images.dtype == np.float32
        assert split.labels.shape == (n,) and split.labels.dtype == np.int64
        assert split.images.min() == 0
        assert (split.images.max(axis=(1, 2, 3)) == 1).all()
        images = split.images[:, 0].astype(np.float64)
        mass = images.sum(axis=(1, 2))
        rows = (images.sum(axis=2) * np.arange(28)).sum(axis=1) / mass
        columns = (images.sum(axis=1) * np.arange(28)).sum(axis=1) / mass
        # MNIST's own test images have their centre of mass at 13.99 and 14.01 on average, none past 13.5 and 14.5.
        assert rows.min() >= 13.5 and rows.max() <= 14.5
        assert columns.min() >= 13.5 and columns.max() <= 14.5
        # All ink lies in a box of 20 by 20.
        assert max(np.ptp(np.flatnonzero(image.any(axis=1))) for image in images) < 20
        assert max(np.ptp(np.flatnonzero(image.any(axis=0))) for image in images) < 20


def test_embedded_digits_are_upright_and_correctly_labelled() -> None:
    """The mean image of each class resembles the source's more than any mirror image or rotation of it."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    source, labels = load_digits(return_X_y=True)
    coarse = np.stack([source[labels == digit].mean(axis=0) for digit in range(10)]).reshape(10, 8, 8)
    digits = mnist.embedded()
    means = np.stack([digits.test.images[digits.test.labels == digit, 0].mean(axis=0) for digit in range(10)])
    means = means[:, 2:26, 2:26].reshape(10, 8, 3, 8, 3).mean(axis=(2, 4))
    turned = [np.rot90(flip, turns, axes=(1, 2)) for flip in (coarse, coarse[:, :, ::-1]) for turns in range(4)]
    resemblance = [np.corrcoef(means.ravel(), each.ravel())[0, 1] for each in turned]
    assert resemblance[0] > max(resemblance[1:]) + 0.1
    neighbour = KNeighborsClassifier(1).fit(digits.train.images.reshape(-1, 784), digits.train.labels)
    assert neighbour.score(digits.test.images.reshape(-1, 784), digits.test.labels) > 0.95


def test_embedded_split_is_stratified_and_disjoint() -> None:
    digits = mnist.embedded()
    share = np.bincount(digits.test.labels) / (np.bincount(digits.train.labels) + np.bincount(digits.test.labels))
    assert np.abs(share - 500 / 1797).max() < 0.01
    train = {image.tobytes() for image in digits.train.images}
    assert not train & {image.tobytes() for image in digits.test.images}
    assert np.bincount(digits.test.labels[:100]).max() < 25, "shuffled, not in order of the classes"


def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = REAL
    if not directory:
        pytest.skip("GRADEBENCH_DATA is not set")
    digits = mnist.load(Path(directory))
    assert digits.train.images.shape == (60_000, 1, 28, 28) and digits.test.images.shape == (10_000, 1, 28, 28)
    assert digits.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    # The published mean and standard deviation of the training pixels.
    assert digits.train.images.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert digits.train.images.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    assert np.bincount(digits.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


REAL = os.environ.get(mnist.VARIABLE)
