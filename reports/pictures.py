"""Pictures of a record as data URIs, so that a page is one file and fetches nothing."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

MAX_BYTES = 4 * 2**20
MAX_SIDE = 4096
_PNG = b"\x89PNG\r\n\x1a\n"
_THUMBNAIL_WIDTH = 320


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


def _embedded(image: Image.Image) -> Picture:
    # Encoded anew: whatever else the file held (text, profiles, trailing bytes) stays behind.
    buffer = io.BytesIO()
    image.info.clear()
    image.save(buffer, format="PNG", compress_level=6)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(uri, *image.size)


def embed(results: Path, file: str) -> Picture | None:
    """The PNG `file`, relative to `results`, whole, in gray levels. None if it can't be shown safely."""
    content = _png(results, file)
    image = None if content is None else _opened(content)
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
    return _embedded(strip.quantize(16, dither=Image.Dither.NONE))
