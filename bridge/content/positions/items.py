"""Where a picture of ISO 23008-12 (HEIC, AVIF) keeps EXIF and XMP: ``iinf`` names items, ``iloc`` places them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.content.positions import tiff, xmp

_HEAD = 8
_MOST = 64  # items with EXIF or XMP; pictures have one of each
_EXIF, _XMP = b"Exif", b"mime"


@dataclass(frozen=True, slots=True)
class Extent:
    """Some bytes of an item: counted from the begin of the file, or of the content of ``meta``."""

    kind: bytes
    start: int
    size: int


@dataclass(slots=True)
class Items:
    """The items with EXIF or XMP."""

    inside: list[Extent] = field(default_factory=list)
    outside: list[Extent] = field(default_factory=list)


class _Reader:
    """Numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, size: int) -> int:
        if self._at + size > len(self._data):
            raise ValueError
        self._at += size
        return int.from_bytes(self._data[self._at - size : self._at])


def cleaned(kind: bytes, item: bytes) -> bytes:
    """An item without a position, of the same length."""
    if kind == _XMP:
        return xmp.without_position(item)
    start = 4 + int.from_bytes(item[:4])  # where the TIFF begins
    return item[:start] + tiff.without_position(item[start:]) if start < len(item) else item


def items(meta: bytes) -> Items:
    """What the content of a ``meta`` box says. Raises ValueError if it is torn."""
    boxes = {kind: (start, end) for kind, start, end in within(meta, 4, len(meta))}
    found = Items()
    if b"iinf" not in boxes or b"iloc" not in boxes:
        return found
    kinds = dict(_kinds(meta, *boxes[b"iinf"]))
    data = boxes.get(b"idat", (0, 0))[0]
    start, end = boxes[b"iloc"]
    for item, inside, place, size in _places(meta[start:end]):
        if item in kinds and len(found.inside) + len(found.outside) < _MOST:
            (found.inside if inside else found.outside).append(
                Extent(kinds[item], place + (data if inside else 0), size)
            )
    return found


def within(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of each box in a part of a file."""
    while at + _HEAD <= end:
        size = int.from_bytes(body[at : at + 4])
        if size < _HEAD or at + size > end:
            return
        yield body[at + 4 : at + 8], at + _HEAD, at + size
        at += size


def _kinds(meta: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number and kind of each item with EXIF or XMP (``infe``, version 2 or 3)."""
    first = start + (6 if meta[start] == 0 else 8)
    for kind, at, stop in within(meta, first, end):
        wide = 4 if meta[at] == 3 else 2
        name = meta[at + 6 + wide : at + 10 + wide]
        xml = name == _XMP and b"application/rdf+xml" in meta[at:stop]
        if kind == b"infe" and meta[at] >= 2 and (name == _EXIF or xml):
            yield int.from_bytes(meta[at + 4 : at + 4 + wide]), name


def _places(iloc: bytes) -> Iterator[tuple[int, bool, int, int]]:
    """Item, whether it is in ``idat``, begin and size of each extent."""
    read = _Reader(iloc)
    version = read.number(4) >> 24
    sizes = read.number(2)
    wide, long, base_size, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    number = 4 if version == 2 else 2
    for _ in range(read.number(number)):
        item = read.number(number)
        method = read.number(2) & 15 if version in (1, 2) else 0
        read.number(2)  # of the file that it is in: this one
        base = read.number(base_size)
        for _ in range(read.number(2)):
            read.number(index if version in (1, 2) else 0)
            place, size = base + read.number(wide), read.number(long)
            if method in (0, 1):
                yield item, method == 1, place, size
