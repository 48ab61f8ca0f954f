"""Pictures of a record as data URIs, so that a page is one file and fetches nothing."""

from __future__ import annotations

import base64
import io
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

MAX_BYTES = 4 * 2**20
MAX_SIDE = 4096
_PNG = b"\x89PNG\r\n\x1a\n"
_THUMBNAIL_WIDTH = 320
_TO_LEVEL = [(gray + 8) // 17 for gray in range(256)]
"""The nearest of 16 equally spaced gray levels."""


@dataclass(frozen=True)
class Picture:
    """A picture to show: `uri` starts with "data:image/png;base64,"; width and height in pixels."""

    uri: str
    width: int
    height: int


def _png(results: Path, file: str) -> bytes | None:
    """The bytes of a PNG below `results`, or None: absent, elsewhere, not a regular file, too large, not a PNG."""
    relative = PurePosixPath(file.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or "\0" in file:
        return None
    try:
        path = (results / relative).resolve(strict=True)
        if not path.is_relative_to(results.resolve()) or not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        content = path.read_bytes()
    except (OSError, ValueError):  # ValueError: a name that the file system can't encode
        return None
    return content if content.startswith(_PNG) and len(content) <= MAX_BYTES else None


def _opened(content: bytes) -> Image.Image | None:
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        if max(image.size) > MAX_SIDE or min(image.size) < 1:
            return None
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return image


def _bare(content: bytes) -> Picture | None:
    """A PNG of gray levels with its pixels alone, as they are compressed; None for any other PNG, or a damaged one.

    That the pixels are complete and nothing follows them is checked, so that no further byte of the file is passed on.
    """
    chunks, at = {b"IHDR": b"", b"IDAT": b""}, len(_PNG)
    while at + 12 <= len(content):
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + length]
        if len(data) != length or zlib.crc32(name + data) != int.from_bytes(content[at + 8 + length :][:4], "big"):
            return None
        if name in chunks:
            chunks[name] += data
        at += 12 + length
    header = chunks[b"IHDR"]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    # 8 bits, gray, the only compression, the only filters, not interlaced.
    if header[8:] != b"\x08\0\0\0\0" or not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        return None
    inflating, size = zlib.decompressobj(), height * (width + 1)
    try:
        pixels = inflating.decompress(chunks[b"IDAT"], size + 1)
    except zlib.error:
        return None
    if len(pixels) != size or not inflating.eof or inflating.unused_data or max(pixels[:: width + 1]) > 4:
        return None
    parts = [_PNG]
    for name, data in (*chunks.items(), (b"IEND", b"")):
        parts += [len(data).to_bytes(4, "big"), name, data, zlib.crc32(name + data).to_bytes(4, "big")]
    return Picture(_uri(b"".join(parts)), width, height)


def _uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _embedded(image: Image.Image) -> Picture:
    # Encoded anew: whatever else the file held (text, profiles, trailing bytes) stays behind.
    buffer = io.BytesIO()
    image.info.clear()
    image.save(buffer, format="PNG", compress_level=6)
    return Picture(_uri(buffer.getvalue()), *image.size)


def embed(results: Path, file: str) -> Picture | None:
    """The PNG `file`, relative to `results`, whole, in gray levels. None if it can't be shown safely."""
    content = _png(results, file)
    if content is None:
        return None
    if (bare := _bare(content)) is not None:
        return bare
    image = _opened(content)
    return None if image is None else _embedded(image.convert("L"))


def thumbnail(results: Path, file: str, part: tuple[float, float]) -> Picture | None:
    """A strip of the PNG, at most 320 pixels wide, in 16 gray levels. None if it can't be shown safely.

    `part`: where the strip begins and ends, as shares of the height.
    """
    content = _png(results, file)
    image = None if content is None else _opened(content)
    if image is None:
        return None
    top = min(round(image.height * part[0]), image.height - 1)
    strip = image.convert("L").crop((0, top, image.width, max(top + 1, round(image.height * part[1]))))
    if strip.width > _THUMBNAIL_WIDTH:
        height = max(1, round(strip.height * _THUMBNAIL_WIDTH / strip.width))
        strip = strip.resize((_THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS)
    levels = Image.frombytes("P", strip.size, strip.point(_TO_LEVEL).tobytes())
    levels.putpalette([gray for level in range(16) for gray in (17 * level,) * 3])
    return _embedded(levels)
