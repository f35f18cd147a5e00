"""WebP (RFC 9649): its EXIF and XMP chunks pass without a position. Pure."""

from __future__ import annotations

from bridge.content.parsing import Parser, Pass, Take
from bridge.content.positions import tiff, xmp

_RIFF, _HEAD = 12, 8
_MOST = 1024 * 1024  # bytes of a chunk that is looked at
_EXIF = b"Exif\0\0"  # some programs begin the chunk with it


def webp() -> Parser:
    """The chunks of a picture."""
    yield Pass(_RIFF)
    while len(head := (yield Take(_HEAD))) == _HEAD:
        size, kind = int.from_bytes(head[4:], "little"), head[:4]
        padding = size % 2
        if kind not in (b"EXIF", b"XMP ") or size > _MOST:
            yield Pass(size + padding)
            continue
        body = yield Take(size)
        yield _exif(body) if kind == b"EXIF" else xmp.without_position(body)
        yield Pass(padding)


def _exif(body: bytes) -> bytes:
    begun = _EXIF if body.startswith(_EXIF) else b""
    return begun + tiff.without_position(body[len(begun) :])
