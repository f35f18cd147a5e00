"""JPEG (ITU T.81): EXIF, XMP and IPTC segments pass without a position, also those of pictures and films behind it."""

from __future__ import annotations

import re
from collections.abc import Generator

from bridge.content.parsing import Parser, Pass, Step, Take, Until
from bridge.content.positions import iim, tiff, xmp
from bridge.content.positions.boxes import Film, film

_EXIF, _PHOTOSHOP = b"Exif\0\0", b"Photoshop 3.0\0"
_XMP = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_PICTURE_OR_FILM = re.compile(rb"\xff\xd8\xff|\0\0..ftyp", re.DOTALL)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart
_END, _SCAN, _APP1, _APP13 = 0xD9, 0xDA, 0xE1, 0xED
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length


def jpeg() -> Parser:
    """A picture, and whatever a phone puts behind it (gain maps, the film of a motion photo)."""
    while found := (yield Until(_PICTURE_OR_FILM, 8)):
        if found[4:] == b"ftyp":
            yield from film(Film())
            return
        yield Pass(2)
        yield from _segments()


def _segments() -> Parser:
    while True:
        marker = yield Take(2)
        while marker == b"\xff\xff":  # fill bytes
            marker = b"\xff" + (yield Take(1))
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] == _END:
            return
        if marker[1] not in _ALONE and not (yield from _segment(marker[1])):
            return


def _segment(code: int) -> Generator[Step, bytes, bool]:
    """Whether it was whole."""
    head = yield Take(2)
    size = int.from_bytes(head) - 2
    if len(head) < 2 or size < 0:
        return False
    if code in (_APP1, _APP13):
        body = yield Take(size)
        yield _cleaned(body)
        return len(body) == size
    yield Pass(size)
    return code != _SCAN or bool((yield Until(_MARKER, 2)))


def _cleaned(body: bytes) -> bytes:
    if body.startswith(_EXIF):
        return _EXIF + tiff.without_position(body[len(_EXIF) :])
    if body.startswith(_PHOTOSHOP):
        return _PHOTOSHOP + iim.without_position(body[len(_PHOTOSHOP) :])
    name = next((name for name in _XMP if body.startswith(name)), None)
    return body if name is None else name + xmp.without_position(body[len(name) :])
