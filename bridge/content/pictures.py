"""A picture's size as it is shown, a small copy and a blur of it. Pure but for the work, which belongs into a thread.

Nobody's picture may cost more than some hundred milliseconds and a bounded memory: what is larger, or made to be slow
(many scans, a canvas of gigabytes), keeps its size and goes without a small copy. So does what cannot be read.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass, field

from PIL import Image, ImageOps

from bridge.content.blurhash import blurhash

MOST_BYTES = 16 * 1024 * 1024  # of a file that is looked at
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_MOST = 24_000_000  # pixels that are unpacked: 96 MB
_MOST_SCALED = 120_000_000  # of a JPEG, which is unpacked at an eighth of its size
_MOST_SCANS = 40  # of a progressive JPEG; encoders write ten or so
_SMALL = (800, 600)
_TINY = 32  # pixels, for the blur
Image.MAX_IMAGE_PIXELS = None  # the limits are those above, and no warning


@dataclass(frozen=True, slots=True)
class Picture:
    """In pixels, turned as its EXIF says. ``small`` is the small copy's bytes: None if there is none to be had."""

    width: int
    height: int
    small: bytes | None = field(default=None, repr=False)
    small_mime: str = ""
    small_width: int = 0
    small_height: int = 0
    blurhash: str | None = field(default=None, repr=False)


def readable(mime: str) -> bool:
    """Whether pictures of this type are looked at."""
    return mime in _FORMATS


def look(data: bytes, mime: str) -> Picture | None:
    """What is to be said of a picture; None: it cannot be read."""
    if mime not in _FORMATS or (mime == "image/webp" and _webp_pixels(data) > _MOST):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _look(data, _FORMATS[mime])
    except Exception:  # Pillow raises whatever its many readers meet in a broken file
        return None


def _look(data: bytes, kind: str) -> Picture:
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        width, height = image.size
        turned = _turned(image)
        size = (height, width) if turned else (width, height)
        if not _affordable(image, data, kind):
            return Picture(*size)
        try:
            return _small(image, size)
        except Exception:  # see above
            return Picture(*size)


def _turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # see above
        return False


def _affordable(image: Image.Image, data: bytes, kind: str) -> bool:
    pixels = image.width * image.height
    if kind != "JPEG":
        return pixels <= _MOST
    if image.info.get("progressive") or image.info.get("progression"):
        return pixels <= _MOST and data.count(b"\xff\xda") <= _MOST_SCANS
    return pixels <= _MOST_SCALED


def _small(image: Image.Image, size: tuple[int, int]) -> Picture:
    image.thumbnail(_SMALL if size == image.size else _SMALL[::-1])
    small = ImageOps.exif_transpose(image)
    see_through = small.mode in ("RGBA", "LA", "PA") or "transparency" in small.info
    small = small.convert("RGBA" if see_through else "RGB")
    out = io.BytesIO()
    if see_through:
        small.save(out, "PNG", optimize=False)
    else:
        small.save(out, "JPEG", quality=75)
    mime = "image/png" if see_through else "image/jpeg"
    return Picture(*size, out.getvalue(), mime, *small.size, _blur(small))


def _blur(small: Image.Image) -> str:
    if small.mode == "RGBA":
        white = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(white, small)
    tiny = small.convert("RGB").resize((_TINY, _TINY))
    raw = tiny.tobytes()
    return blurhash(list(zip(raw[::3], raw[1::3], raw[2::3], strict=True)), _TINY, _TINY)


def _webp_pixels(data: bytes) -> int:
    """The canvas of a WebP (RFC 9649, 2.5 to 2.7), before anything makes room for it."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return (1 + int.from_bytes(data[24:27], "little")) * (1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return int((width & 0x3FFF) * (height & 0x3FFF))
    return 0
